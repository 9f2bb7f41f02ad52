"""Where the time of a finished run went: ``python -m benchmarks.whole_run FOLDER``.

A job's benchmark file says how long it took, and its date when it ended. So this reads a run where
it was made; a copy has to keep the dates. The figure shows what the cores did when.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import typer
from rich.console import Console
from rich.table import Table

from compute_aligned.describe.finished import read_benchmark
from compute_aligned.describe.jobs import STAGES
from compute_aligned.files.errors import InputError
from compute_aligned.files.writing import replacing

MOMENTS = 600  # of the figure


@dataclass(frozen=True)
class Ran:
    """One finished job: its rule, when it started and ended (seconds), and its CPU time."""

    rule: str
    start: float
    end: float
    cpu_seconds: float

    @property
    def seconds(self) -> float:
        """From its start to its end."""
        return self.end - self.start


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


def by_stage(jobs: Sequence[Ran]) -> pd.DataFrame:
    """One row a stage: jobs, seconds from start to end, CPU-seconds and their share of all."""
    frame = pd.DataFrame(
        {"stage": STAGES[j.rule], "seconds": j.seconds, "cpu": j.cpu_seconds} for j in jobs
    )
    order = list(dict.fromkeys(STAGES.values()))
    found = frame.groupby("stage").agg(
        jobs=("cpu", "size"), seconds=("seconds", "sum"), cpu=("cpu", "sum")
    )
    found["share"] = found["cpu"] / found["cpu"].sum()
    return found.reindex([stage for stage in order if stage in found.index])


def summary(jobs: Sequence[Ran], cores: int, wall: float | None) -> dict[str, float]:
    """How much longer the run took than its jobs' CPU time on all cores, and for what reasons.

    Args:
        jobs: All jobs of the run.
        cores: That it ran on.
        wall: Seconds from its start to its end; None for those from first job to last.

    Returns:
        ``wall``; ``compute``, the jobs' CPU-seconds over the cores; ``excess``, the share by which
        the first is above the second; and what that consists of, in seconds of wall time:
        ``outside``, before the first job and after the last; ``idle``, cores without a job between
        them; ``waiting``, jobs without a core: for the disk, or because something else had it.

    """
    span = max(job.end for job in jobs) - jobs[0].start
    compute = sum(job.cpu_seconds for job in jobs) / cores
    occupied = sum(job.seconds for job in jobs) / cores
    wall = span if wall is None else wall
    return {
        "wall": wall,
        "compute": compute,
        "excess": wall / compute - 1,
        "outside": wall - span,
        "idle": span - occupied,
        "waiting": occupied - compute,
    }


def running(jobs: Sequence[Ran], moments: np.ndarray) -> dict[str, np.ndarray]:
    """How many jobs of each stage run at each moment."""
    order = [s for s in dict.fromkeys(STAGES.values()) if any(STAGES[j.rule] == s for j in jobs)]
    return {
        stage: sum(
            (moments >= job.start) & (moments < job.end)
            for job in jobs
            if STAGES[job.rule] == stage
        ).astype(int)
        for stage in order
    }


def draw(jobs: Sequence[Ran], path: Path) -> None:
    """The figure: jobs at work over time, by stage."""
    start, end = jobs[0].start, max(job.end for job in jobs)
    moments = np.linspace(start, end, MOMENTS)
    counts = running(jobs, moments)
    figure, axes = plt.subplots(figsize=(8, 2.6), layout="constrained")
    axes.stackplot((moments - start) / 60, *counts.values(), labels=list(counts), step="post")
    axes.set(
        xlabel="minutes since the first job", ylabel="jobs at work", xlim=(0, (end - start) / 60)
    )
    axes.legend(ncols=len(counts), loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)
    plt.close(figure)


def main(
    folder: Annotated[Path, typer.Argument(help="results/{scale}/benchmarks of a finished run.")],
    cores: Annotated[int, typer.Option(min=1, help="That it ran on.")] = 2,
    wall: Annotated[
        float | None, typer.Option(help="Seconds that the command took; else first to last job.")
    ] = None,
    figure: Annotated[Path | None, typer.Option(help="Where a picture of it goes, a PNG.")] = None,
) -> None:
    """Say what a finished run's time went to, by stage, and how full its cores were."""
    jobs = jobs_of(folder)
    table = Table("stage", *("jobs", "seconds", "CPU-seconds", "share"), title=str(folder))
    for stage, row in by_stage(jobs).iterrows():
        numbers = (f"{row.jobs:.0f}", f"{row.seconds:,.0f}", f"{row.cpu:,.0f}", f"{row.share:.1%}")
        table.add_row(str(stage), *numbers)
    console = Console(highlight=False)
    console.print(table)
    took = summary(jobs, cores, wall)
    console.print(
        f"{took['wall']:,.0f} s on {cores} cores, {took['excess']:.1%} above the jobs' compute of "
        f"{took['compute']:,.0f} s: {took['outside']:,.0f} s before the first job and after the "
        f"last, {took['idle']:,.0f} s of cores without a job, {took['waiting']:,.0f} s of jobs "
        "without a core",
        soft_wrap=True,
    )
    if figure is not None:
        draw(jobs, figure)


if __name__ == "__main__":
    typer.run(main)
