"""What a run will cost, before anything of it has run; and what the jobs that have run did cost.

Time is linear in what jobs do (:class:`~compute_aligned.describe.work.Work`), with the constants of
the scale's :class:`~compute_aligned.config.fields.Throughput`. It is an estimate to decide by,
meant to be within a factor of two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from compute_aligned.config.fields import JobStart, Throughput
from compute_aligned.config.scales import Scale
from compute_aligned.config.settings import Engine
from compute_aligned.describe.finished import Finished
from compute_aligned.describe.jobs import STAGES, Job
from compute_aligned.describe.work import NOTHING, Work, combined

KINDS = {  # which of the starts in throughput.jobs a stage's jobs have
    "prepare": "prepare",
    "warm-up": "train",
    "branches": "train",
    "samples": "sample",
    "report": "report",
}
ON_DEVICE = ("train", "sample")  # the kinds of job that use the scale's device; others use a core
GIGABYTE = 10**9
TOTAL = "total"


@dataclass(frozen=True)
class Cost:
    """What jobs do and take, estimated; and of those that have finished, what they took.

    Costs add up; memory is the largest of any job. Seconds of a GPU are those of its jobs.

    Attributes:
        work: What they do.
        cpu_seconds: Of jobs on a core.
        gpu_seconds: Of jobs on a GPU.
        memory_bytes: Of the largest job.
        finished: How many jobs have finished.
        expected_seconds: What the finished ones were estimated to take.
        actual_seconds: What they took: of a core its CPU time, of a GPU the time from start to end.
        actual_memory_bytes: Main memory of the largest of them.

    """

    work: Work = NOTHING
    cpu_seconds: float = 0.0
    gpu_seconds: float = 0.0
    memory_bytes: float = 0.0
    finished: int = 0
    expected_seconds: float = 0.0
    actual_seconds: float = 0.0
    actual_memory_bytes: float = 0.0

    def __add__(self, other: "Cost") -> "Cost":
        return combined(self, other, largest=("memory_bytes", "actual_memory_bytes"))

    @property
    def ratio(self) -> float | None:
        """Estimate over actual, of the finished jobs; None where there is no such thing."""
        if not self.expected_seconds or not self.actual_seconds:
            return None
        return self.expected_seconds / self.actual_seconds


@dataclass(frozen=True)
class Line:
    """The cost of a family's stage, of a family (stage ``total``), or of all (family too)."""

    family: str
    stage: str
    cost: Cost


def lines(jobs: Sequence[Job], scale: Scale, engine: Engine, finished: Finished) -> list[Line]:
    """The cost of every family and stage, each family's total, and that of all.

    Args:
        jobs: The run's jobs.
        scale: Its settings; without throughput no time and no memory is estimated.
        engine: What draws the evaluation samples.
        finished: What jobs of the run have left, if there are any.

    Raises:
        InputError: A benchmark file or a record of provenance is broken.

    """
    cells: dict[tuple[str, str], Cost] = {}
    for job in jobs:
        cost = job_cost(job, scale, engine, finished)
        place = (job.family, job.stage)
        cells[place] = cells.get(place, Cost()) + cost
    order = list(dict.fromkeys(STAGES.values()))
    found = []
    for family in dict.fromkeys(family for family, _ in cells):
        stages = [Line(family, s, cells[family, s]) for s in order if (family, s) in cells]
        found += [Line(family, TOTAL, _total(stages)), *stages]
    totals = [line for line in found if line.stage == TOTAL]
    return [*found, Line(TOTAL, TOTAL, _total(totals))]


def job_cost(job: Job, scale: Scale, engine: Engine, finished: Finished) -> Cost:
    """The cost of one job, with what it took if it has finished."""
    on_gpu = scale.device == "cuda" and KINDS[job.stage] in ON_DEVICE
    seconds = memory = 0.0
    if scale.throughput is not None:
        seconds = job_seconds(job, scale, scale.throughput, engine)
        memory = _start(job, scale, scale.throughput).gigabytes * GIGABYTE + job.work.memory_bytes
    cost = Cost(job.work, 0.0 if on_gpu else seconds, seconds if on_gpu else 0.0, memory)
    took = finished.took(job)
    if took is None:
        return cost
    return cost + Cost(
        finished=1,
        expected_seconds=seconds,
        actual_seconds=took.wall_seconds if on_gpu else took.cpu_seconds,
        actual_memory_bytes=took.memory_bytes or 0.0,
    )


def job_seconds(job: Job, scale: Scale, throughput: Throughput, engine: Engine) -> float:
    """Estimated seconds of a job on its device."""
    work = job.work
    seconds = (
        _start(job, scale, throughput).seconds
        + work.passes * throughput.pass_seconds
        + work.scored * throughput.score_seconds
    )
    if job.stage != "samples" or drawn_by(job, scale, engine) != "vllm":
        return seconds + work.flops / throughput.training_flops
    return (
        seconds
        + work.flops / throughput.sampling_flops
        + work.sampled_tokens * throughput.sampled_token_seconds
        + work.samples * throughput.sample_seconds
    )


def drawn_by(job: Job, scale: Scale, engine: Engine) -> Engine:
    """What draws the samples of a job, at a scale where other samples are drawn by ``engine``."""
    if job.rule != "sample_temperatures":
        return engine
    sweep = scale.families[job.family].temperatures
    return engine if sweep is None else sweep.engine or engine


def _start(job: Job, scale: Scale, throughput: Throughput) -> JobStart:
    if job.stage == "branches" and scale.train_together:
        return throughput.jobs.prepare  # its model is there already, and no torch is loaded
    return getattr(throughput.jobs, KINDS[job.stage])


def _total(parts: Sequence[Line]) -> Cost:
    return sum((line.cost for line in parts), Cost())
