"""The paper's tables, each form a function that :data:`FORMS` finds by its name.

A table comes in four spellings: tidy values (csv), for reading (md), for a paper (tex), and for the
report of the run (html).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from compute_aligned.config import study
from compute_aligned.config.sheets import PaperItem
from compute_aligned.method.metrics import metric_of
from compute_aligned.paper import grids, panels
from compute_aligned.paper.captions import count
from compute_aligned.paper.forms import chosen, register
from compute_aligned.paper.panels import MISSING, Cell, Panel, Sheet
from compute_aligned.paper.reported import MEASURED_ON, beside_paper, paper_values


@dataclass(frozen=True)
class Rendered:
    """The text of a table's four files."""

    csv: str
    md: str
    tex: str
    html: str


VOTE_OF_ALL = "Plurality: a vote over all {} samples, exact."
FORMS: dict[str, Callable[[PaperItem, pd.DataFrame, str], Rendered]] = {}


def render(item: PaperItem, summary: pd.DataFrame, scale: str) -> Rendered:
    """Make a table in the form that its row names.

    Args:
        item: The row of ``config/paper_items.tsv``.
        summary: As ``summary.summarise`` gives it, with the warm-up among its branches.
        scale: The scale of the run, for headings.

    Raises:
        InputError: There is no such form.
        ValueError: The summary lacks a branch of the item.

    """
    return chosen(FORMS, item)(item, summary, scale)


@register(FORMS, "levels")
def levels(item: PaperItem, summary: pd.DataFrame, scale: str) -> Rendered:
    """Levels and gains of this run with intervals, then the levels that the paper reports."""
    frame = beside_paper(item, summary)
    metric = metric_of(item.metric)
    paper_model, paper_data = MEASURED_ON[metric.needs]
    baseline = study.baseline_of(item.family)
    baseline_label = study.labels_of(item.family)[baseline]
    reported = paper_values(item).assign(metric=item.metric)
    voted = frame.loc[frame["metric"] == "plurality", "k"].unique()
    columns = [*((item.metric, k) for k in item.budgets), *(("plurality", k) for k in voted)]
    found = [
        Panel(
            f"This run (scale {scale}): {metric.title} in {metric.unit}",
            _rows(item, frame, "value", columns),
        ),
        Panel(
            f"This run (scale {scale}): gain over {baseline_label} in {metric.gain_unit}",
            _rows(item, frame[frame["branch"] != baseline], "gain", columns),
        ),
        Panel(
            f"The paper's reported values ({paper_model} on {paper_data}; "
            f"not from this run): {metric.title} in {metric.unit}",
            _rows(item, reported, "paper_value", columns),
        ),
    ]
    shown = [panel for panel in found if panel.rows]
    sheet = Sheet(
        name=item.item,
        title=item.title,
        caption=caption(frame, scale, baseline_label),
        budgets=item.budgets,
        panels=shown,
        note=_note(reported, shown) + "".join(f" {VOTE_OF_ALL.format(k)}" for k in voted),
        more=["plurality"] * len(voted),
    )
    tidy = to_csv(frame)
    return Rendered(
        tidy, panels.to_markdown(sheet), panels.to_latex(sheet), panels.to_html(sheet, tidy)
    )


def of_grids(frame: pd.DataFrame, sheet: grids.GridSheet) -> Rendered:
    """All spellings of a table of words, formulas and numbers, with its tidy values."""
    tidy = to_csv(frame)
    return Rendered(
        tidy, grids.to_markdown(sheet), grids.to_latex(sheet), grids.to_html(sheet, tidy)
    )


def to_csv(frame: pd.DataFrame) -> str:
    """Tidy values with six significant digits; what is missing is empty."""
    return frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def caption(frame: pd.DataFrame, scale: str, baseline_label: str) -> str:
    """One line that says what the numbers are: means over what, intervals from what, gains how."""
    seeds, problems = (_the_one(frame[column]) for column in ("seeds", "problems"))
    paired = f"paired with {baseline_label} by problem and seed"
    return (
        f"Scale {scale}: means over {count(seeds, 'seed')} and {count(problems, 'problem')}; "
        f"brackets are 95% intervals from {sources(seeds, problems)}. "
        f"Gains are {paired if problems > 1 else f'over {baseline_label}, seed by seed'}, "
        "bold where the interval is clear of zero."
    )


def sources(seeds: int, problems: int) -> str:
    """What intervals are from: problems or the samples of a pool, and seeds."""
    over_problems = "problems (bootstrap)" if problems > 1 else "samples (bootstrap)"
    over_seeds = f"seeds (t, {seeds - 1} degrees of freedom)"
    if seeds == 1:
        return f"{over_problems} only, since one seed says nothing of how trainings differ"
    return over_seeds if problems == 1 else f"{over_problems} and {over_seeds}"


def _the_one(column: pd.Series) -> int:
    values = column.unique()
    if len(values) != 1:
        raise ValueError(f"the rows of a table differ in {column.name}: {sorted(values)}")
    return int(values[0])


# --- cells ----------------------------------------------------------------------------------


def _rows(
    item: PaperItem, frame: pd.DataFrame, value: str, columns: Sequence[tuple[str, int]]
) -> dict[str, list[Cell]]:
    """Label to one cell a metric and budget, missing where the frame has no such row."""
    labels = study.labels_of(item.family)
    decimals = metric_of(item.metric).decimals
    cells = {
        (row["branch"], row["metric"], row["k"]): _cell(row, value, decimals)
        for _, row in frame.iterrows()
    }
    return {
        labels[branch]: [cells.get((branch, *column), Cell(MISSING)) for column in columns]
        for branch in frame["branch"].unique()
    }


def _cell(row: pd.Series, column: str, decimals: int) -> Cell:
    """A level, or a gain with its sign; with its interval where the frame has one."""
    low, high = row.get(f"{column}_low", np.nan), row.get(f"{column}_high", np.nan)
    interval = "" if np.isnan(low) else f"[{low:z.{decimals}f}, {high:z.{decimals}f}]"
    if column == "gain":
        return Cell(f"{row[column]:+z.{decimals}f}", interval, bold=low > 0 or high < 0)
    return Cell(f"{row[column]:z.{decimals}f}", interval)


def _note(reported: pd.DataFrame, shown: Sequence[Panel]) -> str:
    """Where the paper's values stand, and what a dash means if there is one."""
    where = "; ".join(sorted(reported["origin"].unique())) or "none reported"
    cells = [cell for panel in shown for row in panel.rows.values() for cell in row]
    dash = f" A dash ({MISSING}): not sampled, or not reported." if Cell(MISSING) in cells else ""
    return f"The paper's values: {where}.{dash}"
