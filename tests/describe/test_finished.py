import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snakemake import benchmark as of_snakemake

from compute_aligned.describe.finished import (
    Benchmark,
    Finished,
    cpu_seconds,
    last_reading,
    read_benchmark,
)
from compute_aligned.describe.jobs import Job
from compute_aligned.files.errors import InputError

JOB = Job("train_sft", "sft_passn", "sft_passn/ce/seed0")
MEBIBYTE = 2**20


def readings(monkeypatch: pytest.MonkeyPatch, count: int) -> list[float]:
    """When Snakemake's own timer reads, by a clock that stands still between readings."""
    clock, times = [0.0], []
    waiting: list[tuple[float, Callable[[], None]]] = []

    class Timer:
        def __init__(self, interval: float, action: Callable[[], None]) -> None:
            waiting.append((interval, action))

        def start(self) -> None:
            pass

    class Reader(of_snakemake.ScheduledPeriodicTimer):
        def work(self) -> None:
            times.append(clock[0])

    monkeypatch.setattr(of_snakemake, "DaemonTimer", Timer)
    Reader(of_snakemake.BENCHMARK_INTERVAL).start()
    while len(times) < count:
        interval, action = waiting.pop()
        clock[0] += interval
        action()
    return times


def test_the_last_reading_is_when_snakemake_s_timer_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    times = readings(monkeypatch, 40)

    for wall in (0.2, 0.5, 3.7, 14.9, 15.0, 15.4, 44.9, 45.0, 100.0, 200.0):
        assert last_reading(wall) == max(time for time in times if time <= wall)


def test_a_job_is_taken_to_go_on_as_until_the_last_reading() -> None:
    assert cpu_seconds(wall=10.0, last_read=4.0) == 4.0
    assert cpu_seconds(wall=30.0, last_read=6.0) == 12.0  # read after 15 of 30 seconds
    assert cpu_seconds(wall=0.4, last_read=0.0) == 0.4  # never read


@given(st.floats(0.5, 1000), st.floats(0.01, 1000))
def test_no_reading_is_made_smaller(wall: float, last_read: float) -> None:
    assert cpu_seconds(wall, last_read) >= last_read


@pytest.mark.parametrize(
    ("cells", "read"),
    [
        ((30.0, 6.0, 512.0), Benchmark(30.0, 12.0, 512 * MEBIBYTE)),
        # too short to be read
        ((0.3, "NA", "NA"), Benchmark(0.3, 0.3, None)),
        ((0.3, "-", "-"), Benchmark(0.3, 0.3, None)),
    ],
)
def test_a_benchmark_file_is_read(benchmark: Callable, cells: tuple, read: Benchmark) -> None:
    assert read_benchmark(benchmark(JOB, *cells)) == read


@pytest.mark.parametrize("text", ["", "s\n", "{header}", "a\tb\n1\t2\n", "{header}x\ty\n"])
def test_a_broken_benchmark_file_is_named(benchmark: Callable, text: str) -> None:
    path = benchmark(JOB, 1.0, 1.0, 1.0)
    path.write_text(text.format(header=path.read_text().partition("\n")[0] + "\n"))

    with pytest.raises(InputError, match=r"seed0.tsv: it is no benchmark file of Snakemake"):
        read_benchmark(path)


def recorded(root: Path, content: object) -> Finished:
    path = root / "results/smoke/branches/sft_passn/ce/seed0/model.provenance.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))
    return Finished(root, "smoke")


def test_a_job_that_has_not_finished_took_nothing(tmp_path: Path) -> None:
    finished = recorded(tmp_path, {"cpu_seconds": 9.5})  # of an earlier run, say

    assert finished.took(JOB) is None


@pytest.mark.parametrize(
    ("record", "wall", "cpu"),
    [
        (None, 10.0, 4.0),
        ({"cpu_seconds": 9.5, "seconds": 8.0}, 8.0, 9.5),
        ({"seconds": 8.0}, 10.0, 4.0),
    ],
    ids=["no record", "a record", "one of another version"],
)
def test_the_times_are_those_which_the_job_recorded_or_else_snakemake_s(
    tmp_path: Path, benchmark: Callable, record: dict | None, wall: float, cpu: float
) -> None:
    benchmark(JOB, 10.0, 4.0, 100)
    finished = Finished(tmp_path, "smoke") if record is None else recorded(tmp_path, record)

    assert finished.took(JOB) == Benchmark(wall, cpu, 100 * MEBIBYTE)


@pytest.mark.parametrize("content", [[], "text", None])
def test_a_broken_record_is_named(tmp_path: Path, content: object) -> None:
    finished = recorded(tmp_path, content)

    with pytest.raises(InputError, match=r"model\.provenance\.json: it is no record"):
        finished.provenance(JOB)
