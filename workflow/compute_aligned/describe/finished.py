"""What the finished jobs of a run have left of themselves: what they took, where results came from.

Snakemake's benchmark files say how much memory a job had. How long it took, and its CPU time, are
those of the record of provenance, which the job wrote itself: a model that was trained by the job
of its warm-up has its own there. Snakemake's stand in for them where there is no record.
"""

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from compute_aligned.describe.jobs import Job
from compute_aligned.files import provenance
from compute_aligned.files.errors import InputError
from compute_aligned.files.parsing import read_text

# Snakemake (9.27) reads a process's clock every half second for 15 seconds, then every 30 seconds;
# what it calls cpu_time is that of the last reading.
QUICK_INTERVAL, QUICK_SECONDS, SLOW_INTERVAL = 0.5, 15.0, 30.0
MEBIBYTE = 2**20


@dataclass(frozen=True)
class Benchmark:
    """What a finished job took.

    Attributes:
        wall_seconds: From start to end.
        cpu_seconds: User and system time, see :func:`cpu_seconds`.
        memory_bytes: The largest resident set that was read; None of a job too short to be read.

    """

    wall_seconds: float
    cpu_seconds: float
    memory_bytes: float | None


def read_benchmark(path: Path) -> Benchmark:
    """Read a benchmark file.

    Raises:
        InputError: It is missing, or not what Snakemake writes.

    """
    try:
        (row,) = csv.DictReader(read_text(path).splitlines(), delimiter="\t")
        wall = float(row["s"])
        cpu, memory = (_number(row[name]) for name in ("cpu_time", "max_rss"))
    except (ValueError, KeyError, TypeError):
        raise InputError(
            path, "it is no benchmark file of Snakemake", "delete it; the next run writes it anew"
        ) from None
    return Benchmark(wall, cpu_seconds(wall, cpu or 0.0), memory * MEBIBYTE if memory else None)


def cpu_seconds(wall: float, last_read: float) -> float:
    """CPU-seconds of a whole job, from those at Snakemake's last reading of its clock.

    The job is taken to go on as it did until then. A job that ended before its clock was read for
    the first time is taken to have had a core to itself.

    Args:
        wall: Seconds from its start to its end.
        last_read: CPU-seconds at the last reading.

    """
    return last_read * wall / last_reading(wall) if last_read else wall


def last_reading(wall: float) -> float:
    """When, in seconds from its start, Snakemake last read the clock of a job of that length."""
    if wall < QUICK_SECONDS:
        return wall // QUICK_INTERVAL * QUICK_INTERVAL
    return QUICK_SECONDS + (wall - QUICK_SECONDS) // SLOW_INTERVAL * SLOW_INTERVAL


def _number(cell: str) -> float | None:
    """A cell's number; Snakemake writes NA or - where it read nothing."""
    return None if cell in ("NA", "-") else float(cell)


# --- the files of a run ----------------------------------------------------------------------


@dataclass(frozen=True)
class Finished:
    """The files of a run.

    Attributes:
        root: The repository.
        scale: The scale that was run.

    """

    root: Path
    scale: str

    def took(self, job: Job) -> Benchmark | None:
        """What a job took; None where it has not finished.

        Raises:
            InputError: A file is broken.

        """
        path = self.root / "results" / self.scale / "benchmarks" / job.benchmark
        if not path.exists():
            return None
        took = read_benchmark(path)
        record = self.provenance(job) or {}
        if "cpu_seconds" not in record:
            return took
        cpu, wall = float(record["cpu_seconds"]), float(record["seconds"])
        return replace(took, cpu_seconds=cpu, wall_seconds=wall)

    def provenance(self, job: Job) -> dict[str, Any] | None:
        """The record of what a job published; None where there is none.

        Raises:
            InputError: The file is broken.

        """
        return provenance.read(self.root / job.artefact(self.scale))
