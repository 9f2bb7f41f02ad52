"""Snakemake's own time: to start with ever more branches, and to wait for jobs under a scheduler.

Seconds are those of Snakemake's process and of the processes it starts, the solver's among them.
"""

import csv
import tempfile
from pathlib import Path

from support import runs

from benchmarks.compare import Comparison, Way, children_seconds

ROWS = (10, 100, 1000)
SCHEDULERS = {  # the first as in workflow/profiles/default; the last is Snakemake 9.27's default
    "greedy, 100/10s": ("greedy", "100/10s"),
    "greedy, 100/1s": ("greedy", "100/1s"),
    "ilp, 100/1s": ("ilp", "100/1s"),
}
JOBS = """
rule all:
    input:
        expand("done/{{job}}", job=range({num_jobs})),


rule job:
    output:
        "done/{{job}}",
    shell:
        "sleep 1; touch {{output}}"
"""


def snakemake_seconds(folder: Path, *arguments: str) -> float:
    """CPU seconds of a run of Snakemake; one that fails is an error."""
    arguments = ("--quiet", "all", *arguments)
    return children_seconds(lambda: runs.snakemake(folder, *arguments).check_returncode())


def repository_with(rows: int, folder: Path) -> Path:
    """A copy of the repository whose sheet has as many more branches of a fine-tuned family."""
    copy = runs.copy_repository(folder)
    sheet = copy / "config" / "branches.tsv"
    with sheet.open(newline="") as file:
        columns = next(csv.reader(file, delimiter="\t"))
    with sheet.open("a", newline="") as file:
        writer = csv.DictWriter(file, columns, "-", delimiter="\t", lineterminator="\n")
        for n in range(1001, 1001 + rows):
            names = {"family": "sft_passn", "branch": f"added_n{n}", "label": f"Pass@{n}, added"}
            writer.writerow(names | {"role": "strategy", "strategy": f"PassAtN(n={n})"})
    return copy


def run_jobs(folder: Path, num_jobs: int, scheduler: str, rate: str) -> float:
    """Seconds of Snakemake for jobs that sleep, two at a time, in a fresh folder."""
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        (Path(fresh) / "Snakefile").write_text(JOBS.format(num_jobs=num_jobs))
        options = ("--scheduler", scheduler, "--max-jobs-per-timespan", rate)
        return snakemake_seconds(Path(fresh), "--cores", "2", *options)


def check_dag(copies: dict[int, Path]) -> None:
    """Each of the added branches is a job a seed of the dry run."""
    for rows, copy in copies.items():
        plan = runs.snakemake(copy, "-n").stdout
        seeds = plan.count("branch=added_n1001,")
        assert seeds > 0, "the added branches are not in the plan"
        assert plan.count("branch=added_n") == rows * seeds


def comparisons(num_jobs: int = 100) -> list[Comparison]:
    """The schedulers, and start-up against the branches there are."""
    temporary = tempfile.TemporaryDirectory(prefix="benchmarks-")  # gone with the comparisons
    folder = Path(temporary.name)
    copies = {rows: repository_with(rows, folder / str(rows)) for rows in ROWS}
    schedulers = (
        Way(name, lambda s=of: run_jobs(Path(temporary.name), num_jobs, *s))
        for name, of in SCHEDULERS.items()
    )
    starts = (
        Way(f"{rows} branches more", lambda c=copy: snakemake_seconds(c, "-n"))
        for rows, copy in copies.items()
    )
    return [
        Comparison(
            f"{num_jobs} jobs of 1 s on 2 cores",
            tuple(schedulers),
            lambda: None,  # each run makes all the files, or fails
            warm_up=False,
        ),
        Comparison("`snakemake -n`", tuple(starts), lambda: check_dag(copies), warm_up=False),
    ]
