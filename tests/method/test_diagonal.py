import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_aligned.method.diagonal import diagonal_ratio, diagonal_terms, reward_ratio, vote_ratio

NO_ANSWER = -1
P = [0.5, 0.3, 0.2]

# --- oracles --------------------------------------------------------------------------------


def wins(draws, rewards):
    rivals = set(draws) - {0, NO_ANSWER}
    if rewards is None:
        return draws.count(0) > max(map(draws.count, rivals), default=0)
    return 0 in draws and all(rewards[rival] < rewards[0] for rival in rivals)


def success(p, n, rewards, forced=()):
    """P[answer 0 wins] by going through every tuple of the n - len(forced) free draws."""
    tuples = product(p, repeat=n - len(forced))
    won = (draws for draws in tuples if wins(draws + forced, rewards))
    return sum((math.prod(p[draw] for draw in draws) for draws in won), start=Fraction(0))


def brute_force(p, n, rewards):
    """a and C of answer 0, word by word from section 7 of PAPER.md."""
    a = {j: n * success(p, n, rewards, forced=(j,)) for j in p}
    return a[0], sum(p[j] * a[j] for j in p if j != 0) / (1 - p[0])


def fractions(weights, no_answer):
    total = sum(weights) + no_answer
    shares = {j: Fraction(weight, total) for j, weight in enumerate(weights)}
    return shares | ({NO_ANSWER: Fraction(no_answer, total)} if no_answer else {})


def terms_of(p, n, rewards=None):
    """The module's terms of answer 0."""
    answers = [float(p[j]) for j in p if j != NO_ANSWER]
    return diagonal_terms(answers, 0, n, rewards, no_answer=float(p.get(NO_ANSWER, 0)))


def exact_plurality_slope(p, n):
    """P[0 wins] and its derivative as the rivals decay in proportion, in rational arithmetic.

    Another route than the module's: the win probability is a polynomial in p_0, made of the
    number of ways in which the rivals stay below c votes, and is differentiated term by term.
    """
    x, rest = p[0], 1 - p[0]
    value = slope = Fraction(0)
    for c in range(1, n + 1):
        ways = [Fraction(1)] + [Fraction(0)] * (n - c)  # coefficients of x^i / i!
        for j in set(p) - {0}:
            most = n - c if j == NO_ANSWER else min(c - 1, n - c)
            row = [(p[j] / rest) ** i / math.factorial(i) for i in range(most + 1)]
            ways = [
                sum(row[i] * ways[d - i] for i in range(min(most, d) + 1)) for d in range(n - c + 1)
            ]
        below = ways[n - c] * math.factorial(n - c) * math.comb(n, c)
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


def assert_terms(terms, own, cross, tolerance=1e-13):
    assert terms.own == pytest.approx(float(own), rel=tolerance)
    assert terms.cross == pytest.approx(float(cross), rel=tolerance, abs=1e-16)
    assert terms.total == pytest.approx(float(own - cross), rel=tolerance)
    assert terms.ratio == pytest.approx(float(own / (own - cross)), rel=tolerance)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("name", SUPPORTS)
def test_the_terms_agree_with_every_tuple_of_draws_and_with_the_slope_of_winning(name, n):
    weights, no_answer, rewards = SUPPORTS[name]
    p, h = fractions(weights, no_answer), Fraction(1, 10**7)
    terms = terms_of(p, n, rewards)
    assert_terms(terms, *brute_force(p, n, rewards))

    def success_after(step):
        """As the rivals decay in proportion."""
        shrink = 1 - step / (1 - p[0])
        return success({j: p[j] * shrink for j in p} | {0: p[0] + step}, n, rewards)

    slope = (success_after(h) - success_after(-h)) / (2 * h)
    assert terms.total == pytest.approx(float(slope), rel=1e-11)


small_weights = st.tuples(*map(st.integers, (1, 1, 0, 0), (7, 7, 6, 6)))
levels = st.none() | st.lists(st.sampled_from([-1.0, 0.0, 2.5]), min_size=4, max_size=4)


@given(small_weights, st.integers(2, 4), st.integers(0, 3), st.integers(1, 5), levels)
@settings(max_examples=60)
def test_the_terms_agree_with_every_tuple_of_draws_anywhere(weights, size, no_answer, n, rewards):
    p, rewards = fractions(weights[:size], no_answer), rewards and rewards[:size]
    assert_terms(terms_of(p, n, rewards), *brute_force(p, n, rewards), tolerance=1e-12)


@pytest.mark.parametrize("n", [2, 7, 16, 24])
@pytest.mark.parametrize(
    "weights", [[5, 4, 3, 2, 2, 1, 1], [1, 40, 20, 3], [100_000, 1, 1, 1, 1, 1, 1, 1]]
)
def test_plurality_keeps_its_digits_from_rare_to_near_certain_targets(weights, n):
    p = fractions(weights, no_answer=1)
    value, slope = exact_plurality_slope(p, n)
    # by Euler's theorem the p_j a_j of a homogeneous S of degree n sum to n S
    own = slope * (1 - p[0]) + n * value
    assert_terms(terms_of(p, n), own, own - slope, tolerance=1e-11)


@pytest.mark.parametrize("n", [1, 2, 8, 9, 64])
def test_two_answers_and_the_best_reward_have_closed_forms(n):
    for p in (1e-3, 0.3, 0.5, 0.9, 0.999):
        needed, x = n // 2 + 1, Fraction(p)
        chances = [math.comb(n - 1, c) * x**c * (1 - x) ** (n - 1 - c) for c in range(n)]
        exact = float(sum(chances[needed - 1 :]) / chances[needed - 1])
        assert diagonal_ratio([p, 1 - p], 0, n) == pytest.approx(exact, rel=1e-11)

    # S = (p+u)^n - u^n, with one vote or with the best reward
    p, rewards = [0.2, 0.5, 0.3], [3.0, 1.0, 2.0]
    assert diagonal_ratio([0.2], 0, n, no_answer=0.8) == pytest.approx(0.8 ** (1 - n), rel=1e-12)
    assert diagonal_ratio(p, 0, n, rewards) == pytest.approx(0.8 ** (1 - n), rel=1e-12)
    assert diagonal_ratio(p, 1, n, rewards) == 1  # the lowest has nobody to beat


def test_one_draw_leaves_nothing_out():
    assert diagonal_ratio(P, 0, 1) == diagonal_ratio([0.5, 0.3], 0, 1, no_answer=0.2) == 1
    assert diagonal_ratio(P, 0, 1, rewards=[2, 1, 3]) == 1


# --- the paper's estimate -------------------------------------------------------------------

NUM_TRIALS = 5_000  # the paper's


def trials(p, target, n, rewards, rng):
    """a and C in each of the paper's shared trials: the mean over trials is its estimate."""
    # the same n-1 draws, with the last vote forced to be every j in turn
    counts = rng.multinomial(n - 1, p, size=NUM_TRIALS)[:, np.newaxis] + np.eye(50, dtype=int)
    if rewards is None:
        won = counts[:, :, target] > np.delete(counts, target, axis=2).max(axis=2)
    else:
        won = counts[:, :, target] * (counts[:, :, target + 1 :].sum(axis=2) == 0) > 0
    cross = n * np.delete(p * won, target, axis=1).sum(axis=1) / (1 - p[target])
    return n * won[:, target], cross


@pytest.mark.parametrize("rewards", [None, list(np.linspace(-5, 16, 50))])
@pytest.mark.parametrize(("n", "share"), [(8, 0.05), (8, 0.2), (8, 0.4), (8, 0.6), (32, 0.2)])
def test_terms_and_ratio_lie_within_the_error_of_the_papers_monte_carlo(n, share, rewards):
    rng = np.random.default_rng(11)
    target = 40
    for p in rng.dirichlet(np.full(50, 0.3), size=4):
        p *= (1 - share) / (p.sum() - p[target])
        p[target] = share
        own, cross = trials(p, target, n, rewards, rng)
        exact = diagonal_terms(p, target, n, rewards)
        estimate = own.mean() / (own - cross).mean()
        # to first order, an error of a ratio of means is the mean of these over the trials
        errors = (own - estimate * (own - cross)) / (own - cross).mean()
        samples = {"own": own, "cross": cross, "total": own - cross}
        if n == 8:  # of more draws too few trials hang on a single one
            samples["ratio"] = estimate + errors
        for name, of_trials in samples.items():
            error = of_trials.std(ddof=1) / math.sqrt(NUM_TRIALS)
            assert 0 < error < (0.1 * exact.ratio if name == "ratio" else n / 60)
            assert abs(of_trials.mean() - getattr(exact, name)) < 4 * error
        assert exact.ratio > 1


# --- properties -----------------------------------------------------------------------------

distributions = st.lists(st.floats(1e-4, 1), min_size=3, max_size=8).map(
    lambda weights: np.array(weights) / sum(weights)
)
rules = st.none() | st.just([2.0, 0.5, 1.0, 2.0, 7.0, 0.25, 3.0, -5.0])


@given(distributions, st.integers(1, 20), rules, st.integers(1, 7))
@settings(max_examples=150)
def test_rho_is_at_least_one_and_never_undefined_inside(p, n, rewards, target):
    terms = diagonal_terms(p, target % p.size, n, rewards and rewards[: p.size])
    assert terms.ratio >= 1
    assert terms.cross >= 0
    assert terms.total == pytest.approx(terms.own - terms.cross, abs=1e-11)
    assert 0 < terms.own <= n * (1 + 1e-12)


@given(distributions, st.integers(1, 12), rules, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_names_of_the_answers_and_answers_never_given_do_not_matter(p, n, rewards, random):
    levels = np.array(rewards[: p.size]) if rewards else None
    order = random.sample(range(p.size), p.size)
    rho = diagonal_ratio(p, 0, n, levels)
    permuted = None if levels is None else levels[order]
    assert diagonal_ratio(p[order], order.index(0), n, permuted) == pytest.approx(rho, rel=1e-12)
    longer = None if levels is None else [*levels, levels[0] + 1]
    assert diagonal_ratio([*p, 0.0], 0, n, longer) == pytest.approx(rho, rel=1e-14)


# --- undefined -------------------------------------------------------------------------------


@pytest.mark.parametrize("rewards", [None, [1.0, 2.0, 0.0]])
def test_rho_is_undefined_at_the_ends(rewards):
    assert diagonal_ratio([0.0, 0.6, 0.4], 0, 8, rewards) is None
    assert diagonal_ratio([1.0, 0.0, 0.0], 0, 8, rewards) is None
    assert diagonal_ratio([1.0, 0.0, 0.0], 1, 8, rewards) is None


def test_a_derivative_that_underflows_is_reported_as_undefined():
    for target in (0, 1):
        assert diagonal_ratio([1e-30, 1 - 1e-30], target, 64) is None
        assert diagonal_ratio([1e-30, 1 - 1e-30], target, 8) is not None


def test_frequencies_that_sum_to_one_up_to_rounding_are_accepted():
    assert sum([0.1] * 10) != 1
    assert diagonal_ratio([0.1] * 10, 3, 8) == diagonal_ratio(np.full(10, 0.1), 3, 8)


# --- from samples ---------------------------------------------------------------------------


def test_votes_become_frequencies_with_all_correct_samples_as_the_target():
    votes = ["1/2", "3", None, "0.5", "3", "7", None, "1/2"]
    correct = [True, False, True, True, False, False, False, True]
    expected = diagonal_ratio([3 / 8, 2 / 8, 1 / 8], 0, 5, no_answer=2 / 8)
    assert vote_ratio(votes, correct, 5) == pytest.approx(expected, rel=1e-14)
    assert vote_ratio(["3", None], [True, False], 8) == pytest.approx(2**7)
    # undefined where all are right, or none is
    assert vote_ratio(["3", "3"], [True, True], 8) is None
    assert vote_ratio(["4", None], [False, True], 8) is None
    assert vote_ratio([None, None], [False, False], 8) is None


def test_the_target_of_a_pool_is_its_best_reward_and_equal_rewards_are_one_outcome():
    assert reward_ratio([5.0, -5.0, 5.0, 1.0], 8) == pytest.approx(2**7)
    assert reward_ratio([0.0, -5.0, -5.0, 1.0], 8) == pytest.approx((4 / 3) ** 7)
    assert reward_ratio([-5.0, -5.0], 8) is None


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (diagonal_ratio, ([0.6, -0.1, 0.5], 0, 8), "negative or NaN"),
        (diagonal_ratio, ([0.6, math.nan, 0.4], 0, 8), "negative or NaN"),
        (diagonal_ratio, ([0.5, 0.3, 0.3], 0, 8, None, -0.1), "negative or NaN"),
        (diagonal_ratio, ([0.6, 0.3, 0.2], 0, 8), "sum to"),
        (diagonal_ratio, ([0.5, 0.3, 0.2 - 1e-6], 0, 8), "sum to"),
        (diagonal_ratio, ([math.inf, 0.3, 0.2], 0, 8), "sum to"),
        (diagonal_ratio, ([], 0, 8), "sum to"),
        (diagonal_ratio, (P, 0, 8, None, 0.1), "sum to"),
        (diagonal_ratio, ([P], 0, 8), "one row"),
        (diagonal_ratio, (P, 3, 8), "not one of 3"),
        (diagonal_ratio, (P, -1, 8), "not one of 3"),
        (diagonal_ratio, (P, 0, 0), "whole number"),
        (diagonal_ratio, (P, 0, 2.5), "whole number"),
        (diagonal_ratio, (P, 0, 8, [1.0, 2.0]), "for 3 answers"),
        (diagonal_ratio, (P, 0, 8, [1.0, 2.0, math.nan]), "finite"),
        (diagonal_ratio, (P, 0, 8, [1.0, 2.0, math.inf]), "finite"),
        (vote_ratio, ([], [], 8), "0 votes and 0 correctness flags"),
        (vote_ratio, (["3"], [True, False], 8), "1 votes and 2 correctness flags"),
        (vote_ratio, (["3", math.nan], [True, False], 8), "a vote is a number"),
        (reward_ratio, ([], 8), "no rewards"),
        (reward_ratio, ([1.0, math.nan], 8), "rewards must be finite"),
    ],
)
def test_what_is_no_distribution_target_budget_vote_or_reward_is_refused(
    function, arguments, message
):
    with pytest.raises(ValueError, match=message):
        function(*arguments)
