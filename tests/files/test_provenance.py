import json
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

import compute_aligned
from compute_aligned.files import provenance

PACKAGE = Path(compute_aligned.__file__).parent


def recorded(artefact, **facts):
    provenance.record(artefact, **facts)
    return json.loads(artefact.with_name(artefact.name + ".provenance.json").read_text())


def test_an_artefact_says_what_made_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["compute_aligned", "sample", "--seed", "3"])
    before = datetime.now(UTC).replace(microsecond=0)
    facts = {"scale": "smoke", "seed": 3, "steps": 0, "stop_reached": False}

    # facts that do not apply are left out, and false ones are not
    content = recorded(tmp_path / "samples.parquet", **facts, stop_at_probability=None)

    assert content["artefact"] == "samples.parquet"
    assert {key: content[key] for key in facts} == facts
    assert "stop_at_probability" not in content
    assert content["command"] == ["sample", "--seed", "3"]
    assert content["packages"]["numpy"] == np.__version__
    assert content["packages"]["torch"] == metadata.version("torch")
    assert content["python"] == sys.version.split()[0]
    assert content["code"]["version"] == compute_aligned.__version__
    assert content["machine"].startswith(("Linux", "Darwin"))
    assert content["seconds"] >= 0
    assert before <= datetime.fromisoformat(content["finished"]) <= datetime.now(UTC)


def test_the_cpu_time_is_the_process_s_own_with_that_of_its_children(tmp_path):
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


def test_what_was_recorded_lies_beside_the_artefact_and_is_read_back(tmp_path, refused):
    model = tmp_path / "model"
    model.mkdir()
    assert provenance.read(model) is None
    content = recorded(model, seed=3)
    assert provenance.read(model) == content
    assert list(model.iterdir()) == []

    path = tmp_path / "model.provenance.json"
    for text in ("[1]", "{"):
        path.write_text(text)
        assert refused(path, provenance.read, model).problem == "it is no record of provenance"


# --- the code that made it --------------------------------------------------------------------


def git(folder, *arguments):
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    command = ["git", *who, "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def version_of(monkeypatch, tmp_path):
    """What the package would say about itself if it lay in a folder."""

    def version_of(folder):
        monkeypatch.setattr(provenance, "__file__", str(folder / "files" / "provenance.py"))
        return provenance.code_version.__wrapped__()

    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return version_of


def test_without_git_installed_there_is_no_commit_and_no_crash(version_of, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert version_of(PACKAGE)["commit"] is None


def test_the_commit_is_named_where_there_is_one_and_the_sources_tell_what_it_does_not(
    version_of, tmp_path
):
    ignored = shutil.ignore_patterns("__pycache__")
    copy = shutil.copytree(PACKAGE, tmp_path / "compute_aligned", ignore=ignored)
    assert version_of(copy)["commit"] is None

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
