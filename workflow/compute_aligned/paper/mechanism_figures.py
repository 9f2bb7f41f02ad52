"""Where a branch gains and where it loses, by the baseline's p, as a figure."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from compute_aligned.config.study import Item
from compute_aligned.paper import style
from compute_aligned.paper.mechanism import EDGES, MEASURES, changes, read_halves

DODGE = 0.008  # between the points of neighbouring branches, in units of p


def mechanism(item: Item, scores: Sequence[Path]) -> Figure:
    """Change in p, and in how often a vote is right, against the baseline's p; and the p there are.

    One half of a problem's samples sorts it into a bin, the other half measures the change.

    Args:
        item: The item.
        scores: Files of ``records.SCORES``, one a seed.

    """
    baseline = item.experiment.baseline
    branches = [branch for branch in item.row.branches if branch != baseline]
    halves = read_halves(scores)
    frame = changes(halves, branches, baseline)
    name = item.experiment.baseline_label
    figure = Figure(figsize=(style.WIDTH, 3.6), layout="constrained")
    upper, lower = figure.subplots(2, 2, sharex=True, height_ratios=(5, 1))
    titles = ("Change in p", "Change in how often a vote is right")
    for axes, counts, measure, title in zip(upper, lower, MEASURES, titles, strict=True):
        _draw_changes(axes, item, frame[frame["measure"] == measure], branches)
        axes.set_title(title)
        axes.set_ylabel("Percentage points")
        _draw_shares(counts, halves.loc[halves["branch"] == baseline, "p_sorting"])
        counts.set_xlabel(f"p under {name}")
    lower[0].set_ylabel("Problems\n(percent)")
    seeds = halves["seed"].nunique()
    counted = f"scale {item.experiment.scale}, {seeds} {'seed' if seeds == 1 else 'seeds'}"
    style.title(figure, f"{item.row.title} ({counted})")
    handles = [*upper[0].get_legend_handles_labels()[0], _bar_key(seeds)]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _bar_key(seeds: int) -> Line2D:
    """What the bars are; of one seed they say nothing about how trainings differ."""
    label = "95% interval" if seeds > 1 else "95% interval, problems only"
    return Line2D(
        [], [], color="0.5", marker="|", markersize=9, markeredgecolor="0.5", lw=0, label=label
    )


def _draw_changes(axes: Axes, item: Item, frame: pd.DataFrame, branches: Sequence[str]) -> None:
    """A line with intervals for each branch, drawn side by side around the bins' mean p."""
    labels, looks = item.experiment.labels, style.looks_of(item.experiment)
    zero = f"{item.experiment.baseline_label} (baseline)"
    axes.axhline(0, color=style.BASELINE_COLOUR, linewidth=1, label=zero)
    for place, branch in enumerate(branches):
        rows, look = frame[frame["branch"] == branch], looks[branch]
        change, low, high = 100 * rows[["change", "change_low", "change_high"]].to_numpy().T
        axes.errorbar(
            rows["baseline_p"].to_numpy() + DODGE * (place - (len(branches) - 1) / 2),
            change,
            yerr=np.stack([change - low, high - change]),
            color=look.colour,
            marker=look.marker,
            linewidth=1,
            elinewidth=0.8,
            label=labels[branch],
        )


def _draw_shares(axes: Axes, p: pd.Series) -> None:
    """How many problems there are of each p."""
    counted, _ = np.histogram(p, EDGES)
    axes.stairs(100 * counted / counted.sum(), EDGES, fill=True, color="0.8")
    axes.set_xlim(-0.02, 1.02)
