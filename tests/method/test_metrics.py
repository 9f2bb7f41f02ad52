import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import support.own_strategy  # noqa: F401 - makes SecondTry known
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import compute_aligned
from compute_aligned.files.errors import InputError
from compute_aligned.method.estimators import k_of_n, pass_at_k
from compute_aligned.method.metrics import METRICS, PLURALITY, WITH, UnderStrategy, metric_of
from compute_aligned.method.strategies import BestOfN, MajorityVote, PassAtN, SingleSample, Strategy

SCORES = {
    "problem": "p1",
    "num_samples": 6,
    "num_correct": 3,
    "votes": ["1", "2", "1", None, "1", "3"],
    "correct": [True, False, True, False, True, False],
}


# --- the success of a strategy ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (SingleSample(), 7 / 20),
        (PassAtN(n=5), pass_at_k(20, 7, 5)),
        (MajorityVote(n=5, k=3), stats.hypergeom.sf(2, 20, 7, 5)),
        (BestOfN(n=5), pass_at_k(20, 7, 5)),
        (PassAtN(n=21), None),
    ],
    ids=repr,
)
def test_a_strategy_estimates_its_own_success(strategy, expected):
    found = strategy.estimate(num_samples=20, num_correct=7)
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-13))


@given(st.integers(1, 40), st.floats(0.01, 0.99), st.data())
def test_the_estimate_of_a_strategy_is_unbiased_for_what_it_is_trained_for(n, p, data):
    strategy = MajorityVote(n=n, k=data.draw(st.integers(1, n)))
    m = n + data.draw(st.integers(0, 8))
    chances = stats.binom.pmf(range(m + 1), m, p)

    mean = sum(w * strategy.estimate(m, c) for c, w in enumerate(chances))
    log_p = torch.tensor(np.log(p), dtype=torch.float64)
    assert mean == pytest.approx(strategy.log_success(log_p).exp().item(), rel=1e-9, abs=1e-12)


# --- metrics ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class FirstOfTwoRounds(Strategy):
    """A strategy of a user's own, whose success is p(2 - p), with no field n."""

    def log_success(self, log_p):
        return log_p + torch.log(2 - torch.exp(log_p))

    def estimate(self, num_samples, num_correct):
        return k_of_n(num_samples, num_correct, 2, 1) if num_samples >= 2 else None


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("pass@k", [(1, 1 / 2), (2, 4 / 5), (4, 1.0)]),
        ("SingleSample()", [(1, 1 / 2)]),
        ("PassAtN(n=3)", [(1, 1 / 2), (2, 4 / 5), (3, 19 / 20), (4, 1.0)]),
        ("MajorityVote(n=3, k=2)", [(2, 1 / 5), (3, 1 / 2), (4, 4 / 5)]),
        ("PassAtN(n=9)", [(1, 1 / 2), (2, 4 / 5), (4, 1.0)]),
        ("FirstOfTwoRounds()", [(1, 4 / 5)]),
        ("SecondTry(chance=0.5)", []),  # its class gives no estimate
    ],
)
def test_points_worked_by_hand(name, points):
    found = metric_of(name).points(SCORES, [1, 2, 4])
    assert [k for k, _ in found] == [k for k, _ in points]
    assert [v for _, v in found] == pytest.approx([v for _, v in points])


def test_a_vote_of_all_samples_comes_with_votes_and_is_exact():
    assert WITH == {"maj@k": (PLURALITY,)}
    assert PLURALITY.points(SCORES, [1, 2]) == [(6, 1.0)]
    assert metric_of("maj@k").points(SCORES, [6]) == [(6, 1.0)]
    assert metric_of("plurality") is PLURALITY


def test_rewards_are_shown_as_they_are_and_shares_in_percent():
    metric = METRICS["expected_max@k"]
    scores = {"num_samples": 2, "rewards": [1.0, 3.0]}

    assert metric.points(scores, [1, 2]) == [(1, 2.0), (2, 2.5)]
    shown = (metric.unit, metric.gain_unit, metric.factor, metric.decimals)
    assert shown == ("reward", "reward", 1.0, 2)
    assert (METRICS["pass@k"].unit, METRICS["pass@k"].factor) == ("percent", 100.0)
    assert [metric.at(8), METRICS["maj@k"].at(16)] == ["expected max@8", "maj@16"]
    assert metric_of("PassAtN(n=4)").at(8) == "Pass@8"
    votes = metric_of("MajorityVote(n=8, k=3)")  # two samples cannot hold three votes
    assert [votes.at(4), votes.at(2)] == ["Majority 3 of 4", f"{votes.title}, n = 2"]


def test_a_metric_that_is_no_strategy_is_named():
    with pytest.raises(InputError, match="no strategy is named Passed"):
        metric_of("Passed(n=3)").points(SCORES, [1])
    assert metric_of("FirstOfTwoRounds()") == UnderStrategy("FirstOfTwoRounds()")
    assert metric_of("FirstOfTwoRounds()").strategy == FirstOfTwoRounds()


def test_the_configuration_reads_metrics_without_torch_and_numpy():
    program = (
        "import sys; import compute_aligned.method.metrics;"
        "assert not {'numpy', 'scipy', 'torch'} & sys.modules.keys()"
    )
    folder = Path(compute_aligned.__file__).parents[1]
    subprocess.run([sys.executable, "-c", program], cwd=folder, check=True)


def test_what_a_vote_adds_is_its_difference_from_a_single_sample() -> None:
    correct = [True, True, False, True]
    scores = {"num_samples": 4, "num_correct": 3, "problem": "p", "correct": correct}
    scores["votes"] = ["7", "7", "8", "7"]
    voted = dict(metric_of("maj@k").points(scores, [2, 4]))

    found = metric_of("aggregation_gain@k").points(scores, [1, 2, 4])

    assert found == [(k, voted[k] - 0.75) for k in (2, 4)]
    assert metric_of("aggregation_gain@k").at(4) == "maj@4 − pass@1"
