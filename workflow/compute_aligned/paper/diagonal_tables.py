"""The table of rho, alike for votes and for Best-of-N (PAPER section 7)."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from compute_aligned import config
from compute_aligned.configuration.sheets import PaperItem
from compute_aligned.layout.grids import Entry, Grid, GridSheet, missing, words
from compute_aligned.paper.diagonal import BUDGET, summarise
from compute_aligned.tables import Rendered, count, of_grids, sources

NUMBERS = ("Mean", "Median", "Largest")
SHARES = ("Undefined", "p = 0", "p = 1")


def render(item: PaperItem, ratios: pd.DataFrame, scale: str, target: str) -> Rendered:
    """Mean, median and largest rho of each model, and how often there is none.

    Args:
        item: The row of ``config/paper_items.tsv``.
        ratios: As :mod:`~compute_aligned.paper.diagonal` gives them, the warm-up among its models.
        scale: The scale of the run, for the heading.
        target: What has to win, and how.

    """
    labels = config.labels_of(item.family)
    found = summarise(ratios, [config.WARMUP, *item.branches])
    names = found["branch"].map(labels)
    frame = found.assign(item=item.item, family=item.family, label=names)
    first = ["item", "family", "branch", "label"]
    frame = frame[[*first, *(name for name in frame if name not in first)]]
    seeds, problems = int(found["seeds"].iloc[0]), int(found["problems"].iloc[0])
    sheet = GridSheet(
        name=item.item,
        title=item.title,
        caption=(
            f"{target} The distribution is that of a problem's samples, rho is exact for it; "
            f"{count(seeds, 'seed')}, {count(problems, 'problem')} each. Brackets are 95% "
            f"intervals of the mean, from {sources(seeds, problems)}."
        ),
        grids=[
            Grid(
                f"This run (scale {scale}): rho at N = {BUDGET}",
                [words(text) for text in ("Model", *NUMBERS, *SHARES)],
                [[words(row["label"]), *_cells(row)] for row in frame.to_dict("records")],
            )
        ],
        note=(
            "rho = a/(a - C), where a is the derivative that the scalar update keeps and C what "
            "the rivals' proportional decay takes back. That rho is 1 or more is algebra, since "
            "C >= 0 (claim C11); what is measured is how large it is. It has no upper limit: it "
            "grows as p, the share of samples that hit the target, nears 1, and then the mean "
            "hangs on few problems. Where p is 0 or 1, or a - C vanishes, rho is undefined: such "
            "problems are counted in the last columns and left out of the others."
        ),
    )
    return of_grids(frame, sheet)


def _cells(row: Mapping[Hashable, Any]) -> list[Entry]:
    mean, low, high, median, largest = (
        f"{row[name]:z,.2f}" for name in ("mean", "mean_low", "mean_high", "median", "largest")
    )
    interval = "" if np.isnan(row["mean_low"]) else f" [{low}, {high}]"
    numbers = [words(f"{mean}{interval}"), words(median), words(largest)]
    shares = [words(f"{100 * row[name]:.1f}%") for name in ("undefined", "never", "always")]
    return [*([missing()] * 3 if np.isnan(row["mean"]) else numbers), *shares]
