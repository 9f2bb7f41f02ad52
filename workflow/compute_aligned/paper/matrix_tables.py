"""The alignment matrix as a table: all metrics of a family side by side."""

from typing import Any

import pandas as pd

from compute_aligned.config.study import Item
from compute_aligned.paper import matrix
from compute_aligned.paper.captions import count
from compute_aligned.paper.sheets import (
    Entry,
    Grid,
    Rendered,
    Sheet,
    emphasised,
    missing,
    rendered,
    words,
)
from compute_aligned.paper.tables import sources


def alignment_matrix(item: Item, outcomes: pd.DataFrame) -> Rendered:
    """What training for one strategy gives under each other (PAPER section 1).

    Args:
        item: The item.
        outcomes: As ``summary.read_outcomes`` gives them.

    """
    labels = item.experiment.labels
    found = matrix.of_item(item, outcomes)
    heads = list(dict.fromkeys(found["column"]))
    rows = [
        [words(labels[str(branch)]), *map(_gain, of_branch.to_dict("records"))]
        for branch, of_branch in found.groupby("branch", sort=False)
    ]
    seeds, problems = int(found["seeds"].iloc[0]), int(found["problems"].iloc[0])
    baseline = item.experiment.baseline_label
    sheet = Sheet(
        name=item.row.item,
        title=item.row.title,
        caption=(
            f"Rows: what a branch was trained for; columns: the strategy that it is evaluated "
            f"under. Gains over {baseline}, paired by problem and seed; {count(seeds, 'seed')}, "
            f"{count(problems, 'problem')} each. Brackets are 95% intervals from "
            f"{sources(seeds, problems)}; bold where clear of zero."
        ),
        grids=[
            Grid(
                f"This run (scale {item.experiment.scale}): "
                f"gain over {baseline} in percentage points",
                [words(text) for text in ("Trained for", *heads)],
                rows,
            )
        ],
        note=(
            "In the cell marked with an arrow a branch is evaluated under the strategy that it was "
            "trained for. All columns but votes (maj@k) are unbiased estimates of the strategy's "
            "success S(p). The paper has no such table."
        ),
    )
    frame = found.assign(
        item=item.row.item, family=item.row.family, label=found["branch"].map(labels)
    )
    return rendered(frame[["item", "family", "branch", "label", *found.columns[1:]]], sheet)


def _gain(cell: dict[Any, Any]) -> Entry:
    gain, low, high = cell["gain"], cell["gain_low"], cell["gain_high"]
    if gain != gain:
        return missing()
    text = f"{'→ ' if cell['own'] else ''}{gain:+z.1f} [{low:z.1f}, {high:z.1f}]"
    return emphasised(text) if low > 0 or high < 0 else words(text)
