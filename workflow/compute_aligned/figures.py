"""The paper's figures, each form a function that :data:`FORMS` finds by its name.

Figures are built without pyplot: no display, no state shared between two of them.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from compute_aligned import config, style
from compute_aligned.forms import chosen, register
from compute_aligned.records import replacing
from compute_aligned.reported import DISPLAY, beside_paper, paper_values
from compute_aligned.settings import PaperItem

FORMS: dict[str, Callable[[PaperItem, pd.DataFrame, str], Figure]] = {}


def draw(item: PaperItem, summary: pd.DataFrame, scale: str) -> Figure:
    """Draw a figure in the form that its row names.

    Args:
        item: The row of ``config/paper_items.tsv``.
        summary: As ``contrasts.summarise`` gives it, with the warm-up among its branches.
        scale: The scale of the run, for the title.

    Raises:
        InputError: There is no such form.
        ValueError: The summary lacks a branch of the item.

    """
    with style.context():
        return chosen(FORMS, item)(item, summary, scale)


def save(figure: Figure, pdf: Path, png: Path) -> None:
    """Write a figure as vector graphics and as pixels, each whole or not at all.

    The same figure gives the same bytes: no date is written.
    """
    with style.context():
        with replacing(pdf) as temporary:
            figure.savefig(temporary, format="pdf", metadata={"CreationDate": None})
        with replacing(png) as temporary:
            figure.savefig(temporary, format="png")


@register(FORMS, "gains")
def gains(item: PaperItem, summary: pd.DataFrame, scale: str) -> Figure:
    """Gain over the baseline against k (PAPER.md section 6, Figures 1-4), the paper's at the right.

    This run's gains have a band where the summary has an interval; the paper gives none.
    """
    frame = beside_paper(item, summary)
    display = DISPLAY[item.metric]
    seeds = int(frame["seeds"].iloc[0])
    figure = Figure(figsize=(style.WIDTH, style.HEIGHT), layout="constrained")
    ours, papers = figure.subplots(1, 2)

    _draw_gains(ours, item, frame, "gain")
    _draw_bands(ours, item, frame)
    ours.set_title(f"This run (scale {scale}, {seeds} {'seed' if seeds == 1 else 'seeds'})")
    ours.set_ylabel(f"Gain in {display.name}\n({display.gain_unit})")

    reported = paper_values(item)
    _draw_gains(papers, item, reported, "paper_gain")
    papers.set_title(f"Paper ({display.paper_model}, {display.paper_data})")
    papers.set_ylabel(f"Reported gain in {display.name}\n({display.gain_unit})")
    papers.set_facecolor(style.PAPER_BACKGROUND)
    if reported.empty:
        papers.text(0.5, 0.5, "none reported", transform=papers.transAxes, ha="center")

    for axes, budgets in ((ours, sorted(frame["k"].unique())), (papers, item.budgets)):
        axes.set_xlabel("Samples per problem, k")
        axes.set_xticks(spaced_ticks(budgets))
        axes.set_xticks(budgets, minor=True)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
    figure.suptitle(item.title, x=0.01, ha="left", weight="bold")
    handles = [*ours.get_lines(), _band_key(seeds)]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _draw_gains(axes: Axes, item: PaperItem, frame: pd.DataFrame, column: str) -> None:
    """The baseline as the zero line, and a line for every other model."""
    labels, baseline = config.labels_of(item.family), config.baseline_of(item.family)
    zero_label = f"{labels[baseline]} (baseline)"
    axes.axhline(0, color=style.BASELINE_COLOUR, linewidth=1, label=zero_label)
    for branch, look in style.looks_of(item.family).items():
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


def _draw_bands(axes: Axes, item: PaperItem, frame: pd.DataFrame) -> None:
    looks = style.looks_of(item.family)
    with_interval = frame.dropna(subset=["gain_low", "gain_high"])
    for branch, rows in with_interval.groupby("branch", sort=False):
        colour = looks[str(branch)].colour
        axes.fill_between(
            rows["k"],
            rows["gain_low"],
            rows["gain_high"],
            facecolor=to_rgba(colour, 0.1),
            edgecolor=to_rgba(colour, 0.5),
            linewidth=0.5,
        )


def _band_key(seeds: int) -> Artist:
    """What the bands are; of one seed they say nothing about how trainings differ."""
    label = "95% interval" if seeds > 1 else "95% interval, problems only"
    return Patch(facecolor="0.5", alpha=0.3, linewidth=0, label=label)


def spaced_ticks(budgets: Sequence[int]) -> list[int]:
    """The budgets whose labels fit side by side on a linear axis: both ends, then from the top."""
    gap = (max(budgets) - min(budgets)) / 10
    ticks = [max(budgets), min(budgets)]
    for k in sorted(budgets, reverse=True):
        if all(abs(k - tick) >= gap for tick in ticks):
            ticks.append(k)
    return sorted(set(ticks))
