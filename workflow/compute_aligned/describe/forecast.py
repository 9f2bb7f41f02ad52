"""About how long the jobs of a run will take, known in a moment and without the jobs' libraries.

``cost`` looks at problems and checkpoints first, which takes half a minute, and is more exact: with
upper bounds of the tokens in place of counts, the laptop scale is expected to take 1.15 times that.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from compute_aligned.config.models import PretrainedModel
from compute_aligned.config.reading import ROOT
from compute_aligned.config.scales import Run
from compute_aligned.config.study import read_study
from compute_aligned.describe.cost import KINDS, ON_DEVICE, job_seconds
from compute_aligned.describe.workload import plan
from compute_aligned.files.errors import InputError

TELLING = 0.05  # of a run: from then on, what it took so far says what the rest will take


@dataclass(frozen=True)
class Expected:
    """What a job is expected to take.

    Attributes:
        seconds: From its start to its end.
        stage: The stage of the run that it belongs to; jobs of one wait for those before.
        on_gpu: Whether it has a GPU, of which there is one.

    """

    seconds: float
    stage: str
    on_gpu: bool = False


def pace_of(run: Run, jobs: Collection[str], cores: int | None) -> "Pace":
    """The pace of a run that begins now.

    Args:
        run: What the user chose to run.
        jobs: The jobs to do, by their benchmark files.
        cores: How many cores they share; None on a cluster, where nobody knows how long they wait.

    """
    scales = {Path(job).parts[1] for job in jobs}
    known = {path: job for scale in scales for path, job in expected(run, scale).items()}
    if not known.keys() >= set(jobs):
        return Pace(dict.fromkeys(jobs, 1.0), None, time.monotonic())
    whole = None if cores is None else wall_seconds([known[job] for job in jobs], cores)
    return Pace({job: known[job].seconds for job in jobs}, whole, time.monotonic())


def expected(run: Run, scale: str) -> dict[str, Expected]:
    """All jobs of a scale by their benchmark file; none where nobody has measured how long."""
    study = read_study(scale)
    settings = study.settings
    models = [family.model for family in settings.families.values()]
    if (
        settings.throughput is None
        or run.device not in (None, settings.device)
        or any(isinstance(model, PretrainedModel) and not model.parameters for model in models)
    ):
        return {}
    engine = run.engine or settings.engine
    seeds = run.seeds or ()
    try:
        jobs = plan(study, list(study.experiments), seeds, engine, ROOT, look=False).jobs
    except InputError:  # a source of unknown size
        return {}
    on_gpu = settings.device == "cuda"
    return {
        f"results/{scale}/benchmarks/{job.benchmark}": Expected(
            job_seconds(job, settings, settings.throughput, engine),
            job.stage,
            on_gpu and KINDS[job.stage] in ON_DEVICE,
        )
        for job in jobs
    }


def wall_seconds(jobs: Collection[Expected], cores: int) -> float:
    """How long jobs take together: at least as long as one after another in each stage."""
    stages: dict[str, float] = {}
    for job in jobs:
        stages[job.stage] = max(job.seconds, stages.get(job.stage, 0.0))
    on_gpu = sum(job.seconds for job in jobs if job.on_gpu)
    on_cores = sum(job.seconds for job in jobs if not job.on_gpu) / cores
    return max(on_gpu, on_cores, sum(stages.values()))


@dataclass
class Pace:
    """How far a run is, and how long the rest of it will take.

    Attributes:
        seconds: What each of its jobs is expected to take; the same of each where that is unknown.
        whole: What all are expected to take together; None where that is unknown.
        began: When it began, on the clock that all times here are of.
        running: The jobs at work, each with the time that it began.
        finished: Those that have finished.

    """

    seconds: Mapping[str, float]
    whole: float | None
    began: float
    running: dict[str, float] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)

    def share(self, now: float) -> float:
        """The share that is done; a running job counts as far as it is expected to be."""
        done = sum(self.seconds[job] for job in self.finished)
        if self.whole is not None:
            done += sum(min(now - at, self.seconds[job]) for job, at in self.running.items())
        return min(1.0, done / sum(self.seconds.values()))

    def left(self, now: float) -> float | None:
        """Seconds that are left; None while nothing tells."""
        share, taken = self.share(now), now - self.began
        if share >= TELLING:
            return taken * (1 - share) / share
        return None if self.whole is None else max(0.0, self.whole - taken)
