"""Items, and files of graded samples as a run leaves them, by what matters of each problem."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from compute_aligned.config.study import Item, read_study
from compute_aligned.files.records import PROTEIN_SCORES, SCORES, write_table

Answers = Sequence[tuple[str | None, bool]]  # votes, each with whether it is right


def item_of(name: str, *branches: str) -> Item:
    """An item at the smoke scale, with some of its branches if any are named."""
    item = read_study("smoke").item(name)
    row = item.row.model_copy(update={"branches": branches or item.row.branches})
    return replace(item, row=row)


def votes(*texts: str | None) -> Answers:
    """Votes on a problem whose answer is 7."""
    return [(text, text == "7") for text in texts]


def sevens(right: int, of: int) -> Answers:
    """So many right votes, before wrong ones that all differ."""
    return votes(*["7"] * right, *(f"1{i}" for i in range(of - right)))


def write_answers(path: Path, answers: Mapping[tuple[str, str], Answers]) -> Path:
    """A file of the votes of each branch and problem."""
    rows = [
        {"branch": branch, "problem": problem, "num_samples": len(given), "num_correct": 0}
        | {"num_invalid": 0, "num_unfinished": 0, "mean_tokens": 2.0}
        | {"votes": [vote for vote, _ in given], "correct": [right for _, right in given]}
        for (branch, problem), given in answers.items()
    ]
    write_table(path, rows, SCORES)
    return path


def write_proteins(path: Path, samples: Mapping[tuple[str, str], Mapping[str, Any]]) -> Path:
    """A file of the ``rewards`` or ``shares`` of each branch and problem, or of both.

    The other of the two, and ``residues`` and ``input_share``, are filled in where not given.
    """
    rows = []
    for (branch, problem), given in samples.items():
        size = len(given.get("rewards", given.get("shares", ())))
        rows.append(
            {"branch": branch, "problem": problem, "num_samples": size, "num_invalid": 0}
            | {"num_unfinished": 0, "mean_tokens": 2.0, "input_share": None}
            | {"rewards": [1.0] * size, "shares": [0.5] * size, "residues": [9] * size}
            | given
        )
    write_table(path, rows, PROTEIN_SCORES)
    return path
