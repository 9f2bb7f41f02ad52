"""Where the time of a finished run went: ``python -m benchmarks.whole_run FOLDER``.

A job's benchmark file says how long it took, and its date when it ended. So this reads a run where
it was made; a copy has to keep the dates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from benchmarks import figures, page
from compute_aligned.describe.finished import read_benchmark
from compute_aligned.describe.jobs import STAGES
from compute_aligned.files.errors import InputError

UNITS = {"above its jobs' CPU time": "of it"}  # others are seconds


@dataclass(frozen=True)
class Ran:
    """One finished job: its rule, when it started and ended (seconds), and its CPU time."""

    rule: str
    start: float
    end: float
    cpu_seconds: float


def jobs_of(folder: Path) -> list[Ran]:
    """The jobs whose benchmark files are in a folder, by their start.

    Raises:
        InputError: There are none, or one is broken, or their dates are those of a copy.

    """
    found = []
    for path in folder.rglob("*.tsv"):
        took = read_benchmark(path)
        end = path.stat().st_mtime
        rule = path.relative_to(folder).parts[0]
        found.append(Ran(rule, end - took.wall_seconds, end, took.cpu_seconds))
    if not found:
        raise InputError(folder, "there are no benchmark files", "give results/{scale}/benchmarks")
    if len({round(job.end) for job in found}) == 1 < len(found):
        raise InputError(folder, "all its files are of one date", "copy a run with `cp -a`")
    return sorted(found, key=lambda job: job.start)


def summary(jobs: Sequence[Ran], cores: int, wall: float | None = None) -> dict[str, float]:
    """How much longer the run took than its jobs' CPU time on all cores, and for what reasons.

    Args:
        jobs: All jobs of the run.
        cores: That it ran on.
        wall: Seconds from its start to its end; None for those from first job to last.

    """
    span = max(job.end for job in jobs) - jobs[0].start
    compute = sum(job.cpu_seconds for job in jobs) / cores
    occupied = sum(job.end - job.start for job in jobs) / cores
    wall = span if wall is None else wall
    return {
        "from start to end": wall,
        "above its jobs' CPU time": wall / compute - 1,
        "before the first job and after the last": wall - span,
        "a core and no job for it": span - occupied,
        "jobs without a core": occupied - compute,  # for the disk, or because others had it
    }


def by_stage(jobs: Sequence[Ran]) -> dict[str, float]:
    """The share of each stage in the jobs' CPU time, in the order of the run."""
    seconds = dict.fromkeys(STAGES.values(), 0.0)
    for job in jobs:
        seconds[STAGES[job.rule]] += job.cpu_seconds
    return {stage: s / sum(seconds.values()) for stage, s in seconds.items() if s}


def rows(jobs: Sequence[Ran], cores: int, wall: float | None) -> pd.DataFrame:
    """All of it, as the file of figures has it."""
    whole, time = "the run", "the CPU time of its jobs"
    cells = [(whole, "jobs", len(jobs), ""), (whole, "cores", cores, "")]
    cells += [(whole, way, v, UNITS.get(way, "s")) for way, v in summary(jobs, cores, wall).items()]
    cells += [(time, stage, share, "of it") for stage, share in by_stage(jobs).items()]
    columns = ["comparison", "way", "taken", "unit"]
    return pd.DataFrame(cells, columns=columns).assign(repeats=1)


def main(
    folder: Annotated[Path, typer.Argument(help="results/{scale}/benchmarks of a finished run.")],
    cores: Annotated[int, typer.Option(min=1, help="That it ran on.")] = 2,
    wall: Annotated[
        float | None, typer.Option(help="Seconds that the command took; else first to last job.")
    ] = None,
) -> None:
    """Say what a finished run's time went to, by stage, and how full its cores were."""
    found = rows(jobs_of(folder), cores, wall)
    print(page.markdown(figures.add("whole_run", found, "python -m benchmarks.whole_run")))


if __name__ == "__main__":
    typer.run(main)
