"""The reader of a finished run that ``python -m benchmarks.whole_run`` is."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.whole_run import Ran, by_stage, draw, jobs_of, running, summary
from compute_aligned.files.errors import InputError

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
JOBS = [
    Ran("prepare", 100.0, 110.0, 8.0),
    Ran("train_sft", 110.0, 150.0, 36.0),
    Ran("train_rl", 110.0, 140.0, 30.0),
    Ran("score", 152.0, 160.0, 6.0),
]


def test_jobs_are_read_with_their_start_and_end(tmp_path: Path) -> None:
    for name, end, wall in (("train_sft/f/ce/seed0", 1000.0, 4.0), ("claims/all", 1001.0, 12.0)):
        path = tmp_path / f"{name}.tsv"
        path.parent.mkdir(parents=True)
        path.write_text(HEADER + f"{wall}\t0:00:04\t1\t1\t1\t1\t1\t1\t50\t{wall / 2}\n")
        os.utime(path, (end, end))

    claims, train = jobs_of(tmp_path)

    assert (claims.rule, claims.start, claims.end, claims.cpu_seconds) == ("claims", 989, 1001, 6)
    assert (train.rule, train.start, train.end, train.cpu_seconds) == ("train_sft", 996, 1000, 2)


def test_a_folder_without_benchmarks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no benchmark files"):
        jobs_of(tmp_path)


def test_a_copy_that_lost_its_dates_is_an_error(tmp_path: Path) -> None:
    for name in ("a", "b"):
        path = tmp_path / "table" / f"{name}.tsv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(HEADER + "4\t0:00:04\t1\t1\t1\t1\t1\t1\t50\t2\n")
        os.utime(path, (1000, 1000))

    with pytest.raises(InputError, match="files are of one date"):
        jobs_of(tmp_path)


def test_stages_add_up_in_the_order_of_the_run() -> None:
    found = by_stage(JOBS)

    assert found.index.tolist() == ["prepare", "branches", "report"]
    assert found.loc["branches", ["jobs", "seconds", "cpu"]].tolist() == [2, 70, 66]
    assert found["share"].sum() == pytest.approx(1)


@pytest.mark.parametrize("wall", [None, 64.0])
def test_the_excess_is_all_accounted_for(wall: float | None) -> None:
    found = summary(JOBS, cores=2, wall=wall)

    assert found["wall"] == (wall or 60)
    assert found["compute"] == 40
    assert found["excess"] == pytest.approx(0.6 if wall else 0.5)
    assert (found["outside"], found["idle"], found["waiting"]) == (4 if wall else 0, 16, 4)
    parts = found["outside"] + found["idle"] + found["waiting"]
    assert parts == pytest.approx(found["wall"] - found["compute"])


def test_jobs_at_work_are_counted_by_stage() -> None:
    found = running(JOBS, np.array([99.0, 105.0, 120.0, 145.0, 151.0, 159.0]))

    assert {stage: counts.tolist() for stage, counts in found.items()} == {
        "prepare": [0, 1, 0, 0, 0, 0],
        "branches": [0, 0, 2, 1, 0, 0],
        "report": [0, 0, 0, 0, 0, 1],
    }


def test_the_figure_is_written(tmp_path: Path) -> None:
    draw(JOBS, tmp_path / "run.png")

    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
