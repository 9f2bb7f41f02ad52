"""Whole runs as tests start them: Snakemake, in a copy of the repository.

Each job has the packages of its rule's conda environment and no others, and so has Snakemake.
"""

import atexit
import contextlib
import csv
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from support.environments import CLOSED, closed_path

ROOT = Path(__file__).resolve().parents[2]
STAND_IN_FOR_CONDA = ROOT / "tests" / "conda" / "stand_in" / "bin"
FAMILY, SEED = "sft_passn", 0
BRANCHES = ["ce", "passn_n16"]


def copy_repository(target: Path) -> Path:
    target.mkdir(exist_ok=True)
    for part in ("Snakefile", "config", "envs", "workflow"):
        source = ROOT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, target / part)
    (target / "profiles").symlink_to("workflow/profiles")
    return target


@functools.cache
def environments_of_rules() -> Path:
    """The folder that runs have first on their path, whose python is that of each rule."""
    folder = Path(tempfile.mkdtemp(prefix="environments-"))
    atexit.register(shutil.rmtree, folder)
    return closed_path(folder / "bin")


def command(*arguments: str) -> list[str]:
    """Snakemake in the environment that it has of its own."""
    plan = environments_of_rules() / "plan.json"
    return [sys.executable, str(CLOSED), str(plan), "-m", "snakemake", *arguments]


def surroundings(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment variables of a run: a user's, with the rules' environments on the path."""
    kept = {k: v for k, v in environment.items() if k != "PYTHONPATH"}
    return kept | {"PATH": f"{environments_of_rules()}{os.pathsep}{kept['PATH']}"}


def snakemake(
    folder: Path, *arguments: str, environment: Mapping[str, str] = os.environ
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        cwd=folder,
        env=surroundings(environment),
        capture_output=True,
        text=True,
        check=False,
    )


def dry_run(
    folder: Path, *arguments: str, scale: str = "smoke", settings: tuple[str, ...] = ()
) -> str:
    """What Snakemake says that it would do, for these targets and options."""
    config = ("--config", f"scale={scale}", *settings)
    done = snakemake(folder, "--dry-run", *arguments, *config)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def jobs_in(said: str) -> dict[str, int]:
    """How many jobs of each rule Snakemake names in its table of them, its target left out."""
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", said, flags=re.MULTILINE))
    return {rule: int(count) for rule, count in jobs.items() if rule not in ("all", "total")}


def with_conda() -> dict[str, str]:
    """The environment variables of a machine that has conda, or what stands in for it."""
    if shutil.which("conda") is not None:
        return dict(os.environ)
    path = f"{STAND_IN_FOR_CONDA}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "STAND_IN_PYTHON": sys.executable}


@contextlib.contextmanager
def background(
    folder: Path, *arguments: str, environment: Mapping[str, str] = os.environ
) -> Iterator[subprocess.Popen[str]]:
    """A run of Snakemake beside the test, waited for at the end; it says nothing."""
    with subprocess.Popen(
        command(*arguments),
        cwd=folder,
        env=surroundings(environment),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as run:
        try:
            yield run
        except BaseException:
            run.terminate()
            raise


# --- one small family ---------------------------------------------------------------------------


def small_repository(target: Path) -> Path:
    """A copy with one family, seed, table and two branches, whose warm-up takes some seconds."""

    def lengthen(family: dict[str, Any]) -> None:
        family["warmup"]["hold"] = "600 steps"
        family["sampling"]["block_size"] = 1

    return with_one_family(target, FAMILY, BRANCHES, "table2", "C1b", lengthen)


def with_one_family(
    target: Path,
    family: str,
    branches: list[str],
    item: str,
    claim: str,
    change: Callable[[dict[str, Any]], None],
) -> Path:
    """A copy whose smoke scale is a family at one seed, some of its branches, an item, a claim."""
    folder = copy_repository(target)
    path = folder / "config" / "scales" / "smoke.yaml"
    scale = yaml.safe_load(path.read_text())
    scale["families"] = {family: scale["families"][family] | {"seeds": [SEED]}}
    change(scale["families"][family])
    path.write_text(yaml.safe_dump(scale))

    with (folder / "config" / "branches.tsv").open(newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        dropped = {row["branch"] for row in rows if row["family"] == family} - set(branches)

    def keep(row: dict[str, str]) -> bool:
        if "item" in row:
            row["branches"] = " ".join(branches)
            return row["item"] == item
        if "claim" in row:
            return row["claim"] == claim and row.get("against") not in dropped
        return row["family"] == family and row["branch"] in branches

    for sheet in ("branches", "paper_items", "claims", "claim_contrasts"):
        edit_rows(folder / "config" / f"{sheet}.tsv", keep)
    return folder


def edit_rows(sheet: Path, edit: Callable[[dict[str, str]], object]) -> None:
    """Let a function change the rows of a sheet, and leave those for which it says something."""
    with sheet.open(newline="") as file:
        rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        kept = [row for row in rows if edit(row)]
    lines = [rows.fieldnames or [], *(row.values() for row in kept)]
    sheet.write_text("".join("\t".join(line) + "\n" for line in lines))


def results_of(folder: Path) -> dict[str, bytes]:
    """What a finished run of the small repository must agree on with every other, by file."""
    results = folder / "results" / "smoke"
    models = [
        f"warmup/{FAMILY}/seed{SEED}",
        *(f"branches/{FAMILY}/{b}/seed{SEED}" for b in BRANCHES),
    ]
    names = [f"{m}/{file}" for m in models for file in ("model/model.safetensors", "steps.parquet")]
    names += [f"samples/{FAMILY}/seed{SEED}.parquet"]
    names += [f"scores/{FAMILY}/seed{SEED}.{kind}parquet" for kind in ("", "outcomes.")]
    names += [f"tables/table2.{kind}" for kind in ("csv", "md", "tex")]
    return {name: (results / name).read_bytes() for name in names}


def first_step(folder: Path, rule: str) -> int:
    """The step that the last training of a rule began at, from the log of its job."""
    (log,) = (folder / "results" / "smoke" / "logs" / rule / FAMILY).rglob("*.log")
    began = re.search(r"\| (\d+)/\d+ \[00:00<", log.read_text())
    assert began is not None, log.read_text()
    return int(began[1])


def wait_until(condition: Callable[[], bool], run: subprocess.Popen[str]) -> None:
    """Wait for something to happen in a run, as closely as possible.

    Raises:
        RuntimeError: The run has ended without it.

    """
    while not condition():
        if run.poll() is not None:
            raise RuntimeError(f"the run ended with code {run.returncode} before it happened")
        time.sleep(0.002)
