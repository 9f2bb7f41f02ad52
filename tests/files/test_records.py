import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from compute_aligned.files import records, writing
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
from compute_aligned.files.writing import replacing, write_text

ROW = {"id": "a", "group": "a", "prompt": "1+1=", "answer": "2"}
OUTCOME = {"branch": "ce", "problem": "a", "metric": "pass@k", "k": 1, "value": 0.5}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- replacing ------------------------------------------------------------------------------


def test_a_file_is_there_whole_after_the_body_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    with replacing(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.parent == path.parent  # a rename across file systems would copy

    assert path.read_text() == "half"
    assert names(path.parent) == ["a.txt"]


def test_an_exception_in_the_body_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_text(f"{1 / temporary.write_text('')}")

    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def interrupted_save(folder: Path) -> None:
    folder.mkdir()
    (folder / "weights").write_text("new")
    raise KeyboardInterrupt


def test_an_exception_in_the_body_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.mkdir()
    (path / "weights").write_text("old")

    with pytest.raises(KeyboardInterrupt), replacing(path) as temporary:
        interrupted_save(temporary)

    assert (path / "weights").read_text() == "old"
    assert names(tmp_path) == ["model"]


def test_a_folder_is_replaced_whole_with_no_file_of_the_old_one_left(tmp_path: Path) -> None:
    path = tmp_path / "model"
    for file in ("weights", "tokenizer"):
        with replacing(path) as temporary:
            temporary.mkdir()
            (temporary / file).write_text(file)

    assert names(path) == ["tokenizer"]
    assert names(tmp_path) == ["model"]


def test_a_folder_is_back_after_a_kill_between_the_two_renames(tmp_path: Path) -> None:
    replaced = tmp_path / ".model.replaced"
    replaced.mkdir()
    (replaced / "weights").write_text("old")

    with pytest.raises(KeyboardInterrupt), replacing(tmp_path / "model") as temporary:
        interrupted_save(temporary)

    assert (tmp_path / "model" / "weights").read_text() == "old"
    assert names(tmp_path) == ["model"]


def test_a_rename_that_fails_keeps_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model"
    path.mkdir()
    (path / "weights").write_text("old")
    rename = Path.replace

    def fail_on_the_new_one(self: Path, target: Path) -> Path:
        if self.name.endswith(".partial"):
            raise PermissionError(errno.EPERM, "no")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", fail_on_the_new_one)
    with pytest.raises(PermissionError), replacing(path) as temporary:
        temporary.mkdir()

    assert (path / "weights").read_text() == "old"
    assert names(tmp_path) == ["model"]


KILLED = """
import sys, time
from pathlib import Path
from compute_aligned.files.writing import replacing
with replacing(Path(sys.argv[1])) as temporary:
    with temporary.open("w") as file:
        file.write("new" * 10000)
        file.flush()
        print("writing", flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM])
def test_a_kill_in_the_middle_leaves_the_old_file_and_a_rerun_tidies_up(
    tmp_path: Path, kill: signal.Signals
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    package = str(Path(records.__file__).parents[2])
    job = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": package},
    )
    assert job.stdout is not None
    assert job.stdout.readline() == b"writing\n"
    job.send_signal(kill)
    job.wait()

    assert path.read_text() == "old"
    write_text(path, "rerun")
    assert path.read_text() == "rerun"
    assert names(tmp_path) == ["a.txt"]


def test_a_reader_sees_the_old_or_the_new_file_and_never_a_part(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    versions = [letter * 200_000 for letter in "abc"]
    write_text(path, versions[0])
    reader = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import json, sys\nfrom pathlib import Path\nprint('ready', flush=True)\nseen = set()\n"
            "while 'c' not in (text := Path(sys.argv[1]).read_text())[:1]: "
            "seen.add((text[:1], len(text), len(set(text))))\nprint(json.dumps(sorted(seen)))",
            str(path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert reader.stdout is not None
    reader.stdout.readline()
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        write_text(path, versions[1])
        write_text(path, versions[0])
    write_text(path, versions[2])
    seen = json.loads(reader.communicate()[0])

    assert {(length, letters) for _, length, letters in seen} == {(200_000, 1)}


# --- a full disk ----------------------------------------------------------------------------


@pytest.fixture
def full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on a disk of 64 KiB; where mounting is not allowed, a mock of its errors."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        yield disk
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
        return
    monkeypatch.setattr(records, "_sync", mock_sync)
    yield disk


def mock_sync(path: Path) -> None:
    """As much as fits in 64 KiB can be written."""
    if sum(file.stat().st_size for file in path.parent.rglob("*") if file.is_file()) > 2**16:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def write_folder(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.mkdir()
        save_file({"weights": torch.randn(50_000)}, temporary / "model.safetensors")


def write_checkpoint(path: Path) -> None:
    with replacing(path) as temporary:
        torch.save({"weights": torch.randn(50_000)}, temporary)


def write_rows(path: Path) -> None:
    rows = [OUTCOME | {"problem": os.urandom(100).hex()} for _ in range(3000)]
    write_table(path, rows, OUTCOMES)


def write_long_text(path: Path) -> None:
    write_text(path, "x" * 200_000)


@pytest.mark.parametrize("write", [write_long_text, write_rows, write_folder, write_checkpoint])
def test_a_full_disk_is_an_error_that_says_so_and_keeps_what_was_there(
    full_disk: Path, write: Callable[[Path], None]
) -> None:
    write_text(full_disk / "other", "kept")
    path = full_disk / "a"

    message = message_of(write, path)

    assert message.startswith(f"{path}: the disk is full\n  remedy: free some space")
    assert names(full_disk) == ["other"]
    write_text(path, "fits")  # the space of the failed write is free again
    assert message_of(write_long_text, path) == message
    assert path.read_text() == "fits"


def message_of(write: Callable[[Path], None], path: Path) -> str:
    """The message alone: the exception would keep a half-written file open, and its space taken."""
    try:
        write(path)
    except InputError as error:
        return str(error)
    raise AssertionError("the disk is not full")


def test_the_system_s_own_full_device_is_recognised(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the disk is full"), writing.disk_errors(tmp_path / "a"):  # noqa: SIM117
        with Path("/dev/full").open("w") as device:
            device.write("x")


def test_other_errors_are_not_taken_for_a_full_disk(tmp_path: Path) -> None:
    for error in (PermissionError(errno.EACCES, "no"), RuntimeError("shape"), OSError("damaged")):
        with pytest.raises(type(error)) as caught, replacing(tmp_path / "a"):
            raise error
        assert caught.value is error


# --- problems as JSON lines -----------------------------------------------------------------

TEXT = st.text(min_size=1, max_size=40)
PROBLEMS = st.builds(
    Problem,
    id=TEXT,
    group=st.text(max_size=20),
    prompt=TEXT,
    answer=TEXT,
    solution=st.none() | st.text(max_size=20),
    level=st.none() | st.integers(0, 5),
    official_split=st.sampled_from([None, "train", "test"]),
)


@given(st.lists(PROBLEMS, min_size=1, max_size=5))
def test_problems_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, problems: list[Problem]
) -> None:
    path = tmp_path_factory.mktemp("problems") / "a.jsonl"
    write_problems(path, problems)

    assert read_problems(path) == problems
    assert path.read_bytes().count(b"\n") == len(problems)


def test_what_looks_like_the_end_of_a_line_inside_a_string_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    text = "a\u2028b\u2029c\x85d\x0be\x1cf"
    # as other programs write it: not escaped
    path.write_text(json.dumps(ROW | {"prompt": text}, ensure_ascii=False) + "\n")

    assert [problem.prompt for problem in read_problems(path)] == [text]


def test_blank_lines_and_windows_endings_are_passed_over_and_lines_still_counted(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.jsonl"
    line = json.dumps(ROW)
    path.write_bytes(f"\ufeff{line}\r\n\r\n   \n{line}".encode())

    assert [where for where, _ in read_json_lines(path)] == [f"{path}:1", f"{path}:4"]


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        (
            json.dumps(ROW)[:-2],
            "not valid JSON (Unterminated string starting at); is the file cut?",
        ),
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
def test_a_broken_row_is_named_with_its_line(
    tmp_path: Path, second: str | bytes, problem: str
) -> None:
    path = tmp_path / "a.jsonl"
    content = second if isinstance(second, bytes) else second.encode()
    path.write_bytes(json.dumps(ROW).encode() + b"\n\n" + content)

    with pytest.raises(InputError) as caught:
        read_problems(path)
    assert caught.value.where == f"{path}:3"
    assert problem in caught.value.problem


def test_problems_one_by_one_are_read_no_further_than_they_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(ROW) + "\n" + json.dumps(ROW)[:-2])
    problems = each_problem(path)

    assert next(problems) == Problem.model_validate(ROW)
    with pytest.raises(InputError, match=r"a\.jsonl:2"):
        next(problems)


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "the file is missing"), ("\n \n", "the file holds no rows")]
)
def test_a_missing_or_empty_file_is_named(
    tmp_path: Path, content: str | None, problem: str
) -> None:
    path = tmp_path / "a.jsonl"
    if content is not None:
        path.write_text(content)

    with pytest.raises(InputError) as caught:
        read_problems(path)
    assert (caught.value.where, caught.value.problem) == (str(path), problem)


def test_a_problem_without_a_solution_says_so_when_it_is_the_target() -> None:
    problem = Problem.model_validate(ROW)

    assert problem.target("answer") == "2"
    assert Problem.model_validate(ROW | {"solution": "1+1=2"}).target("solution") == "1+1=2"
    with pytest.raises(InputError, match="problem a: it has no solution"):
        problem.target("solution")


# --- tables ---------------------------------------------------------------------------------


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "branch": st.text(),
                "problem": st.text(),
                "num_samples": st.integers(-(2**31), 2**31 - 1),
                "num_correct": st.integers(0, 100),
                "num_invalid": st.just(0),
                "num_unfinished": st.just(0),
                "mean_tokens": st.floats(allow_nan=False),
                "votes": st.lists(st.none() | st.text()),
                "correct": st.lists(st.booleans()),
            }
        ),
        max_size=5,
    )
)
def test_rows_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict]
) -> None:
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
def test_a_row_that_is_not_of_the_schema_is_refused_and_nothing_written(
    tmp_path: Path, row: dict, message: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        write_table(tmp_path / "a.parquet", [OUTCOME, row], OUTCOMES)
    assert names(tmp_path) == []


def error_of(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        read_table(path, OUTCOMES)
    assert caught.value.where == str(path)
    return caught.value


def test_a_table_cut_anywhere_or_damaged_is_an_error_or_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    rows = [OUTCOME | {"problem": os.urandom(20).hex()} for _ in range(500)]
    write_table(path, rows, OUTCOMES)
    whole = path.read_bytes()

    for cut in [0, 3, 8, *range(100, len(whole), 997), len(whole) - 1]:
        path.write_bytes(whole[:cut])
        assert "the table is damaged" in error_of(path).problem
    for start in range(8, len(whole) - 2000, 997):  # a hole, with the end of the file intact
        path.write_bytes(whole[:start] + whole[start + 500 :])
        assert "the table is damaged" in error_of(path).problem
    for place in range(4, len(whole) - 8, 97):  # one byte flipped, where it may go unnoticed
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        with contextlib.suppress(InputError):
            assert read_table(path, OUTCOMES).schema == OUTCOMES


def test_a_table_with_other_columns_or_types_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    other_type = OUTCOMES.set(3, pa.field("k", pa.int64()))
    for schema in (OUTCOMES.remove(4), OUTCOMES.append(pa.field("new", pa.int32())), other_type):
        pq.write_table(schema.empty_table(), path)
        assert (
            "its columns are not those that this version writes: branch" in error_of(path).problem
        )


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    assert error_of(tmp_path / "a.parquet").problem == "the file is missing"
