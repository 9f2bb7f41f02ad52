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

import yaml
from environments import CLOSED, closed_path

ROOT = Path(__file__).resolve().parents[1]
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
    folder = copy_repository(target)
    scale_file = folder / "config" / "scales" / "smoke.yaml"
    scale = yaml.safe_load(scale_file.read_text())
    family = scale["families"][FAMILY]
    family["seeds"] = [SEED]
    family["warmup"]["hold"] = "600 steps"
    family["sampling"]["block_size"] = 1
    scale["families"] = {FAMILY: family}
    scale_file.write_text(yaml.safe_dump(scale))
    keep_rows(folder / "config" / "branches.tsv", branch=BRANCHES, family=[FAMILY])
    keep_rows(folder / "config" / "paper_items.tsv", item=["table2"])
    items = folder / "config" / "paper_items.tsv"
    items.write_text(
        items.read_text().replace("ce passn_n4 passn_n16 passn_n64", " ".join(BRANCHES))
    )
    keep_rows(folder / "config" / "claims.tsv", claim=["C1b"])
    keep_rows(folder / "config" / "claim_contrasts.tsv", claim=["C1b"], branch=BRANCHES)
    return folder


def keep_rows(sheet: Path, **wanted: list[str]) -> None:
    """Leave only the rows of a sheet that have one of the wanted values in each of the columns."""
    lines = sheet.read_text().splitlines()
    rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
    kept = [
        line
        for line, row in zip(lines[1:], rows, strict=True)
        if all(row[column] in values for column, values in wanted.items())
    ]
    sheet.write_text("\n".join([lines[0], *kept]) + "\n")


def results_of(folder: Path) -> dict[str, bytes]:
    """What a finished run of the small repository must agree on with every other, by file."""
    results = folder / "results" / "smoke"
    models = [results / "warmup" / FAMILY / f"seed{SEED}"]
    models += [results / "branches" / FAMILY / branch / f"seed{SEED}" for branch in BRANCHES]
    files = [
        file for m in models for file in (m / "model" / "model.safetensors", m / "steps.parquet")
    ]
    files += [
        results / "samples" / FAMILY / f"seed{SEED}.parquet",
        results / "scores" / FAMILY / f"seed{SEED}.parquet",
        results / "scores" / FAMILY / f"seed{SEED}.outcomes.parquet",
        *(results / "tables" / f"table2.{kind}" for kind in ("csv", "md", "tex")),
    ]
    return {str(file.relative_to(results)): file.read_bytes() for file in files}


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
