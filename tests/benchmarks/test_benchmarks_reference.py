"""What ``make bench`` compares is the same work: the slow ways agree with the project's."""

import copy
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import compare, orchestration, rl_step, sampling, scoring, sft_step
from compute_aligned.method.strategies import PassAtN
from compute_aligned.method.votes import maj_at_ks

# --- the slow ways ------------------------------------------------------------------------------


def test_a_step_of_one_rollout_at_a_time_is_the_batched_rl_step() -> None:
    case = rl_step.laptop_case(prompts_per_step=3, group_size=6)

    rl_step.check(case)

    batched, slow = case.copy(), case.copy()
    rl_step.batched_step(batched)
    rl_step.slow_step(slow)
    for found, expected in zip(batched.policy.parameters, slow.policy.parameters, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_rewards_of_the_compared_rl_step_differ_within_groups() -> None:
    case = rl_step.laptop_case(prompts_per_step=3, group_size=6)
    policy = case.policy
    drawn = rl_step.experience.collect(
        policy.model, policy.tokenizer, case.tasks, case.objective, rl_step.SEED, step=0
    )

    assert (drawn.rewards.std(1) > 0).any()


def test_the_check_of_the_rl_step_sees_another_weight(monkeypatch: pytest.MonkeyPatch) -> None:
    case = rl_step.laptop_case(prompts_per_step=3, group_size=6)
    monkeypatch.setattr(rl_step, "N", 2 * rl_step.N)

    with pytest.raises(AssertionError):
        rl_step.check(case)


@pytest.mark.parametrize("strategy", sft_step.STRATEGIES)
def test_a_step_of_one_example_at_a_time_is_the_batched_sft_step(strategy: object) -> None:
    case = sft_step.laptop_case(batch_size=7)
    fast, slow = sft_step.Step(case, strategy), sft_step.SlowStep(case, strategy)

    sft_step.check(case, strategy)
    for _ in range(3):
        fast(), slow()

    assert fast() == pytest.approx(slow(), rel=1e-4)


def test_the_check_of_the_sft_step_sees_another_loss() -> None:
    case = sft_step.laptop_case(batch_size=7, loss_scale=2.0)  # which the slow step knows not of

    with pytest.raises(AssertionError):
        sft_step.check(case, PassAtN(n=16))


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("num_samples", [7, 16])
def test_votes_counted_draw_by_draw_give_maj_at_k(num_samples: int, seed: int) -> None:
    votes = scoring.Votes.random(num_samples, seed)
    ks = list(range(1, num_samples + 1))

    found = maj_at_ks(votes.answers, votes.correct, ks, num_draws=50, seed=seed)

    expected = scoring.maj_at_ks_of_the_same_draws(votes, ks, num_draws=50, seed=seed)
    assert found.tolist() == expected


def test_votes_counted_in_other_draws_give_maj_at_k_but_for_noise() -> None:
    scoring.check_maj(scoring.Votes.random(16), num_draws=2000)


@pytest.mark.parametrize("num_problems", [20, 60])
def test_an_interval_in_loops_is_the_interval(num_problems: int) -> None:
    scoring.check_interval(num_problems, num_bootstrap=400)


@pytest.mark.parametrize("temperature", [0.8, 0.3])
def test_generate_in_chunks_draws_as_the_engine_if_it_has_its_temperature(
    tmp_path: Path, temperature: float
) -> None:
    sampling.save_model(tmp_path)
    chosen, shape = sampling.laptop_problems(2), sampling.laptop_model()
    settings = sampling.laptop_sampling(200)
    engine = sampling.start("transformers", tmp_path, chosen, settings, shape)
    other = settings.model_copy(update={"temperature": temperature})
    authors = sampling.start(sampling.AUTHORS, tmp_path, chosen, other, shape)

    if temperature == settings.temperature:
        sampling.check([engine, authors])
    else:
        with pytest.raises(AssertionError, match="the ways differ"):
            sampling.check([engine, authors])


def test_every_added_branch_is_in_the_dry_run_that_is_timed(tmp_path: Path) -> None:
    copy = orchestration.repository_with(3, tmp_path / "copy")

    orchestration.check_dag({3: copy})


def test_seconds_of_a_run_are_its_own_and_a_failed_run_has_none(tmp_path: Path) -> None:
    found = orchestration.run_jobs(tmp_path, 2, 0.0, "greedy", "100/10s")

    assert found > 0.1  # importing Snakemake alone takes more
    with pytest.raises(subprocess.CalledProcessError):
        orchestration.snakemake_seconds(tmp_path, "--cores", "1")


# --- times and their table ----------------------------------------------------------------------


def comparison(*measured: list[float], sizes: tuple[float | None, ...]) -> compare.Comparison:
    """Ways that took these seconds, the first of each in the turn that warms up."""
    ways = [
        compare.Way(f"way {i}", iter(copy.copy(seconds)).__next__, size)
        for i, (seconds, size) in enumerate(zip(measured, sizes, strict=True))
    ]
    return compare.Comparison("both", tuple(ways), lambda: None)


def test_ratios_are_those_of_the_same_turn_and_the_first_turn_does_not_count() -> None:
    compared = comparison([99.0, 1.0, 2.0, 4.0], [99.0, 3.0, 8.0, 8.0], sizes=(None, None))

    table = compare.summary(compared, compare.timed(compared, repeats=3))

    assert table["taken_median"].tolist() == [2.0, 8.0]
    assert table.loc[1, ["ratio_median", "ratio_min", "ratio_max"]].tolist() == [3.0, 2.0, 4.0]
    assert table["exponent_median"].isna().all()


def test_the_growth_is_the_slope_between_logarithms() -> None:
    sizes = (10.0, 20.0, 80.0)
    compared = comparison(*([0.0, s**1.5, 7 * s**2] for s in sizes), sizes=sizes)

    table = compare.summary(compared, compare.timed(compared, repeats=2))

    assert table.loc[2, "exponent_median"] == pytest.approx(1.75)
    assert table.loc[2, ["exponent_min", "exponent_max"]].tolist() == pytest.approx([1.5, 2.0])


def test_ways_that_disagree_are_not_timed() -> None:
    def disagree() -> None:
        raise AssertionError("another result")

    compared = compare.Comparison(
        "both", (compare.Way("never", lambda: pytest.fail("it was timed")),), disagree
    )

    with pytest.raises(AssertionError, match="another result"):
        compare.timed(compared, repeats=1)


def test_extrapolated_seconds_are_those_of_the_whole_work(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 13.0])
    monkeypatch.setattr(compare.time, "process_time", clock.__next__)
    calls = []

    found = compare.clocked(lambda: calls.append(1), share=0.25, calls=2)()

    assert (found, len(calls)) == (pytest.approx(6.0), 2)


def test_the_table_shows_medians_with_their_spread(capsys: pytest.CaptureFixture[str]) -> None:
    compared = comparison([0.0, 1.0, 2.0, 4.0], [0.0, 3.0, 8.0, 8.0], sizes=(None, None))

    compare.show([compare.summary(compared, np.array([[1.0, 3.0], [2.0, 8.0], [4.0, 8.0]]))], "M")

    shown = capsys.readouterr().out
    assert "8 [3, 8]" in shown
    assert "3 [2, 4]" in shown
