"""What a scale would take with more samples, or a larger model: ``python -m benchmarks.what_if``.

Everything follows from the counts of ``make cost`` and the constants in the scale's ``throughput``.
More samples multiply sampling and grading. A larger model in place of the scale's largest
multiplies FLOPs, and the time of a pass however small its batch, since with quantised weights that
is the time to unpack them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from compute_aligned.config import study
from compute_aligned.config.scales import Scale
from compute_aligned.config.settings import Engine
from compute_aligned.describe.cost import job_cost
from compute_aligned.describe.finished import Finished
from compute_aligned.describe.jobs import Job
from compute_aligned.describe.work import Work
from compute_aligned.describe.workload import plan
from compute_aligned.models.size import parameters

HOUR = 3600
SAMPLES = "samples"


@dataclass(frozen=True)
class Change:
    """What is otherwise than in the scale's file.

    Attributes:
        name: What the table calls it.
        samples: Times as many evaluation samples.
        model: Times as many parameters of the largest model.

    """

    name: str
    samples: float = 1.0
    model: float = 1.0


@dataclass(frozen=True)
class Total:
    """What a run takes: GPU-seconds of training and of sampling, its longest job, its samples."""

    training: float
    sampling: float
    longest: float
    samples: float

    @property
    def seconds(self) -> float:
        """GPU-seconds of all."""
        return self.training + self.sampling


def changed(work: Work, change: Change, is_largest: bool) -> Work:
    """A job's work after the change, if its family has the largest model or has not."""
    model = change.model if is_largest else 1.0
    samples = change.samples if work.samples else 1.0
    return replace(
        work,
        samples=work.samples * samples,
        sampled_tokens=work.sampled_tokens * samples,
        passes=work.passes * model,
        flops=work.flops * model * samples,
    )


def total(jobs: Sequence[Job], scale: Scale, engine: Engine, change: Change) -> Total:
    """What the jobs that use the scale's device take after the change."""
    sizes = {name: parameters(family.model) for name, family in scale.families.items()}
    largest = {name for name, size in sizes.items() if size == max(sizes.values())}
    seconds = {SAMPLES: 0.0, "training": 0.0}
    longest = samples = 0.0
    nothing = Finished(study.ROOT / "none", "none")
    for job in jobs:
        if job.stage not in ("warm-up", "branches", SAMPLES):
            continue
        work = changed(job.work, change, job.family in largest)
        cost = job_cost(replace(job, work=work), scale, engine, nothing)
        took = cost.gpu_seconds or cost.cpu_seconds
        seconds[SAMPLES if job.stage == SAMPLES else "training"] += took
        longest = max(longest, took)
        samples += work.samples
    return Total(seconds["training"], seconds[SAMPLES], longest, samples)


def main(
    scale: Annotated[str, typer.Option(help="A file of config/scales/ with throughput.")],
    price: Annotated[float, typer.Option(help="Of an hour of the device.")] = 2.0,
    samples: Annotated[float, typer.Option(help="Times as many samples.")] = 10.0,
    model: Annotated[float, typer.Option(help="Times as many parameters.")] = 9.7,
) -> None:
    """Hours of the device, and what they cost: as it is, with more samples, with a larger model."""
    settings = study.read_scale(scale)
    planned = plan(scale, list(settings.families), (), settings.engine, study.ROOT)
    table = Table(
        "", "training, h", "sampling, h", "in all, h", "cost", "longest job, h", "samples"
    )
    for change in (
        Change(f"scale {scale}"),
        Change(f"{samples:g} times its samples", samples=samples),
        Change(f"a model {model:g} times as large", model=model),
    ):
        took = total(planned.jobs, settings, settings.engine, change)
        hours = [x / HOUR for x in (took.training, took.sampling, took.seconds, took.longest)]
        table.add_row(
            change.name,
            *(f"{x:,.0f}" for x in hours[:3]),
            f"{hours[2] * price:,.0f}",
            f"{hours[3]:,.1f}",
            f"{took.samples / 1e6:,.1f}M",
        )
    console = Console(highlight=False)
    console.print(table)
    for note in planned.notes:
        console.print(f"  {note}", markup=False)


if __name__ == "__main__":
    typer.run(main)
