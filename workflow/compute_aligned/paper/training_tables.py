"""The tables about training itself, made from the record of every step.

Like ``tables``, but a form is made from the steps, as ``activity.read_steps`` gives them.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import pandas as pd

from compute_aligned import config
from compute_aligned.configuration.sheets import PaperItem
from compute_aligned.layout.grids import Entry, Grid, GridSheet, words
from compute_aligned.paper.activity import PHASES, phases
from compute_aligned.study.forms import chosen, register
from compute_aligned.tables import Rendered, count, of_grids

FORMS: dict[str, Callable[[PaperItem, pd.DataFrame, str], Rendered]] = {}


def render(item: PaperItem, steps: pd.DataFrame, scale: str) -> Rendered:
    """Make a table in the form that its row names.

    Args:
        item: The row of ``config/paper_items.tsv``.
        steps: As ``activity.read_steps`` gives them, of the item's branches.
        scale: The scale of the run, for headings.

    Raises:
        InputError: There is no such form.

    """
    return chosen(FORMS, item)(item, steps, scale)


@register(FORMS, "activity")
def activity(item: PaperItem, steps: pd.DataFrame, scale: str) -> Rendered:
    """Where each branch's weight was active: log p and weight at the start and at the end."""
    labels = config.labels_of(item.family)
    found = phases(steps)
    frame = found.assign(item=item.item, family=item.family, label=found["branch"].map(labels))
    first = ["item", "family", "branch", "label"]
    frame = frame[[*first, *(name for name in frame if name not in first)]]
    columns = [words(text) for text in ("Branch", "log p, start", "log p, end")]
    columns += [words(text) for text in ("Weight, start", "Weight, end", "Clipped")]
    rows = [
        [words(labels[str(branch)]), *_cells(rows.set_index("phase"))]
        for branch, rows in frame.groupby("branch", sort=False)
    ]
    seeds = count(int(frame["seeds"].max()), "seed")
    sheet = GridSheet(
        name=item.item,
        title=item.title,
        caption=f"Scale {scale}, means over {seeds}: the median of a batch, and from its 5 to its "
        "95% quantile, over the first and the last tenth of the steps.",
        grids=[Grid("Sequence log-probability and weight in training", columns, rows)],
        note="A weight that is the same throughout a batch is a constant factor, which AdamW with "
        "a clipped gradient takes away again. Clipped: the share of steps with a gradient above "
        "the limit.",
    )
    return of_grids(frame, sheet)


def _cells(by_phase: pd.DataFrame) -> list[Entry]:
    """Log p at start and end, the weight at start and end, the share of clipped gradients."""
    phases_of = by_phase.to_dict("index")
    spreads = [_spread(phases_of[phase], name) for name in ("log_p", "weight") for phase in PHASES]
    return [*spreads, words(f"{100 * by_phase['clipped'].mean():.0f}%")]


def _spread(row: Mapping[Hashable, Any], name: str) -> Entry:
    low, median, high = (significant(row[f"{name}_q{level}"]) for level in ("05", "50", "95"))
    return words(f"{median} ({low} to {high})")


def significant(value: float) -> str:
    """Two decimals; what they would show as 0 with one digit and its power of ten."""
    return f"{value:z.2f}" if abs(value) >= 0.005 or value == 0 else f"{value:.0e}"
