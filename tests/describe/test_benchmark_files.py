from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snakemake import benchmark as of_snakemake

from compute_aligned.describe.finished import cpu_seconds, last_reading, read_benchmark
from compute_aligned.files.errors import InputError

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def written(path: Path, wall: float, cpu: object, memory: object) -> Path:
    row = [wall, "0:00:01", memory, 1.0, 1.0, 1.0, 0.1, 0.1, 50.0, cpu]
    path.write_text(HEADER + "\t".join(map(str, row)) + "\n")
    return path


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


def test_the_last_reading_is_when_snakemake_s_timer_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
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


def test_a_benchmark_file_is_read(tmp_path: Path) -> None:
    found = read_benchmark(written(tmp_path / "job.tsv", 30.0, 6.0, 512.0))

    assert (found.wall_seconds, found.cpu_seconds) == (30.0, 12.0)
    assert found.memory_bytes == 512 * 2**20


@pytest.mark.parametrize("nothing", ["NA", "-"])
def test_a_job_too_short_to_be_read_has_its_time_alone(tmp_path: Path, nothing: str) -> None:
    found = read_benchmark(written(tmp_path / "job.tsv", 0.3, nothing, nothing))

    assert found.cpu_seconds == found.wall_seconds == 0.3
    assert found.memory_bytes is None


@pytest.mark.parametrize("text", ["", "s\n", HEADER, "a\tb\n1\t2\n", HEADER + "x\ty\n"])
def test_a_broken_benchmark_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "job.tsv"
    path.write_text(text)

    with pytest.raises(InputError, match=r"job.tsv: it is no benchmark file of Snakemake"):
        read_benchmark(path)
