import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from support.html_cells import tables_of

from compute_aligned.describe.finished import Finished
from compute_aligned.describe.jobs import SHARED, Job
from compute_aligned.describe.timings import Times, measured, summed, tidy, to_html

# job: wall seconds, CPU seconds, mebibytes
TOOK = {
    Job("fetch", SHARED, "numbers"): (2.0, 2.0, 50),
    Job("train_warmup", "adding", "adding/seed0"): (10.0, 8.0, 200),
    Job("train_sft", "adding", "adding/ce/seed0"): (14.0, 12.0, 300),
    Job("train_rl", "voting", "voting/raw/seed0"): (13.0, 10.0, 250),
    Job("sample", "adding", "adding/seed0"): (11.0, 9.0, 400),
    Job("table", "adding", "table2"): (4.0, 3.0, 100),
}
LEFT = Job("sample", "voting", "voting/seed0")


@pytest.fixture
def times(tmp_path: Path, benchmark: Callable) -> dict[Job, Times]:
    for job, took in TOOK.items():
        benchmark(job, *took)
    return measured([*TOOK, LEFT], Finished(tmp_path, "smoke"))


def test_what_jobs_took_comes_from_their_benchmark_files(times: dict[Job, Times]) -> None:
    assert list(times) == list(TOOK)  # one has not finished
    assert times[Job("table", "adding", "table2")] == Times(1, 4.0, 3.0, 100 * 2**20)


def test_times_add_up_and_memory_is_the_largest(times: dict[Job, Times]) -> None:
    by_stage = summed(times, lambda job: job.stage)

    assert by_stage["branches"] == Times(2, 27.0, 22.0, 300 * 2**20)
    assert by_stage["prepare"] == Times(1, 2.0, 2.0, 50 * 2**20)
    assert sum(by_stage.values(), Times()) == Times(6, 54.0, 44.0, 400 * 2**20)
    assert sum(summed(times, lambda job: job.family).values(), Times()).wall_seconds == 54.0


def test_the_page_has_every_stage_family_and_the_whole(times: dict[Job, Times]) -> None:
    page = to_html(times, len(TOOK) + 1, "smoke")
    stages, families, longest, _ = tables_of(page)

    assert "6 of 7 jobs" in page
    assert stages == [
        ["Stage", "Jobs", "Wall time", "CPU time", "Largest memory"],
        ["prepare", "1", "2 s", "2 s", "52.4MB"],
        ["warm-up", "1", "10 s", "8 s", "210MB"],
        ["branches", "2", "27 s", "22 s", "315MB"],
        ["samples", "1", "11 s", "9 s", "419MB"],
        ["report", "1", "4 s", "3 s", "105MB"],
        ["in total", "6", "54 s", "44 s", "419MB"],
    ]
    assert ["adding", "branches", "1", "14 s", "12 s", "315MB"] in families
    assert ["adding", "in total", "4", "39 s", "32 s", "419MB"] in families
    assert ["voting", "branches", "1", "13 s", "10 s", "262MB"] in families
    assert ["of all families", "prepare", "1", "2 s", "2 s", "52.4MB"] in families
    assert [row[:2] for row in longest[1:3]] == [
        ["train_sft", "adding/ce/seed0"],
        ["train_rl", "voting/raw/seed0"],
    ]


def test_the_tidy_values_are_those_of_every_job(times: dict[Job, Times]) -> None:
    rows = list(csv.DictReader(io.StringIO(tidy(times))))

    assert [float(row["wall_seconds"]) for row in rows] == [wall for wall, _, _ in TOOK.values()]
    assert [float(row["cpu_seconds"]) for row in rows] == [cpu for _, cpu, _ in TOOK.values()]
    assert rows[1] == {
        "stage": "warm-up",
        "rule": "train_warmup",
        "family": "adding",
        "job": "adding/seed0",
        "wall_seconds": "10",
        "cpu_seconds": "8",
        "memory_bytes": f"{200 * 2**20:.6g}",
    }


def test_a_run_of_which_nothing_has_finished_has_a_page_too() -> None:
    stages, *_ = tables_of(to_html({}, 3, "smoke"))

    assert stages[1:] == [["in total", "0", "-", "-", "-"]]
