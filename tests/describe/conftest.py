from collections.abc import Callable
from pathlib import Path

import pytest

from compute_aligned.describe.jobs import Job

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
Benchmark = Callable[[Job, object, object, object], Path]


@pytest.fixture
def benchmark(tmp_path: Path) -> Benchmark:
    """Writes what Snakemake leaves of a job of the smoke scale: seconds, CPU seconds, mebibytes."""

    def write(job: Job, wall: object, cpu: object, mebibytes: object) -> Path:
        path = tmp_path / "results" / "smoke" / "benchmarks" / job.benchmark
        path.parent.mkdir(parents=True, exist_ok=True)
        cells = [wall, "0:00:01", mebibytes, 1.0, 1.0, 1.0, 0.1, 0.1, 50.0, cpu]
        path.write_text(HEADER + "\t".join(map(str, cells)) + "\n")
        return path

    return write
