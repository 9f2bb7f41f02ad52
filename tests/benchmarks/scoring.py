"""Scores and intervals: arrays beside straightforward Python, and how their time grows."""

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
        rng = random.Random(seed)
        known: list[str | None] = [None, *map(str, range(10))]
        weights = [1 / (i + 1) for i in range(len(known))]
        answers = rng.choices(known, weights, k=num_samples)
        return cls(answers, [answer == "1" for answer in answers])


# --- maj@k ------------------------------------------------------------------------------------


def slow_maj_at_ks(votes: Votes, ks: Sequence[int], num_draws: int, seed: int) -> list[float]:
    """The share of draws whose winner is right, draw by draw (PAPER section 3, Evaluation)."""
    rng = random.Random(seed)
    samples = range(len(votes.answers))
    return [
        sum(winner_is_right(votes, rng.sample(samples, k)) for _ in range(num_draws)) / num_draws
        for k in ks
    ]


def maj_at_ks_of_the_same_draws(
    votes: Votes, ks: Sequence[int], num_draws: int, seed: int
) -> list[float]:
    """The same from the draws that ``maj_at_ks`` makes, so that the result is the very same."""
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


def check_maj(votes: Votes, num_draws: int) -> None:
    """From the same draws the scores are the same, from other draws the same but for noise."""
    ks = budgets_up_to(len(votes.answers))
    found = maj_at_ks(votes.answers, votes.correct, ks, num_draws, seed=3)
    expected = maj_at_ks_of_the_same_draws(votes, ks, num_draws, seed=3)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert len(set(expected)) > 1
    # the difference of two shares has a standard error of at most .5 * sqrt(2 / draws)
    others = slow_maj_at_ks(votes, ks, num_draws, seed=3)
    assert np.abs(found - others).max() < 4 * 0.5 * (2 / num_draws) ** 0.5


# --- intervals --------------------------------------------------------------------------------


def outcomes(num_problems: int, seed: int = 0) -> np.ndarray:
    """Shares of success of three seeds, shape (3, P), with effects of problem and of seed."""
    rng = np.random.default_rng(seed)
    means = rng.beta(0.5, 2.0, num_problems) + rng.normal(0, 0.02, (NUM_SEEDS, 1))
    return means + rng.normal(0, 0.05, (NUM_SEEDS, num_problems))


Draws = tuple[list[list[int]], list[float]]  # resamples of the problems, and chi-squares


def own_draws(num_problems: int, num_bootstrap: int, seed: int) -> Draws:
    """What an interval draws, by Python's own generator."""
    rng = random.Random(seed)
    problems = range(num_problems)
    picks = [rng.choices(problems, k=num_problems) for _ in range(num_bootstrap)]
    return picks, [rng.gammavariate((num_problems - 1) / 2, 2) for _ in range(num_bootstrap)]


def same_draws(num_problems: int, num_bootstrap: int, seed: int) -> Draws:
    """What ``mean_interval`` draws."""
    rng = np.random.default_rng(seed)
    picks = rng.integers(num_problems, size=(num_bootstrap, num_problems)).tolist()
    return picks, rng.chisquare(num_problems - 1, size=num_bootstrap).tolist()


def slow_interval(values: Sequence[Sequence[float]], draws: Draws) -> tuple[float, float]:
    """The interval of :mod:`~compute_aligned.method.intervals` in loops, of several seeds."""
    seeds, size = len(values), len(values[0])
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
        for picked, chi_square in zip(*draws, strict=True)
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


def check_interval(num_problems: int, num_bootstrap: int) -> None:
    """From the same draws the ends are the same, from other draws the same but for noise."""
    values = outcomes(num_problems)
    found = mean_interval(values, LEVEL, num_bootstrap, seed=3)
    ends, lists = np.array([found.low, found.high]), values.tolist()
    expected = slow_interval(lists, same_draws(num_problems, num_bootstrap, seed=3))
    np.testing.assert_allclose(ends, expected, rtol=1e-6)
    others = slow_interval(lists, own_draws(num_problems, num_bootstrap, seed=3))
    assert np.abs(ends - others).max() < 0.1 * (found.high - found.low)


# --- the comparisons --------------------------------------------------------------------------


def comparisons(num_problems: int = NUM_PROBLEMS, num_bootstrap: int = 400) -> list[Comparison]:
    """Both against Python, and how the fast ones grow.

    Args:
        num_problems: That an interval is over.
        num_bootstrap: Bootstrap samples of the slow interval, extrapolated to those in use.

    """
    votes, values = Votes.random(NUM_SAMPLES), outcomes(num_problems)
    lists, ks = values.tolist(), budgets_up_to(NUM_SAMPLES)
    return [
        Comparison(
            f"maj@k, {NUM_SAMPLES} samples, {len(ks)} budgets",
            (
                Way(
                    "arrays",
                    clocked(lambda: maj_at_ks(votes.answers, votes.correct, ks), calls=10),
                ),
                Way("Python", clocked(lambda: slow_maj_at_ks(votes, ks, NUM_DRAWS, 0))),
            ),
            lambda: check_maj(votes, NUM_DRAWS),
        ),
        Comparison(
            f"interval, {NUM_SEEDS} seeds x {num_problems}",
            (
                Way("arrays, problems drawn before", clocked(lambda: mean_interval(values))),
                Way("arrays, problems drawn anew", clocked(lambda: fresh_interval(values))),
                Way(
                    f"Python ({num_bootstrap} of {NUM_BOOTSTRAP} resamples, extrapolated)",
                    clocked(
                        lambda: slow_interval(
                            lists, own_draws(num_problems, num_bootstrap, seed=0)
                        ),
                        share=num_bootstrap / NUM_BOOTSTRAP,
                    ),
                ),
            ),
            lambda: check_interval(num_problems, num_bootstrap),
        ),
        *growth(),
    ]


def growth(factors: Sequence[int] = (1, 2, 4, 8)) -> list[Comparison]:
    """How the time of scores and intervals grows with each of their sizes.

    Args:
        factors: Sizes, in units of the smallest.

    """

    def maj(num_problems: int, num_samples: int, num_draws: int, num_budgets: int) -> None:
        votes = Votes.random(num_samples)
        ks = np.linspace(1, num_samples, num_budgets).astype(int)
        for _ in range(num_problems):
            maj_at_ks(votes.answers, votes.correct, ks, num_draws)

    def interval(num_problems: int, num_bootstrap: int) -> None:
        mean_interval(outcomes(num_problems), num_bootstrap=num_bootstrap)

    smallest = {
        "maj@k against problems": lambda f: maj(5 * f, 64, 500, 7),
        "maj@k against samples": lambda f: maj(5, 64 * f, 500, 7),
        "maj@k against draws": lambda f: maj(5, 64, 500 * f, 7),
        "maj@k against budgets": lambda f: maj(5, 64, 500, 7 * f),
        "interval against problems": lambda f: interval(250 * f, 4000),
        "interval against resamples": lambda f: interval(500, 2000 * f),
    }
    return [
        Comparison(
            name,
            tuple(Way(f"size x {f}", clocked(lambda f=f, run=run: run(f)), f) for f in factors),
            lambda: None,  # ways of different size have different results
        )
        for name, run in smallest.items()
    ]
