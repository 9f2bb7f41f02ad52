"""From which model each branch of a family is trained: the warm-up, or another of its branches."""

from collections.abc import Mapping
from pathlib import Path

from compute_aligned.configuration.sheets import BranchRow
from compute_aligned.configuration.validation import near
from compute_aligned.errors import InputError

FROM_WARMUP = "-"  # what the column start says for the warm-up


def check_starts(rows: Mapping[str, BranchRow], sheet: Path) -> None:
    """Check that every branch of a family descends from its warm-up.

    Args:
        rows: The family's rows by branch.
        sheet: Where they stand, for the error.

    Raises:
        InputError: A branch starts from one that the family does not have, or from itself, at once
            or by way of others.

    """
    for branch, row in rows.items():
        where = f"{sheet}: {row.family} {branch}: start"
        if row.start not in (FROM_WARMUP, *rows):
            problem = f"family {row.family!r} has no branch {row.start!r}{near(row.start, rows)}"
            others = ", ".join(other for other in rows if other != branch)
            raise InputError(where, problem, f"write - for the warm-up, or one of: {others}")
    for branch, row in rows.items():
        circle = _circle(branch, rows)
        if circle:
            raise InputError(
                f"{sheet}: {row.family} {branch}: start",
                f"no model is there to begin with: {' starts from '.join(circle)}",
                "let one of them start from another branch, or write - for the warm-up",
            )


def _circle(branch: str, rows: Mapping[str, BranchRow]) -> list[str]:
    """The branches that starting from ``branch`` leads through again and again; mostly none."""
    path = [branch]
    while (start := rows[path[-1]].start) != FROM_WARMUP:
        if start in path:
            return [*path[path.index(start) :], start]
        path.append(start)
    return []
