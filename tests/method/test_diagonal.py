import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_aligned.method.diagonal import diagonal_ratio, diagonal_terms, reward_ratio, vote_ratio

NO_ANSWER = -1
Draws = tuple[int, ...]
Wins = Callable[[Draws], bool]

# --- oracles --------------------------------------------------------------------------------


def plurality(target: int) -> Wins:
    def wins(draws: Draws) -> bool:
        rivals = set(draws) - {target, NO_ANSWER}
        return draws.count(target) > max(map(draws.count, rivals), default=0)

    return wins


def highest_reward(target: int, rewards: Sequence[float]) -> Wins:
    def wins(draws: Draws) -> bool:
        others = set(draws) - {target, NO_ANSWER}
        return target in draws and all(rewards[other] < rewards[target] for other in others)

    return wins


def rule(target: int, rewards: Sequence[float] | None) -> Wins:
    return plurality(target) if rewards is None else highest_reward(target, rewards)


def probability(wins: Wins, p: dict[int, Fraction], num_free: int, forced: Draws = ()) -> Fraction:
    """P[t wins] by going through every tuple of the free draws."""
    tuples = product(p, repeat=num_free)
    return sum(
        (math.prod(p[draw] for draw in draws) for draws in tuples if wins(draws + forced)),
        start=Fraction(0),
    )


def brute_force(
    p: dict[int, Fraction], target: int, n: int, rewards: Sequence[float] | None = None
) -> tuple[Fraction, Fraction]:
    """a and C, word by word from section 7 of PAPER.md."""
    wins = rule(target, rewards)
    a = {j: n * probability(wins, p, n - 1, forced=(j,)) for j in p}
    cross = sum(p[j] * a[j] for j in p if j != target) / (1 - p[target])
    return a[target], cross


def fractions(weights: Sequence[int], no_answer: int = 0) -> dict[int, Fraction]:
    total = sum(weights) + no_answer
    shares = {j: Fraction(weight, total) for j, weight in enumerate(weights)}
    return shares | ({NO_ANSWER: Fraction(no_answer, total)} if no_answer else {})


def split(p: dict[int, Fraction]) -> tuple[list[float], float]:
    """The arguments ``probabilities`` and ``no_answer``."""
    return [float(p[j]) for j in p if j != NO_ANSWER], float(p.get(NO_ANSWER, 0))


def exact_plurality_slope(p: dict[int, Fraction], target: int, n: int) -> tuple[Fraction, Fraction]:
    """P[t wins] and its derivative as the rivals decay in proportion, in rational arithmetic.

    Another route than the module's: the win probability is a polynomial in p_t, made of the
    number of ways in which the rivals stay below c votes, and is differentiated term by term.
    """
    rest = 1 - p[target]
    value = slope = Fraction(0)
    for c in range(1, n + 1):
        ways = [Fraction(1)] + [Fraction(0)] * (n - c)  # coefficients of x^i / i!
        for j in set(p) - {target}:
            most = n - c if j == NO_ANSWER else min(c - 1, n - c)
            row = [(p[j] / rest) ** i / math.factorial(i) for i in range(most + 1)]
            ways = [
                sum(row[i] * ways[d - i] for i in range(min(most, d) + 1)) for d in range(n - c + 1)
            ]
        below = ways[n - c] * math.factorial(n - c) * math.comb(n, c)
        x = p[target]
        value += below * x**c * rest ** (n - c)
        slope += below * c * x ** (c - 1) * rest ** (n - c)
        if c < n:
            slope -= below * (n - c) * x**c * rest ** (n - c - 1)
    return value, slope


# --- exactness ------------------------------------------------------------------------------

SUPPORTS = {
    "two_answers": ([3, 2], 0, None),
    "rare_target": ([1, 9, 4], 0, None),
    "even": ([1, 1, 1, 1], 0, None),
    "some_unparseable": ([4, 3, 2], 3, None),
    "all_rivals_unparseable": ([2], 5, None),
    "rewards": ([4, 3, 2, 1], 0, [1.0, 4.0, -5.0, 2.0]),
    "tied_rewards": ([4, 3, 2, 1], 0, [1.0, 1.0, 0.5, 2.0]),
    "lowest_reward": ([4, 3, 2], 0, [-5.0, 0.0, 1.0]),
    "highest_reward": ([1, 3, 4], 0, [2.0, 0.0, 1.0]),
    "rewards_and_unparseable": ([3, 2, 2], 2, [1.0, 0.0, 3.0]),
}


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("name", SUPPORTS)
def test_the_terms_agree_with_every_tuple_of_draws(name: str, n: int) -> None:
    weights, no_answer, rewards = SUPPORTS[name]
    p = fractions(weights, no_answer)
    own, cross = brute_force(p, 0, n, rewards)
    probabilities, unanswered = split(p)

    terms = diagonal_terms(probabilities, 0, n, rewards, unanswered)

    assert terms is not None
    assert terms.own == pytest.approx(float(own), rel=1e-13)
    assert terms.cross == pytest.approx(float(cross), rel=1e-13, abs=1e-16)
    assert terms.total == pytest.approx(float(own - cross), rel=1e-13)
    assert terms.ratio == pytest.approx(float(own / (own - cross)), rel=1e-13)


@given(
    st.lists(st.integers(0, 6), min_size=2, max_size=4),
    st.integers(0, 3),
    st.integers(1, 5),
    st.none() | st.lists(st.sampled_from([-1.0, 0.0, 2.5]), min_size=4, max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_the_ratio_agrees_with_every_tuple_of_draws_on_any_small_support(
    weights: list[int], no_answer: int, n: int, levels: list[float] | None
) -> None:
    weights[0] += 1
    weights[1] += 1
    rewards = None if levels is None else levels[: len(weights)]
    p = fractions(weights, no_answer)
    own, cross = brute_force(p, 0, n, rewards)
    probabilities, unanswered = split(p)
    rho = diagonal_ratio(probabilities, 0, n, rewards, unanswered)
    assert rho == pytest.approx(float(own / (own - cross)), rel=1e-12)


@pytest.mark.parametrize("name", SUPPORTS)
def test_a_minus_c_is_the_slope_of_winning_as_the_rivals_decay_in_proportion(name: str) -> None:
    weights, no_answer, rewards = SUPPORTS[name]
    p, n, h = fractions(weights, no_answer), 5, Fraction(1, 10**7)

    def success_after(step: Fraction) -> Fraction:
        shrink = 1 - step / (1 - p[0])
        return probability(rule(0, rewards), {j: p[j] * shrink for j in p} | {0: p[0] + step}, n)

    slope = (success_after(h) - success_after(-h)) / (2 * h)
    probabilities, unanswered = split(p)
    terms = diagonal_terms(probabilities, 0, n, rewards, unanswered)
    assert terms is not None
    assert terms.total == pytest.approx(float(slope), rel=1e-11)


@pytest.mark.parametrize("n", [2, 7, 16, 24])
@pytest.mark.parametrize(
    "weights", [[5, 4, 3, 2, 2, 1, 1], [1, 40, 20, 3], [100_000, 1, 1, 1, 1, 1, 1, 1]]
)
def test_plurality_keeps_its_digits_from_rare_to_near_certain_targets(
    weights: list[int], n: int
) -> None:
    p = fractions(weights, no_answer=1)
    value, slope = exact_plurality_slope(p, 0, n)
    # by Euler's theorem the p_j a_j of a homogeneous S of degree n sum to n S
    own = slope * (1 - p[0]) + n * value
    probabilities, unanswered = split(p)

    terms = diagonal_terms(probabilities, 0, n, no_answer=unanswered)

    assert terms is not None
    assert terms.own == pytest.approx(float(own), rel=1e-12)
    assert terms.total == pytest.approx(float(slope), rel=1e-11)
    assert terms.ratio == pytest.approx(float(own / slope), rel=1e-11)


@pytest.mark.parametrize("n", [1, 2, 8, 9, 64])
@pytest.mark.parametrize("p", [1e-3, 0.3, 0.5, 0.9, 0.999])
def test_a_vote_between_two_answers_is_a_binomial_tail(p: float, n: int) -> None:
    needed, x = n // 2 + 1, Fraction(p)
    own = n * sum(math.comb(n - 1, c) * x**c * (1 - x) ** (n - 1 - c) for c in range(needed - 1, n))
    slope = n * math.comb(n - 1, needed - 1) * x ** (needed - 1) * (1 - x) ** (n - needed)
    assert diagonal_ratio([p, 1 - p], 0, n) == pytest.approx(float(own / slope), rel=1e-11)


@pytest.mark.parametrize("n", [2, 8, 64])
def test_against_samples_without_an_answer_one_vote_is_enough(n: int) -> None:
    # S = (p+u)^n - u^n
    assert diagonal_ratio([0.2], 0, n, no_answer=0.8) == pytest.approx(0.8 ** (1 - n), rel=1e-12)


@pytest.mark.parametrize("n", [2, 8, 64])
def test_the_best_reward_of_a_pool_has_a_closed_form(n: int) -> None:
    p, rewards = [0.2, 0.5, 0.3], [3.0, 1.0, 2.0]
    assert diagonal_ratio(p, 0, n, rewards) == pytest.approx(0.8 ** (1 - n), rel=1e-12)
    assert diagonal_ratio(p, 1, n, rewards) == 1  # the lowest has nobody to beat


NUM_TRIALS = 5_000  # the paper's


def trials(
    p: np.ndarray, target: int, n: int, rewards: list[float] | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """a and C in each of the paper's shared trials: the mean over trials is its estimate."""
    # the same n-1 draws, with the last vote forced to be every j in turn
    counts = rng.multinomial(n - 1, p, size=NUM_TRIALS)[:, np.newaxis] + np.eye(50, dtype=int)
    if rewards is None:
        rivals = np.delete(counts, target, axis=2).max(axis=2)
        wins = counts[:, :, target] > rivals  # (trials, forced)
    else:
        wins = counts[:, :, target] * (counts[:, :, target + 1 :].sum(axis=2) == 0) > 0
    return (
        n * wins[:, target],
        n * np.delete(p * wins, target, axis=1).sum(axis=1) / (1 - p[target]),
    )


every_rule = pytest.mark.parametrize("rewards", [None, list(np.linspace(-5, 16, 50))])


@every_rule
@pytest.mark.parametrize("n", [8, 32])
def test_the_terms_lie_within_the_error_of_the_papers_monte_carlo(
    n: int, rewards: list[float] | None
) -> None:
    rng = np.random.default_rng(7)
    p, target = rng.dirichlet(np.full(50, 0.3)), 40
    p[target] += 0.2
    p /= p.sum()
    own, cross = trials(p, target, n, rewards, rng)

    terms = diagonal_terms(p, target, n, rewards)

    assert terms is not None
    samples = {"own": own, "cross": cross, "total": own - cross}
    for name, of_trials in samples.items():
        error = of_trials.std(ddof=1) / math.sqrt(NUM_TRIALS)
        assert 0 < error < n / 100
        assert abs(of_trials.mean() - getattr(terms, name)) < 4 * error


@every_rule
@pytest.mark.parametrize("share", [0.05, 0.2, 0.4, 0.6])
def test_rho_lies_within_the_error_of_the_papers_monte_carlo_problem_by_problem(
    share: float, rewards: list[float] | None
) -> None:
    rng = np.random.default_rng(11)
    target, n = 40, 8
    for p in rng.dirichlet(np.full(50, 0.3), size=4):
        p *= (1 - share) / (p.sum() - p[target])
        p[target] = share
        own, cross = trials(p, target, n, rewards, rng)
        estimate = own.mean() / (own - cross).mean()
        # to first order, an error of a ratio of means is the mean of these over the trials
        errors = (own - estimate * (own - cross)) / (own - cross).mean()
        error = errors.std(ddof=1) / math.sqrt(NUM_TRIALS)

        exact = diagonal_ratio(p, target, n, rewards)

        assert exact is not None
        assert error < 0.1 * exact
        assert abs(estimate - exact) < 4 * error


def test_many_problems_of_fifty_answers_have_a_ratio_above_one() -> None:
    problems = np.random.default_rng(3).dirichlet(np.full(50, 0.5), size=200)
    assert min(diagonal_ratio(p, 0, 8) for p in problems) > 1


# --- properties -----------------------------------------------------------------------------

distributions = (
    st.lists(st.floats(1e-4, 1), min_size=3, max_size=8)
    .map(np.array)
    .map(lambda weights: weights / weights.sum())
)
rules = st.none() | st.just([2.0, 0.5, 1.0, 2.0, 7.0, 0.25, 3.0, -5.0])


@given(distributions, st.integers(1, 20), rules, st.integers(1, 7))
@settings(max_examples=150, deadline=None)
def test_rho_is_at_least_one_and_never_undefined_inside(
    p: np.ndarray, n: int, rewards: list[float] | None, target: int
) -> None:
    levels = None if rewards is None else rewards[: p.size]
    terms = diagonal_terms(p, target % p.size, n, levels)
    assert terms is not None
    assert terms.ratio is not None
    assert terms.ratio >= 1
    assert terms.cross >= 0
    assert terms.total == pytest.approx(terms.own - terms.cross, abs=1e-11)
    assert 0 < terms.own <= n * (1 + 1e-12)


@given(distributions, st.integers(1, 12), rules, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_names_of_the_answers_and_answers_never_given_do_not_matter(
    p: np.ndarray, n: int, rewards: list[float] | None, random: Random
) -> None:
    levels = None if rewards is None else rewards[: p.size]
    rho = diagonal_ratio(p, 0, n, levels)
    order = random.sample(range(p.size), p.size)
    permuted = None if levels is None else [levels[i] for i in order]
    assert diagonal_ratio(p[order], order.index(0), n, permuted) == pytest.approx(rho, rel=1e-12)
    longer = None if levels is None else [*levels, levels[0] + 1]
    assert diagonal_ratio([*p, 0.0], 0, n, longer) == pytest.approx(rho, rel=1e-14)


def test_one_draw_leaves_nothing_out() -> None:
    assert diagonal_ratio([0.2, 0.5, 0.3], 0, 1) == 1
    assert diagonal_ratio([0.2, 0.5, 0.3], 0, 1, rewards=[2, 1, 3]) == 1
    assert diagonal_ratio([0.2, 0.5], 0, 1, no_answer=0.3) == 1


def test_a_vote_split_among_rivals_is_easier_to_win_than_against_one() -> None:
    united = diagonal_terms([0.3, 0.7], 0, 9)
    divided = diagonal_terms([0.3, *[0.07] * 10], 0, 9)
    silent = diagonal_terms([0.3], 0, 9, no_answer=0.7)
    assert united is not None
    assert divided is not None
    assert silent is not None
    assert united.own < divided.own < silent.own


# --- undefined, and refused -----------------------------------------------------------------


@pytest.mark.parametrize("rewards", [None, [1.0, 2.0, 0.0]])
def test_rho_is_undefined_at_the_ends(rewards: list[float] | None) -> None:
    assert diagonal_ratio([0.0, 0.6, 0.4], 0, 8, rewards) is None
    assert diagonal_ratio([1.0, 0.0, 0.0], 0, 8, rewards) is None
    assert diagonal_ratio([1.0, 0.0, 0.0], 1, 8, rewards) is None


@pytest.mark.parametrize("target", [0, 1])
def test_a_derivative_that_underflows_is_reported_as_undefined(target: int) -> None:
    p = [1e-30, 1 - 1e-30]
    assert diagonal_ratio(p, target, 64) is None
    assert diagonal_ratio(p, target, 8) is not None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"probabilities": [0.6, -0.1, 0.5]}, "negative or NaN"),
        ({"probabilities": [0.6, math.nan, 0.4]}, "negative or NaN"),
        ({"probabilities": [0.6, 0.3, 0.2]}, "sum to"),
        ({"probabilities": [0.5, 0.3, 0.2 - 1e-6]}, "sum to"),
        ({"probabilities": [math.inf, 0.3, 0.2]}, "sum to"),
        ({"probabilities": []}, "sum to"),
        ({"probabilities": [[0.5, 0.3, 0.2]]}, "one row"),
        ({"no_answer": 0.1}, "sum to"),
        ({"no_answer": -0.1, "probabilities": [0.5, 0.3, 0.3]}, "negative or NaN"),
        ({"target": 3}, "not one of 3"),
        ({"target": -1}, "not one of 3"),
        ({"n": 0}, "whole number"),
        ({"n": 2.5}, "whole number"),
        ({"rewards": [1.0, 2.0]}, "for 3 answers"),
        ({"rewards": [1.0, 2.0, math.nan]}, "finite"),
        ({"rewards": [1.0, 2.0, math.inf]}, "finite"),
    ],
)
def test_what_is_no_distribution_target_budget_or_reward_is_refused(
    changes: dict, message: str
) -> None:
    arguments = {"probabilities": [0.5, 0.3, 0.2], "target": 0, "n": 8} | changes
    with pytest.raises(ValueError, match=message):
        diagonal_ratio(**arguments)


def test_frequencies_that_sum_to_one_up_to_rounding_are_accepted() -> None:
    tenths = [0.1] * 10
    assert sum(tenths) != 1
    assert diagonal_ratio(tenths, 3, 8) == diagonal_ratio(np.full(10, 0.1), 3, 8)


# --- from samples ---------------------------------------------------------------------------


def test_votes_become_frequencies_with_all_correct_samples_as_the_target() -> None:
    votes = ["1/2", "3", None, "0.5", "3", "7", None, "1/2"]
    correct = [True, False, True, True, False, False, False, True]
    expected = diagonal_ratio([3 / 8, 2 / 8, 1 / 8], 0, 5, no_answer=2 / 8)
    assert vote_ratio(votes, correct, 5) == pytest.approx(expected, rel=1e-14)


def test_votes_that_are_all_right_or_all_wrong_leave_rho_undefined() -> None:
    assert vote_ratio(["3", "3"], [True, True], 8) is None
    assert vote_ratio(["4", None], [False, True], 8) is None
    assert vote_ratio([None, None], [False, False], 8) is None
    assert vote_ratio(["3", None], [True, False], 8) == pytest.approx(2**7)


@pytest.mark.parametrize(
    ("votes", "correct"), [([], []), (["3"], [True, False]), (["3", math.nan], [True, False])]
)
def test_votes_without_samples_flags_or_with_nan_are_refused(votes: list, correct: list) -> None:
    with pytest.raises(ValueError, match="vote"):
        vote_ratio(votes, correct, 8)


def test_the_target_of_a_pool_is_its_best_reward_and_equal_rewards_are_one_outcome() -> None:
    assert reward_ratio([5.0, -5.0, 5.0, 1.0], 8) == pytest.approx(2**7)
    assert reward_ratio([0.0, -5.0, -5.0, 1.0], 8) == pytest.approx((4 / 3) ** 7)
    assert reward_ratio([-5.0, -5.0], 8) is None


@pytest.mark.parametrize(("rewards", "message"), [([], "no rewards"), ([1.0, math.nan], "finite")])
def test_pools_that_are_empty_or_hold_nan_are_refused(rewards: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        reward_ratio(rewards, 8)
