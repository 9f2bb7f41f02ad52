"""The one whole run that the tests of this folder look at, and a copy where nothing has run."""

from pathlib import Path

import pytest
from support import runs

from compute_aligned.config.study import Study, read_study


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with a finished run of the smoke scale, drawn from by vLLM."""
    folder = runs.copy_repository(tmp_path_factory.mktemp("finished"))
    done = runs.snakemake(folder, "--cores", "2", "--config", "scale=smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository where nothing has run."""
    return runs.copy_repository(tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="session")
def smoke() -> Study:
    return read_study("smoke")
