"""Tables of the answers that models give, made from the graded samples of every problem.

Like ``tables``, but a form is made from the files of scores, ``records.SCORES``, one a seed.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from compute_aligned.config import study
from compute_aligned.config.sheets import PaperItem
from compute_aligned.paper import diagonal
from compute_aligned.paper.diagonal_items import render_diagonal
from compute_aligned.paper.forms import chosen, register
from compute_aligned.paper.tables import Rendered

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
