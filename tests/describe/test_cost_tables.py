import csv
import io

import pytest

from compute_aligned.config.reading import read_scale
from compute_aligned.describe.cost import TOTAL, Cost, Line
from compute_aligned.describe.cost_tables import duration, short, show, tidy
from compute_aligned.describe.work import Work

WARMUP = Cost(Work(steps=60, samples=1920), cpu_seconds=7200.0, memory_bytes=262e6)
ACTUAL = Cost(finished=1, expected_seconds=8.0, actual_seconds=4.0, actual_memory_bytes=1e8)


def shown(capsys: pytest.CaptureFixture[str], cost: Cost, **changes: object) -> str:
    scale = read_scale("smoke").model_copy(update=changes)
    lines = [Line("adding", TOTAL, cost), Line("adding", "warm-up", cost), Line(TOTAL, TOTAL, cost)]
    show(lines, ["Expected: all [of] it."], "smoke", scale)
    return capsys.readouterr().out


def test_the_table_has_what_jobs_have_its_notes_and_the_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = shown(capsys, WARMUP)
    rows = [line.split() for line in output.splitlines()]

    for name in ("adding", "warm-up"):
        assert [name, "1", "60", "1.9k", "2.0", "h", "-", "262MB"] in rows
    assert "  Expected: all [of] it." in output
    totals = "Scale smoke: 1 jobs, - of disk, 7,200 CPU-seconds (2.0 CPU-hours), 262MB of memory"
    assert totals in " ".join(output.split())
    for absent in ("rollout", "GPU", "ratio"):  # no job has them
        assert absent not in output


def test_estimate_and_actual_of_finished_jobs_stand_side_by_side(
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = shown(capsys, WARMUP + ACTUAL).splitlines()[3].split()

    assert row[-7:] == ["1", "8", "s", "4", "s", "2.00", "100MB"]


def test_without_throughput_there_are_counts_and_a_word_on_what_is_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = shown(capsys, Cost(WARMUP.work), throughput=None, device="cuda")

    assert ["warm-up", "1", "60", "1.9k", "-", "-", "-", "-"] in map(str.split, output.split("\n"))
    output = " ".join(output.split())
    assert "config/scales/smoke.yaml has no block throughput for device cuda" in output
    assert "-seconds" not in output


def test_the_tidy_file_has_a_row_a_stage_without_totals() -> None:
    text = tidy([Line("adding", TOTAL, WARMUP), Line("adding", "warm-up", WARMUP)])
    (row,) = csv.DictReader(io.StringIO(text))

    assert (row["family"], row["stage"], row["steps"]) == ("adding", "warm-up", "60")
    assert (float(row["cpu_seconds"]), float(row["memory_bytes"])) == (7200.0, 262e6)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        *((0, "-"), (7, "7"), (864_000, "864k"), (1_234, "1.2k"), (2.5e9, "2.5G")),
        *((999.6, "1.0k"), (99_960, "100k")),  # not a digit too many just below a unit
    ],
)
def test_counts_are_shown_short(number: float, text: str) -> None:
    assert short(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "-"), (45.4, "45 s"), (4080, "68 min"), (36_000_000, "10,000.0 h")]
)
def test_times_are_shown_in_the_unit_that_suits_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text
