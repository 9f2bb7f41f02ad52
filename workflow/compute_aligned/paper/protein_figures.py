"""Figures of the proteins that models write: hydrophobic shares, rho (PAPER section 6).

Like ``figures``, but a form is made from the samples, as ``score.proteins.read_scores`` gives them.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from compute_aligned.config import study
from compute_aligned.config.sheets import PaperItem
from compute_aligned.method.rewards import unconditional_landscape
from compute_aligned.paper import diagonal, diagonal_items, style
from compute_aligned.paper.forms import chosen, register
from compute_aligned.paper.tables import count

BINS = np.linspace(0, 1, 26)
CURVE = np.linspace(0, 1, 1001)
LANDSCAPE_COLOUR = "0.91"

FORMS: dict[str, Callable[[PaperItem, pd.DataFrame, str], Figure]] = {}


def draw(item: PaperItem, samples: pd.DataFrame, scale: str) -> Figure:
    """Draw a figure in the form that its row names.

    Args:
        item: The row of ``config/paper_items.tsv``.
        samples: As ``score.proteins.read_scores`` gives them, with the warm-up among its branches.
        scale: The scale of the run, for the title.

    Raises:
        InputError: There is no such form.

    """
    with style.context():
        return chosen(FORMS, item)(item, samples, scale)


# --- Figure 5 -------------------------------------------------------------------------------


@register(FORMS, "share_densities")
def share_densities(item: PaperItem, samples: pd.DataFrame, scale: str) -> Figure:
    """The density of each model's hydrophobic shares, over the landscape that it climbs.

    All seeds and samples of a model together; what is no protein has no share and is left out.
    """
    figure = Figure(figsize=(style.WIDTH, style.HEIGHT), layout="constrained")
    axes = figure.subplots()
    backdrop = _draw_landscape(axes)
    labels = study.labels_of(item.family)
    for branch, shares in _shares(item, samples).items():
        density, _ = np.histogram(shares, BINS, density=True)
        look = style.level_looks_of(item.family)[branch]
        axes.stairs(
            density, BINS, color=look.colour, linestyle=look.line, label=labels[branch], zorder=3
        )
    axes.set_title(f"This run (scale {scale}): {_counts(samples)}")
    axes.set_xlabel("Hydrophobic share of a protein, h")
    axes.set_ylabel("Density")
    axes.set_xlim(0, 1)
    style.title(figure, item.title)
    handles = [*axes.get_legend_handles_labels()[0], backdrop]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    return figure


def _draw_landscape(axes: Axes) -> Patch:
    """The reward of a share as a shade behind the axes, with its own scale; returns its key."""
    behind = axes.twinx()
    behind.set_zorder(axes.get_zorder() - 1)
    axes.patch.set_visible(False)
    rewards = [unconditional_landscape(share) for share in CURVE]
    behind.fill_between(CURVE, rewards, color=LANDSCAPE_COLOUR, linewidth=0)
    behind.set_ylim(0, 1.05 * max(rewards))
    behind.set_ylabel("Reward")
    behind.spines["right"].set_visible(True)
    behind.grid(visible=False)
    return Patch(color=LANDSCAPE_COLOUR, label="Reward (right axis)")


def _shares(item: PaperItem, samples: pd.DataFrame) -> dict[str, pd.Series]:
    """Every model's hydrophobic shares, in the order of the legend."""
    proteins = samples.dropna(subset=["share"])
    shown = [study.WARMUP, *item.branches]
    return {branch: proteins.loc[proteins["branch"] == branch, "share"] for branch in shown}


def _counts(samples: pd.DataFrame) -> str:
    seeds, drawn = samples["seed"].nunique(), samples["sample"].nunique()
    return f"{count(seeds, 'seed')}, {count(drawn, 'sample')} each"


# --- Figure 6 -------------------------------------------------------------------------------


@register(FORMS, "share_scatter")
def share_scatter(item: PaperItem, samples: pd.DataFrame, scale: str) -> Figure:
    """Output share against input share, a panel a model, with the line of opposite shares.

    The first sample of every prompt; the correlation is that of the points shown.
    """
    first = samples[(samples["sample"] == 0) & samples["share"].notna()]
    shown = [study.WARMUP, *item.branches]
    figure = Figure(figsize=(style.WIDTH, 2.3), layout="constrained")
    row = figure.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0]
    labels, looks = study.labels_of(item.family), style.level_looks_of(item.family)
    for axes, branch in zip(row, shown, strict=True):
        points = first[first["branch"] == branch]
        _draw_points(axes, points, looks[branch].colour)
        correlation = points["input_share"].corr(points["share"])
        axes.set_title(f"{labels[branch]}\n$r = {correlation:z.2f}$")
    row[0].set_ylabel("Hydrophobic share\nof the output")
    row[len(row) // 2].set_xlabel("Hydrophobic share of the input")
    style.title(figure, item.title)
    keys = _scatter_keys(scale, samples["seed"].nunique())
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys))
    return figure


def _draw_points(axes: Axes, points: pd.DataFrame, colour: str) -> None:
    axes.plot([0, 1], [1, 0], color=style.BASELINE_COLOUR, linewidth=0.8, linestyle="--")
    # not clipped: shares of 0 and 1 lie on the axes
    inputs, outputs = points["input_share"], points["share"]
    axes.scatter(inputs, outputs, s=6, color=colour, alpha=0.45, linewidths=0, clip_on=False)
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set_xticks((0, 0.5, 1), labels=("0", ".5", "1"))
    axes.set_yticks((0, 0.5, 1), labels=("0", ".5", "1"))


def _scatter_keys(scale: str, seeds: int) -> list[Line2D]:
    label = f"first sample of a prompt (scale {scale}, {count(seeds, 'seed')})"
    points = Line2D([], [], color="0.5", marker="o", linestyle="", label=label)
    line = Line2D([], [], color=style.BASELINE_COLOUR, linewidth=0.8, linestyle="--")
    line.set_label("$y = 1 - x$")
    return [points, line]


# --- Figure 10 ------------------------------------------------------------------------------


@register(FORMS, "diagonal")
def diagonal_ratio(item: PaperItem, samples: pd.DataFrame, scale: str) -> Figure:
    """How rho of a prompt's best reward is distributed over prompts."""
    ratios = diagonal.of_rewards(samples, [study.WARMUP, *item.branches])
    return diagonal_items.draw(item, ratios, scale)
