"""``--use-conda``, the environments built for real: `make test-conda`, minutes and gigabytes.

Where there is no conda, a stand-in makes virtual environments in its place; all packages are
installed, by the same scripts.
"""

import subprocess
from pathlib import Path

import pytest
from support.environments import ENVS, pinned
from support.runs import results_of, small_repository, snakemake, surroundings, with_conda

RULES = ("train", "sample", "report")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small_repository(tmp_path_factory.mktemp("conda"))
    arguments = ["--cores", "2", "--use-conda", "--config", "scale=smoke"]
    done = snakemake(folder, *arguments, environment=with_conda())
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_a_run_in_its_environments_is_the_run_without_them(finished: Path, tmp_path: Path) -> None:
    other = small_repository(tmp_path)
    done = snakemake(other, "--cores", "2", "--config", "scale=smoke")
    assert done.returncode == 0, done.stdout + done.stderr

    assert results_of(finished) == results_of(other)


def test_the_environments_have_what_is_pinned_and_nothing_else(finished: Path) -> None:
    found = {}
    for folder in (finished / ".snakemake" / "conda").glob("*/bin/python"):
        listed = subprocess.run(
            [folder, "-m", "pip", "list", "--format", "freeze"],
            env=surroundings() | {"PYTHONNOUSERSITE": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        (folder.parent / "pins.txt").write_text(listed.stdout)
        pins = pinned(folder.parent / "pins.txt")
        found[frozenset(pins.items() - {("pip", pins["pip"])})] = folder

    wanted = [pinned(ENVS / f"{name}.post-deploy.sh") for name in RULES]
    assert len(found) == len(wanted)
    for pins in wanted:
        # setuptools may come with the interpreter
        assert any(
            dict(have).items() >= pins.items()
            and dict(have).keys() - pins.keys() <= {"setuptools", "wheel"}
            for have in found
        )


def test_no_package_of_the_user_s_own_passes_for_one_of_an_environment(finished: Path) -> None:
    notes = list((finished / ".snakemake" / "conda").glob("*/user_site"))
    if not notes:
        pytest.skip("conda itself is here, and notes nothing")

    assert len(notes) == len(RULES)
    assert {character for note in notes for character in note.read_text()} == {"1"}
