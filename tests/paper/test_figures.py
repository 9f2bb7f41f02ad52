from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from paper.paper_parts import BUDGETS, SHOWN, item_of, summary_of

from compute_aligned.config.study import Item
from compute_aligned.paper import figures, style
from compute_aligned.paper.figures import spaced_ticks
from compute_aligned.paper.reported import read_reported

REPORTED = read_reported()
ITEM = item_of("figure1", branches=SHOWN, budgets=BUDGETS)
LABELS = ITEM.experiment.labels
BASELINE = "Cross-entropy (baseline)"


def gains(summary: pd.DataFrame | None = None, item: Item = ITEM) -> Figure:
    return figures.gains(item, summary_of() if summary is None else summary, REPORTED)


def lines_of(axes: Axes) -> dict[str, tuple[list[float], list[float]]]:
    return {
        str(line.get_label()): (list(line.get_xdata()), list(line.get_ydata()))
        for line in axes.get_lines()
    }


def measured(branch: str, column: str) -> tuple[list[float], list[float]]:
    """The points of a branch's line, by the summary."""
    return list(BUDGETS), summary_of().set_index("branch").loc[branch, column].tolist()


def spans_of(axes: Axes) -> list[tuple[float, float]]:
    """The lowest and the highest point of every band."""
    bands = [band.get_paths()[0].vertices[:, 1] for band in axes.collections]
    return [(float(band.min()), float(band.max())) for band in bands]


def legend_of(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def titles_of(figure: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in figure.axes]


# --- gains ------------------------------------------------------------------------------------


def test_a_line_a_branch_is_drawn_through_its_gains_and_the_baseline_at_zero() -> None:
    figure = gains()
    ours, papers = figure.axes

    drawn = {LABELS[b]: measured(b, "gain") for b in ITEM.models if b != "ce"}
    # x of the zero line in shares of the axis: all of it
    assert lines_of(ours) == {BASELINE: ([0, 1], [0, 0])} | drawn
    assert ours.get_xscale() == "linear"
    assert list(lines_of(papers)) == [BASELINE, "Pass@4", "Pass@64"]
    reported = [13.5 - 15.8, 49.4 - 46.3, 67.6 - 59.8]
    assert lines_of(papers)["Pass@64"][1] == pytest.approx(reported)
    titles = ["This run (scale laptop, 3 seeds)", "Paper (Mistral-7B, MATH)"]
    assert titles_of(figure) == titles
    assert not ours.get_shared_y_axes().joined(ours, papers)
    for axes in figure.axes:
        assert axes.get_xlabel() == "Samples per problem, k"
        assert axes.get_ylabel().lower().endswith("gain in pass@k\n(percentage points)")
    assert legend_of(figure) == [BASELINE, "Warm-up", "Pass@4", "Pass@64", "95% interval"]


def test_a_band_spans_each_interval_and_the_paper_and_the_baseline_have_none() -> None:
    ours, papers = gains().axes

    shown = [measured(branch, "gain")[1] for branch in ("warmup", "passn_n4", "passn_n64")]
    assert sorted(spans_of(ours)) == sorted((min(g) - 2, max(g) + 3) for g in shown)
    assert spans_of(papers) == []
    assert spans_of(gains(summary_of(gain_low=np.nan)).axes[0]) == []


@pytest.mark.parametrize(
    ("gain", "bottom", "label"),
    [
        (-15.0, (-18, -15), "Warm-up"),  # nearby
        (-40.0, (-9, -6), "Warm-up (-40.0 at k=64)"),
        (60.0, (-9, -6), "Warm-up (+60.0 at k=64)"),
    ],
)
def test_a_warm_up_far_off_leaves_the_panel_and_its_wide_band_never_squeezes_the_branches(
    gain: float, bottom: tuple[float, float], label: str
) -> None:
    summary = summary_of()
    warm = summary["branch"] == "warmup"
    summary.loc[warm, ["gain", "gain_low", "gain_high"]] = gain, gain - 50, gain + 50
    ours, _ = gains(summary).axes

    low, high = ours.get_ylim()
    assert bottom[0] < low < bottom[1]
    assert 13.2 + 3 < high < 19
    assert label in lines_of(ours)


def test_rewards_are_labelled_as_rewards() -> None:
    item = item_of("figure1", branches=SHOWN, budgets=BUDGETS, metric="expected_max@k")
    figure = gains(summary_of(metric="expected_max@k"), item)
    ours, papers = figure.axes

    assert ours.get_ylabel() == "Gain in expected max@k\n(reward)"
    assert titles_of(figure)[1] == "Paper (ProtGPT2, protein sequences)"
    assert [text.get_text() for text in papers.texts] == ["none reported"]


@pytest.mark.parametrize(("problems", "only"), [(500, "problems"), (1, "samples")])
def test_with_one_seed_the_figure_says_what_bands_cover_only(problems: int, only: str) -> None:
    for draw in (figures.gains, figures.levels):
        figure = draw(ITEM, summary_of(seeds=1, problems=problems), REPORTED)

        assert titles_of(figure)[0] == "This run (scale laptop, 1 seed)"
        assert legend_of(figure)[-1] == f"95% interval, {only} only"


def of_long_labels() -> Figure:
    branches = ("ce", "passn_n16", "ce_warmup", "passn_n16_warmup")
    item = item_of("figure_d", branches=branches, budgets=BUDGETS)
    names = {"passn_n4": "passn_n16", "passn_n64": "passn_n16_warmup"}
    summary = summary_of(seeds=1).replace({"branch": names})
    baseline = summary[summary["branch"] == "ce"].assign(branch="ce_warmup")
    return gains(pd.concat([summary, baseline]), item)


@pytest.mark.parametrize("draw", [gains, of_long_labels])
def test_the_legend_stays_on_the_page_and_below_the_panels(draw: Callable[[], Figure]) -> None:
    figure = draw()
    figure.draw_without_rendering()

    legend = figure.legends[0].get_window_extent()
    panels = [axes.get_tightbbox() for axes in figure.axes]
    assert not any(legend.overlaps(panel) for panel in panels if panel is not None)
    assert figure.bbox.x0 <= legend.x0
    assert legend.x1 <= figure.bbox.x1


def test_a_branch_has_one_colour_in_both_panels_and_in_every_figure_of_its_family() -> None:
    fewer = item_of("figure1", branches=("ce", "passn_n64"), budgets=BUDGETS)
    colours = {
        to_rgba(line.get_color())
        for item in (ITEM, fewer)
        for axes in gains(item=item).axes
        for line in axes.get_lines()
        if line.get_label() == "Pass@64"
    }
    assert colours == {to_rgba(style.looks_of(ITEM.experiment)["passn_n64"].colour)}


def test_no_two_models_of_a_family_look_the_same() -> None:
    of_gains = style.looks_of(ITEM.experiment)
    assert of_gains["warmup"].line == "--"
    assert "ce" not in of_gains
    for looks in (of_gains, style.level_looks_of(ITEM.experiment)):
        assert len(set(looks.values())) == len(looks)


# --- levels -----------------------------------------------------------------------------------


def test_levels_have_a_line_for_every_model_and_a_band_where_they_have_an_interval() -> None:
    figure = figures.levels(ITEM, summary_of(), REPORTED)
    ours, papers = figure.axes

    lines = {LABELS[branch]: measured(branch, "value") for branch in ITEM.models}
    assert lines_of(ours) == lines
    assert spans_of(ours) == [(min(ys) - 2, max(ys) + 3) for _, ys in lines.values()]
    assert lines_of(papers)["Cross-entropy"] == ([1, 16, 64], [15.8, 46.3, 59.8])
    for axes in figure.axes:
        assert axes.get_xscale() == "log"
        assert list(axes.get_xticks()) == [1, 16, 64]
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "16", "64"]
        assert axes.get_xlabel() == "Samples per prompt, k"
    assert ours.get_ylabel() == "Pass@k (percent)"
    assert papers.get_ylabel() == "Reported pass@k (percent)"


# --- axes, title ------------------------------------------------------------------------------


def test_the_k_axis_ends_where_this_runs_samples_end_and_the_papers_at_its_own() -> None:
    ours, papers = gains(summary_of().query("k < 64")).axes

    assert list(ours.get_xticks()) == [1, 16]
    assert list(papers.get_xticks()) == [1, 16, 64]
    assert ours.get_xlim()[1] < 20


@pytest.mark.parametrize(
    ("budgets", "ticks"),
    [
        ([1, 2, 4, 8, 16, 32, 64], [1, 8, 16, 32, 64]),
        ([1, 2, 4, 8, 16, 32, 64, 128], [1, 16, 32, 64, 128]),
        ([1, 4, 8, 16], [1, 4, 8, 16]),
        ([8], [8]),
    ],
)
def test_ticks_keep_a_tenth_of_the_axis_apart_and_both_ends(
    budgets: list[int], ticks: list[int]
) -> None:
    assert spaced_ticks(budgets) == ticks


def test_a_long_title_takes_more_lines_and_is_not_cut_off() -> None:
    heights = []
    for title in ("Gain in pass@k", "Gain in pass@k of many words " * 8):
        item = item_of("figure1", branches=SHOWN, budgets=BUDGETS, title=title)
        figure = gains(item=item)
        figure.draw_without_rendering()
        extent = figure._suptitle.get_window_extent()
        assert extent.x1 <= figure.bbox.x1
        assert extent.y1 <= figure.bbox.y1
        assert all(axes.get_tightbbox().y1 <= extent.y0 for axes in figure.axes)
        heights.append(extent.height)
    assert heights[1] > 2.5 * heights[0]
