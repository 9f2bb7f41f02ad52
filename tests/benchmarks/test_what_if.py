"""The arithmetic of ``python -m benchmarks.what_if``."""

from dataclasses import replace

import pytest

from benchmarks.what_if import Change, changed, total
from compute_aligned.config import study
from compute_aligned.describe.cost import job_seconds
from compute_aligned.describe.work import Work
from compute_aligned.describe.workload import plan

SCALE = study.read_scale("laptop")
FAMILIES = ["sft_passn", "sft_majority"]  # the larger model is the first's
JOBS = plan("laptop", FAMILIES, (100,), "vllm", study.ROOT).jobs
SETTINGS = SCALE.model_copy(update={"families": {name: SCALE.families[name] for name in FAMILIES}})


def test_without_a_change_the_total_is_that_of_the_jobs() -> None:
    found = total(JOBS, SETTINGS, "vllm", Change("as it is"))

    by_stage = {
        stage: sum(job_seconds(j, SCALE.throughput, "vllm") for j in JOBS if j.stage == stage)
        for stage in ("warm-up", "branches", "samples")
    }
    assert found.sampling == pytest.approx(by_stage["samples"])
    assert found.training == pytest.approx(by_stage["warm-up"] + by_stage["branches"])


def test_more_samples_multiply_sampling_but_for_its_start() -> None:
    before, after = (total(JOBS, SETTINGS, "vllm", Change("", samples=s)) for s in (1.0, 10.0))

    start = 2 * SCALE.throughput.jobs.sample.seconds
    assert after.sampling - start == pytest.approx(10 * (before.sampling - start))
    assert after.training == before.training
    assert after.samples == 10 * before.samples


def test_a_larger_model_multiplies_the_largest_alone() -> None:
    work = Work(passes=3.0, flops=5.0, samples=2, sampled_tokens=7.0)

    assert changed(work, Change("", model=4.0), is_largest=False) == work
    assert changed(work, Change("", model=4.0), is_largest=True) == replace(
        work, passes=12.0, flops=20.0
    )
