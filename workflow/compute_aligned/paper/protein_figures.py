"""Figures of the proteins that models write: their hydrophobic shares (PAPER section 6)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from compute_aligned.config.study import Item
from compute_aligned.method.rewards import unconditional_landscape
from compute_aligned.paper import style
from compute_aligned.paper.captions import count
from compute_aligned.score.proteins import read_scores

BINS = np.linspace(0, 1, 26)
CURVE = np.linspace(0, 1, 1001)
LANDSCAPE_COLOUR = "0.91"


# --- Figure 5 -------------------------------------------------------------------------------


def share_densities(item: Item, scores: Sequence[Path]) -> Figure:
    """The density of each model's hydrophobic shares, over the landscape that it climbs.

    All seeds and samples of a model together; what is no protein has no share and is left out.

    Args:
        item: The item.
        scores: Files of ``records.PROTEIN_SCORES``, one a seed.

    """
    samples = read_scores(scores)
    figure = Figure(figsize=(style.WIDTH, style.HEIGHT), layout="constrained")
    axes = figure.subplots()
    backdrop = _draw_landscape(axes)
    labels = item.experiment.labels
    for branch, shares in _shares(item, samples).items():
        density, _ = np.histogram(shares, BINS, density=True)
        look = style.level_looks_of(item.experiment)[branch]
        axes.stairs(
            density, BINS, color=look.colour, linestyle=look.line, label=labels[branch], zorder=3
        )
    axes.set_title(f"This run (scale {item.experiment.scale}): {_counts(samples)}")
    axes.set_xlabel("Hydrophobic share of a protein, h")
    axes.set_ylabel("Density")
    axes.set_xlim(0, 1)
    style.title(figure, item.row.title)
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


def _shares(item: Item, samples: pd.DataFrame) -> dict[str, pd.Series]:
    """Every model's hydrophobic shares, in the order of the legend."""
    proteins = samples.dropna(subset=["share"])
    return {model: proteins.loc[proteins["branch"] == model, "share"] for model in item.models}


def _counts(samples: pd.DataFrame) -> str:
    seeds, drawn = samples["seed"].nunique(), samples["sample"].nunique()
    return f"{count(seeds, 'seed')}, {count(drawn, 'sample')} each"


# --- Figure 6 -------------------------------------------------------------------------------


def share_scatter(item: Item, scores: Sequence[Path]) -> Figure:
    """Output share against input share, a panel a model, with the line of opposite shares.

    The first sample of every prompt; the correlation is that of the points shown.

    Args:
        item: The item.
        scores: Files of ``records.PROTEIN_SCORES``, one a seed.

    """
    samples = read_scores(scores)
    first = samples[(samples["sample"] == 0) & samples["share"].notna()]
    shown = item.models
    figure = Figure(figsize=(style.WIDTH, 2.3), layout="constrained")
    row = figure.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0]
    labels, looks = item.experiment.labels, style.level_looks_of(item.experiment)
    for axes, branch in zip(row, shown, strict=True):
        points = first[first["branch"] == branch]
        _draw_points(axes, points, looks[branch].colour)
        correlation = points["input_share"].corr(points["share"])
        axes.set_title(f"{labels[branch]}\n$r = {correlation:z.2f}$")
    row[0].set_ylabel("Hydrophobic share\nof the output")
    row[len(row) // 2].set_xlabel("Hydrophobic share of the input")
    style.title(figure, item.row.title)
    keys = _scatter_keys(item.experiment.scale, samples["seed"].nunique())
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
