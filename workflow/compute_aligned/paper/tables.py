"""Tables of one metric: its levels and gains beside what the paper reports."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from compute_aligned.config.study import Item
from compute_aligned.method.metrics import metric_of
from compute_aligned.paper.captions import count
from compute_aligned.paper.reported import MEASURED_ON, beside_paper, paper_values
from compute_aligned.paper.sheets import (
    MISSING,
    Entry,
    Grid,
    Rendered,
    Sheet,
    budget,
    label,
    measured,
    missing,
    rendered,
    words,
)

VOTE_OF_ALL = "Plurality: a vote over all {} samples, exact."


def levels(item: Item, summary: pd.DataFrame, reported: pd.DataFrame) -> Rendered:
    """Levels and gains of this run with intervals, then the levels that the paper reports.

    Args:
        item: The item.
        summary: As ``summary.summarise`` gives it, with the warm-up among its branches.
        reported: The paper's own numbers, as ``reported.read_reported`` gives them.

    Raises:
        ValueError: The summary lacks a branch of the item.

    """
    frame = beside_paper(item, summary, reported)
    return rendered(frame, sheet(item, frame, reported))


def sheet(item: Item, frame: pd.DataFrame, reported: pd.DataFrame) -> Sheet:
    """What :func:`levels` writes, in no spelling yet, from the tidy values that it writes."""
    row, experiment = item.row, item.experiment
    of_paper = paper_values(item, reported).assign(metric=row.metric)
    metric = metric_of(row.metric)
    paper_model, paper_data = MEASURED_ON[metric.needs]
    voted = frame.loc[frame["metric"] == "plurality", "k"].unique()
    columns = [*((row.metric, k) for k in row.budgets), *(("plurality", k) for k in voted)]
    heads = [words(""), *map(budget, row.budgets), *(words("plurality") for _ in voted)]
    this_run = f"This run (scale {experiment.scale})"
    gains = frame[frame["branch"] != experiment.baseline]
    found = [
        (f"{this_run}: {metric.title} in {metric.unit}", frame, "value"),
        (
            f"{this_run}: gain over {experiment.baseline_label} in {metric.gain_unit}",
            gains,
            "gain",
        ),
        (
            f"The paper's reported values ({paper_model} on {paper_data}; "
            f"not from this run): {metric.title} in {metric.unit}",
            of_paper,
            "paper_value",
        ),
    ]
    grids = [
        Grid(heading, heads, _rows(item, part, value, columns))
        for heading, part, value in found
        if not part.empty
    ]
    return Sheet(
        name=row.item,
        title=row.title,
        caption=caption(item, frame),
        grids=grids,
        note=_note(of_paper, grids) + "".join(f" {VOTE_OF_ALL.format(k)}" for k in voted),
    )


def caption(item: Item, frame: pd.DataFrame) -> str:
    """One line that says what the numbers are: means over what, intervals from what, gains how."""
    seeds, problems = (_the_one(frame[column]) for column in ("seeds", "problems"))
    baseline = item.experiment.baseline_label
    paired = f"paired with {baseline} by problem and seed"
    return (
        f"Scale {item.experiment.scale}: means over {count(seeds, 'seed')} and "
        f"{count(problems, 'problem')}; "
        f"brackets are 95% intervals from {sources(seeds, problems)}. "
        f"Gains are {paired if problems > 1 else f'over {baseline}, seed by seed'}, "
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


def _rows(
    item: Item, frame: pd.DataFrame, value: str, columns: Sequence[tuple[str, int]]
) -> list[list[Entry]]:
    """A row a branch, an entry a metric and budget, missing where the frame has no such row."""
    labels = item.experiment.labels
    decimals = metric_of(item.row.metric).decimals
    entries = {
        (row["branch"], row["metric"], row["k"]): _entry(row, value, decimals)
        for _, row in frame.iterrows()
    }
    return [
        [label(labels[branch]), *(entries.get((branch, *column), missing()) for column in columns)]
        for branch in frame["branch"].unique()
    ]


def _entry(row: pd.Series, column: str, decimals: int) -> Entry:
    """A level, or a gain with its sign; with its interval where the frame has one."""
    low, high = row.get(f"{column}_low", np.nan), row.get(f"{column}_high", np.nan)
    interval = "" if np.isnan(low) else f"[{low:z.{decimals}f}, {high:z.{decimals}f}]"
    if column == "gain":
        return measured(f"{row[column]:+z.{decimals}f}", interval, bold=low > 0 or high < 0)
    return measured(f"{row[column]:z.{decimals}f}", interval)


def _note(of_paper: pd.DataFrame, grids: Sequence[Grid]) -> str:
    """Where the paper's values stand, and what a dash means if there is one."""
    where = "; ".join(sorted(of_paper["origin"].unique())) or "none reported"
    entries = [entry for grid in grids for row in grid.rows for entry in row]
    dash = f" A dash ({MISSING}): not sampled, or not reported." if missing() in entries else ""
    return f"The paper's values: {where}.{dash}"
