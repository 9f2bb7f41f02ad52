import contextlib
import json
import os
from itertools import chain

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute_aligned.files.errors import InputError
from compute_aligned.files.records import (
    OUTCOMES,
    SCORES,
    Problem,
    each_problem,
    read_json_lines,
    read_problems,
    read_table,
    write_problems,
    write_table,
)

ROW = {"id": "a", "group": "a", "prompt": "1+1=", "answer": "2"}
OUTCOME = {"branch": "ce", "problem": "a", "metric": "pass@k", "k": 1, "value": 0.5}


# --- problems as JSON lines -----------------------------------------------------------------

TEXT = st.text(min_size=1, max_size=40)
PROBLEMS = st.builds(Problem, id=TEXT, answer=TEXT, solution=..., level=..., official_split=...)


@given(st.lists(PROBLEMS, min_size=1, max_size=5))
def test_problems_come_back_as_they_were_written(tmp_path_factory, problems):
    path = tmp_path_factory.mktemp("problems") / "a.jsonl"
    write_problems(path, problems)
    assert read_problems(path) == problems
    assert path.read_bytes().count(b"\n") == len(problems)


def test_what_looks_like_the_end_of_a_line_inside_a_string_is_none(tmp_path):
    path, text = tmp_path / "a.jsonl", "a\u2028b\u2029c\x85d\x0be\x1cf"
    # as other programs write it: not escaped
    path.write_text(json.dumps(ROW | {"prompt": text}, ensure_ascii=False) + "\n")
    assert [problem.prompt for problem in read_problems(path)] == [text]


def test_blank_lines_and_windows_endings_are_passed_over_and_lines_still_counted(tmp_path):
    path, line = tmp_path / "a.jsonl", json.dumps(ROW)
    path.write_bytes(f"\ufeff{line}\r\n\r\n   \n{line}".encode())
    assert [where for where, _ in read_json_lines(path)] == [f"{path}:1", f"{path}:4"]


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        (json.dumps(ROW)[:-2], "not valid JSON (Unterminated string starting at); is the file cut"),
        ('{"id": "a"', "not valid JSON (Expecting ',' delimiter); is the file cut?"),
        ("[1, 2]", "expected a JSON object"),
        ("3", "expected a JSON object"),
        ('{"id": "b", "group": "b", "prompt": "?"}', "key 'answer' is missing"),
        (json.dumps(ROW | {"answer": 2}), "answer: Input should be a valid string, not 2"),
        (json.dumps(ROW | {"answer": ""}), "answer: String should have at least 1 character"),
        (json.dumps(ROW | {"anwser": "2"}), "unknown key 'anwser' (did you mean 'answer'?)"),
        (json.dumps(ROW | {"answer": "\ud800"}), "answer: half a surrogate pair is no text"),
        (json.dumps(ROW | {"prompt": "a\udfff"}), "prompt: half a surrogate pair is no text"),
        (b"\xff\xfe", "not UTF-8 text"),
    ],
)
def test_a_broken_row_is_named_with_its_line_and_not_before_it_is_read(
    tmp_path, refused, second, problem
):
    path = tmp_path / "a.jsonl"
    content = second if isinstance(second, bytes) else second.encode()
    path.write_bytes(json.dumps(ROW).encode() + b"\n\n" + content)

    problems = each_problem(path)
    assert next(problems) == Problem.model_validate(ROW)
    assert problem in refused(f"{path}:3", next, problems).problem
    assert problem in refused(f"{path}:3", read_problems, path).problem


def test_a_missing_or_empty_file_is_named(tmp_path, refused):
    path = tmp_path / "a.jsonl"
    assert refused(path, read_problems, path).problem == "the file is missing"
    path.write_text("\n \n")
    assert refused(path, read_problems, path).problem == "the file holds no rows"


def test_a_problem_without_a_solution_says_so_when_it_is_the_target(refused):
    problem = Problem.model_validate(ROW)
    assert problem.target("answer") == "2"
    assert Problem.model_validate(ROW | {"solution": "1+1=2"}).target("solution") == "1+1=2"
    assert "it has no solution" in refused("problem a", problem.target, "solution").problem


# --- tables ---------------------------------------------------------------------------------


VALUES = {
    pa.string(): st.text(),
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.float64(): st.floats(allow_nan=False),
    pa.list_(pa.string()): st.lists(st.none() | st.text()),
    pa.list_(pa.bool_()): st.lists(st.booleans()),
}
ROWS = st.fixed_dictionaries({field.name: VALUES[field.type] for field in SCORES})


@given(st.lists(ROWS, max_size=5))
def test_rows_come_back_as_they_were_written(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("tables") / "a=1" / "a.parquet"
    write_table(path, rows, SCORES)
    assert read_table(path, SCORES).to_pylist() == rows


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (OUTCOME | {"extra": 1}, "they differ in extra"),
        ({k: v for k, v in OUTCOME.items() if k != "value"}, "they differ in value"),
        (OUTCOME | {"k": "many"}, "k|int|convert"),
        (OUTCOME | {"k": 2**40}, "2147483648|not in range|too large|1099511627776"),
    ],
)
def test_a_row_that_is_not_of_the_schema_is_refused_and_nothing_written(tmp_path, row, message):
    with pytest.raises((ValueError, TypeError), match=message):
        write_table(tmp_path / "a.parquet", [OUTCOME, row], OUTCOMES)
    assert list(tmp_path.iterdir()) == []


def test_a_table_cut_anywhere_or_damaged_is_an_error_or_whole(tmp_path, refused):
    path = tmp_path / "a.parquet"
    rows = [OUTCOME | {"problem": os.urandom(20).hex()} for _ in range(500)]
    write_table(path, rows, OUTCOMES)
    whole = path.read_bytes()

    cuts = (whole[:cut] for cut in [0, 3, 8, *range(100, len(whole), 997), len(whole) - 1])
    # holes, with the end of the file intact
    holes = (whole[:i] + whole[i + 500 :] for i in range(8, len(whole) - 2000, 997))
    for damaged in chain(cuts, holes):
        path.write_bytes(damaged)
        assert "the table is damaged" in refused(path, read_table, path, OUTCOMES).problem
    for place in range(4, len(whole) - 8, 97):  # one byte flipped, where it may go unnoticed
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        with contextlib.suppress(InputError):
            assert read_table(path, OUTCOMES).schema == OUTCOMES


def test_a_table_that_is_missing_or_has_other_columns_or_types_is_refused(tmp_path, refused):
    path = tmp_path / "a.parquet"
    assert refused(path, read_table, path, OUTCOMES).problem == "the file is missing"
    other_type = OUTCOMES.set(3, pa.field("k", pa.int64()))
    for schema in (OUTCOMES.remove(4), OUTCOMES.append(pa.field("new", pa.int32())), other_type):
        pq.write_table(schema.empty_table(), path)
        problem = refused(path, read_table, path, OUTCOMES).problem
        assert problem.startswith("its columns are not those that this version writes: branch")
