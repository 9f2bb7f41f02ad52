"""Figures of the answers that models give, made from the graded samples of every problem.

Like ``figures``, but a form is made from the files of scores, ``records.SCORES``, one a seed.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from compute_aligned.config import study
from compute_aligned.config.sheets import PaperItem
from compute_aligned.paper import diagonal, diagonal_items, style
from compute_aligned.paper.forms import chosen, register
from compute_aligned.paper.mechanism import EDGES, MEASURES, changes, read_halves

DODGE = 0.008  # between the points of neighbouring branches, in units of p

FORMS: dict[str, Callable[[PaperItem, Sequence[Path], str], Figure]] = {}


def draw(item: PaperItem, scores: Sequence[Path], scale: str) -> Figure:
    """Draw a figure in the form that its row names.

    Args:
        item: The row of ``config/paper_items.tsv``.
        scores: Files of ``records.SCORES``, one a seed.
        scale: The scale of the run, for the title.

    Raises:
        InputError: There is no such form.

    """
    with style.context():
        return chosen(FORMS, item)(item, scores, scale)


@register(FORMS, "mechanism")
def mechanism(item: PaperItem, scores: Sequence[Path], scale: str) -> Figure:
    """Change in p, and in how often a vote is right, against the baseline's p; and the p there are.

    One half of a problem's samples sorts it into a bin, the other half measures the change.
    """
    baseline = study.baseline_of(item.family)
    branches = [branch for branch in item.branches if branch != baseline]
    halves = read_halves(scores)
    frame = changes(halves, branches, baseline)
    name = study.labels_of(item.family)[baseline]
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
    counted = f"scale {scale}, {seeds} {'seed' if seeds == 1 else 'seeds'}"
    style.title(figure, f"{item.title} ({counted})")
    handles = [*upper[0].get_legend_handles_labels()[0], _bar_key(seeds)]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


@register(FORMS, "diagonal")
def diagonal_ratio(item: PaperItem, scores: Sequence[Path], scale: str) -> Figure:
    """How rho of a vote for the right answer is distributed over problems (PAPER Figure 9)."""
    ratios = diagonal.of_votes(scores, [study.WARMUP, *item.branches])
    return diagonal_items.draw(item, ratios, scale)


def _bar_key(seeds: int) -> Line2D:
    """What the bars are; of one seed they say nothing about how trainings differ."""
    label = "95% interval" if seeds > 1 else "95% interval, problems only"
    return Line2D(
        [], [], color="0.5", marker="|", markersize=9, markeredgecolor="0.5", lw=0, label=label
    )


def _draw_changes(
    axes: Axes, item: PaperItem, frame: pd.DataFrame, branches: Sequence[str]
) -> None:
    """A line with intervals for each branch, drawn side by side around the bins' mean p."""
    labels, looks = study.labels_of(item.family), style.looks_of(item.family)
    zero = f"{labels[study.baseline_of(item.family)]} (baseline)"
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
