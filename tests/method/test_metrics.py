"""Metrics as objects: their values against brute force, and a strategy evaluated as itself."""

import subprocess
import sys
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import compute_aligned
from compute_aligned.files.errors import InputError
from compute_aligned.method.estimators import k_of_n, pass_at_k
from compute_aligned.method.metrics import METRICS, PLURALITY, WITH, UnderStrategy, metric_of
from compute_aligned.method.strategies import BestOfN, MajorityVote, PassAtN, SingleSample, Strategy
from compute_aligned.method.strategy_text import parse_strategy

SCORES = {
    "problem": "p1",
    "num_samples": 6,
    "num_correct": 3,
    "votes": ["1", "2", "1", None, "1", "3"],
    "correct": [True, False, True, False, True, False],
}


@st.composite
def draws(draw: st.DrawFn) -> tuple[int, int, int, int]:
    m = draw(st.integers(1, 9))
    n = draw(st.integers(1, m))
    return m, draw(st.integers(0, m)), n, draw(st.integers(1, n))


@given(draws())
def test_k_of_n_is_the_share_of_subsets_that_hold_k_correct_samples(
    case: tuple[int, int, int, int],
) -> None:
    m, c, n, k = case
    subsets = list(combinations([1] * c + [0] * (m - c), n))

    expected = sum(sum(subset) >= k for subset in subsets) / len(subsets)
    assert k_of_n(m, c, n, k) == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize(("n", "k", "p"), [(1, 1, 0.3), (4, 1, 0.2), (8, 3, 0.4), (16, 9, 0.55)])
def test_k_of_n_is_unbiased(n: int, k: int, p: float) -> None:
    m = 24
    chances = stats.binom.pmf(range(m + 1), m, p)

    mean = sum(w * k_of_n(m, c, n, k) for c, w in enumerate(chances))
    assert mean == pytest.approx(stats.binom.sf(k - 1, n, p), rel=1e-12)


@pytest.mark.parametrize("case", [(4, 5, 2, 1), (4, -1, 2, 1), (4, 2, 5, 1), (4, 2, 2, 3)])
def test_what_makes_no_sense_is_refused(case: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"make no sense|is needed"):
        k_of_n(*case)


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
def test_a_strategy_estimates_its_own_success(strategy: Strategy, expected: float | None) -> None:
    found = strategy.estimate(num_samples=20, num_correct=7)

    assert found == (None if expected is None else pytest.approx(expected, rel=1e-13))


@given(st.integers(1, 40), st.floats(0.01, 0.99), st.data())
def test_the_estimate_of_a_strategy_is_unbiased_for_what_it_is_trained_for(
    n: int, p: float, data: st.DataObject
) -> None:
    strategy = MajorityVote(n=n, k=data.draw(st.integers(1, n)))
    m = n + data.draw(st.integers(0, 8))
    chances = stats.binom.pmf(range(m + 1), m, p)

    mean = sum(w * strategy.estimate(m, c) for c, w in enumerate(chances))
    log_p = torch.tensor(np.log(p), dtype=torch.float64)
    assert mean == pytest.approx(strategy.log_success(log_p).exp().item(), rel=1e-9, abs=1e-12)


# --- metrics --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FirstOfTwoRounds(Strategy):
    """A strategy of a user's own, whose success is p(2 - p), with no field n."""

    def log_success(self, log_p: torch.Tensor) -> torch.Tensor:
        return log_p + torch.log(2 - torch.exp(log_p))

    def estimate(self, num_samples: int, num_correct: int) -> float | None:
        return k_of_n(num_samples, num_correct, 2, 1) if num_samples >= 2 else None


@dataclass(frozen=True)
class NoEstimate(Strategy):
    """A strategy whose success is no polynomial."""

    def log_success(self, log_p: torch.Tensor) -> torch.Tensor:
        return 0.5 * log_p


@pytest.mark.parametrize(
    ("name", "points"),
    [
        ("pass@k", [(1, 1 / 2), (2, 4 / 5), (4, 1.0)]),
        ("SingleSample()", [(1, 1 / 2)]),
        ("PassAtN(n=3)", [(1, 1 / 2), (2, 4 / 5), (3, 19 / 20), (4, 1.0)]),
        ("MajorityVote(n=3, k=2)", [(2, 1 / 5), (3, 1 / 2), (4, 4 / 5)]),
        ("PassAtN(n=9)", [(1, 1 / 2), (2, 4 / 5), (4, 1.0)]),
        ("FirstOfTwoRounds()", [(1, 4 / 5)]),
        ("NoEstimate()", []),
    ],
)
def test_points_worked_by_hand(name: str, points: list[tuple[int, float]]) -> None:
    found = metric_of(name).points(SCORES, [1, 2, 4])

    assert [k for k, _ in found] == [k for k, _ in points]
    assert [v for _, v in found] == pytest.approx([v for _, v in points])


def test_a_vote_of_all_samples_comes_with_votes_and_is_exact() -> None:
    assert WITH == {"maj@k": (PLURALITY,)}
    assert PLURALITY.points(SCORES, [1, 2]) == [(6, 1.0)]
    assert metric_of("maj@k").points(SCORES, [6]) == [(6, 1.0)]
    assert metric_of("plurality") is PLURALITY


def test_rewards_are_shown_as_they_are_and_shares_in_percent() -> None:
    metric = METRICS["expected_max@k"]
    scores = {"num_samples": 2, "rewards": [1.0, 3.0]}

    assert metric.points(scores, [1, 2]) == [(1, 2.0), (2, 2.5)]
    assert (metric.unit, metric.gain_unit, metric.factor, metric.decimals) == (
        *("reward", "reward"),
        *(1.0, 2),
    )
    assert (METRICS["pass@k"].unit, METRICS["pass@k"].factor) == ("percent", 100.0)
    assert [metric.at(8), METRICS["maj@k"].at(16)] == ["expected max@8", "maj@16"]
    assert metric_of("PassAtN(n=4)").at(8) == "Pass@8"
    votes = metric_of("MajorityVote(n=8, k=3)")  # two samples cannot hold three votes
    assert [votes.at(4), votes.at(2)] == ["Majority 3 of 4", f"{votes.title}, n = 2"]


def test_a_metric_that_is_no_strategy_is_named() -> None:
    with pytest.raises(InputError, match="no strategy is named Passed"):
        metric_of("Passed(n=3)").points(SCORES, [1])
    assert isinstance(metric_of("PassAtN(n=3)"), UnderStrategy)
    assert parse_strategy("FirstOfTwoRounds()") == FirstOfTwoRounds()


def test_the_configuration_reads_metrics_without_torch_and_numpy() -> None:
    program = (
        "import sys; import compute_aligned.method.metrics;"
        "print(*(m for m in ('numpy', 'scipy', 'torch') if m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(compute_aligned.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""
