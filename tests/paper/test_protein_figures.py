import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from compute_aligned.config import study
from compute_aligned.config.sheets import PaperItem
from compute_aligned.files.errors import InputError
from compute_aligned.method.rewards import unconditional_landscape
from compute_aligned.paper import protein_figures, style

BRANCHES = ("standard", "bon_n2", "bon_n4", "bon_n8")
MODELS = ("warmup", *BRANCHES)
LABELS = ["Warm-up", "Standard RL", "Best-of-2", "Best-of-4", "Best-of-8"]
PROMPTS = [0.2, 0.4, 0.5]


def item_of(form: str, family: str) -> PaperItem:
    return PaperItem.model_validate(
        {"item": "figure_x", "output": "figure", "form": form, "family": family}
        | {"branches": " ".join(BRANCHES), "metric": "-", "budgets": "-", "reported": "-"}
        | {"title": "A title"}
    )


DENSITIES = item_of("share_densities", "protein_unconditional")
SCATTER = item_of("share_scatter", "protein_conditional")


@pytest.fixture
def pool() -> pd.DataFrame:
    """Two seeds of 20 samples; every model has shares of its own, and one sample is no protein."""
    rows = [
        {"seed": seed, "branch": model, "problem": "p", "sample": sample, "input_share": np.nan}
        | {"share": np.nan if sample == 0 else 0.1 + 0.2 * place + 0.005 * sample}
        for seed in range(2)
        for place, model in enumerate(MODELS)
        for sample in range(20)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def answers() -> pd.DataFrame:
    """One seed; first samples have opposite shares but in the last model, all second ones 0.9."""
    rows = [
        {"seed": 0, "branch": model, "problem": f"p{number}", "sample": sample}
        | {
            "input_share": given,
            "share": 0.9 if sample else given if model == "bon_n8" else 1 - given,
        }
        for model in MODELS
        for number, given in enumerate(PROMPTS)
        for sample in range(2)
    ]
    return pd.DataFrame(rows)


# --- Figure 5 -------------------------------------------------------------------------------


def test_every_model_has_a_density_of_25_bins_that_encloses_an_area_of_one(
    pool: pd.DataFrame,
) -> None:
    axes, _ = protein_figures.draw(DENSITIES, pool, "laptop").axes

    steps = {patch.get_label(): patch.get_data() for patch in axes.patches}
    assert list(steps) == LABELS
    for place, (values, edges, _) in enumerate(steps.values()):
        np.testing.assert_allclose(edges, np.arange(26) / 25)
        assert values.sum() / 25 == pytest.approx(1)
        shares = [0.1 + 0.2 * place + 0.005 * sample for sample in range(1, 20)]
        inside = [sum(0.28 <= share < 0.32 for share in shares) / 19 * 25]
        assert values[7] == pytest.approx(inside[0])


def test_the_landscape_stands_behind_the_densities_on_a_scale_of_its_own(
    pool: pd.DataFrame,
) -> None:
    axes, behind = protein_figures.draw(DENSITIES, pool, "laptop").axes

    outline = behind.collections[0].get_paths()[0].vertices
    heights = {round(x, 3): y for x, y in outline if y > 0}
    for share in (0.1, 0.35, 0.5, 0.75):
        assert heights[share] == pytest.approx(unconditional_landscape(share))
    assert behind.get_zorder() < axes.get_zorder()
    assert axes.get_ylim()[0] == behind.get_ylim()[0] == 0
    assert (axes.get_ylabel(), behind.get_ylabel()) == ("Density", "Reward")


def test_the_title_says_how_many_samples_there_are(pool: pd.DataFrame) -> None:
    several = protein_figures.draw(DENSITIES, pool, "laptop").axes[0]
    one = protein_figures.draw(DENSITIES, pool[pool["seed"] == 0], "laptop").axes[0]

    assert several.get_title(loc="left") == "This run (scale laptop): 2 seeds, 20 samples each"
    assert one.get_title(loc="left") == "This run (scale laptop): 1 seed, 20 samples each"


def test_models_look_as_in_every_figure_of_their_family(pool: pd.DataFrame) -> None:
    axes = protein_figures.draw(DENSITIES, pool, "laptop").axes[0]

    looks = style.level_looks_of("protein_unconditional")
    drawn = {patch.get_label(): patch.get_edgecolor() for patch in axes.patches}
    labels = study.labels_of("protein_unconditional")
    assert drawn == {labels[model]: to_rgba(look.colour) for model, look in looks.items()}


# --- Figure 6 -------------------------------------------------------------------------------


def test_a_panel_a_model_shows_the_first_sample_of_every_prompt(answers: pd.DataFrame) -> None:
    panels = protein_figures.draw(SCATTER, answers, "laptop").axes

    assert [panel.get_title(loc="left").split("\n")[0] for panel in panels] == LABELS
    for panel, model in zip(panels, MODELS, strict=True):
        points = panel.collections[0].get_offsets()
        outputs = PROMPTS if model == "bon_n8" else [1 - share for share in PROMPTS]
        np.testing.assert_allclose(points, np.column_stack([PROMPTS, outputs]))


def test_every_panel_has_the_line_of_opposite_shares_and_its_correlation(
    answers: pd.DataFrame,
) -> None:
    *panels, last = protein_figures.draw(SCATTER, answers, "laptop").axes

    for panel in (*panels, last):
        (line,) = panel.get_lines()
        np.testing.assert_array_equal(line.get_xydata(), [[0, 1], [1, 0]])
    assert [panel.get_title(loc="left").split("\n")[1] for panel in panels] == ["$r = -1.00$"] * 4
    assert last.get_title(loc="left").split("\n")[1] == "$r = 1.00$"


def test_what_is_no_protein_has_no_point(answers: pd.DataFrame) -> None:
    answers.loc[(answers["problem"] == "p1") & (answers["sample"] == 0), "share"] = np.nan

    panel = protein_figures.draw(SCATTER, answers, "laptop").axes[0]
    assert len(panel.collections[0].get_offsets()) == 2


# --- both -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["densities", "scatter"])
def test_the_legend_keeps_off_the_panels(
    form: str, pool: pd.DataFrame, answers: pd.DataFrame
) -> None:
    drawn = (DENSITIES, pool) if form == "densities" else (SCATTER, answers)
    figure = protein_figures.draw(*drawn, "laptop")
    figure.draw_without_rendering()

    legend = figure.legends[0].get_window_extent()
    panels = [axes.get_tightbbox() for axes in figure.axes]
    assert not any(legend.overlaps(panel) for panel in panels if panel is not None)
    assert figure.bbox.x0 <= legend.x0
    assert legend.x1 <= figure.bbox.x1


def test_an_unknown_form_names_the_known_ones(pool: pd.DataFrame) -> None:
    item = DENSITIES.model_copy(update={"form": "share_density"})

    with pytest.raises(InputError, match="no figure form 'share_density'") as caught:
        protein_figures.draw(item, pool, "laptop")
    assert "share_densities" in caught.value.remedy
