"""Scores and intervals: arrays beside straightforward Python."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from benchmarks.compare import Comparison, Way, clocked
from compute_aligned.config.settings import budgets_up_to
from compute_aligned.method import resampling
from compute_aligned.method.intervals import mean_interval
from compute_aligned.method.votes import maj_at_ks

NUM_SAMPLES = 128  # of sft_majority at the laptop scale
NUM_SEEDS, NUM_PROBLEMS = 3, 500
NUM_DRAWS, NUM_BOOTSTRAP = 500, 4000  # the defaults that are in use
LEVEL = 0.95


@dataclass(frozen=True)
class Votes:
    """The extracted answers of a problem, and which are right."""

    answers: list[str | None]
    correct: list[bool]

    @classmethod
    def random(cls, num_samples: int, seed: int = 0) -> "Votes":
        """Ten answers that are ever less frequent, the second one right, and some unreadable."""
        known: list[str | None] = [None, *map(str, range(10))]
        weights = [1 / (i + 1) for i in range(len(known))]
        answers = random.Random(seed).choices(known, weights, k=num_samples)
        return cls(answers, [answer == "1" for answer in answers])


# --- maj@k ------------------------------------------------------------------------------------


def slow_maj_at_ks(votes: Votes, ks: Sequence[int], num_draws: int, seed: int) -> list[float]:
    """The share of draws whose winner is right, draw by draw (PAPER section 3, Evaluation).

    The draws are those of ``maj_at_ks``, so that the result is the very same.
    """
    size = len(votes.answers)
    places = np.random.default_rng(seed).random((num_draws, size)).argsort(axis=1).tolist()
    orders = [sorted(range(size), key=of_draw.__getitem__) for of_draw in places]
    return [sum(winner_is_right(votes, order[:k]) for order in orders) / num_draws for k in ks]


def winner_is_right(votes: Votes, drawn: Sequence[int]) -> bool:
    """Whether the most frequent answer, the first drawn of equally frequent ones, is right."""
    valid = [i for i in drawn if votes.answers[i] is not None]
    if not valid:
        return False
    counts = Counter(votes.answers[i] for i in valid)
    winner = max(counts, key=counts.__getitem__)  # the first of equals; a Counter keeps the order
    return votes.correct[next(i for i in valid if votes.answers[i] == winner)]


def check_maj(votes: Votes, ks: Sequence[int], num_draws: int, seed: int = 3) -> None:
    """The scores are the same."""
    found = maj_at_ks(votes.answers, votes.correct, ks, num_draws, seed)
    expected = slow_maj_at_ks(votes, ks, num_draws, seed)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


# --- intervals --------------------------------------------------------------------------------


def outcomes(num_problems: int, seed: int = 0) -> np.ndarray:
    """Shares of success of three seeds, shape (3, P), with effects of problem and of seed."""
    rng = np.random.default_rng(seed)
    means = rng.beta(0.5, 2.0, num_problems) + rng.normal(0, 0.02, (NUM_SEEDS, 1))
    return means + rng.normal(0, 0.05, (NUM_SEEDS, num_problems))


def slow_interval(
    values: Sequence[Sequence[float]], num_bootstrap: int, seed: int = 0
) -> tuple[float, float]:
    """The interval of :mod:`~compute_aligned.method.intervals` in loops, from the same draws."""
    seeds, size = len(values), len(values[0])
    rng = np.random.default_rng(seed)
    picks = rng.integers(size, size=(num_bootstrap, size)).tolist()
    chi_squares = rng.chisquare(size - 1, size=num_bootstrap).tolist()

    seed_means = [sum(row) / size for row in values]
    problem_means = [sum(column) / seeds for column in zip(*values, strict=True)]
    grand = sum(seed_means) / seeds
    seed_variance = sum((m - grand) ** 2 for m in seed_means) / (seeds - 1) / seeds
    interaction = sum(
        (values[s][p] - seed_means[s] - problem_means[p] + grand) ** 2
        for s in range(seeds)
        for p in range(size)
    ) / ((seeds - 1) * (size - 1))
    squares = sum((m - grand) ** 2 for m in problem_means)
    problem_variance = squares / (size - 1) / size - interaction / (seeds * size)
    assert problem_variance > 0, "these problems do not differ"

    stretch = problem_variance / (squares / size / size)
    errors = [
        (sum(problem_means[p] for p in picked) / size - grand)
        * (stretch * (size - 1) / chi_square) ** 0.5
        for picked, chi_square in zip(picks, chi_squares, strict=True)
    ]
    scale = seed_variance**0.5

    def share_below(error: float) -> float:
        shares = (special.stdtr(seeds - 1, (error - other) / scale) for other in errors)
        return float(sum(shares)) / len(errors)

    reach = max(map(abs, errors)) + 100 * scale
    low, high = (bisected(share_below, p, reach) for p in ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return grand + low, grand + high


def bisected(increasing: Callable[[float], float], value: float, reach: float) -> float:
    """Where an increasing function has a value, between minus ``reach`` and ``reach``."""
    low, high = -reach, reach
    while high - low > 1e-10 * reach:
        middle = (low + high) / 2
        low, high = (middle, high) if increasing(middle) < value else (low, middle)
    return (low + high) / 2


def fresh_interval(values: np.ndarray) -> None:
    """An interval that is the first of its problems; others of as many share their resamples."""
    resampling.kept_resampling.cache_clear()
    mean_interval(values)


def check_interval(values: np.ndarray, num_bootstrap: int, seed: int = 3) -> None:
    """The ends are the same."""
    found = mean_interval(values, LEVEL, num_bootstrap, seed)
    expected = slow_interval(values.tolist(), num_bootstrap, seed)
    np.testing.assert_allclose([found.low, found.high], expected, rtol=1e-6)


# --- the comparisons --------------------------------------------------------------------------


def comparisons(num_bootstrap: int = 400) -> list[Comparison]:
    """Both at the laptop's sizes; a slow interval has a part of the resamples."""
    votes, ks = Votes.random(NUM_SAMPLES), budgets_up_to(NUM_SAMPLES)
    values = outcomes(NUM_PROBLEMS)
    lists, share = values.tolist(), num_bootstrap / NUM_BOOTSTRAP
    fast = clocked(lambda: maj_at_ks(votes.answers, votes.correct, ks), calls=10)
    slow = clocked(lambda: slow_maj_at_ks(votes, ks, NUM_DRAWS, 0))
    loops = clocked(lambda: slow_interval(lists, num_bootstrap), share)
    return [
        Comparison(
            f"maj@k of a problem, {NUM_SAMPLES} samples, {len(ks)} budgets",
            (Way("arrays", fast), Way("plain Python", slow)),
            lambda: check_maj(votes, ks, NUM_DRAWS),
        ),
        Comparison(
            f"interval, {NUM_SEEDS} seeds x {NUM_PROBLEMS} problems",
            (
                Way("arrays", clocked(lambda: mean_interval(values), calls=5)),
                Way("the first of as many problems", clocked(lambda: fresh_interval(values))),
                Way(f"plain Python ({num_bootstrap} resamples, extrapolated)", loops),
            ),
            lambda: check_interval(values, num_bootstrap),
        ),
    ]
