from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from support.graded import item_of, write_proteins

from compute_aligned.method.rewards import unconditional_landscape
from compute_aligned.paper import style
from compute_aligned.paper.protein_figures import share_densities, share_scatter

DENSITIES, SCATTER = item_of("figure5"), item_of("figure6")
LABELS = ["Warm-up", "Standard RL", "Best-of-2", "Best-of-4", "Best-of-8"]
PROMPTS = [0.2, 0.4, 0.5]


@pytest.fixture
def pools(tmp_path: Path) -> list[Path]:
    """Two seeds of 20 samples; every model has shares of its own, and one sample is no protein."""
    samples = {
        (model, "p"): {"shares": [None, *(0.1 + 0.2 * place + 0.005 * i for i in range(1, 20))]}
        for place, model in enumerate(DENSITIES.models)
    }
    return [write_proteins(tmp_path / f"pool{seed}", samples) for seed in range(2)]


def scatter(tmp_path: Path, no_protein: float | None = None) -> Figure:
    """First samples have opposite shares but in the last model, all second ones 0.9."""
    samples = {}
    for model in SCATTER.models:
        for given in PROMPTS:
            share = given if model == "bon_n8" else 1 - given
            shares = [None if given == no_protein else share, 0.9]
            samples[model, f"p{given}"] = {"shares": shares, "input_share": given}
    return share_scatter(SCATTER, [write_proteins(tmp_path / "scores", samples)])


# --- Figure 5 -------------------------------------------------------------------------------


def test_every_model_has_a_density_of_25_bins_of_area_one_in_the_look_of_its_family(
    pools: list[Path],
) -> None:
    axes, _ = share_densities(DENSITIES, pools).axes

    assert [patch.get_label() for patch in axes.patches] == LABELS
    looks = style.level_looks_of(DENSITIES.experiment)
    for place, (model, patch) in enumerate(zip(DENSITIES.models, axes.patches, strict=True)):
        assert patch.get_edgecolor() == to_rgba(looks[model].colour)
        values, edges, _ = patch.get_data()
        assert edges == pytest.approx(np.arange(26) / 25)
        assert values.sum() / 25 == pytest.approx(1)
        shares = [0.1 + 0.2 * place + 0.005 * sample for sample in range(1, 20)]
        inside = sum(0.28 <= share < 0.32 for share in shares) / 19 * 25
        assert values[7] == pytest.approx(inside)


def test_the_landscape_stands_behind_the_densities_on_a_scale_of_its_own(
    pools: list[Path],
) -> None:
    axes, behind = share_densities(DENSITIES, pools).axes

    outline = behind.collections[0].get_paths()[0].vertices
    heights = {round(x, 3): y for x, y in outline if y > 0}
    for share in (0.1, 0.35, 0.5, 0.75):
        assert heights[share] == pytest.approx(unconditional_landscape(share))
    assert behind.get_zorder() < axes.get_zorder()
    assert axes.get_ylim()[0] == behind.get_ylim()[0] == 0
    assert (axes.get_ylabel(), behind.get_ylabel()) == ("Density", "Reward")


def test_the_title_says_how_many_samples_there_are(pools: list[Path]) -> None:
    for scores, words in ((pools, "2 seeds"), (pools[:1], "1 seed")):
        title = share_densities(DENSITIES, scores).axes[0].get_title(loc="left")
        assert title == f"This run (scale smoke): {words}, 20 samples each"


# --- Figure 6 -------------------------------------------------------------------------------


def test_a_panel_a_model_shows_first_samples_the_line_of_opposite_shares_and_the_correlation(
    tmp_path: Path,
) -> None:
    panels = scatter(tmp_path).axes

    for panel, label, model in zip(panels, LABELS, SCATTER.models, strict=True):
        follows = model == "bon_n8"
        outputs = PROMPTS if follows else [1 - share for share in PROMPTS]
        points = panel.collections[0].get_offsets()
        np.testing.assert_allclose(points, np.column_stack([PROMPTS, outputs]))
        (line,) = panel.get_lines()
        assert line.get_xydata().tolist() == [[0, 1], [1, 0]]
        correlation = "$r = 1.00$" if follows else "$r = -1.00$"
        assert panel.get_title(loc="left") == f"{label}\n{correlation}"


def test_what_is_no_protein_has_no_point(tmp_path: Path) -> None:
    panel = scatter(tmp_path, no_protein=PROMPTS[1]).axes[0]
    assert len(panel.collections[0].get_offsets()) == 2


# --- both -----------------------------------------------------------------------------------


def test_the_legend_keeps_off_the_panels(tmp_path: Path, pools: list[Path]) -> None:
    for figure in (share_densities(DENSITIES, pools), scatter(tmp_path)):
        figure.draw_without_rendering()
        legend = figure.legends[0].get_window_extent()
        panels = [axes.get_tightbbox() for axes in figure.axes]
        assert not any(legend.overlaps(panel) for panel in panels if panel is not None)
        assert figure.bbox.x0 <= legend.x0
        assert legend.x1 <= figure.bbox.x1
