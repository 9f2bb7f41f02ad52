"""The typed records on disk, and the only ways they are written and read.

A finished file is never half-written: everything goes to a temporary sibling first and is renamed
when complete. JSON lines hold problems (readable by eye), Parquet the rest, with fixed schemas.
"""

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from compute_aligned.errors import InputError


class Problem(BaseModel):
    """A problem with its reference.

    ``group`` names what makes two problems the same; no group is in two splits.
    ``official_split`` is the split that the source itself puts the problem in, if it has any.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1)
    group: str
    prompt: str = Field(min_length=1)
    answer: str = Field(min_length=1)
    solution: str | None = None
    level: int | None = None
    official_split: str | None = None

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

OUTCOMES = pa.schema(
    [
        ("branch", pa.string()),
        ("problem", pa.string()),
        ("metric", pa.string()),
        ("k", pa.int32()),
        ("value", pa.float64()),
    ]
)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk into an error that says so; everything else passes through."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InputError(
            path,
            "the disk is full",
            "free some space and run the same command again: finished work is kept",
        ) from None


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``path`` (file or folder to make), renamed to it on success."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # one name a path, not a random one: what a killed job left behind is overwritten by its rerun
    temporary = path.with_name(f".{path.name}.partial")
    _remove(temporary)
    try:
        with disk_errors(path):
            yield temporary
            _sync(temporary)
            if path.is_dir():
                _remove(path)
            temporary.replace(path)
    finally:
        _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Flush a file, or every file of a folder, so that a rename never outruns its content."""
    for file in [path] if path.is_file() else filter(Path.is_file, path.rglob("*")):
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_table(path: Path, rows: Iterable[dict] | pa.Table, schema: pa.Schema) -> None:
    """Write Parquet, whole or not at all; rows that do not fit the schema raise."""
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(list(rows), schema)
    with replacing(path) as temporary:
        pq.write_table(table.cast(schema), temporary, compression="zstd")


def read_table(path: Path, schema: pa.Schema) -> pa.Table:
    """Read a Parquet file and check its columns.

    Raises:
        InputError: The file is missing, cut short, or has other columns.

    """
    try:
        return pq.read_table(path).cast(schema)
    except FileNotFoundError:
        raise InputError(path, "the file is missing", "run the rule that makes it") from None
    except (pa.ArrowInvalid, ValueError) as error:
        raise InputError(
            path, f"not a table this version writes: {error}", "delete it and run again"
        ) from None


def write_problems(path: Path, problems: Iterable[Problem]) -> None:
    """Write problems as JSON lines."""
    write_text(path, "".join(p.model_dump_json(exclude_none=True) + "\n" for p in problems))


def read_problems(path: Path) -> list[Problem]:
    """Read problems from JSON lines.

    Raises:
        InputError: Names the file and line of the first row that is cut, or lacks a key.

    """
    problems = []
    for where, row in read_json_lines(path):
        try:
            problems.append(Problem.model_validate(row))
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(
                where, f"{'.'.join(map(str, first['loc']))}: {first['msg']}", "mend or drop the row"
            ) from None
    return problems


def read_json_lines(path: Path) -> list[tuple[str, dict]]:
    """The objects of a JSON-lines file, each with its ``file:line``; blank lines are passed over.

    Raises:
        InputError: The file is missing, empty, not UTF-8, or a line is not a JSON object.

    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError:
        raise InputError(path, "the file is missing", "check the path") from None
    except UnicodeDecodeError as error:
        raise InputError(path, f"not UTF-8 text: {error}", "save it as UTF-8") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(
                where, f"not valid JSON ({error.msg}); is the file cut?", "mend or drop the line"
            ) from None
        if not isinstance(row, dict):
            raise InputError(where, "expected a JSON object", "one {...} a line")
        rows.append((where, row))
    if not rows:
        raise InputError(path, "the file holds no rows", "check how it was made")
    return rows
