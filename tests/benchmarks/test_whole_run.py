"""The reader of a finished run that ``python -m benchmarks.whole_run`` is."""

import os
from pathlib import Path

import pytest

from benchmarks.whole_run import Ran, by_stage, jobs_of, rows, summary
from compute_aligned.files.errors import InputError

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
JOBS = [
    Ran("prepare", 100.0, 110.0, 8.0),
    Ran("train_sft", 110.0, 150.0, 36.0),
    Ran("train_rl", 110.0, 140.0, 30.0),
    Ran("score", 152.0, 160.0, 6.0),
]


def write(folder: Path, name: str, end: float, wall: float) -> None:
    path = folder / f"{name}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + f"{wall}\t0:00:04\t1\t1\t1\t1\t1\t1\t50\t{wall / 2}\n")
    os.utime(path, (end, end))


def test_jobs_are_read_with_their_start_and_end(tmp_path: Path) -> None:
    write(tmp_path, "train_sft/f/ce/seed0", 1000.0, 4.0)
    write(tmp_path, "claims/all", 1001.0, 12.0)

    assert jobs_of(tmp_path) == [Ran("claims", 989, 1001, 6), Ran("train_sft", 996, 1000, 2)]


@pytest.mark.parametrize(("count", "problem"), [(0, "no benchmark files"), (2, "are of one date")])
def test_a_folder_without_a_run_or_its_dates_is_an_error(
    tmp_path: Path, count: int, problem: str
) -> None:
    for name in range(count):
        write(tmp_path, f"table/{name}", 1000.0, 4.0)

    with pytest.raises(InputError, match=problem):
        jobs_of(tmp_path)


@pytest.mark.parametrize("wall", [None, 64.0])
def test_the_time_of_a_run_is_all_accounted_for(wall: float | None) -> None:
    took, excess, *parts = summary(JOBS, cores=2, wall=wall).values()

    assert took == (wall or 60)
    assert excess == pytest.approx(0.6 if wall else 0.5)
    assert parts == [4 if wall else 0, 16, 4]
    assert sum(parts) == took - 40  # what the jobs computed, on two cores
    assert by_stage(JOBS) == {"prepare": 0.1, "branches": 66 / 80, "report": 6 / 80}


def test_the_figures_have_their_units() -> None:
    found = rows(JOBS, cores=2, wall=None).set_index("way")

    assert found.taken[["jobs", "cores", "from start to end", "branches"]].tolist() == [
        *(4, 2, 60),
        66 / 80,
    ]
    assert found.unit[["from start to end", "above its jobs' CPU time"]].tolist() == ["s", "of it"]
