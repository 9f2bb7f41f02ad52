"""Tables of the answers that models give, made from the graded samples of every problem.

Like ``tables``, but a form is made from the files of scores, ``records.SCORES``, one a seed.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from compute_aligned.config import study
from compute_aligned.config.sheets import PaperItem
from compute_aligned.paper import diagonal, matrix
from compute_aligned.paper.captions import count
from compute_aligned.paper.diagonal_items import render_diagonal
from compute_aligned.paper.forms import chosen, register
from compute_aligned.paper.grids import Entry, Grid, GridSheet, emphasised, missing, words
from compute_aligned.paper.tables import Rendered, of_grids, sources

FORMS: dict[str, Callable[[PaperItem, Sequence[Path], str], Rendered]] = {}


def render(item: PaperItem, scores: Sequence[Path], scale: str) -> Rendered:
    """Make a table in the form that its row names.

    Args:
        item: The row of ``config/paper_items.tsv``.
        scores: Files of ``records.SCORES``, one a seed.
        scale: The scale of the run, for headings.

    Raises:
        InputError: There is no such form.

    """
    return chosen(FORMS, item)(item, scores, scale)


@register(FORMS, "diagonal")
def diagonal_ratio(item: PaperItem, scores: Sequence[Path], scale: str) -> Rendered:
    """How large rho of a majority vote is (PAPER section 7)."""
    ratios = diagonal.of_votes(scores, [study.WARMUP, *item.branches])
    target = (
        f"Strict plurality of {diagonal.BUDGET} votes, ties lost: the target is the right answer; "
        "samples without an answer use up votes and cannot win."
    )
    return render_diagonal(item, ratios, scale, target)


@register(FORMS, "alignment_matrix")
def alignment_matrix(item: PaperItem, scores: Sequence[Path], scale: str) -> Rendered:
    """What training for one strategy gives under each other (PAPER section 1)."""
    labels = study.labels_of(item.family)
    found = matrix.of_item(item, scores, scale)
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
