"""Tables of a map of regimes: every effect in every cell, and what activity says of gains."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from compute_aligned.config.claims import read_claims
from compute_aligned.config.regimes import NO_CLAIM
from compute_aligned.config.sheets import PaperItem
from compute_aligned.config.study import Study
from compute_aligned.method.activity import LEAST, MOST
from compute_aligned.method.metrics import metric_of
from compute_aligned.method.ranks import Correlation, rank_correlation
from compute_aligned.paper.captions import count
from compute_aligned.paper.cells import headline
from compute_aligned.paper.sheets import (
    Entry,
    Grid,
    Rendered,
    Sheet,
    label,
    measured,
    missing,
    rendered,
    words,
)

NOT_RUN = "not run"
NO_INTERVAL = "one seed: no interval"
UNITS = {True: "percentage points", False: "reward"}  # by whether the metric is a share
ACTIVE = (
    f"A weight is active between {LEAST:g} and {MOST:g} of its range, which reaches from 0 to the "
    "95% quantile of the batch; the share is that of the middle nine tenths of a batch, with "
    "straight lines between the recorded quantiles, averaged over the steps of a branch and of the "
    "branches that it starts from, then over seeds."
)


def effects(row: PaperItem, study: Study, cells: pd.DataFrame) -> Rendered:
    """Every contrast of a claim, cell by cell; below, where the weights were active.

    Args:
        row: The item's row.
        study: The map.
        cells: As ``cells.read_cells`` gives them.

    """
    claims = read_claims(study.folder)
    headings = {claim: f"{claim}. {each.row.statement}" for claim, each in claims.items()}
    headings[NO_CLAIM] = "Gains that the figures show besides"
    named = cells.assign(contrast=[_contrast(study, each) for _, each in cells.iterrows()])
    grids = []
    for family in dict.fromkeys(named["family"]):
        mine = named[named["family"] == family]
        for claim in dict.fromkeys(mine["claim"]):
            of_claim = mine[mine["claim"] == claim]
            grids.append(_grid(f"{headings[claim]} ({family})", of_claim, "contrast", _effect))
        heading = f"Share of training at which the weight was active ({family})"
        grids.append(_grid(heading, mine, "label", _share))
    sheet = Sheet(
        name=row.item,
        title=row.title,
        caption=f"Scale {study.scale}: {_counted(cells)}. Effects in percentage points, those of "
        "expected max@k in reward, paired by problem and seed; brackets are 95% intervals, bold "
        "where clear of zero. A column is a cell: a family with those settings.",
        grids=grids,
        note=ACTIVE,
    )
    return rendered(cells, sheet)


def _counted(cells: pd.DataFrame) -> str:
    """How many cells and seeds there are, and how many cells were not run."""
    runs = cells.groupby("run")["seeds"].max()
    seeds = sorted({int(number) for number in runs.dropna()})
    shown = f"{seeds[0]} to {count(seeds[-1], 'seed')}" if len(seeds) > 1 else ""
    text = count(len(runs), "cell")
    if seeds:
        text += f" of {shown or count(seeds[0], 'seed')}"
    return text + (f", {runs.isna().sum()} of them not run" if runs.isna().any() else "")


def _grid(heading: str, rows: pd.DataFrame, name: str, entry: Callable[[pd.Series], Entry]) -> Grid:
    """A row for each value of a column, in words; a column a cell."""
    entries = {(row[name], row["cell"]): entry(row) for _, row in rows.iterrows()}
    columns = list(dict.fromkeys(rows["cell"]))
    lines = [
        [label(text), *(entries.get((text, cell), missing()) for cell in columns)]
        for text in dict.fromkeys(rows[name])
    ]
    return Grid(heading, [words(text) for text in ("", *columns)], lines)


def _contrast(study: Study, row: pd.Series) -> str:
    """What is compared: ``Pass@16 − Cross-entropy, pass@64``."""
    against = study.experiment(row["run"]).labels.get(row["against"], row["against"])
    return f"{row['label']} − {against}, {metric_of(row['metric']).at(int(row['k']))}"


def _effect(row: pd.Series) -> Entry:
    decimals = metric_of(row["metric"]).decimals
    if np.isnan(row["gain"]):
        return words(NOT_RUN)
    interval = NO_INTERVAL
    if not np.isnan(row["low"]):
        interval = f"[{row['low']:z.{decimals}f}, {row['high']:z.{decimals}f}]"
    return measured(
        f"{row['gain']:+z.{decimals}f}", interval, bold=row["low"] > 0 or row["high"] < 0
    )


def _share(row: pd.Series) -> Entry:
    return words(NOT_RUN if np.isnan(row["share_active"]) else f"{100 * row['share_active']:.0f}%")


# --- activity and gain ------------------------------------------------------------------------


def activity(row: PaperItem, study: Study, cells: pd.DataFrame) -> Rendered:
    """How the share of active weights goes with the gain, over all cells and family by family.

    Args:
        row: The item's row.
        study: The map.
        cells: As ``cells.read_cells`` gives them.

    """
    points = points_of(cells, study)
    lines = []
    for unit, of_unit in points.groupby("unit", sort=False):
        lines.append([words(f"All, gains in {unit}"), *_correlation(of_unit)])
        for family, of_family in of_unit.groupby("family", sort=False):
            lines.append([words(f"{family} alone"), *_correlation(of_family)])
    if not lines:
        lines = [[words(f"Nothing: {NOT_RUN}"), missing(), missing(), missing()]]
    heads = ("", "Points", "Cells", "Rank correlation")
    sheet = Sheet(
        name=row.item,
        title=row.title,
        caption=f"Scale {study.scale}: Spearman's rank correlation of the share of training at "
        "which a branch's weight was active, with its gain over the baseline at the largest k that "
        "a claim compares them at. A point is a branch in a cell; brackets are 95% intervals over "
        "cells (bootstrap). Families of one unit stand together.",
        grids=[
            Grid("Does the share of active weights predict the gain?", [*map(words, heads)], lines)
        ],
        note=ACTIVE,
    )
    return rendered(points, sheet)


def points_of(cells: pd.DataFrame, study: Study) -> pd.DataFrame:
    """The points of the figure: :func:`~compute_aligned.paper.cells.headline`, with their unit."""
    found = headline(cells, study)
    return found.assign(unit=found["metric"].map(lambda name: UNITS[metric_of(name).is_share]))


def correlation_of(points: pd.DataFrame) -> Correlation:
    """Of share and gain, with its interval over cells."""
    return rank_correlation(points["share_active"], points["gain"], points["run"])


def correlation_words(found: Correlation) -> tuple[str, str]:
    """The correlation and its interval, or why there is none."""
    if np.isnan(found.estimate):
        return "none: shares or gains do not vary", ""
    estimate = f"{found.estimate:+z.2f}"
    if np.isnan(found.low):
        return estimate, "too few cells for an interval"
    return estimate, f"[{found.low:z.2f}, {found.high:z.2f}]"


def _correlation(points: pd.DataFrame) -> list[Entry]:
    counts = (len(points), points["run"].nunique())
    return [
        *(words(str(number)) for number in counts),
        measured(*correlation_words(correlation_of(points))),
    ]
