from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compute_aligned.config.models import Lora, PretrainedModel
from compute_aligned.config.sources import HubSource
from compute_aligned.config.study import Study, read_study
from compute_aligned.describe.workload import Plan, plan

SMOKE = read_study("smoke")
SETTINGS = SMOKE.experiment("sft_passn").settings


def changed(name: str = "sft_passn", study: Study = SMOKE, **updates: Any) -> Study:
    """The smoke scale with other settings of one family."""
    experiment = study.experiment(name)
    settings = experiment.settings.model_copy(update=updates)
    return replace(
        study, experiments={**study.experiments, name: replace(experiment, settings=settings)}
    )


def planned(*families: str, study: Study = SMOKE, seeds: tuple[int, ...] = ()) -> Plan:
    return plan(study, families or ("sft_passn",), seeds, "vllm", Path("/nowhere"))


def total(of: Plan, attribute: str) -> float:
    return sum(getattr(job.work, attribute) for job in of.jobs)


def steps(of: Plan, rule: str) -> set[int]:
    return {job.work.steps for job in of.jobs if job.rule == rule}


@pytest.mark.parametrize("count", ["steps", "training_tokens", "samples", "sampled_tokens"])
def test_twice_the_seeds_are_twice_the_work(count: str) -> None:
    one, two = planned(seeds=(5,)), planned(seeds=(5, 6))

    assert total(one, count) > 0
    assert total(two, count) == pytest.approx(2 * total(one, count))


def test_more_samples_are_more_of_sampling_and_scoring_alone() -> None:
    sampling = SETTINGS.sampling.model_copy(update={"num_samples": 16})
    study = changed(sampling=SETTINGS.sampling, temperatures=None)
    before, after = (
        planned(study=study),
        planned(study=changed(sampling=sampling, temperatures=None)),
    )

    assert total(after, "samples") == 2 * total(before, "samples")
    assert total(after, "scored") == 2 * total(before, "scored")
    assert total(after, "training_tokens") == total(before, "training_tokens")


def test_shards_share_the_samples_and_one_job_puts_them_together() -> None:
    sampling = SETTINGS.sampling.model_copy(update={"shards": 3})
    before = planned(seeds=(0,))
    after = planned(study=changed(sampling=sampling), seeds=(0,))

    shards = [job for job in after.jobs if job.rule == "sample_shard"]
    assert [job.name for job in shards] == [f"sft_passn/seed0.shards/{index}" for index in range(3)]
    (together,) = (job for job in after.jobs if job.rule == "sample")
    assert together.work.samples == 0
    for count in ("samples", "sampled_tokens", "flops", "left_bytes"):
        assert total(after, count) == pytest.approx(total(before, count))
    # four blocks of the same size
    assert [job.work.samples / shards[0].work.samples for job in shards] == [1, 1, 2]


def test_a_sweep_is_work_for_two_splits_at_every_temperature() -> None:
    sweep = SETTINGS.temperatures
    jobs = {job.rule: job.work for job in planned(seeds=(0,)).jobs if "temperatures" in job.rule}

    drawn = 2 * sweep.problems * len(sweep.values) * sweep.num_samples
    assert jobs["sample_temperatures"].samples == drawn * len(SMOKE.experiment("sft_passn").models)
    assert jobs["sample_temperatures"].passes > 0  # by transformers, whatever draws the others
    assert jobs["score_temperatures"].scored == jobs["sample_temperatures"].samples


def test_overrides_of_a_branch_count_for_that_branch() -> None:
    experiment = SMOKE.experiment("rl_passn")
    branch = experiment.branch("passn_n4_log")
    longer = replace(branch, training=branch.training.model_copy(update={"steps": 60}))
    branches = {**experiment.branches, "passn_n4_log": longer}
    experiments = {"rl_passn": replace(experiment, branches=branches)}
    found = planned("rl_passn", study=replace(SMOKE, experiments=experiments))

    counts = {job.name: job.work.steps for job in found.jobs if job.rule == "train_rl"}
    assert counts.pop("rl_passn/passn_n4_log/seed0") == 60
    assert set(counts.values()) == {6}


def test_an_expected_hold_is_what_the_warm_up_is_counted_by_and_is_said() -> None:
    assert SETTINGS.warmup is not None
    warmup = SETTINGS.warmup.model_copy(update={"stop_at_probability": 0.5})
    expected = warmup.hold.model_copy(update={"count": 15})
    longest = planned(study=changed(warmup=warmup))
    shorter = planned(study=changed(warmup=warmup, expected_hold=expected))

    assert steps(longest, "train_warmup") == {60}
    assert steps(shorter, "train_warmup") == {15}
    assert any("Upper bounds: warm-up steps" in note for note in longest.notes)
    assert any("Expected: 15 steps of warm-up in sft_passn" in note for note in shorter.notes)


def test_families_with_one_checkpoint_fetch_it_once_and_need_no_warm_up() -> None:
    lora = Lora(rank=4, alpha=4, targets=("q_proj",))
    model = PretrainedModel(pretrained="nobody/has-this", parameters=1000, lora=lora)
    narrow = model.model_copy(update={"lora": lora.model_copy(update={"rank": 2})})
    study = changed("rl_passn", model=model, warmup=None)
    found = planned("rl_passn", "rl_majority", study=changed("rl_majority", study, model=narrow))

    (fetched,) = (job for job in found.jobs if job.rule == "fetch_model")
    assert fetched.benchmark == "fetch_model/nobody--has-this.tsv"
    assert fetched.stage == "prepare"
    assert fetched.work.left_bytes == 2 * 1000
    warmups = {job.family: job.work.steps for job in found.jobs if job.rule == "train_warmup"}
    assert warmups == {"rl_passn": 0, "rl_majority": 60}
    assert any("not on this machine: all tokens of rl_passn, rl" in note for note in found.notes)


def test_all_problems_are_counted_or_said_to_be_a_bound() -> None:
    every = changed(problems=SETTINGS.problems.model_copy(update={"train": "all"}))
    hub = {"products": HubSource(source="hub:owner/data", size=500)}
    unread = replace(every, settings=SMOKE.settings.model_copy(update={"sources": hub}))
    counted, bound = planned(study=every), planned(study=unread)

    pairs = 19 * 20 // 2  # of 2 to 20
    assert steps(counted, "train_sft") == {4 * -(-(pairs - 20 - 20) // 20)}
    assert steps(bound, "train_sft") == {4 * (500 - 20 - 20) // 20}
    assert not any("whatever their level" in note for note in counted.notes)
    assert any("all training problems of sft_passn, whatever" in note for note in bound.notes)
