import json
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compute_aligned.describe.success import POSTERIOR_SIZE, read_success
from compute_aligned.files.errors import InputError
from compute_aligned.method.foresight import posterior_log_p

LOG_P = [{"log_p": -2.5}, {"log_p": 0.0, "id": "b"}, {"log_p": -2.5}]
COUNTS = [{"num_correct": c, "num_samples": 8} for c in (3, 0, 3)]
WARMUP, CE = (
    [row | {"branch": name, "votes": ["7"] * 8} for row in COUNTS] for name in ("warmup", "ce")
)


def write(folder: Path, rows: list[dict], name: str = "records.jsonl") -> Path:
    path = folder / name
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("name", ["records.jsonl", "records.parquet"])
def test_a_row_is_a_problem_with_log_p_or_with_counts(tmp_path: Path, name: str) -> None:
    known = read_success([write(tmp_path, LOG_P, name)], None)
    assert known.log_p[known.row_of].tolist() == [[-2.5], [0.0], [-2.5]]
    assert not known.is_counted

    counted = read_success([write(tmp_path, COUNTS, name)], None)
    expected = posterior_log_p([3, 0, 3], [8, 8, 8], POSTERIOR_SIZE)
    np.testing.assert_array_equal(counted.log_p[counted.row_of], expected)
    assert counted.log_p.shape == (2, POSTERIOR_SIZE)  # equal ones are looked at once
    assert counted.source.startswith("8 graded samples of each")


def test_files_of_several_seeds_are_put_together_and_one_model_is_taken(tmp_path: Path) -> None:
    more = [row | {"num_samples": 4} for row in WARMUP]
    files = [write(tmp_path, WARMUP + CE, "a.parquet"), write(tmp_path, more, "b.jsonl")]

    found = read_success(files, "warmup")

    assert len(found.row_of) == 6
    assert found.source.startswith("4 to 8 graded samples of each")


@pytest.mark.parametrize(
    ("rows", "branch", "problem"),
    [
        ([], None, "the file holds no rows"),
        ([{"loss": 1, "id": "a"}], None, "a record without log p: its columns are loss, id"),
        ([LOG_P[0], COUNTS[0]], None, "records.jsonl:2: key 'log_p' is missing"),
        ([COUNTS[0], {"num_correct": 3}], None, "records.jsonl:2: key 'num_samples' is missing"),
        ([{"num_correct": 3}], None, "a record without log p: its columns are num_correct"),
        ([{"log_p": 0.5}], None, "log_p: Input should be less than or equal to 0, not 0.5"),
        ([{"log_p": None}], None, "log_p: Input should be a valid number, not None"),
        ([{"log_p": math.nan}], None, "log_p: Input should be"),
        ([{"log_p": -math.inf}], None, "log_p: Input should be a finite number"),
        ([{"num_correct": 9, "num_samples": 8}], None, "9 correct of 8 samples"),
        ([{"num_correct": 0.5, "num_samples": 8}], None, "num_correct: Input should be a valid in"),
        ([{"num_correct": 0, "num_samples": 0}], None, "num_samples: Input should be greater"),
        (WARMUP + CE, None, "rows of several models: warmup, ce"),
        (WARMUP, "warmpu", r"no rows of branch 'warmpu' \(did you mean 'warmup'\?\)"),
        (COUNTS, "warmup", "no rows of branch 'warmup'"),
    ],
)
def test_what_cannot_be_used_is_named_with_what_is_wanted(
    tmp_path: Path, rows: list[dict], branch: str | None, problem: str
) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        read_success([write(tmp_path, rows)], branch)
    assert "records.jsonl" in caught.value.where
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["records.jsonl", "records.parquet"])
def test_a_file_that_is_missing_or_empty_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: the file is missing"):
        read_success([tmp_path / name], None)
    with pytest.raises(InputError, match=f"{name}: the file holds no rows"):
        read_success([write(tmp_path, [], name)], None)
