"""Two processes and one output: who waits, who is named, and what is left behind."""

import contextlib
import errno
import os
import re
import signal
import subprocess
import sys

import pytest
from support import jobs

from compute_aligned.files.errors import InputError
from compute_aligned.files.locks import sole_maker

HOLDER = """
import sys
from pathlib import Path
from compute_aligned.files.locks import sole_maker

with sole_maker(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def holder(output, **environment):
    """Another process that makes the output until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(output)],
        env={**jobs.ENVIRONMENT, **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process


def make(output):
    """Make the output, which nothing is left of."""
    with sole_maker(output):
        pass
    assert list(output.parent.iterdir()) == []


def test_a_second_process_is_refused_and_told_which_one_is_at_work(tmp_path):
    output = tmp_path / "new" / "model"
    with holder(output, SLURM_JOB_ID="17") as other:
        for _ in range(2):  # being refused changes nothing
            with pytest.raises(InputError) as caught, sole_maker(output):
                pytest.fail("both would write")
        with sole_maker(output.with_name("samples.parquet")):  # others are not held
            pass

    assert caught.value.where == str(output)
    name = rf"it is being made by process {other.pid} on \S+, Slurm job 17"
    assert re.fullmatch(name, caught.value.problem)


def test_an_output_is_free_again_once_its_maker_is_done_or_has_failed(tmp_path):
    with holder(tmp_path / "model") as other:
        other.communicate()
    assert other.returncode == 0
    assert list(tmp_path.iterdir()) == []

    with pytest.raises(ZeroDivisionError), sole_maker(tmp_path / "model"):
        _ = 1 / 0
    make(tmp_path / "model")


def test_a_killed_process_holds_nothing(tmp_path):
    with holder(tmp_path / "model") as other:
        other.send_signal(signal.SIGKILL)
    assert [path.name for path in tmp_path.iterdir()] == [".model.lock"]
    make(tmp_path / "model")


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EIO])
def test_a_file_system_without_locks_is_used_and_an_error_of_the_disk_is_not_taken_for_it(
    code, tmp_path, monkeypatch, capsys
):
    def no_flock(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("fcntl.flock", no_flock)
    if code == errno.EIO:
        with pytest.raises(OSError, match="Input/output error"), sole_maker(tmp_path / "model"):
            pytest.fail("nobody knows who else writes")
    else:
        with sole_maker(tmp_path / "model"):
            pass
        assert f"{tmp_path}: this file system has no locks" in capsys.readouterr().err
