"""Figures of one metric: its gains or levels against k, beside what the paper reports.

Figures are built without pyplot: no display, no state shared between two of them.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from compute_aligned.config.experiments import WARMUP_LABEL
from compute_aligned.config.sheets import WARMUP
from compute_aligned.config.study import Item
from compute_aligned.files.writing import replacing
from compute_aligned.method.metrics import metric_of
from compute_aligned.paper import style
from compute_aligned.paper.reported import MEASURED_ON, beside_paper, paper_values

MARGIN = 0.05  # of a panel's height, above and below what it shows


def save(figure: Figure, pdf: Path, png: Path) -> None:
    """Write a figure as vector graphics and as pixels, each whole or not at all.

    The same figure gives the same bytes: no date is written.
    """
    with style.context():
        with replacing(pdf) as temporary:
            figure.savefig(temporary, format="pdf", metadata={"CreationDate": None})
        with replacing(png) as temporary:
            figure.savefig(temporary, format="png")


def gains(item: Item, summary: pd.DataFrame, reported: pd.DataFrame) -> Figure:
    """Gain over the baseline against k (PAPER.md section 6, Figures 1-4), the paper's at the right.

    This run's gains have a band where the summary has an interval; the paper gives none.

    Args:
        item: The item.
        summary: As ``summary.summarise`` gives it, with the warm-up among its branches.
        reported: The paper's own numbers, as ``reported.read_reported`` gives them.

    Raises:
        ValueError: The summary lacks a branch of the item.

    """
    frame, of_paper = _both(item, summary, reported)
    metric = metric_of(item.row.metric)
    figure, ours, papers = _two_panels(item, frame, of_paper)
    looks = style.looks_of(item.experiment)
    for axes, rows, column in ((ours, frame, "gain"), (papers, of_paper, "paper_gain")):
        _draw_zero(axes, item)
        _draw_lines(axes, item, rows, column, looks)
    _draw_bands(ours, frame, "gain", looks)
    ours.set_ylabel(f"Gain in {metric.title}\n({metric.gain_unit})")
    papers.set_ylabel(f"Reported gain in {metric.title}\n({metric.gain_unit})")
    for axes, budgets in ((ours, sorted(frame["k"].unique())), (papers, item.row.budgets)):
        axes.set_xlabel("Samples per problem, k")
        axes.set_xticks(spaced_ticks(budgets))
        axes.set_xticks(budgets, minor=True)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
    _show_branches(ours, frame)
    _add_legend(figure, ours, frame)
    return figure


def levels(item: Item, summary: pd.DataFrame, reported: pd.DataFrame) -> Figure:
    """Level against k on an axis of doublings (PAPER.md section 6, Figures 7 and 8), as gains."""
    frame, of_paper = _both(item, summary, reported)
    metric = metric_of(item.row.metric)
    figure, ours, papers = _two_panels(item, frame, of_paper)
    looks = style.level_looks_of(item.experiment)
    _draw_bands(ours, frame, "value", looks)
    for axes, rows, column in ((ours, frame, "value"), (papers, of_paper, "paper_value")):
        _draw_lines(axes, item, rows, column, looks)
    ours.set_ylabel(f"{capitalised(metric.title)} ({metric.unit})")
    papers.set_ylabel(f"Reported {metric.title} ({metric.unit})")
    for axes, budgets in ((ours, sorted(frame["k"].unique())), (papers, item.row.budgets)):
        axes.set_xlabel("Samples per prompt, k")
        axes.set_xscale("log", base=2)
        axes.set_xticks(budgets, labels=map(str, budgets))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
    _add_legend(figure, ours, frame)
    return figure


def _both(
    item: Item, summary: pd.DataFrame, reported: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What is drawn of this run, and of the paper: the item's metric alone, no vote over all."""
    frame = beside_paper(item, summary, reported)
    return frame[frame["metric"] == item.row.metric], paper_values(item, reported)


def capitalised(text: str) -> str:
    """The text with a capital in front, the rest as it is."""
    return text[:1].upper() + text[1:]


def _two_panels(
    item: Item, frame: pd.DataFrame, of_paper: pd.DataFrame
) -> tuple[Figure, Axes, Axes]:
    """A titled figure with a panel for this run and one, in another shade, for the paper."""
    paper_model, paper_data = MEASURED_ON[metric_of(item.row.metric).needs]
    seeds = int(frame["seeds"].iloc[0])
    figure = Figure(figsize=(style.WIDTH, style.HEIGHT), layout="constrained")
    ours, papers = figure.subplots(1, 2)
    ours.set_title(
        f"This run (scale {item.experiment.scale}, {seeds} {'seed' if seeds == 1 else 'seeds'})"
    )
    papers.set_title(f"Paper ({paper_model}, {paper_data})")
    papers.set_facecolor(style.PAPER_BACKGROUND)
    if of_paper.empty:
        papers.text(0.5, 0.5, "none reported", transform=papers.transAxes, ha="center")
    style.title(figure, item.row.title)
    return figure, ours, papers


def _add_legend(figure: Figure, ours: Axes, frame: pd.DataFrame) -> None:
    """One legend for both panels: the lines, and what the bands are; as wide as the page allows."""
    handles = [*ours.get_lines(), _band_key(frame)]
    for columns in (4, 3, 2, 1):
        legend = figure.legend(handles=handles, loc="outside lower center", ncols=columns)
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            return
        legend.remove()


def _show_branches(axes: Axes, frame: pd.DataFrame) -> None:
    """Give the panel to the branches' intervals; the warm-up, where it lies far off, leaves it.

    It counts up to twice their height. The legend then says where the line ends.
    """
    warm = frame["branch"] == WARMUP
    shown = frame.loc[~warm, ["gain", "gain_low", "gain_high"]].to_numpy(float)
    gains = frame.loc[warm, "gain"].to_numpy(float)
    low, high = min(np.nanmin(shown), 0.0), max(np.nanmax(shown), 0.0)
    if not gains.size or high == low:
        return
    with_warmup = min(low, *gains), max(high, *gains)
    if with_warmup[1] - with_warmup[0] <= 2 * (high - low):
        low, high = with_warmup
    else:
        last = frame[warm].iloc[-1]
        line = next(line for line in axes.get_lines() if line.get_label() == WARMUP_LABEL)
        line.set_label(f"{WARMUP_LABEL} ({last['gain']:+.1f} at k={last['k']})")
    margin = MARGIN * (high - low)
    axes.set_ylim(low - margin, high + margin)


def _draw_zero(axes: Axes, item: Item) -> None:
    """The baseline as the zero line."""
    label = f"{item.experiment.baseline_label} (baseline)"
    axes.axhline(0, color=style.BASELINE_COLOUR, linewidth=1, label=label)


def _draw_lines(
    axes: Axes, item: Item, frame: pd.DataFrame, column: str, looks: Mapping[str, style.Look]
) -> None:
    """A line for every model that has a look."""
    labels = item.experiment.labels
    for branch, look in looks.items():
        rows = frame[frame["branch"] == branch]
        if not rows.empty:
            axes.plot(
                rows["k"],
                rows[column],
                color=look.colour,
                marker=look.marker,
                linestyle=look.line,
                label=labels[branch],
            )


def _draw_bands(
    axes: Axes, frame: pd.DataFrame, column: str, looks: Mapping[str, style.Look]
) -> None:
    low, high = f"{column}_low", f"{column}_high"
    with_interval = frame.dropna(subset=[low, high])
    for branch, rows in with_interval.groupby("branch", sort=False):
        colour = looks[str(branch)].colour
        axes.fill_between(
            rows["k"],
            rows[low],
            rows[high],
            facecolor=to_rgba(colour, 0.1),
            edgecolor=to_rgba(colour, 0.5),
            linewidth=0.5,
        )


def _band_key(frame: pd.DataFrame) -> Artist:
    """What the bands are; of one seed they say nothing about how trainings differ."""
    seeds, problems = frame["seeds"].iloc[0], frame["problems"].iloc[0]
    only = "" if seeds > 1 else ", problems only" if problems > 1 else ", samples only"
    label = f"95% interval{only}"
    return Patch(facecolor="0.5", alpha=0.3, linewidth=0, label=label)


def spaced_ticks(budgets: Sequence[int]) -> list[int]:
    """The budgets whose labels fit side by side on a linear axis: both ends, then from the top."""
    gap = (max(budgets) - min(budgets)) / 10
    ticks = [max(budgets), min(budgets)]
    for k in sorted(budgets, reverse=True):
        if all(abs(k - tick) >= gap for tick in ticks):
            ticks.append(k)
    return sorted(set(ticks))
