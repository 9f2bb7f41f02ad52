import numpy as np
import pytest
import support.own_strategy  # noqa: F401 - makes SecondTry known
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from paper.paper_parts import STUDY

from compute_aligned.paper import forms, style

FORMS = ["weights_sft", "weights_rl", "support", "rao_blackwell"]
BY_BUDGET = ["n = 1", "n = 4", "n = 16", "n = 64"]
FURTHER = ["SecondTry(chance=0.5)", "SecondTry(chance=1.0)"]


def draw(form: str, *further: str) -> Figure:
    """A figure where the branch sheet has these strategies besides two of the paper's kinds."""
    strategies = ["SingleSample()", "PassAtN(n=8)", *further]
    return forms.FIGURES[form].load()(STUDY.row("figure_support"), strategies)


def curves(axes: Axes) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {
        str(line.get_label()): (np.asarray(line.get_xdata()), np.asarray(line.get_ydata()))
        for line in axes.get_lines()
    }


def titles(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes]


# --- weight curves ----------------------------------------------------------------------------


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
    along = ["Success probability, p"] * 4
    along[2] = "Quantile of the reward, q"
    assert [axes.get_xlabel() for axes in figure.axes] == along


@pytest.mark.parametrize("further", [[], FURTHER], ids=["paper", "further"])
@pytest.mark.parametrize(
    ("form", "label"),
    [("weights_sft", "SFT weight, d log S / d log p"), ("weights_rl", "RL weight, dS/dp")],
)
def test_curves_share_labelled_logarithmic_axes_look_apart_and_lie_under_no_legend(
    form: str, label: str, further: list[str]
) -> None:
    figure = draw(form, *further)
    figure.draw_without_rendering()

    assert figure.get_supylabel() == label
    for axes in figure.axes:
        assert axes.get_yscale() == "log"
        assert (axes.get_xlim(), axes.get_ylim()) == ((0, 1), (0.01, 100))
        lines = axes.get_lines()
        assert len({to_rgba(line.get_color()) for line in lines}) == len(lines)
        assert len({str(line._unscaled_dash_pattern) for line in lines}) == len(lines)
        assert to_rgba(lines[0].get_color()) == to_rgba(style.BASELINE_COLOUR)
        box = axes.get_legend().get_window_extent()
        for x, y in curves(axes).values():
            points = axes.transData.transform(np.column_stack([x, np.maximum(y, 1e-300)]))
            assert not any(box.contains(*point) for point in points)


@pytest.mark.parametrize("form", ["weights_sft", "weights_rl"])
def test_a_strategy_of_the_sheet_gets_a_panel_beside_the_papers(form: str) -> None:
    figure = draw(form, "SecondTry(chance=1.0)")

    assert titles(figure) == [*titles(draw(form)), "Further strategies"]
    own = curves(figure.axes[-1])
    assert list(own) == ["n = 1", "SecondTry(chance=1.0)"]
    p, weight = own["SecondTry(chance=1.0)"]  # the same as Pass@2
    textbook = 2 * (1 - p) / (2 - p) if form == "weights_sft" else 2 * (1 - p)
    np.testing.assert_allclose(weight, textbook, rtol=1e-10)


# --- support ----------------------------------------------------------------------------------


def test_support_is_shaded_above_and_below_cross_entropy_and_marked_where_that_changes() -> None:
    figure = draw("support")
    passing, majority = figure.axes

    assert titles(figure) == ["Pass@16", "Majority 4 of 16"]
    above, below = passing.collections
    assert not above.get_paths()  # Pass@N never weighs more than cross-entropy
    assert below.get_paths()
    assert len(passing.texts) == 0
    (above,), (below,) = (band.get_paths() for band in majority.collections)
    assert above.vertices[:, 1].min() == below.vertices[:, 1].max() == 1
    crossing = above.vertices[:, 0].max()
    assert crossing == pytest.approx(below.vertices[:, 0].min(), abs=1e-9)
    assert above.vertices[:, 1].max() == pytest.approx(4, abs=0.02)
    (mark,) = majority.texts
    x, y = mark.xy
    assert (mark.get_text(), y) == (f"p = {x:.2f}", 1)
    assert x == pytest.approx(crossing, abs=1e-3)


def test_a_strategy_of_the_sheet_gets_its_own_support_panel() -> None:
    figure = draw("support", "SecondTry(chance=0.5)")

    assert titles(figure)[2:] == ["SecondTry(chance=0.5)"]
    p, weight = curves(figure.axes[2])["The strategy"]
    np.testing.assert_allclose(weight, (1.5 - p) / (1.5 - 0.5 * p), rtol=1e-10)


# --- the variance example, and all of them ----------------------------------------------------


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


@pytest.mark.parametrize("form", FORMS)
def test_what_is_written_stays_on_the_page_and_apart(form: str) -> None:
    figure = draw(form)
    figure.draw_without_rendering()

    panels = [box for axes in figure.axes if (box := axes.get_tightbbox()) is not None]
    legends = [legend.get_window_extent() for legend in figure.legends]
    for box in [*panels, *legends]:
        assert figure.bbox.x0 <= box.x0
        assert box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0
        assert box.y1 <= figure.bbox.y1
    assert not any(legend.overlaps(panel) for legend in legends for panel in panels)
