"""What the finished jobs of a run have left of themselves: what they took, where results came from.

Snakemake's benchmark files say how long a job ran and how much memory it had. Its CPU time is that
of the record of provenance, which the job wrote itself; Snakemake's (see ``benchmarks``) stands in
for it in runs of versions that did not record it.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from compute_aligned import provenance
from compute_aligned.runs.benchmarks import Benchmark, read_benchmark
from compute_aligned.runs.jobs import Job


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
        recorded = (self.provenance(job) or {}).get("cpu_seconds")
        return took if recorded is None else replace(took, cpu_seconds=float(recorded))

    def provenance(self, job: Job) -> dict[str, Any] | None:
        """The record of what a job published; None where there is none.

        Raises:
            InputError: The file is broken.

        """
        return provenance.read(self.root / job.artefact(self.scale))
