from pathlib import Path

import numpy as np
import own_strategy  # noqa: F401 - makes SecondTry known
import pytest
from analytic_rows import analytic_item
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from compute_aligned.config import study
from compute_aligned.config.sheets import PaperItem
from compute_aligned.files.errors import InputError
from compute_aligned.paper import analytic_figures, figures, style

FORMS = ["weights_sft", "weights_rl", "support", "rao_blackwell"]


def item_of(form: str) -> PaperItem:
    return analytic_item("figure_x", "figure", form, "A title")


@pytest.fixture(autouse=True)
def sheet(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The strategies that the branch sheet is to hold."""
    strategies = ["SingleSample()", "PassAtN(n=8)"]
    monkeypatch.setattr(study, "strategies_in_use", lambda: strategies)
    return strategies


def draw(form: str) -> Figure:
    return analytic_figures.draw(item_of(form))


def curves(axes: Axes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {
        str(line.get_label()): (np.asarray(line.get_xdata()), np.asarray(line.get_ydata()))
        for line in axes.get_lines()
    }


def titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes]


# --- weight curves --------------------------------------------------------------------------

BY_BUDGET = ["n = 1", "n = 4", "n = 16", "n = 64"]


def test_sft_curves_are_the_textbook_weights_in_a_panel_a_strategy() -> None:
    figure = draw("weights_sft")
    any_of_n, majority, best = map(curves, figure.axes)

    assert titles(figure) == ["Pass@N", "Majority vote, k = ⌊n/2⌋ + 1", "Best-of-N: as Pass@N"]
    for panel in (any_of_n, majority, best):
        assert list(panel) == BY_BUDGET
        np.testing.assert_array_equal(panel["n = 1"][1], 1)
    p, weight = any_of_n["n = 16"]
    np.testing.assert_allclose(weight, 16 * p * (1 - p) ** 15 / (1 - (1 - p) ** 16), rtol=1e-8)
    np.testing.assert_array_equal(best["n = 16"][1], weight)
    p, weight = majority["n = 4"]  # 3 of 4: weight 3 P[3] / (P[3] + P[4]) = 12 (1-p) / (4 - 3p)
    np.testing.assert_allclose(weight, 12 * (1 - p) / (4 - 3 * p), rtol=1e-10)


def test_rl_curves_are_the_textbook_weights_with_thresholds_in_a_panel_of_their_own() -> None:
    figure = draw("weights_rl")
    any_of_n, majority, best, by_threshold = map(curves, figure.axes)

    p, weight = any_of_n["n = 64"]
    np.testing.assert_allclose(weight, 64 * (1 - p) ** 63, rtol=1e-10)
    np.testing.assert_allclose(best["n = 64"][1], 64 * p**63, rtol=1e-10)
    np.testing.assert_allclose(majority["n = 4"][1], 12 * p**2 * (1 - p), rtol=1e-10)
    assert list(by_threshold) == ["n = 1", "k = 6", "k = 16", "k = 24", "k = 33"]
    for k in (6, 16, 24, 33):
        peak = p[np.argmax(by_threshold[f"k = {k}"][1])]
        assert peak == pytest.approx((k - 1) / 63, abs=2e-3)  # the mode of Beta(k, 65 - k)
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "Success probability, p",
        "Success probability, p",
        "Quantile of the reward, q",
        "Success probability, p",
    ]


@pytest.mark.parametrize(
    ("form", "label"),
    [("weights_sft", "SFT weight, d log S / d log p"), ("weights_rl", "RL weight, dS/dp")],
)
def test_weight_axes_are_shared_logarithmic_and_labelled(form: str, label: str) -> None:
    figure = draw(form)

    assert figure.get_supylabel() == label
    for axes in figure.axes:
        assert axes.get_yscale() == "log"
        assert axes.get_ylim() == (0.01, 100)
        assert axes.get_xlim() == (0, 1)


@pytest.mark.parametrize("form", ["weights_sft", "weights_rl"])
@pytest.mark.parametrize("further", [[], ["SecondTry(chance=0.5)", "SecondTry(chance=1.0)"]])
def test_no_legend_lies_on_a_curve(form: str, further: list[str], sheet: list[str]) -> None:
    sheet += further
    figure = draw(form)
    figure.draw_without_rendering()

    for axes in figure.axes:
        legend = axes.get_legend()
        assert legend is not None
        box = legend.get_window_extent()
        for x, y in curves(axes).values():
            points = axes.transData.transform(np.column_stack([x, np.maximum(y, 1e-300)]))
            assert not any(box.contains(*point) for point in points)


@pytest.mark.parametrize("form", ["weights_sft", "weights_rl"])
def test_no_two_curves_of_a_panel_look_the_same_in_colour_or_without(form: str) -> None:
    for axes in draw(form).axes:
        lines = axes.get_lines()
        assert len({to_rgba(line.get_color()) for line in lines}) == len(lines)
        assert len({str(line._unscaled_dash_pattern) for line in lines}) == len(lines)
        assert to_rgba(lines[0].get_color()) == to_rgba(style.BASELINE_COLOUR)


@pytest.mark.parametrize("form", ["weights_sft", "weights_rl"])
def test_a_strategy_of_the_sheet_gets_a_panel_beside_the_papers(
    form: str, sheet: list[str]
) -> None:
    before = titles(draw(form))
    sheet.append("SecondTry(chance=1.0)")
    figure = draw(form)

    assert titles(figure) == [*before, "Further strategies"]
    own = curves(figure.axes[-1])
    p, weight = own["SecondTry(chance=1.0)"]  # the same as Pass@2
    textbook = 2 * (1 - p) / (2 - p) if form == "weights_sft" else 2 * (1 - p)
    np.testing.assert_allclose(weight, textbook, rtol=1e-10)
    assert list(own) == ["n = 1", "SecondTry(chance=1.0)"]


# --- support --------------------------------------------------------------------------------


def test_support_is_shaded_above_and_below_the_weight_of_cross_entropy() -> None:
    figure = draw("support")
    passing, majority = figure.axes

    assert titles(figure) == ["Pass@16", "Majority 4 of 16"]
    above, below = passing.collections
    assert not above.get_paths()  # Pass@N never weighs more than cross-entropy
    assert below.get_paths()
    (above,), (below,) = (band.get_paths() for band in majority.collections)
    assert above.vertices[:, 1].min() == below.vertices[:, 1].max() == 1
    assert above.vertices[:, 0].max() == pytest.approx(below.vertices[:, 0].min(), abs=1e-9)
    assert above.vertices[:, 1].max() == pytest.approx(4, abs=0.02)


def test_the_crossing_is_marked_where_the_shading_changes_and_only_there() -> None:
    passing, majority = draw("support").axes

    assert len(passing.texts) == 0
    (mark,) = majority.texts
    x, y = mark.xy
    assert mark.get_text() == f"p = {x:.2f}"
    assert y == 1
    assert x == pytest.approx(majority.collections[0].get_paths()[0].vertices[:, 0].max(), abs=1e-3)


def test_a_strategy_of_the_sheet_gets_its_own_support_panel(sheet: list[str]) -> None:
    sheet.append("SecondTry(chance=0.5)")
    figure = draw("support")

    assert titles(figure)[2:] == ["SecondTry(chance=0.5)"]
    p, weight = curves(figure.axes[2])["The strategy"]
    np.testing.assert_allclose(weight, (1.5 - p) / (1.5 - 0.5 * p), rtol=1e-10)


# --- the variance example -------------------------------------------------------------------


def test_variances_are_drawn_for_each_budget_on_shared_logarithmic_axes() -> None:
    figure = draw("rao_blackwell")

    assert titles(figure) == ["n = 4", "n = 16", "n = 64"]
    for n, axes in zip((4, 16, 64), figure.axes, strict=True):
        sampled, summed, weighted, averaged = curves(axes).values()
        p = sampled[0]
        once = n * p * (1 - p) ** (n - 1)  # exactly one right draw
        np.testing.assert_allclose(summed[1], once * (1 - once) * (1 - p) ** 2, rtol=1e-9)
        np.testing.assert_allclose(sampled[1], once * (n - once) * (1 - p) ** 2, rtol=1e-9)
        np.testing.assert_allclose(averaged[1] * n, weighted[1])
        assert axes.get_xscale() == axes.get_yscale() == "log"
    assert figure.axes[0].get_ylabel() == "Variance of the estimate\nof dS / d logit"


# --- all of them ----------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
def test_what_is_written_stays_on_the_page_and_apart(form: str) -> None:
    figure = draw(form)
    figure.draw_without_rendering()

    panels = [box for axes in figure.axes if (box := axes.get_tightbbox()) is not None]
    for box in [*panels, *(legend.get_window_extent() for legend in figure.legends)]:
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0
        assert box.y1 <= figure.bbox.y1
    for legend in figure.legends:
        assert not any(legend.get_window_extent().overlaps(box) for box in panels)


@pytest.mark.parametrize("form", FORMS)
def test_a_figure_is_saved_at_page_width_with_the_same_bytes_every_time(
    form: str, tmp_path: Path
) -> None:
    contents = []
    for name in ("first", "second"):
        figure = draw(form)
        figures.save(figure, tmp_path / f"{name}.pdf", tmp_path / f"{name}.png")
        contents.append([(tmp_path / f"{name}.{kind}").read_bytes() for kind in ("pdf", "png")])
        assert figure.get_figwidth() == style.WIDTH

    assert contents[0] == contents[1]


def test_an_unknown_form_names_the_row_and_the_known_forms() -> None:
    with pytest.raises(InputError) as caught:
        draw("weights")
    assert caught.value.where.endswith("paper_items.tsv: figure_x")
    assert ", ".join(FORMS) in caught.value.remedy


def test_a_row_that_holds_no_strategy_is_named(sheet: list[str]) -> None:
    sheet.append("SecondCry(chance=0.5)")
    with pytest.raises(InputError, match="did you mean SecondTry"):
        draw("weights_sft")
