from collections.abc import Callable
from pathlib import Path

import pytest

from compute_aligned.config.fields import JobStart, JobStarts, Throughput
from compute_aligned.config.reading import read_scale
from compute_aligned.config.settings import Engine
from compute_aligned.describe.cost import TOTAL, Cost, lines
from compute_aligned.describe.finished import Finished
from compute_aligned.describe.jobs import SHARED, Job
from compute_aligned.describe.work import Work

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
    (SHARED, "prepare"): 1.0,
    ("adding", "warm-up"): 2 + 6 * 0.5 + 10,
    ("adding", "branches"): 2 + 2 * 0.5,
    ("adding", "samples"): 4 + 3 + 200 * 0.01 + 30 * 0.1,
    ("adding", "report"): 8 + 30 * 0.2 + 8,
}


@pytest.fixture
def costs(tmp_path: Path) -> Callable[..., dict[tuple[str, str], Cost]]:
    """The costs by family and stage, with what the scale or its throughput has otherwise."""

    def of(
        engine: Engine = "vllm", device: str = "cpu", together: bool = False, **slower: float
    ) -> dict:
        throughput = THROUGHPUT.model_copy(update=slower)
        changes = {"throughput": throughput, "device": device, "train_together": together}
        scale = read_scale("smoke").model_copy(update=changes)
        found = lines(JOBS, scale, engine, Finished(tmp_path, "smoke"))
        return {(line.family, line.stage): line.cost for line in found}

    return of


def test_seconds_are_linear_in_what_jobs_do_and_add_up(costs: Callable) -> None:
    found = costs()
    whole = found[TOTAL, TOTAL]

    assert {place: found[place].cpu_seconds for place in SECONDS} == pytest.approx(SECONDS)
    assert whole.cpu_seconds == pytest.approx(sum(SECONDS.values()))
    assert whole.cpu_seconds == pytest.approx(
        found[SHARED, TOTAL].cpu_seconds + found["adding", TOTAL].cpu_seconds
    )
    assert whole.work.jobs == len(JOBS)
    assert whole.memory_bytes == 1e9 + 5e9  # the largest job's start, and its copies of weights


def test_a_model_that_is_trained_with_its_warm_up_starts_no_torch_of_its_own(
    costs: Callable,
) -> None:
    alone, together = costs()["adding", "branches"], costs(together=True)["adding", "branches"]

    assert alone.cpu_seconds - together.cpu_seconds == pytest.approx(2.0 - 1.0)


def test_transformers_samples_at_the_speed_of_training(costs: Callable) -> None:
    assert costs("transformers")["adding", "samples"].cpu_seconds == 4 + 3000 / 100


def test_with_a_gpu_training_and_sampling_are_its_time_and_the_rest_a_core_s(
    costs: Callable,
) -> None:
    whole = costs(device="cuda")[TOTAL, TOTAL]

    on_gpu = sum(SECONDS["adding", stage] for stage in ("warm-up", "branches", "samples"))
    assert whole.gpu_seconds == pytest.approx(on_gpu)
    assert whole.cpu_seconds == pytest.approx(sum(SECONDS.values()) - on_gpu)


@pytest.mark.parametrize("constant", ["pass_seconds", "sample_seconds", "score_seconds"])
def test_a_slower_machine_takes_longer(costs: Callable, constant: str) -> None:
    slower = costs(**{constant: 2 * getattr(THROUGHPUT, constant)})
    one, two = (each[TOTAL, TOTAL].cpu_seconds for each in (costs(), slower))

    assert one < two < 2 * one


def test_finished_jobs_are_compared_and_no_others(costs: Callable, benchmark: Callable) -> None:
    benchmark(JOBS[1], 40.0, 6.0, 300)
    benchmark(JOBS[4], 10.0, 7.0, 100)
    benchmark(Job("table", "adding", "no_longer_planned"), 5.0, 5.0, 900)

    found = costs()
    warmup, report, whole = (
        found["adding", "warm-up"],
        found["adding", "report"],
        found[TOTAL, TOTAL],
    )
    assert warmup.actual_seconds == pytest.approx(6 * 40 / 15)  # its clock was read after 15 s
    assert warmup.ratio == pytest.approx(15 / 16)
    assert (report.finished, report.expected_seconds) == (1, pytest.approx(8 + 30 * 0.2))
    assert found["adding", "branches"].ratio is None
    assert (whole.finished, whole.actual_seconds) == (2, pytest.approx(16 + 7))
    assert whole.ratio == pytest.approx((15 + 14) / 23)
    assert whole.actual_memory_bytes == 300 * 2**20
    # a GPU is taken from start to end
    assert costs(device="cuda")["adding", "warm-up"].actual_seconds == 40.0
