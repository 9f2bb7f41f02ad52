import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

import compute_aligned
from compute_aligned.files import provenance

PACKAGE = Path(compute_aligned.__file__).parent


def recorded(artefact: Path, **facts: object) -> dict:
    provenance.record(artefact, **facts)
    return json.loads(artefact.with_name(artefact.name + ".provenance.json").read_text())


@pytest.fixture
def version_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Path], dict]:
    """What the package would say about itself if it lay in a folder."""

    def version_of(folder: Path) -> dict:
        monkeypatch.setattr(provenance, "__file__", str(folder / "files" / "provenance.py"))
        return provenance.code_version.__wrapped__()

    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return version_of


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package's sources, outside git."""
    ignored = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(PACKAGE, tmp_path / "compute_aligned", ignore=ignored)


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    command = ["git", *who, "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_an_artefact_says_what_made_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["compute_aligned", "sample", "--seed", "3"])
    before = datetime.now(UTC).replace(microsecond=0)

    content = recorded(tmp_path / "samples.parquet", scale="smoke", seed=3, config_hash="abc")

    assert content["artefact"] == "samples.parquet"
    assert (content["scale"], content["seed"], content["config_hash"]) == ("smoke", 3, "abc")
    assert content["command"] == ["sample", "--seed", "3"]
    assert content["packages"]["numpy"] == np.__version__
    assert content["packages"]["torch"] == metadata.version("torch")
    assert content["python"] == sys.version.split()[0]
    assert content["code"]["version"] == compute_aligned.__version__
    assert content["machine"].startswith(("Linux", "Darwin"))
    assert content["seconds"] >= 0
    assert before <= datetime.fromisoformat(content["finished"]) <= datetime.now(UTC)


def test_the_cpu_time_is_the_process_s_own_with_that_of_its_children(tmp_path: Path) -> None:
    before = recorded(tmp_path / "model")["cpu_seconds"]
    burning = "import time\nwhile time.process_time() < 0.5: pass"
    subprocess.run([sys.executable, "-c", burning], check=True)
    between = recorded(tmp_path / "model")["cpu_seconds"]
    start = time.process_time()
    while time.process_time() < start + 0.5:
        pass
    after = recorded(tmp_path / "model")["cpu_seconds"]

    assert between - before >= 0.4
    assert after - between >= 0.4


def test_what_was_recorded_is_read_back(tmp_path: Path) -> None:
    assert provenance.read(tmp_path / "model") is None
    content = recorded(tmp_path / "model", seed=3)
    assert provenance.read(tmp_path / "model") == content


def test_facts_that_do_not_apply_are_left_out_and_false_ones_are_not(tmp_path: Path) -> None:
    content = recorded(tmp_path / "model", stop_at_probability=None, stop_reached=False, steps=0)

    assert "stop_at_probability" not in content
    assert content["stop_reached"] is False
    assert content["steps"] == 0


def test_a_folder_s_provenance_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()

    recorded(tmp_path / "model")

    assert list((tmp_path / "model").iterdir()) == []


def test_outside_git_there_is_no_commit_and_no_crash(
    version_of: Callable[[Path], dict], copy: Path
) -> None:
    assert version_of(copy)["commit"] is None


def test_without_git_installed_there_is_no_commit_and_no_crash(
    version_of: Callable[[Path], dict], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert version_of(PACKAGE)["commit"] is None


def test_the_commit_is_named_and_the_sources_tell_what_it_does_not(
    version_of: Callable[[Path], dict], copy: Path
) -> None:
    git(copy, "init")
    git(copy, "add", ".")
    git(copy, "commit", "-m", "a copy")
    committed = version_of(copy)
    assert committed["commit"] == git(copy, "rev-parse", "HEAD")
    assert committed["sources"] == version_of(PACKAGE)["sources"]

    with (copy / "errors.py").open("a") as file:
        file.write("# not committed\n")
    changed = version_of(copy)

    assert changed["commit"] == committed["commit"]
    assert changed["sources"] != committed["sources"]
