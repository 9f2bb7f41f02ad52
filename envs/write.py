"""Write the locks and environments of this folder from packages.toml: ``make envs``.

Versions that packages.toml does not say stay as they are in the locks, and are resolved anew where
a lock has none: to let a package move, delete its line in run.lock first.
"""

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ENVS = Path(__file__).resolve().parent
LIST = tomllib.loads((ENVS / "packages.toml").read_text())
# the Python of the conda environments, whichever runs this
PYTHON = {"python_version": "3.11", "python_full_version": "3.11.0"}
ON_GPUS = ("train", "sample")  # the environments that have a form for them
READ_BY = {  # what each environment is for
    "workflow": "What Snakemake runs in; how to make it is in the README",
    "train": "Data preparation and training",
    "sample": "Sampling with vLLM",
    "report": "Scores, tables, figures; torch is for the strategies",
}


@dataclass(frozen=True)
class Package:
    """A version of a package, and what it requires."""

    name: str
    version: str
    requires: tuple[str, ...]


Find = Callable[[str], Package | None]


# --- what belongs to what -------------------------------------------------------------------------


def wanted(environment: str, form: str) -> list[str]:
    """The packages that packages.toml names for an environment, as pip knows them."""
    section = "tools" if environment in LIST["tools"] else "environments"
    others = LIST["cpu"]["names"] if form == "cpu" else {}
    return [others.get(name, name) for name in LIST[section][environment]]


def closure(names: Iterable[str], find: Find, form: str) -> dict[str, Package]:
    """The packages of these names and all that they require, by canonical name, in its order."""
    left_out = {*LIST["left_out"]["all"], *(LIST["left_out"]["cpu"] if form == "cpu" else ())}
    found: dict[str, Package] = {}
    seen, todo = set(), [Requirement(name) for name in names]
    while todo:
        requirement = todo.pop()
        name, extras = canonicalize_name(requirement.name), frozenset(requirement.extras)
        if (name, extras) in seen or name in left_out:
            continue
        seen.add((name, extras))
        package = find(name)
        if package is None:
            raise SystemExit(f"{name} is in no lock: run `make envs`")
        found[name] = package
        needed = map(Requirement, package.requires)
        todo += [one for one in needed if _applies(one, extras)]
    return dict(sorted(found.items()))


def _applies(requirement: Requirement, extras: Iterable[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate(PYTHON | {"extra": e}) for e in ("", *extras))


def installed(name: str) -> Package | None:
    """A package as this Python has it."""
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    return Package(found.metadata["Name"], found.version, tuple(found.requires or ()))


# --- what is written ------------------------------------------------------------------------------


def pins(packages: Mapping[str, Package], form: str) -> list[str]:
    """A line of requirements for each package; two where Linux has a build of its own."""
    lines = []
    said = LIST["versions"] | {
        other: LIST["versions"][name] for name, other in LIST["cpu"]["names"].items()
    }
    for name, package in packages.items():
        build = LIST["cpu"]["builds"].get(name) if form == "cpu" else None
        marker = LIST["markers"].get(name)
        if build:
            lines.append(f"{package.name}=={build} ; sys_platform == 'linux'")
            marker = "sys_platform != 'linux'"
        # three signs: a build for CPUs, such as 2.13.0+cpu, is another version
        equal = "===" if form == "gpu" and name in LIST["gpu"]["exact"] else "=="
        version = said.get(name, package.version)
        lines.append(f"{package.name}{equal}{version}" + (f" ; {marker}" if marker else ""))
    return lines


def lock(title: str, lines: Iterable[str]) -> str:
    """The text of a lock."""
    head = f"# {title}. Written by `make envs` from packages.toml."
    return "\n".join([head, *lines]) + "\n"


def workflow_yaml(lines: Iterable[str]) -> str:
    """The environment of Snakemake itself, which conda and pip fill without any help."""
    of_pip = "".join(["  - pip:\n", *(f"      - {line}\n" for line in lines)])
    # once it is activated, no package of the user's own passes for one of these
    return _yaml("workflow") + of_pip + 'variables:\n  PYTHONNOUSERSITE: "1"\n'


def rule_yaml(environment: str, form: str) -> str:
    """The environment of some rules: Python; the script of the same name then fills it."""
    return _yaml(environment, "" if environment not in ON_GPUS else _where(form))


def _yaml(environment: str, where: str = "") -> str:
    return (
        f"# {READ_BY[environment]}{where}.\n"
        "# Written by `make envs` from packages.toml.\n"
        "channels: [conda-forge]\n"
        "dependencies:\n"
        "  - python=3.11\n"
        "  - pip\n"
    )


def _where(form: str) -> str:
    return " on NVIDIA GPUs" if form == "gpu" else " on a CPU"


def post_deploy(lines: Iterable[str]) -> str:
    """The script that fills an environment once conda has made it: install.sh with its lock."""
    script = (ENVS / "install.sh").read_text()
    within = "\n".join(["read -r -d '' pins << 'PINS' || true", *lines, "PINS"])
    return script.replace('pins=$(cat "$1")', within)


def cpu_files(find: Find) -> dict[str, str]:
    """The files for machines without a GPU, by name."""
    needed = {
        name: closure(wanted(name, "cpu"), find, "cpu")
        for name in (*LIST["environments"], *LIST["tools"])
    }
    run = {k: v for name in LIST["environments"] for k, v in needed[name].items()}
    files = {"run.lock": lock("What `make` installs", pins(dict(sorted(run.items())), "cpu"))}
    for name in LIST["tools"]:
        more = {k: v for k, v in needed[name].items() if k not in run}
        title = f"What `make {name}` installs on top of run.lock"
        files[f"{name}.lock"] = lock(title, pins(more, "cpu"))
    for name in LIST["environments"]:
        lines = pins(needed[name], "cpu")
        if name == "workflow":
            files["workflow.yaml"] = workflow_yaml(lines)
        else:
            files[f"{name}.yaml"] = rule_yaml(name, "cpu")
            files[f"{name}.post-deploy.sh"] = post_deploy(lines)
    return files


def gpu_files(environment: str, lines: Iterable[str]) -> dict[str, str]:
    """The files of an environment for GPUs, by name."""
    return {
        f"{environment}.gpu.yaml": rule_yaml(environment, "gpu"),
        f"{environment}.gpu.post-deploy.sh": post_deploy(lines),
    }


# --- what pip resolves ----------------------------------------------------------------------------


def resolved(names: Iterable[str], constraints: Iterable[str], **environment: str) -> Find:
    """Ask pip for packages, all that they require and nothing installed; it downloads metadata."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
    limits = "\n".join(constraints).encode()
    done = subprocess.run(
        [*command, "--report", "-", "--constraint", "/dev/stdin", *names],
        input=limits,
        stdout=subprocess.PIPE,
        env={**os.environ, **environment},
        check=False,
    )
    if done.returncode:
        raise SystemExit("pip could not resolve packages.toml: see above")
    found = [entry["metadata"] for entry in json.loads(done.stdout)["install"]]
    return {
        canonicalize_name(one["name"]): Package(
            one["name"], one["version"], tuple(one.get("requires_dist", ()))
        )
        for one in found
    }.get


def constraints(form: str) -> list[str]:
    """What packages.toml and the locks say of versions."""
    renamed = LIST["cpu"]["names"]
    said, free = dict(LIST["versions"]), {*LIST["versions"], *renamed.values()}
    if form == "cpu":
        said |= LIST["cpu"]["builds"]
        said = {renamed.get(name, name): version for name, version in said.items()}
    else:
        free |= set(LIST["gpu"]["differ"])
    locked = [line for path in ENVS.glob("*.lock") for line in path.read_text().splitlines()[1:]]
    return [f"{name}=={version}" for name, version in said.items()] + [
        line for line in locked if canonicalize_name(Requirement(line).name) not in free
    ]


def main() -> None:
    """Resolve both forms and write all files."""
    every = [*LIST["environments"], *LIST["tools"]]
    find = resolved(sorted({n for e in every for n in wanted(e, "cpu")}), constraints("cpu"))
    files = cpu_files(find)
    # a folder that is not there, for pip may be told of one with builds for CPUs
    names = sorted({n for e in ON_GPUS for n in wanted(e, "gpu")})
    find = resolved(names, constraints("gpu"), PIP_FIND_LINKS=os.devnull)
    for environment in ON_GPUS:
        needed = closure(wanted(environment, "gpu"), find, "gpu")
        files |= gpu_files(environment, pins(needed, "gpu"))
    for name, text in files.items():
        (ENVS / name).write_text(text)


if __name__ == "__main__":
    main()
