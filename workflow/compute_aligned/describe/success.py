"""What is known of the probability of success of a user's problems, from files of records."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from compute_aligned.files.errors import InputError
from compute_aligned.files.parsing import near, validated
from compute_aligned.files.records import read_json_lines, readable
from compute_aligned.method.foresight import posterior_log_p

WANTED = (
    "give each problem log_p, the summed log-probability of its target or the logarithm of its "
    "probability of success; or num_correct and num_samples"
)
POSTERIOR_SIZE = 400  # values of p that stand for a problem with counts


class LogP(BaseModel):
    """A problem of which log p is known."""

    log_p: Annotated[float, Field(le=0, allow_inf_nan=False)]


class Counts(BaseModel):
    """A problem of which some samples are graded."""

    model_config = ConfigDict(strict=True)

    num_samples: Annotated[int, Field(ge=1)]
    num_correct: Annotated[int, Field(ge=0)]

    @model_validator(mode="after")
    def _no_more_than_all(self) -> "Counts":
        if self.num_correct > self.num_samples:
            raise ValueError(f"{self.num_correct} correct of {self.num_samples} samples")
        return self


@dataclass(frozen=True, eq=False)
class Success:
    """What is known of P problems.

    Attributes:
        log_p: Equally likely values of log p of each distinct problem, shape (U, J); J is 1 where
            log p is known.
        row_of: Which row of ``log_p`` each problem has, shape (P,).
        source: What a reader is told of where log p is from.

    """

    log_p: NDArray[np.float64]
    row_of: NDArray[np.int64]
    source: str

    @classmethod
    def known(cls, log_p: Sequence[float] | NDArray[np.float64], source: str) -> "Success":
        """Of problems whose log p is known, shape (P,)."""
        distinct, row_of = np.unique(np.asarray(log_p, dtype=np.float64), return_inverse=True)
        return cls(distinct[:, None], row_of, source)

    @classmethod
    def counted(cls, counts: Sequence[tuple[int, int]]) -> "Success":
        """Of problems with so many right ones of so many samples."""
        distinct, row_of = np.unique(np.asarray(counts), axis=0, return_inverse=True)
        log_p = posterior_log_p(distinct[:, 0], distinct[:, 1], POSTERIOR_SIZE)
        fewest, most = distinct[:, 1].min(), distinct[:, 1].max()
        samples = f"{most}" if fewest == most else f"{fewest} to {most}"
        return cls(log_p, row_of.ravel(), f"{samples} graded samples of each; p from their counts")

    @property
    def is_counted(self) -> bool:
        """Whether p is not known, but samples."""
        return self.log_p.shape[1] > 1


def read_success(files: Sequence[Path], branch: str | None) -> Success:
    """The problems of some files of records, all together.

    Args:
        files: Parquet, or JSON lines. A row is a problem with a key ``log_p``, or ``num_correct``
            and ``num_samples``, and perhaps ``branch``, the model that it is of.
        branch: The model to take; None where the files have one model only.

    Raises:
        InputError: A file is missing, damaged or empty; a row lacks what is wanted, or has no
            possible value; the files have several models, or not this one.

    """
    rows = [row for file in files for row in _rows(file)]
    rows = _of_branch(rows, branch, ", ".join(map(str, files)))
    where, first = rows[0]
    if "log_p" in first:
        log_p = [validated(LogP, row, where, WANTED).log_p for where, row in rows]
        return Success.known(log_p, "log p as given")
    if not Counts.model_fields.keys() <= first.keys():
        columns = ", ".join(first) or "none"
        raise InputError(where, f"a record without log p: its columns are {columns}", WANTED)
    counts = [validated(Counts, row, where, WANTED) for where, row in rows]
    return Success.counted([(each.num_correct, each.num_samples) for each in counts])


def _rows(file: Path) -> Iterator[tuple[str, dict]]:
    """The records of a file, each with its place."""
    if file.suffix != ".parquet":
        yield from read_json_lines(file)
        return
    with readable(file):
        table = pq.read_table(file, partitioning=None)
    if not len(table):
        raise InputError(file, "the file holds no rows", "check how it was made")
    # without the lists of a score's samples, which are most of it
    plain = [field.name for field in table.schema if not pa.types.is_nested(field.type)]
    for number, row in enumerate(table.select(plain).to_pylist(), start=1):
        yield f"{file}: row {number}", row


def _of_branch(
    rows: list[tuple[str, dict]], branch: str | None, files: str
) -> list[tuple[str, dict]]:
    """The rows of one model."""
    known = list(dict.fromkeys(str(row["branch"]) for _, row in rows if "branch" in row))
    if branch is None:
        if len(known) > 1:
            problem = f"it has rows of several models: {', '.join(known)}"
            raise InputError(files, problem, "name one, such as --branch warmup")
        return rows
    if branch not in known:
        problem = f"it has no rows of branch {branch!r}{near(branch, known)}"
        choice = f"choose from: {', '.join(known)}" if known else "leave out --branch"
        raise InputError(files, problem, choice)
    return [(where, row) for where, row in rows if row.get("branch") == branch]
