"""Tables of the alignment matrix: all metrics of a family side by side.

Like ``tables``, but a form is made from all outcomes, as ``summary.read_outcomes`` gives them.
"""

from collections.abc import Callable
from typing import Any

import pandas as pd

from compute_aligned.config import study
from compute_aligned.config.sheets import PaperItem
from compute_aligned.paper import matrix
from compute_aligned.paper.captions import count
from compute_aligned.paper.forms import chosen, register
from compute_aligned.paper.grids import Entry, Grid, GridSheet, emphasised, missing, words
from compute_aligned.paper.tables import Rendered, of_grids, sources

FORMS: dict[str, Callable[[PaperItem, pd.DataFrame, str], Rendered]] = {}


def render(item: PaperItem, outcomes: pd.DataFrame, scale: str) -> Rendered:
    """Make a table in the form that its row names.

    Args:
        item: The row of ``config/paper_items.tsv``.
        outcomes: As ``summary.read_outcomes`` gives them.
        scale: The scale of the run, for headings.

    Raises:
        InputError: There is no such form.

    """
    return chosen(FORMS, item)(item, outcomes, scale)


@register(FORMS, "alignment_matrix")
def alignment_matrix(item: PaperItem, outcomes: pd.DataFrame, scale: str) -> Rendered:
    """What training for one strategy gives under each other (PAPER section 1)."""
    labels = study.labels_of(item.family)
    found = matrix.of_item(item, outcomes)
    heads = list(dict.fromkeys(found["column"]))
    rows = [
        [words(labels[str(branch)]), *map(_gain, of_branch.to_dict("records"))]
        for branch, of_branch in found.groupby("branch", sort=False)
    ]
    seeds, problems = int(found["seeds"].iloc[0]), int(found["problems"].iloc[0])
    baseline = labels[study.baseline_of(item.family)]
    sheet = GridSheet(
        name=item.item,
        title=item.title,
        caption=(
            f"Rows: what a branch was trained for; columns: the strategy that it is evaluated "
            f"under. Gains over {baseline}, paired by problem and seed; {count(seeds, 'seed')}, "
            f"{count(problems, 'problem')} each. Brackets are 95% intervals from "
            f"{sources(seeds, problems)}; bold where clear of zero."
        ),
        grids=[
            Grid(
                f"This run (scale {scale}): gain over {baseline} in percentage points",
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
    frame = found.assign(item=item.item, family=item.family, label=found["branch"].map(labels))
    return of_grids(frame[["item", "family", "branch", "label", *found.columns[1:]]], sheet)


def _gain(cell: dict[Any, Any]) -> Entry:
    gain, low, high = cell["gain"], cell["gain_low"], cell["gain_high"]
    if gain != gain:
        return missing()
    text = f"{'→ ' if cell['own'] else ''}{gain:+z.1f} [{low:z.1f}, {high:z.1f}]"
    return emphasised(text) if low > 0 or high < 0 else words(text)
