"""How long each step of a run took: by stage, by family and stage, and the longest jobs."""

import csv
import io
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from compute_aligned.describe.cost_tables import duration, size
from compute_aligned.describe.finished import Finished
from compute_aligned.describe.jobs import SHARED, STAGES, Job
from compute_aligned.describe.work import combined
from compute_aligned.paper import pages
from compute_aligned.paper.pages import Html

Key = TypeVar("Key", bound=Hashable)
LONGEST = 10  # jobs that are listed
TOTAL = "in total"
TAKEN = ("Wall time", "CPU time", "Largest memory")
COLUMNS = ("stage", "rule", "family", "job", "wall_seconds", "cpu_seconds", "memory_bytes")


@dataclass(frozen=True)
class Times:
    """What jobs took: times add up, memory is the largest of any.

    Attributes:
        jobs: How many.
        wall_seconds: From the start to the end of each.
        cpu_seconds: User and system time.
        memory_bytes: Main memory of the largest; 0 where none was long enough to be read.

    """

    jobs: int = 0
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    memory_bytes: float = 0.0

    def __add__(self, other: "Times") -> "Times":
        return combined(self, other, largest=("memory_bytes",))


def measured(jobs: Sequence[Job], finished: Finished) -> dict[Job, Times]:
    """What each of the jobs took that have finished.

    Raises:
        InputError: A benchmark file or a record of provenance is broken.

    """
    took = {job: finished.took(job) for job in jobs}
    return {
        job: Times(1, one.wall_seconds, one.cpu_seconds, one.memory_bytes or 0.0)
        for job, one in took.items()
        if one is not None
    }


def summed(times: Mapping[Job, Times], key: Callable[[Job], Key]) -> dict[Key, Times]:
    """The times of all jobs that have the same key, in the order in which keys come."""
    sums: dict[Key, Times] = {}
    for job, one in times.items():
        sums[key(job)] = sums.get(key(job), Times()) + one
    return sums


def to_html(times: Mapping[Job, Times], planned: int, scale: str) -> str:
    """The page.

    Args:
        times: What each finished job took.
        planned: How many jobs the run has, finished or not.
        scale: The scale of the run.

    """
    whole = sum(times.values(), Times())
    order = list(dict.fromkeys(STAGES.values()))
    by_stage = summed(times, lambda job: job.stage)
    stages = [(stage, by_stage[stage]) for stage in order if stage in by_stage]
    by_family = summed(times, lambda job: job.family)
    by_both = summed(times, lambda job: (job.family, job.stage))
    families: list[tuple[str, str, Times]] = []
    for family, total in by_family.items():
        name = "of all families" if family == SHARED else family
        of_one = [(stage, by_both[family, stage]) for stage in order if (family, stage) in by_both]
        families += [(name, stage, one) for stage, one in of_one]
        families += [(name, TOTAL, total)] if len(of_one) > 1 else []
    longest = sorted(times.items(), key=lambda item: item[1].wall_seconds, reverse=True)[:LONGEST]
    jobs = [[*map(pages.escape, (job.rule, job.name, *_taken(one)))] for job, one in longest]
    return pages.page(
        f"The time each step took (scale {scale})",
        pages.paragraph(
            f"{whole.jobs} of {planned} jobs; this one is not among them. Together they took "
            f"{duration(whole.wall_seconds)} from start to end and {duration(whole.cpu_seconds)} "
            "of CPU time. Several jobs may have run at a time, so wall times add up to more than "
            "the run took; a job that was interrupted counts from its last start."
        ),
        pages.heading("By stage"),
        _sums(("Stage",), [([stage], one) for stage, one in [*stages, (TOTAL, whole)]]),
        pages.heading("By family and stage"),
        _sums(("Family", "Stage"), [([name, stage], one) for name, stage, one in families]),
        pages.heading("The longest jobs"),
        pages.table([*map(pages.escape, ("Rule", "Job", *TAKEN))], jobs, 2),
        pages.paragraph(
            "Times are what the job's own process counted, until it had published its results; a "
            "model that was trained by the job of its warm-up has its own. Memory is the largest "
            "resident set that Snakemake read: twice a second at first, then twice a minute."
        ),
        pages.values(tidy(times)),
    )


def tidy(times: Mapping[Job, Times]) -> str:
    """A row a job, columns ``COLUMNS``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for job, one in times.items():
        taken = (one.wall_seconds, one.cpu_seconds, one.memory_bytes)
        writer.writerow([job.stage, job.rule, job.family, job.name, *(f"{t:.6g}" for t in taken)])
    return text.getvalue()


def _sums(words: Sequence[str], rows: Sequence[tuple[Sequence[str], Times]]) -> Html:
    """A row a sum, below headings for the words that it starts with; totals in bold."""
    shown = []
    for name, one in rows:
        cells = [pages.escape(text) for text in (*name, one.jobs, *_taken(one))]
        total = name[-1] == TOTAL
        shown.append([Html(f"<b>{cell}</b>") for cell in cells] if total else cells)
    header = [*map(pages.escape, (*words, "Jobs", *TAKEN))]
    return pages.table(header, shown, len(words))


def _taken(one: Times) -> tuple[str, str, str]:
    return duration(one.wall_seconds), duration(one.cpu_seconds), size(one.memory_bytes)
