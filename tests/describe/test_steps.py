import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from compute_aligned.__main__ import app
from compute_aligned.config.reading import ROOT
from compute_aligned.config.study import read_study
from compute_aligned.describe import report, steps
from compute_aligned.describe.cost import lines
from compute_aligned.describe.finished import Finished
from compute_aligned.describe.jobs import Job
from compute_aligned.describe.workload import plan
from compute_aligned.files.errors import InputError


@pytest.fixture
def cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What the verb says in a repository in which nothing has run."""
    monkeypatch.setattr(steps, "ROOT", tmp_path)

    def said(*arguments: object) -> str:
        done = CliRunner().invoke(app, ["cost", "--scale", "smoke", *map(str, arguments)])
        assert done.exit_code == 0, done.output
        return done.output

    return said


def test_the_cost_is_shown_of_every_family_and_of_the_whole(cost: Callable, tmp_path: Path) -> None:
    output, study = cost(), read_study("smoke")

    for family in study.experiments:
        assert f"\n{family} " in output
    assert "CPU-seconds" in output
    assert "GPU" not in output
    assert "ratio" not in output  # nothing has run
    jobs = plan(study, list(study.experiments), [], "vllm", tmp_path).jobs
    rows = lines(jobs, study.settings, "vllm", Finished(tmp_path, "smoke"))
    table, _, _ = output.partition("\n  Expected")
    assert len(table.splitlines()) == 2 + len(rows)  # below the heading, a line for each


def test_the_cost_of_one_family_and_seed_is_written_and_stands_beside_what_it_took(
    cost: Callable, benchmark: Callable, tmp_path: Path
) -> None:
    benchmark(Job("train_warmup", "", "sft_passn/seed5"), 12.0, 9.0, 250)
    output = cost("--family", "sft_passn", "--seeds", 5, "--csv", tmp_path / "cost.csv")
    rows = list(csv.DictReader((tmp_path / "cost.csv").read_text().splitlines()))
    counts = {row["stage"]: row for row in rows if row["family"] == "sft_passn"}

    assert (rows[-1]["family"], rows[-1]["stage"]) == ("-", "prepare")
    assert list(counts) == ["prepare", "warm-up", "branches", "samples", "report"]
    assert counts["warm-up"]["steps"] == "60"
    assert counts["branches"]["jobs"] == "5"
    # of the test problems, and of 8 test and 8 validation problems at each of two temperatures
    assert counts["samples"]["samples"] == str(6 * (20 * 8 + 2 * 16 * 4))
    assert float(counts["samples"]["cpu_seconds"]) > 0
    assert float(counts["samples"]["left_bytes"]) > 0
    (row,) = (line for line in output.splitlines() if line.startswith("  warm-up"))
    assert " 9 s " in row
    assert row.split()[-1] == "262MB"


def test_on_another_device_than_the_scales_there_are_no_times(cost: Callable) -> None:
    output = " ".join(cost("--family", "sft_passn", "--device", "cuda").split())

    assert "has no block throughput for device cuda" in output
    assert "-seconds" not in output
    assert "CPU-seconds" in cost("--family", "sft_passn", "--device", "cpu")


def test_the_report_is_of_the_configured_scale_unless_another_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    monkeypatch.setattr(report, "build", lambda scale, root: asked.append((scale, root)))

    for arguments in ([], ["--scale", "smoke"]):
        done = CliRunner().invoke(app, ["report", *arguments])
        assert done.exit_code == 0, done.output

    assert asked == [("laptop", ROOT), ("smoke", ROOT)]


def test_an_unknown_scale_is_an_error_before_anything_is_looked_at() -> None:
    done = CliRunner().invoke(app, ["report", "--scale", "laptpo"])

    assert isinstance(done.exception, InputError)
    assert "did you mean 'laptop'" in str(done.exception)
