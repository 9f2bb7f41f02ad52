from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from PIL import Image

from compute_aligned.config.sheets import PaperItem
from compute_aligned.files.errors import InputError
from compute_aligned.paper import figures, style
from compute_aligned.paper.figures import spaced_ticks

ITEM = PaperItem(
    item="figure1",
    output="figure",
    form="gains",
    family="sft_passn",
    branches=("ce", "passn_n4", "passn_n64"),
    metric="pass@k",
    budgets=(1, 16, 64),
    reported=("sft_passn",),
    title="Gain in pass@k",
)
GAINS = {"warmup": [-1.0, 2.0, 4.7], "passn_n4": [0.1, 3.0, 2.1], "passn_n64": [-4.0, 6.0, 13.2]}


def summary_of(seeds: int = 3, budgets: tuple[int, ...] = (1, 16, 64)) -> pd.DataFrame:
    rows = []
    for branch, gains in (GAINS | {"ce": [0.0] * 3}).items():
        for k, gain in zip((1, 16, 64), gains, strict=True):
            low, high = (np.nan, np.nan) if branch == "ce" else (gain - 2, gain + 3)
            rows.append(
                {"branch": branch, "metric": "pass@k", "k": k}
                | {"value": 40 + gain, "value_low": 38 + gain, "value_high": 43 + gain}
                | {"gain": gain, "gain_low": low, "gain_high": high}
                | {"seeds": seeds, "problems": 500}
            )
    frame = pd.DataFrame(rows)
    return frame[frame["k"].isin(budgets)]


def lines_of(axes: Axes) -> dict[str, tuple[list[float], list[float]]]:
    return {
        str(line.get_label()): (list(line.get_xdata()), list(line.get_ydata()))
        for line in axes.get_lines()
    }


def legend_of(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_a_line_a_branch_is_drawn_through_its_gains_and_the_baseline_at_zero() -> None:
    ours, _ = figures.draw(ITEM, summary_of(), "laptop").axes

    assert lines_of(ours) == {
        "Cross-entropy (baseline)": ([0, 1], [0, 0]),  # x in shares of the axis: all of it
        "Warm-up": ([1, 16, 64], GAINS["warmup"]),
        "Pass@4": ([1, 16, 64], GAINS["passn_n4"]),
        "Pass@64": ([1, 16, 64], GAINS["passn_n64"]),
    }
    assert ours.get_xscale() == "linear"


def test_the_papers_gains_stand_in_a_panel_of_their_own() -> None:
    ours, papers = figures.draw(ITEM, summary_of(), "laptop").axes

    lines = lines_of(papers)
    assert list(lines) == ["Cross-entropy (baseline)", "Pass@4", "Pass@64"]
    assert lines["Pass@64"][1] == pytest.approx([13.5 - 15.8, 49.4 - 46.3, 67.6 - 59.8])
    assert ours.get_title(loc="left") == "This run (scale laptop, 3 seeds)"
    assert papers.get_title(loc="left") == "Paper (Mistral-7B, MATH)"
    assert not ours.get_shared_y_axes().joined(ours, papers)


def test_a_band_spans_each_interval_and_the_paper_and_the_baseline_have_none() -> None:
    ours, papers = figures.draw(ITEM, summary_of(), "laptop").axes

    spans = [
        (float(ys.min()), float(ys.max()))
        for band in ours.collections
        for ys in [band.get_paths()[0].vertices[:, 1]]
    ]
    assert sorted(spans) == sorted((min(g) - 2, max(g) + 3) for g in GAINS.values())
    assert len(papers.collections) == 0


def _with_warmup_at(gain: float) -> Axes:
    summary = summary_of()
    warm = summary["branch"] == "warmup"
    summary.loc[warm, ["gain", "gain_low", "gain_high"]] = gain, gain - 50, gain + 50
    return figures.draw(ITEM, summary, "laptop").axes[0]


def test_a_warm_up_nearby_is_in_the_panel_and_its_wide_band_does_not_squeeze_the_branches() -> None:
    ours = _with_warmup_at(-15.0)

    low, high = ours.get_ylim()
    assert -18 < low < -15
    assert 13.2 + 3 < high < 19
    assert "Warm-up" in lines_of(ours)


@pytest.mark.parametrize("gain", [-40.0, 60.0])
def test_a_warm_up_far_off_leaves_the_panel_to_the_branches_and_the_legend_says_where_it_is(
    gain: float,
) -> None:
    ours = _with_warmup_at(gain)

    low, high = ours.get_ylim()
    assert -9 < low < -4 - 2
    assert 13.2 + 3 < high < 19
    assert f"Warm-up ({gain:+.1f} at k=64)" in lines_of(ours)


def test_without_intervals_there_are_no_bands() -> None:
    ours, _ = figures.draw(ITEM, summary_of().assign(gain_low=np.nan), "laptop").axes

    assert len(ours.collections) == 0


def test_axes_name_what_they_show_with_its_unit() -> None:
    for axes in figures.draw(ITEM, summary_of(), "laptop").axes:
        assert axes.get_xlabel() == "Samples per problem, k"
        assert axes.get_ylabel().lower().endswith("gain in pass@k\n(percentage points)")


def test_rewards_are_labelled_as_rewards() -> None:
    item = ITEM.model_copy(update={"metric": "expected_max@k"})
    ours, papers = figures.draw(item, summary_of(), "laptop").axes

    assert ours.get_ylabel() == "Gain in expected max@k\n(reward)"
    assert papers.get_title(loc="left") == "Paper (ProtGPT2, protein sequences)"
    assert [text.get_text() for text in papers.texts] == ["none reported"]


def test_the_legend_names_every_line_and_says_what_the_bands_are() -> None:
    lines = ["Cross-entropy (baseline)", "Warm-up", "Pass@4", "Pass@64"]

    assert legend_of(figures.draw(ITEM, summary_of(), "laptop")) == [*lines, "95% interval"]


def test_with_one_seed_the_figure_says_that_bands_cover_problems_only() -> None:
    figure = figures.draw(ITEM, summary_of(seeds=1), "laptop")

    assert figure.axes[0].get_title(loc="left") == "This run (scale laptop, 1 seed)"
    assert legend_of(figure)[-1] == "95% interval, problems only"


def test_the_legend_and_the_panels_do_not_overlap() -> None:
    figure = figures.draw(ITEM, summary_of(), "laptop")
    figure.draw_without_rendering()

    legend = figure.legends[0].get_window_extent()
    panels = [axes.get_tightbbox() for axes in figure.axes]
    assert not any(legend.overlaps(panel) for panel in panels if panel is not None)
    assert figure.bbox.x0 <= legend.x0
    assert legend.x1 <= figure.bbox.x1


def test_a_legend_of_long_labels_has_fewer_columns_and_stays_on_the_page() -> None:
    branches = ("ce", "passn_n16", "ce_warmup", "passn_n16_warmup")
    item = ITEM.model_copy(
        update={"family": "sft_to_rl", "branches": branches, "reported": ("sft_to_rl",)}
    )
    names = {"passn_n4": "passn_n16", "passn_n64": "passn_n16_warmup"}
    summary = summary_of(seeds=1).replace({"branch": names})
    baseline = summary[summary["branch"] == "ce"].assign(branch="ce_warmup")
    figure = figures.draw(item, pd.concat([summary, baseline]), "laptop")
    figure.draw_without_rendering()

    extent = figure.legends[0].get_window_extent()
    assert figure.bbox.x0 <= extent.x0
    assert extent.x1 <= figure.bbox.x1


def test_a_branch_has_one_colour_in_both_panels_and_in_every_figure_of_its_family() -> None:
    fewer = ITEM.model_copy(update={"branches": ("ce", "passn_n64")})
    colours = {
        to_rgba(line.get_color())
        for item in (ITEM, fewer)
        for axes in figures.draw(item, summary_of(), "laptop").axes
        for line in axes.get_lines()
        if line.get_label() == "Pass@64"
    }
    assert colours == {to_rgba(style.looks_of("sft_passn")["passn_n64"].colour)}


def test_no_two_models_of_a_family_look_the_same() -> None:
    looks = style.looks_of("sft_passn")

    assert len(set(looks.values())) == len(looks)
    assert looks["warmup"].line == "--"
    assert "ce" not in looks


# --- levels -----------------------------------------------------------------------------------

LEVELS = ITEM.model_copy(update={"form": "levels", "metric": "expected_max@k"})


def test_levels_have_a_line_for_every_model_and_a_band_where_they_have_an_interval() -> None:
    ours, _ = figures.draw(LEVELS, summary_of(), "laptop").axes

    lines = lines_of(ours)
    assert list(lines) == ["Warm-up", "Cross-entropy", "Pass@4", "Pass@64"]
    for branch, label in (("ce", "Cross-entropy"), ("passn_n64", "Pass@64")):
        gains = GAINS.get(branch, [0.0] * 3)
        assert lines[label] == ([1, 16, 64], [40 + gain for gain in gains])
    bands = [band.get_paths()[0].vertices[:, 1] for band in ours.collections]
    assert (bands[1].min(), bands[1].max()) == (38, 43)  # the warm-up's comes first


def test_budgets_of_levels_are_a_doubling_apart_and_levels_are_named_with_their_unit() -> None:
    ours, papers = figures.draw(LEVELS, summary_of(), "laptop").axes

    for axes in (ours, papers):
        assert axes.get_xscale() == "log"
        assert list(axes.get_xticks()) == [1, 16, 64]
        assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "16", "64"]
        assert axes.get_xlabel() == "Samples per prompt, k"
    assert ours.get_ylabel() == "Expected max@k (reward)"
    assert papers.get_ylabel() == "Reported expected max@k (reward)"


def test_the_papers_levels_stand_in_their_panel() -> None:
    item = LEVELS.model_copy(update={"metric": "pass@k", "budgets": (1, 64)})
    _, papers = figures.draw(item, summary_of(budgets=(1, 64)), "laptop").axes

    # PAPER section 5, C1
    assert lines_of(papers)["Cross-entropy"] == ([1, 64], [15.8, 59.8])


def test_the_band_of_one_pool_of_one_seed_is_about_its_samples_only() -> None:
    summary = summary_of(seeds=1).assign(problems=1)

    assert legend_of(figures.draw(LEVELS, summary, "laptop"))[-1] == "95% interval, samples only"


# --- axes, files --------------------------------------------------------------------------------


def test_the_k_axis_ends_where_this_runs_samples_end_and_the_papers_at_its_own() -> None:
    ours, papers = figures.draw(ITEM, summary_of(budgets=(1, 16)), "smoke").axes

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


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        pdf, png = folder / "figure1.pdf", folder / "figure1.png"
        figures.save(figures.draw(ITEM, summary_of(), "laptop"), pdf, png)
        contents.append((pdf.read_bytes(), png.read_bytes()))
        assert sorted(p.name for p in folder.iterdir()) == ["figure1.pdf", "figure1.png"]

    assert contents[0] == contents[1]


def test_files_are_of_page_width_with_editable_fonts_and_without_a_date(tmp_path: Path) -> None:
    pdf, png = tmp_path / "figure1.pdf", tmp_path / "figure1.png"
    figures.save(figures.draw(ITEM, summary_of(), "laptop"), pdf, png)

    with Image.open(png) as image:
        assert image.size[0] == 1300  # 6.5 inches at 200 dots an inch
        assert round(image.info["dpi"][0]) == 200
    content = pdf.read_bytes()
    assert b"CIDFontType2" in content  # fonttype 42
    assert b"/Type3" not in content
    assert b"CreationDate" not in content


def test_the_users_own_matplotlib_settings_change_nothing(tmp_path: Path) -> None:
    def png_of(folder: Path) -> bytes:
        figures.save(figures.draw(ITEM, summary_of(), "laptop"), folder / "a.pdf", folder / "a.png")
        return (folder / "a.png").read_bytes()

    wanted = png_of(tmp_path / "plain")
    with matplotlib.rc_context({"font.size": 20, "axes.titleweight": "bold"}):
        assert png_of(tmp_path / "changed") == wanted


def test_an_unknown_form_names_the_row_and_the_known_forms() -> None:
    item = ITEM.model_copy(update={"form": "gain"})

    with pytest.raises(InputError) as caught:
        figures.draw(item, summary_of(), "laptop")
    assert caught.value.where.endswith("paper_items.tsv: figure1")
    assert "no figure form 'gain'" in caught.value.problem
    assert "gains" in caught.value.remedy


def test_a_long_title_takes_more_lines_and_is_not_cut_off() -> None:
    short, long = (
        figures.draw(ITEM.model_copy(update={"title": title}), summary_of(), "laptop")
        for title in ("Gain in pass@k", "Gain in pass@k of many words " * 8)
    )
    for figure in (short, long):
        figure.draw_without_rendering()
        title = figure._suptitle.get_window_extent()
        assert title.x1 <= figure.bbox.x1
        assert title.y1 <= figure.bbox.y1
        assert all(axes.get_tightbbox().y1 <= title.y0 for axes in figure.axes)
    heights = [figure._suptitle.get_window_extent().height for figure in (short, long)]
    assert heights[1] > 2.5 * heights[0]
