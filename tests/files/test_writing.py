import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from support import jobs

from compute_aligned.files import writing
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import OUTCOMES, write_table
from compute_aligned.files.writing import replacing, write_text


def content(folder):
    """Every file of a folder, hidden ones too, with its text."""
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def interrupted_save(folder):
    folder.mkdir()
    (folder / "weights").write_text("new")
    raise KeyboardInterrupt


@pytest.fixture
def model(tmp_path):
    """A folder that an earlier job left."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_text("old")
    return tmp_path / "model"


# --- replacing ------------------------------------------------------------------------------


def test_a_file_is_there_whole_after_the_body_and_not_before(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with replacing(path) as temporary:
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.parent == path.parent  # a rename across file systems would copy
    assert content(tmp_path) == {"new/a.txt": "half"}


def test_an_exception_in_the_body_leaves_the_old_file_and_nothing_else(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text(f"{1 / temporary.write_text('')}")
    assert content(tmp_path) == {"a.txt": "old"}


@pytest.mark.parametrize("place", ["model", ".model.replaced"])
def test_an_interrupted_save_leaves_the_old_folder_also_after_a_kill_between_two_renames(
    model, place
):
    model.rename(model.with_name(place))
    with pytest.raises(KeyboardInterrupt), replacing(model) as temporary:
        interrupted_save(temporary)
    assert content(model.parent) == {"model/weights": "old"}


def test_a_folder_is_replaced_whole_with_nothing_left_of_the_old_one_or_of_a_killed_job(model):
    model.with_name(".model.partial").mkdir()
    with replacing(model) as temporary:
        temporary.mkdir()
        (temporary / "tokenizer").write_text("new")
    assert content(model.parent) == {"model/tokenizer": "new"}
    assert list(model.parent.iterdir()) == [model]


def test_a_rename_that_fails_keeps_the_old_folder(model, monkeypatch):
    rename = Path.replace

    def fail_on_the_new_one(self, target):
        if self.name.endswith(".partial"):
            raise PermissionError(errno.EPERM, "no")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", fail_on_the_new_one)
    with pytest.raises(PermissionError), replacing(model) as temporary:
        temporary.mkdir()
    assert content(model.parent) == {"model/weights": "old"}
    assert list(model.parent.iterdir()) == [model]


def started(program, path):
    """A process that has got as far as to print a line."""
    command = [sys.executable, "-c", program, str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=jobs.ENVIRONMENT)
    assert process.stdout.readline() == "ready\n"
    return process


WRITER = """
import sys, time
from pathlib import Path
from compute_aligned.files.writing import replacing
with replacing(Path(sys.argv[1])) as temporary:
    with temporary.open("w") as file:
        file.write("new" * 10000)
        file.flush()
        print("ready", flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM])
def test_a_kill_in_the_middle_leaves_the_old_file_and_a_rerun_tidies_up(tmp_path, kill):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with started(WRITER, path) as job:
        job.send_signal(kill)

    assert path.read_text() == "old"
    write_text(path, "rerun")
    assert content(tmp_path) == {"a.txt": "rerun"}


READER = """
import json, sys
from pathlib import Path
print("ready", flush=True)
seen = set()
while "c" not in (text := Path(sys.argv[1]).read_text())[:1]:
    seen.add((len(text), len(set(text))))
print(json.dumps(sorted(seen)))
"""


def test_a_reader_sees_the_old_or_the_new_file_and_never_a_part(tmp_path):
    path = tmp_path / "a.txt"
    old, new, last = (letter * 200_000 for letter in "abc")
    write_text(path, old)
    reader = started(READER, path)
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        write_text(path, new)
        write_text(path, old)
    write_text(path, last)
    assert json.loads(reader.communicate()[0]) == [[200_000, 1]]


# --- a full disk ----------------------------------------------------------------------------


@pytest.fixture
def full_disk(tmp_path, monkeypatch):
    """A folder on a disk of 64 KiB; where mounting is not allowed, a mock of its errors."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
        yield disk
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
        return
    monkeypatch.setattr(writing, "_sync", mock_sync)
    yield disk


def mock_sync(path):
    """As much as fits in 64 KiB can be written."""
    if sum(file.stat().st_size for file in path.parent.rglob("*") if file.is_file()) > 2**16:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def write_folder(path):
    with replacing(path) as temporary:
        temporary.mkdir()
        save_file({"weights": torch.randn(50_000)}, temporary / "model.safetensors")


def write_checkpoint(path):
    with replacing(path) as temporary:
        torch.save({"weights": torch.randn(50_000)}, temporary)


def write_rows(path):
    row = {"branch": "ce", "metric": "pass@k", "k": 1, "value": 0.5}
    rows = [row | {"problem": os.urandom(100).hex()} for _ in range(3000)]
    write_table(path, rows, OUTCOMES)


def write_long_text(path):
    write_text(path, "x" * 200_000)


def message_of(write, path):
    """The message alone: the exception would keep a half-written file open, and its space taken."""
    try:
        write(path)
    except InputError as error:
        return str(error)
    raise AssertionError("the disk is not full")


@pytest.mark.parametrize("write", [write_long_text, write_rows, write_folder, write_checkpoint])
def test_a_full_disk_is_an_error_that_says_so_and_keeps_what_was_there(full_disk, write):
    write_text(full_disk / "other", "kept")
    path = full_disk / "a"

    message = message_of(write, path)
    assert message.startswith(f"{path}: the disk is full\n  remedy: free some space")
    assert content(full_disk) == {"other": "kept"}
    write_text(path, "fits")  # the space of the failed write is free again
    assert message_of(write_long_text, path) == message
    assert content(full_disk) == {"other": "kept", "a": "fits"}


def test_the_system_s_own_full_device_is_recognised(tmp_path):
    def write():
        with writing.disk_errors(tmp_path / "a"), Path("/dev/full").open("w") as device:
            device.write("x")

    with pytest.raises(InputError, match="the disk is full"):
        write()


def test_other_errors_are_not_taken_for_a_full_disk(tmp_path):
    for error in (PermissionError(errno.EACCES, "no"), RuntimeError("shape"), OSError("damaged")):
        with pytest.raises(type(error)) as caught, replacing(tmp_path / "a"):
            raise error
        assert caught.value is error
