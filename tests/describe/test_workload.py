from pathlib import Path

import pytest

from compute_aligned.config import study
from compute_aligned.config.models import Lora, PretrainedModel
from compute_aligned.config.scales import Family, Scale
from compute_aligned.config.sources import HubSource
from compute_aligned.describe.jobs import SHARED
from compute_aligned.describe.workload import Plan, plan
from compute_aligned.files.errors import InputError

NOWHERE = Path("/nowhere")


def planned(*families: str, seeds: tuple[int, ...] = (), engine: str = "vllm") -> Plan:
    return plan("smoke", families, seeds, engine, NOWHERE)


def changed(monkeypatch: pytest.MonkeyPatch, name: str, **updates: object) -> None:
    """Have one family of the smoke scale with other settings."""
    scale: Scale = study.read_scale("smoke")
    family: Family = scale.families[name].model_copy(update=updates)
    other = scale.model_copy(update={"families": scale.families | {name: family}})
    monkeypatch.setattr(study, "read_scale", lambda _: other)


def total(of: Plan, attribute: str) -> float:
    return sum(getattr(job.work, attribute) for job in of.jobs)


def test_no_two_jobs_share_a_benchmark_file() -> None:
    jobs = planned(*study.read_scale("smoke").families).jobs

    assert len({job.benchmark for job in jobs}) == len(jobs)


def test_a_family_alone_has_its_source_and_no_analytic_items() -> None:
    jobs = planned("sft_passn").jobs

    assert [job.benchmark for job in jobs if job.family == SHARED] == ["fetch/products.tsv"]


def test_families_with_one_source_fetch_it_once() -> None:
    jobs = planned("rl_passn", "rl_majority").jobs

    assert [job.name for job in jobs if job.rule == "fetch"] == ["multiplication"]


@pytest.mark.parametrize("count", ["steps", "training_tokens", "samples", "sampled_tokens"])
def test_twice_the_seeds_are_twice_the_work(count: str) -> None:
    one, two = planned("sft_passn", seeds=(5,)), planned("sft_passn", seeds=(5, 6))

    assert total(one, count) > 0
    assert total(two, count) == pytest.approx(2 * total(one, count))


def test_more_samples_are_more_of_sampling_and_scoring_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = planned("sft_passn")
    sampling = study.read_family("smoke", "sft_passn").sampling
    changed(monkeypatch, "sft_passn", sampling=sampling.model_copy(update={"num_samples": 16}))
    after = planned("sft_passn")

    assert total(after, "samples") == 2 * total(before, "samples")
    assert total(after, "scored") == 2 * total(before, "scored")
    assert total(after, "training_tokens") == total(before, "training_tokens")


def test_shards_share_the_samples_and_one_job_puts_them_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = planned("sft_passn", seeds=(0,))
    sampling = study.read_family("smoke", "sft_passn").sampling
    changed(monkeypatch, "sft_passn", sampling=sampling.model_copy(update={"shards": 3}))
    after = planned("sft_passn", seeds=(0,))

    shards = [job for job in after.jobs if job.rule == "sample_shard"]
    assert [job.name for job in shards] == [f"sft_passn/seed0.shards/{index}" for index in range(3)]
    (together,) = (job for job in after.jobs if job.rule == "sample")
    assert together.work.samples == 0
    for count in ("samples", "sampled_tokens", "flops", "left_bytes"):
        assert total(after, count) == pytest.approx(total(before, count))
    # four blocks of the same size
    assert [job.work.samples / shards[0].work.samples for job in shards] == [1, 1, 2]


def test_overrides_of_a_branch_count_for_that_branch(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = dict(study.read_branches())
    key = ("rl_passn", "passn_n4_log")
    rows[key] = rows[key].model_copy(update={"overrides": {"steps": 60}})
    monkeypatch.setattr(study, "read_branches", lambda: rows)

    steps = {job.name: job.work.steps for job in planned("rl_passn").jobs if job.rule == "train_rl"}

    assert steps.pop("rl_passn/passn_n4_log/seed0") == 60
    assert set(steps.values()) == {6}


def test_an_expected_hold_is_what_the_warm_up_is_counted_by_and_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    family = study.read_family("smoke", "sft_passn")
    warmup = family.warmup.model_copy(update={"stop_at_probability": 0.5})
    changed(monkeypatch, "sft_passn", warmup=warmup)
    longest = planned("sft_passn")
    expected = warmup.hold.model_copy(update={"count": 15})
    changed(monkeypatch, "sft_passn", warmup=warmup, expected_hold=expected)
    shorter = planned("sft_passn")

    assert {job.work.steps for job in longest.jobs if job.rule == "train_warmup"} == {60}
    assert {job.work.steps for job in shorter.jobs if job.rule == "train_warmup"} == {15}
    assert any("Upper bounds: warm-up steps" in note for note in longest.notes)
    assert any("Expected: 15 steps of warm-up in sft_passn" in note for note in shorter.notes)


def test_families_with_one_checkpoint_fetch_it_once_and_need_no_warm_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lora = Lora(rank=4, alpha=4, targets=("q_proj",))
    checkpoint = PretrainedModel(pretrained="nobody/has-this", parameters=1000, lora=lora)
    names = ("rl_passn", "rl_majority")
    changed(monkeypatch, names[0], model=checkpoint, warmup=None)
    narrow = lora.model_copy(update={"rank": 2})
    changed(monkeypatch, names[1], model=checkpoint.model_copy(update={"lora": narrow}))

    jobs = planned(*names).jobs

    assert [job.benchmark for job in jobs if job.rule == "fetch_model"] == [
        "fetch_model/nobody--has-this.tsv"
    ]
    steps = {job.family: job.work.steps for job in jobs if job.rule == "train_warmup"}
    assert steps == {"rl_passn": 0, "rl_majority": 60}
    assert all(job.stage == "prepare" for job in jobs if job.rule == "fetch_model")


def test_all_problems_are_counted_or_said_to_be_a_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problems = study.read_family("smoke", "sft_passn").problems
    changed(monkeypatch, "sft_passn", problems=problems.model_copy(update={"train": "all"}))
    counted = planned("sft_passn")
    source = HubSource(source="hub:owner/data", size=500)
    monkeypatch.setattr(study, "read_source", lambda *_: source)
    bound = planned("sft_passn")

    def epochs(of: Plan) -> set[int]:
        return {job.work.steps for job in of.jobs if job.rule == "train_sft"}

    pairs = 19 * 20 // 2  # of 2 to 20
    assert epochs(counted) == {4 * -(-(pairs - 20 - 20) // 20)}
    assert epochs(bound) == {4 * (500 - 20 - 20) // 20}
    assert not any("whatever their level" in note for note in counted.notes)
    assert any("all training problems of sft_passn, whatever" in note for note in bound.notes)


def test_a_family_that_no_item_shows_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    items = {name: i for name, i in study.read_paper_items().items() if i.family != "sft_passn"}
    monkeypatch.setattr(study, "read_paper_items", lambda: items)

    assert planned("sft_passn").jobs == []


def test_an_unknown_family_is_an_error_with_the_names_there_are() -> None:
    with pytest.raises(InputError, match=r"no family 'sft_pasn'.*(?s:.*)sft_passn"):
        planned("sft_pasn")
