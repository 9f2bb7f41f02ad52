"""What ``make bench`` compares is the same work: the slow ways agree with the project's."""

import copy
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import compare, laptop, orchestration, sampling, scoring, steps
from compute_aligned.config.settings import budgets_up_to
from compute_aligned.train import experience

FEW = {"prompts_per_step": 3, "group_size": 6}


def test_a_step_of_one_rollout_at_a_time_is_the_batched_rl_step() -> None:
    case = steps.RlCase.laptop(**FEW)
    policy = case.policy
    of_step = (case.tasks, case.objective, steps.SEED, 0)
    drawn = experience.collect(policy.model, policy.tokenizer, *of_step)
    assert (drawn.rewards.std(1) > 0).any()  # else the strategy's weight says nothing

    steps.check_rl(case)

    batched, slow = case.part(), case.part()
    steps.rl_step(batched)
    steps.slow_rl_step(slow)
    for found, expected in zip(batched.policy.parameters, slow.policy.parameters, strict=True):
        # the first step of AdamW has the gradient's sign alone, however small the gradient is
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_the_check_of_the_rl_step_sees_another_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    case = steps.RlCase.laptop(**FEW)
    monkeypatch.setattr(steps, "PASS_AT", 2 * steps.PASS_AT)

    with pytest.raises(AssertionError):
        steps.check_rl(case)


def test_a_step_of_one_example_at_a_time_is_the_batched_sft_step() -> None:
    case = steps.SftCase.laptop(batch_size=7)
    steps.check_sft(case)

    for strategy in steps.STRATEGIES:
        fast, slow = steps.SftStep(case, strategy), steps.SlowSftStep(case, strategy)
        losses = [(fast(), slow()) for _ in range(4)]
        assert losses[-1][0] == pytest.approx(losses[-1][1], rel=1e-4)


def test_the_check_of_the_sft_step_sees_another_loss() -> None:
    case = steps.SftCase.laptop(batch_size=7, loss_scale=2.0)  # which the slow step knows not of

    with pytest.raises(AssertionError):
        steps.check_sft(case)


@pytest.mark.parametrize("num_samples", [7, 16])
def test_votes_counted_draw_by_draw_give_maj_at_k(num_samples: int) -> None:
    for seed in range(20):
        votes = scoring.Votes.random(num_samples, seed)
        scoring.check_maj(votes, range(1, num_samples + 1), num_draws=50, seed=seed)


def test_the_votes_that_are_timed_have_scores_that_differ_by_budget() -> None:
    votes = scoring.Votes.random(scoring.NUM_SAMPLES)
    ks = budgets_up_to(scoring.NUM_SAMPLES)

    assert len(set(scoring.slow_maj_at_ks(votes, ks, num_draws=50, seed=3))) > 1


@pytest.mark.parametrize("num_problems", [20, 60])
def test_an_interval_in_loops_is_the_interval(num_problems: int) -> None:
    scoring.check_interval(scoring.outcomes(num_problems), num_bootstrap=400)


@pytest.mark.parametrize("temperature", [0.8, 0.3])
def test_generate_in_chunks_draws_as_the_engine_if_it_has_its_temperature(
    tmp_path: Path, temperature: float
) -> None:
    sampling.save_model(tmp_path)
    family = laptop.family(sampling.FAMILY)
    asked = laptop.some_problems(sampling.FAMILY, 2)
    settings = family.sampling.model_copy(update={"num_samples": 200})
    other = settings.model_copy(update={"temperature": temperature})
    engine = sampling.start("transformers", tmp_path, asked, settings, family.model)
    authors = sampling.start(sampling.AUTHORS, tmp_path, asked, other, family.model)

    if temperature == settings.temperature:
        sampling.check([engine, authors])
    else:
        with pytest.raises(AssertionError, match="the ways differ"):
            sampling.check([engine, authors])


def test_every_added_branch_is_in_the_dry_run_that_is_timed(tmp_path: Path) -> None:
    orchestration.check_dag({3: orchestration.repository_with(3, tmp_path / "copy")})


def test_seconds_of_a_run_are_its_own_and_a_failed_run_has_none(tmp_path: Path) -> None:
    found = orchestration.run_jobs(tmp_path, 1, "greedy", "100/10s")

    assert found > 0.1  # importing Snakemake alone takes more
    with pytest.raises(subprocess.CalledProcessError):
        orchestration.snakemake_seconds(tmp_path, "--cores", "1")


# --- times --------------------------------------------------------------------------------------


def test_ratios_are_those_of_the_same_turn_and_the_first_turn_does_not_count() -> None:
    taken = [99.0, 1.0, 2.0, 4.0], [99.0, 3.0, 8.0, 8.0]
    ways = tuple(compare.Way(f"way {i}", iter(copy.copy(s)).__next__) for i, s in enumerate(taken))
    compared = compare.Comparison("both", ways, lambda: None)

    table = compare.summary(compared, compare.timed(compared, repeats=3))

    assert table["taken"].tolist() == [2.0, 8.0]
    assert table.loc[1, ["ratio", "ratio_low", "ratio_high"]].tolist() == [3.0, 2.0, 4.0]
    assert table["repeats"].tolist() == [3, 3]


def test_ways_that_disagree_are_not_timed() -> None:
    never = compare.Way("never", lambda: pytest.fail("it was timed"))
    compared = compare.Comparison("both", (never,), lambda: np.testing.assert_equal(1, 2))

    with pytest.raises(AssertionError, match="not equal"):
        compare.timed(compared, repeats=1)


def test_extrapolated_seconds_are_those_of_the_whole_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare.time, "process_time", iter([10.0, 13.0]).__next__)
    calls: list[int] = []

    found = compare.clocked(lambda: calls.append(1), share=0.25, calls=2)()

    assert (found, len(calls)) == (pytest.approx(6.0), 2)
