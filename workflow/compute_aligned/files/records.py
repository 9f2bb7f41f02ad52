"""The typed records on disk, and the only ways they are written and read.

A finished file is never half-written: everything goes to a temporary sibling first and is renamed
when complete. JSON lines hold problems (readable by eye), Parquet the rest, with fixed schemas.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, field_validator

from compute_aligned.files.errors import InputError
from compute_aligned.files.parsing import read_lines, validated
from compute_aligned.files.writing import replacing, write_text


class Problem(BaseModel):
    """A problem with its reference.

    ``group`` names what makes two problems the same; no group is in two splits.
    ``official_split`` is the split that the source itself puts the problem in, if it has any.
    ``input_sequence`` is the protein in a prompt, where the reward depends on it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1)
    group: str
    prompt: str
    answer: str = Field(min_length=1)
    solution: str | None = None
    level: int | None = None
    official_split: str | None = None
    input_sequence: str | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _can_be_written(cls, value: object) -> object:
        if isinstance(value, str):
            try:
                value.encode()
            except UnicodeEncodeError:  # JSON can spell it, UTF-8 cannot
                raise ValueError(f"half a surrogate pair is no text: {value!a:.60}") from None
        return value

    def target(self, kind: str) -> str:
        """What a model is trained to write: the answer, or the worked solution.

        Raises:
            InputError: The solution is asked for and the problem has none.

        """
        if kind == "answer":
            return self.answer
        if self.solution is None:
            raise InputError(
                f"problem {self.id}",
                "it has no solution, and the family trains on solutions",
                "set problems.target: answer, or give the source a solution field",
            )
        return self.solution


STEPS = pa.schema(
    [
        ("step", pa.int64()),
        ("loss", pa.float64()),
        ("learning_rate", pa.float64()),
        ("grad_norm", pa.float64()),
        ("clipped", pa.bool_()),
        ("tokens", pa.int64()),
        *[(f"log_p_q{q:02d}", pa.float64()) for q in (5, 25, 50, 75, 95)],
        *[(f"weight_q{q:02d}", pa.float64()) for q in (5, 25, 50, 75, 95)],
        ("mean_p", pa.float64()),
    ]
)

RL_STEPS = pa.schema(
    [
        ("step", pa.int64()),
        ("loss", pa.float64()),
        ("kl", pa.float64()),
        ("grad_norm", pa.float64()),
        ("clipped", pa.bool_()),
        ("tokens", pa.int64()),
        ("mean_tokens", pa.float64()),
        ("mean_reward", pa.float64()),
        ("success_share", pa.float64()),
        ("invalid_share", pa.float64()),
        ("unfinished_share", pa.float64()),
        ("all_wrong_share", pa.float64()),
        ("entropy", pa.float64()),
        *[
            (f"{name}_q{q:02d}", pa.float64())
            for name in ("log_p", "weight", "gain")
            for q in (5, 25, 50, 75, 95)
        ],
    ]
)

SAMPLES = pa.schema(
    [
        ("branch", pa.string()),
        ("problem", pa.string()),
        ("sample", pa.int32()),
        ("text", pa.string()),
        ("num_tokens", pa.int32()),
        ("finished", pa.bool_()),
    ]
)

SCORES = pa.schema(
    [
        ("branch", pa.string()),
        ("problem", pa.string()),
        ("num_samples", pa.int32()),
        ("num_correct", pa.int32()),
        ("num_invalid", pa.int32()),
        ("num_unfinished", pa.int32()),
        ("mean_tokens", pa.float64()),
        ("votes", pa.list_(pa.string())),
        ("correct", pa.list_(pa.bool_())),
    ]
)

# one entry a sample in the lists; what is no protein has a reward but neither share nor residues
PROTEIN_SCORES = pa.schema(
    [
        ("branch", pa.string()),
        ("problem", pa.string()),
        ("num_samples", pa.int32()),
        ("num_invalid", pa.int32()),
        ("num_unfinished", pa.int32()),
        ("mean_tokens", pa.float64()),
        ("input_share", pa.float64()),
        ("rewards", pa.list_(pa.float64())),
        ("shares", pa.list_(pa.float64())),
        ("residues", pa.list_(pa.int32())),
    ]
)

OUTCOMES = pa.schema(
    [
        ("branch", pa.string()),
        ("problem", pa.string()),
        ("metric", pa.string()),
        ("k", pa.int32()),
        ("value", pa.float64()),
    ]
)

# at other temperatures, of validation and of test problems
_SWEPT = [("split", pa.string()), ("temperature", pa.float64())]
SWEPT_SAMPLES = pa.schema([*_SWEPT, *SAMPLES])
SWEPT_OUTCOMES = pa.schema([*_SWEPT, *OUTCOMES])

# what is measured in a cell of a map, a row an effect; without an interval its ends are empty
CELLS = pa.schema(
    [
        *[(name, pa.string()) for name in ("claim", "branch", "against", "metric")],
        ("k", pa.int32()),
        *[(n, pa.float64()) for n in ("share_active", "train_p", "gain", "low", "high")],
        *[(name, pa.int32()) for name in ("seeds", "problems")],
    ]
)


MEND_ROW = "mend or drop the row"


def write_table(path: Path, rows: Iterable[dict] | pa.Table, schema: pa.Schema) -> None:
    """Write Parquet, whole or not at all.

    Raises:
        ValueError: A row's keys are not the columns, or a value does not fit its column's type.
        InputError: The disk is full.

    """
    table = rows if isinstance(rows, pa.Table) else table_of(list(rows), schema)
    with replacing(path) as temporary:
        pq.write_table(table.cast(schema), temporary, compression="zstd")


def table_of(rows: list[dict], schema: pa.Schema) -> pa.Table:
    """Rows as a table.

    Raises:
        ValueError: A row's keys are not the columns, or a value does not fit its column's type.

    """
    columns = set(schema.names)
    for row in rows:
        if row.keys() != columns:  # Arrow would drop what is too much and fill what is missing
            odd = ", ".join(sorted(row.keys() ^ columns))
            raise ValueError(f"a row's keys are not the columns; they differ in {odd}")
    return pa.Table.from_pylist(rows, schema)


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a Parquet file and check its columns.

    Raises:
        InputError: The file is missing, damaged, or has other columns.

    """
    with readable(path):
        table = pq.read_table(path, partitioning=None)  # folders named a=1 add no columns
    check_columns(path, table.schema, schema)
    return table


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what pyarrow says of a missing or damaged file into an error that names it."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(path, "the file is missing", "run the rule that makes it") from None
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the system's errors have a number, those of damaged content do not
        problem = f"the table is damaged: {str(error).splitlines()[0]}"
        raise InputError(path, problem, "delete it and run again") from None


def check_columns(path: Path, found: pa.Schema, expected: pa.Schema) -> None:
    """Check the columns of a file.

    Raises:
        InputError: They are others.

    """
    if not found.equals(expected):
        raise InputError(
            path,
            f"its columns are not those that this version writes: {', '.join(expected.names)}",
            "delete it and run again",
        )


def write_problems(path: Path, problems: Iterable[Problem]) -> None:
    """Write problems as JSON lines."""
    write_text(path, "".join(p.model_dump_json(exclude_none=True) + "\n" for p in problems))


def read_problems(path: Path) -> list[Problem]:
    """All the problems of a file of JSON lines.

    Raises:
        InputError: Names the file and line of the first row that is cut, or lacks a key.

    """
    return list(each_problem(path))


def each_problem(path: Path) -> Iterator[Problem]:
    """The problems of a file one by one, where all of them would take too much memory.

    Raises:
        InputError: As :func:`read_problems`, when it comes to that row.

    """
    for where, row in read_json_lines(path):
        yield validated(Problem, row, where, MEND_ROW)


def read_json_lines(path: Path) -> Iterator[tuple[str, dict]]:
    """The objects of a JSON-lines file, each with its ``file:line``; blank lines are passed over.

    Raises:
        InputError: The file is missing, empty, not UTF-8, or a line is not a JSON object.

    """
    is_empty = True
    for where, line in read_lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            problem = f"not valid JSON ({error.msg}); is the file cut?"
            raise InputError(where, problem, MEND_ROW) from None
        if not isinstance(row, dict):
            raise InputError(where, "expected a JSON object", "one {...} a line")
        is_empty = False
        yield where, row
    if is_empty:
        raise InputError(path, "the file holds no rows", "check how it was made")
