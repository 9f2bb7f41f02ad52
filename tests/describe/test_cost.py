import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from compute_aligned.__main__ import app
from compute_aligned.config import study
from compute_aligned.config.fields import JobStart, JobStarts, Throughput
from compute_aligned.config.scales import Scale
from compute_aligned.describe import cost_tables
from compute_aligned.describe.cost import TOTAL, Cost, Line, job_seconds, lines
from compute_aligned.describe.finished import Finished
from compute_aligned.describe.jobs import SHARED, Job
from compute_aligned.describe.work import Work
from compute_aligned.describe.workload import plan

THROUGHPUT = Throughput(
    jobs=JobStarts(
        prepare=JobStart(seconds=1.0, gigabytes=0.5),
        train=JobStart(seconds=2.0, gigabytes=1.0),
        sample=JobStart(seconds=4.0, gigabytes=2.0),
        report=JobStart(seconds=8.0, gigabytes=0.25),
    ),
    pass_seconds=0.5,
    training_flops=100.0,
    sampling_flops=1000.0,
    sampled_token_seconds=0.01,
    sample_seconds=0.1,
    score_seconds=0.2,
)
JOBS = [
    Job("fetch", SHARED, "numbers", Work(left_bytes=10.0)),
    Job("train_warmup", "adding", "adding/seed0", Work(steps=6, passes=6, flops=1000.0)),
    Job("train_rl", "adding", "adding/bon/seed0", Work(passes=2, flops=0.0, memory_bytes=5e9)),
    Job("sample", "adding", "adding/seed0", Work(samples=30, sampled_tokens=200, flops=3000.0)),
    Job("score", "adding", "adding/seed0", Work(scored=30)),
    Job("table", "adding", "table2", Work()),
]
SECONDS = {
    "prepare": 1.0,
    "warm-up": 2 + 6 * 0.5 + 10,
    "branches": 2 + 2 * 0.5,
    "samples": 4 + 3 + 200 * 0.01 + 30 * 0.1,
    "report": 8 + 30 * 0.2 + 8,
}
HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def scale(**changes: object) -> Scale:
    return study.read_scale("smoke").model_copy(update={"throughput": THROUGHPUT, **changes})


def finished(root: Path) -> Finished:
    return Finished(root, "smoke")


def benchmark(root: Path, job: Job, wall: float, cpu: float, mebibytes: float) -> None:
    path = root / "results" / "smoke" / "benchmarks" / job.benchmark
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + f"{wall}\t-\t{mebibytes}\t0\t0\t0\t0\t0\t0\t{cpu}\n")


def by_place(found: list[Line]) -> dict[tuple[str, str], Cost]:
    return {(line.family, line.stage): line.cost for line in found}


# --- the estimate -------------------------------------------------------------------------------


def test_seconds_are_linear_in_what_jobs_do(tmp_path: Path) -> None:
    costs = by_place(lines(JOBS, scale(), "vllm", finished(tmp_path)))

    assert costs[SHARED, "prepare"].cpu_seconds == SECONDS["prepare"]
    for stage in ("warm-up", "branches", "samples", "report"):
        assert costs["adding", stage].cpu_seconds == pytest.approx(SECONDS[stage])


def test_stages_add_up_to_families_and_families_to_the_whole(tmp_path: Path) -> None:
    costs = by_place(lines(JOBS, scale(), "vllm", finished(tmp_path)))

    whole = costs[TOTAL, TOTAL]
    assert whole.cpu_seconds == pytest.approx(sum(SECONDS.values()))
    assert whole.cpu_seconds == pytest.approx(
        costs[SHARED, TOTAL].cpu_seconds + costs["adding", TOTAL].cpu_seconds
    )
    assert whole.work.jobs == len(JOBS)
    assert whole.memory_bytes == 1e9 + 5e9  # the largest job's start, and its copies of weights


def test_transformers_samples_at_the_speed_of_training() -> None:
    (sampling,) = (job for job in JOBS if job.rule == "sample")

    assert job_seconds(sampling, THROUGHPUT, "transformers") == 4 + 3000 / 100


def test_with_a_gpu_training_and_sampling_are_its_time_and_the_rest_a_core_s(
    tmp_path: Path,
) -> None:
    whole = lines(JOBS, scale(device="cuda"), "vllm", finished(tmp_path))[-1].cost

    on_gpu = SECONDS["warm-up"] + SECONDS["branches"] + SECONDS["samples"]
    assert whole.gpu_seconds == pytest.approx(on_gpu)
    assert whole.cpu_seconds == pytest.approx(SECONDS["prepare"] + SECONDS["report"])


@pytest.mark.parametrize("constant", ["pass_seconds", "sample_seconds", "score_seconds"])
def test_a_slower_machine_takes_longer(constant: str, tmp_path: Path) -> None:
    slower = THROUGHPUT.model_copy(update={constant: 2 * getattr(THROUGHPUT, constant)})
    one, two = (
        lines(JOBS, scale(throughput=t), "vllm", finished(tmp_path))[-1].cost.cpu_seconds
        for t in (THROUGHPUT, slower)
    )

    assert one < two < 2 * one


# --- against what jobs took ---------------------------------------------------------------------


def test_finished_jobs_are_compared_and_no_others(tmp_path: Path) -> None:
    benchmark(tmp_path, JOBS[1], wall=40.0, cpu=6.0, mebibytes=300)
    benchmark(tmp_path, JOBS[4], wall=10.0, cpu=7.0, mebibytes=100)

    costs = by_place(lines(JOBS, scale(), "vllm", finished(tmp_path)))

    warmup, whole = costs["adding", "warm-up"], costs[TOTAL, TOTAL]
    assert warmup.actual_seconds == pytest.approx(6 * 40 / 15)  # its clock was read after 15 s
    assert warmup.ratio == pytest.approx(15 / 16)
    assert costs["adding", "report"].finished == 1
    assert costs["adding", "report"].expected_seconds == pytest.approx(8 + 30 * 0.2)
    assert costs["adding", "branches"].ratio is None
    assert (whole.finished, whole.actual_seconds) == (2, pytest.approx(16 + 7))
    assert whole.ratio == pytest.approx((15 + 14) / 23)
    assert whole.actual_memory_bytes == 300 * 2**20


def test_a_gpu_is_taken_from_start_to_end(tmp_path: Path) -> None:
    benchmark(tmp_path, JOBS[1], wall=40.0, cpu=6.0, mebibytes=300)

    costs = by_place(lines(JOBS, scale(device="cuda"), "vllm", finished(tmp_path)))

    assert costs["adding", "warm-up"].actual_seconds == 40.0


def test_benchmark_files_of_jobs_that_are_no_longer_planned_do_not_count(tmp_path: Path) -> None:
    benchmark(tmp_path, Job("table", "adding", "old_table", Work()), 5.0, 5.0, 100)

    assert lines(JOBS, scale(), "vllm", finished(tmp_path))[-1].cost.finished == 0


# --- what is shown ------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the configuration, in which nothing has run."""
    folder = tmp_path / "config"
    for path in (study.ROOT / "config").rglob("*.*"):
        copy = folder / path.relative_to(study.ROOT / "config")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    monkeypatch.setattr(study, "ROOT", tmp_path)
    monkeypatch.setattr(study, "CONFIG", folder)
    study.read_scale.cache_clear()
    yield tmp_path
    study.read_scale.cache_clear()


def cost_of(*arguments: object) -> Result:
    done = CliRunner().invoke(app, ["cost", "--scale", "smoke", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done


def test_the_verb_shows_every_family_and_the_whole(root: Path) -> None:
    output = cost_of().output

    for family in study.read_scale("smoke").families:
        assert f"\n{family} " in output
    assert "CPU-seconds" in output
    assert "GPU" not in output
    assert "ratio" not in output  # nothing has run
    jobs = plan("smoke", list(study.read_scale("smoke").families), [], "vllm", root).jobs
    rows = lines(jobs, study.read_scale("smoke"), "vllm", finished(root))
    table, _, _ = output.partition("\n  Expected")
    assert len(table.splitlines()) == 2 + len(rows)  # below the heading, a line for each


def test_the_tidy_file_has_the_counts_of_one_family_and_seed(root: Path) -> None:
    cost_of("--family", "sft_passn", "--seeds", 5, "--csv", root / "cost.csv")

    rows = list(csv.DictReader(io.StringIO((root / "cost.csv").read_text())))
    families = [(row["family"], row["stage"]) for row in rows]
    counts = {row["stage"]: row for row in rows if row["family"] == "sft_passn"}
    assert families[-1] == ("-", "prepare")
    assert list(counts) == ["prepare", "warm-up", "branches", "samples", "report"]
    assert counts["warm-up"]["steps"] == "60"
    assert counts["branches"]["jobs"] == "5"
    assert counts["samples"]["samples"] == str(6 * 20 * 8)
    assert float(counts["samples"]["cpu_seconds"]) > 0
    assert float(counts["samples"]["left_bytes"]) > 0


def test_after_a_run_the_verb_shows_estimate_and_actual_side_by_side(root: Path) -> None:
    benchmark(root, Job("train_warmup", "", "sft_passn/seed5", Work()), 12.0, 9.0, 250)

    output = cost_of("--family", "sft_passn", "--seeds", 5).output

    assert "ratio" in output
    (row,) = (line for line in output.splitlines() if line.startswith("  warm-up"))
    assert "9 s" in row
    assert row.split()[-1] == "262MB"


def test_without_throughput_there_are_counts_and_a_word_on_what_is_missing(root: Path) -> None:
    path = root / "config" / "scales" / "smoke.yaml"
    before, _, rest = path.read_text().partition("throughput:\n")
    path.write_text(before + "sources:" + rest.partition("sources:")[2])

    output = cost_of("--family", "sft_passn").output

    assert "config/scales/smoke.yaml has no block throughput" in output
    assert "CPU-seconds" not in output
    (row,) = (line for line in output.splitlines() if line.startswith("  samples"))
    assert " 1.9k" in row  # completions: 6 models, 20 problems, 8 samples, 2 seeds


def test_on_another_device_than_the_scales_there_are_no_times(root: Path) -> None:
    output = " ".join(cost_of("--family", "sft_passn", "--device", "cuda").output.split())

    assert "has no block throughput for device cuda" in output
    assert "-seconds" not in output
    assert "CPU-seconds" in cost_of("--family", "sft_passn", "--device", "cpu").output


@pytest.mark.parametrize(
    ("number", "text"), [(0, "-"), (7, "7"), (864_000, "864k"), (1_234, "1.2k"), (2.5e9, "2.5G")]
)
def test_counts_are_shown_short(number: float, text: str) -> None:
    assert cost_tables.short(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "-"), (45.4, "45 s"), (4080, "68 min"), (36_000_000, "10,000.0 h")]
)
def test_times_are_shown_in_the_unit_that_suits_them(seconds: float, text: str) -> None:
    assert cost_tables.duration(seconds) == text


def test_a_number_just_below_a_unit_does_not_get_a_digit_too_many() -> None:
    assert cost_tables.short(999.6) == "1.0k"
    assert cost_tables.short(99_960) == "100k"
