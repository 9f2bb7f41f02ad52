import math
from collections import Counter
from fractions import Fraction
from itertools import combinations, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_aligned.method import votes as votes_module
from compute_aligned.method.estimators import expected_max, pass_at_k
from compute_aligned.method.votes import maj_at_k, maj_at_ks, plurality_correct

# --- oracles --------------------------------------------------------------------------------


def exact_pass_at_k(m, c, k):
    return 1 - Fraction(math.comb(m - c, k), math.comb(m, k))


def winner_is_correct(votes, correct, draw):
    """Score one ordered draw of sample indices, straight from the definition."""
    valid = [i for i in draw if votes[i] is not None]
    if not valid:
        return False
    counts = Counter(votes[i] for i in valid)
    most = max(counts.values())
    return correct[next(i for i in valid if counts[votes[i]] == most)]


def exact_maj_at_k(votes, correct, k):
    draws = list(permutations(range(len(votes)), k))
    return sum(winner_is_correct(votes, correct, draw) for draw in draws) / len(draws)


def exact_expected_max(rewards, k):
    tuples = list(product(rewards, repeat=k))
    return float(sum(Fraction(max(values)) for values in tuples) / len(tuples))


# --- pass@k ---------------------------------------------------------------------------------


@pytest.mark.parametrize("m", range(1, 7))
def test_pass_at_k_is_the_share_of_subsets_that_hold_a_correct_sample(m):
    for c in range(m + 1):
        for k in range(1, m + 1):
            subsets = list(combinations(range(m), k))
            share = sum(min(subset) < c for subset in subsets) / len(subsets)
            assert pass_at_k(m, c, k) == pytest.approx(share, abs=1e-15)


@pytest.mark.parametrize("k", [1, 2, 63, 64, 100, 4999, 5000, 9999, 10_000])
def test_pass_at_k_agrees_with_fractions_for_ten_thousand_samples(k):
    m, correct = 10_000, [0, 1, 2, 17, 100, 2_500, 5_000, 9_999, 10_000]
    exact = [float(exact_pass_at_k(m, c, k)) for c in correct]
    np.testing.assert_allclose(pass_at_k(m, np.array(correct), k), exact, rtol=0, atol=1e-12)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_pass_at_k_agrees_with_fractions_anywhere(data):
    m = data.draw(st.integers(1, 400))
    c, k = data.draw(st.integers(0, m)), data.draw(st.integers(1, m))
    assert pass_at_k(m, c, k) == pytest.approx(float(exact_pass_at_k(m, c, k)), abs=1e-13)


def test_pass_at_k_broadcasts_problems_against_budgets_and_keeps_integers_scalar():
    correct, budgets = np.array([0, 3, 16]), np.array([1, 4, 16])
    table = pass_at_k(16, correct[:, None], budgets)
    assert table.dtype == np.float64
    expected = [[pass_at_k(16, int(c), int(k)) for k in budgets] for c in correct]
    np.testing.assert_array_equal(table, expected)
    assert type(pass_at_k(16, 3, 4)) is float
    assert pass_at_k(np.array([4, 8]), np.array([1, 1]), 4).tolist() == [1.0, 0.5]


@given(st.integers(2, 200), st.data())
@settings(deadline=None)
def test_pass_at_k_starts_at_the_share_correct_and_never_falls(m, data):
    c = data.draw(st.integers(0, m))
    curve = pass_at_k(m, c, np.arange(1, m + 1))
    assert curve[0] == pytest.approx(c / m)
    assert np.all(np.diff(curve) >= -1e-15)
    assert curve[-1] == (c > 0)


def test_pass_at_k_is_unbiased_for_the_binomial():
    m, k, p = 12, 5, 0.17
    weights = [math.comb(m, c) * p**c * (1 - p) ** (m - c) for c in range(m + 1)]
    mean = np.dot(weights, pass_at_k(m, np.arange(m + 1), k))
    assert mean == pytest.approx(1 - (1 - p) ** k, abs=1e-14)


@pytest.mark.parametrize(
    ("m", "c", "k"),
    [(4, 1, 5), (4, 1, 0), (4, 5, 1), (4, -1, 1), (-1, 0, 1), (0, 0, 1), (4, 1.0, 2), (4, 1, -3)],
)
def test_pass_at_k_refuses_what_is_not_a_count(m, c, k):
    with pytest.raises(ValueError, match=r"budget|num_correct|integers"):
        pass_at_k(m, c, k)


# --- maj@k ----------------------------------------------------------------------------------

SMALL_PROBLEMS = {
    "clear_majority": (["a", "a", "a", "b", "c"], [True, True, True, False, False]),
    "wrong_majority": (["b", "b", "a", "b", "a"], [False, False, True, False, True]),
    "two_way_tie": (["a", "b", "a", "b"], [True, False, True, False]),
    "all_different": (["a", "b", "c", "d", "e"], [False, True, False, False, False]),
    "mostly_unparseable": ([None, None, "a", None, "b", "a"], [False, False, True] + [False] * 3),
    "unparseable_leads": ([None, None, None, "b", "a"], [False] * 4 + [True]),
    "two_correct_texts": (["1/2", "0.5", "x", "x", None], [True, True, False, False, False]),
    "judged_both_ways": (["a", "a", "b", "a", "b"], [True, False, False, False, True]),
}


@pytest.mark.parametrize("name", SMALL_PROBLEMS)
def test_maj_at_k_agrees_with_every_ordered_draw_within_monte_carlo_error(name):
    votes, correct = SMALL_PROBLEMS[name]
    ks, num_draws = range(1, len(votes) + 1), 20_000
    exact = np.array([exact_maj_at_k(votes, correct, k) for k in ks])
    estimate = maj_at_ks(votes, correct, list(ks), num_draws=num_draws, seed=3)
    standard_error = np.sqrt(exact * (1 - exact) / num_draws)
    assert np.all(np.abs(estimate - exact) <= 4.5 * standard_error + 1e-12)


@pytest.mark.parametrize("name", SMALL_PROBLEMS)
def test_plurality_is_the_exact_value_of_maj_at_m(name):
    votes, correct = SMALL_PROBLEMS[name]
    exact = exact_maj_at_k(votes, correct, len(votes))
    assert plurality_correct(votes, correct) == pytest.approx(exact, abs=1e-12)


problems = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", "d", None]), st.booleans()), min_size=1, max_size=6
).map(lambda samples: tuple(zip(*samples, strict=True)))


@given(problems)
@settings(max_examples=60, deadline=None)
def test_plurality_agrees_with_every_order_of_drawing(problem):
    votes, correct = problem
    exact = exact_maj_at_k(votes, correct, len(votes))
    assert plurality_correct(votes, correct) == pytest.approx(exact, abs=1e-12)
    assert plurality_correct(votes[::-1], correct[::-1]) == plurality_correct(votes, correct)


@given(problems, st.integers(0, 1000), st.data())
@settings(max_examples=60, deadline=None)
def test_a_budget_has_the_same_value_alone_and_among_others(problem, seed, data):
    votes, correct = problem
    ks = data.draw(st.lists(st.integers(1, len(votes)), min_size=1, max_size=5))
    together = maj_at_ks(votes, correct, ks, num_draws=40, seed=seed)
    alone = [maj_at_k(votes, correct, k, num_draws=40, seed=seed) for k in ks]
    assert together.tolist() == alone


@given(problems, st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_names_of_the_answers_do_not_matter(problem, seed):
    votes, correct = problem
    renamed = [vote if vote is None else f"answer {ord(vote) * 7919 % 13}" for vote in votes]
    ks = range(1, len(votes) + 1)
    assert np.array_equal(
        maj_at_ks(votes, correct, ks, 30, seed), maj_at_ks(renamed, correct, ks, 30, seed)
    )


@given(problems, st.integers(0, 1000))
@settings(max_examples=60, deadline=None)
def test_flags_of_unparseable_samples_are_not_used(problem, seed):
    votes, correct = problem
    flipped = [flag ^ (vote is None) for vote, flag in zip(votes, correct, strict=True)]
    ks = range(1, len(votes) + 1)
    assert np.array_equal(
        maj_at_ks(votes, correct, ks, 30, seed), maj_at_ks(votes, flipped, ks, 30, seed)
    )


def test_the_order_of_the_samples_changes_only_monte_carlo_noise():
    rng = np.random.default_rng(0)
    votes = rng.choice(["a", "b", "c"], size=24, p=[0.4, 0.35, 0.25])
    order = rng.permutation(24)
    ks, num_draws = [1, 3, 8, 20], 20_000
    values = maj_at_ks(votes, votes == "a", ks, num_draws)
    shuffled = maj_at_ks(votes[order], votes[order] == "a", ks, num_draws)
    assert not np.array_equal(values, shuffled)
    assert np.all(np.abs(values - shuffled) < 4.5 * np.sqrt(2 * 0.25 / num_draws))


def test_maj_at_1_of_a_large_pool_is_the_share_of_correct_samples():
    votes = ["a"] * 70 + ["b"] * 38 + [None] * 20
    value = maj_at_k(votes, [vote == "a" for vote in votes], 1, num_draws=20_000)
    assert value == pytest.approx(70 / 128, abs=4.5 * 0.5 / math.sqrt(20_000))


def test_a_majority_that_cannot_be_outvoted_is_certain_and_unparseable_pools_fail():
    votes = ["a"] * 9 + ["b"] * 4
    assert maj_at_k(votes, [vote == "a" for vote in votes], 13) == 1.0
    assert maj_at_k(votes, [vote == "b" for vote in votes], 9) == 0.0
    assert maj_at_ks([None] * 5, [False] * 5, [1, 5]).tolist() == [0.0, 0.0]
    assert plurality_correct([None] * 5, [True] * 5) == 0.0


def test_unparseable_samples_use_up_draws():
    # One valid vote among four: it is drawn, and then wins, with probability k/4.
    value = maj_at_ks([None, "a", None, None], [False, True, False, False], [1, 2, 3, 4], 20_000)
    np.testing.assert_allclose(value, [0.25, 0.5, 0.75, 1.0], atol=0.016)


def test_the_seed_fixes_maj_at_k():
    votes, correct = ["a", "b"] * 20, [True, False] * 20
    assert maj_at_k(votes, correct, 7, seed=1) == maj_at_k(votes, correct, 7, seed=1)
    assert len({maj_at_k(votes, correct, 7, seed=seed) for seed in range(8)}) > 1


@pytest.mark.parametrize(
    ("votes", "correct", "k", "num_draws"),
    [
        (["a", "b"], [True], 1, 5),
        ([], [], 1, 5),
        (["a"], [True], 2, 5),
        (["a"], [True], 0, 5),
        (["a"], [True], 1, 0),
        (["a", math.nan], [True, False], 1, 5),
        (["a"], [True], 1.0, 5),
    ],
)
def test_maj_at_k_refuses_impossible_input(votes, correct, k, num_draws):
    with pytest.raises(ValueError, match=r"."):
        maj_at_k(votes, correct, k, num_draws)


@pytest.mark.parametrize("size", [1, 2, 100, 2047, 2048, 2049, 5000])
def test_permutations_are_those_of_sorted_random_numbers(size):
    expected = np.random.default_rng(11).random((30, size)).argsort(axis=1)
    np.testing.assert_array_equal(votes_module._permutations(11, 30, size), expected)


@pytest.mark.parametrize("block", [1, 100, 5000])
def test_maj_at_k_does_not_depend_on_how_many_draws_are_counted_at_a_time(block, monkeypatch):
    rng = np.random.default_rng(4)
    votes = [str(answer) if answer else None for answer in rng.integers(9, size=40)]
    correct = (rng.random(40) < 0.4).tolist()
    whole = maj_at_ks(votes, correct, [40, 3, 8], num_draws=77, seed=5)
    monkeypatch.setattr(votes_module, "_BLOCK_NUMBERS", block)
    np.testing.assert_array_equal(maj_at_ks(votes, correct, [40, 3, 8], 77, seed=5), whole)


# --- expected maximum -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "rewards", [[1.0], [3.0, -5.0], [0.25, 0.25, 2.0], [1.5, -5.0, 7.0, 1.5], [4, 8, 1, -2, 0.5]]
)
def test_expected_max_agrees_with_every_tuple(rewards):
    for k in range(1, 6):
        assert expected_max(rewards, k) == pytest.approx(exact_expected_max(rewards, k), abs=1e-13)


def test_expected_max_agrees_with_fractions_in_a_large_pool():
    rewards = np.random.default_rng(1).normal(size=2_000) * 4
    ordered, m = sorted(map(Fraction, rewards)), len(rewards)
    for k in (1, 7, 512):
        powers = [Fraction(i**k, m**k) for i in range(m + 1)]
        exact = sum(r * (powers[i + 1] - powers[i]) for i, r in enumerate(ordered))
        assert expected_max(rewards, k) == pytest.approx(float(exact), abs=1e-12)


finite_rewards = st.lists(st.floats(-20, 20), min_size=1, max_size=30)


@given(finite_rewards)
def test_expected_max_rises_from_the_mean_to_the_maximum(rewards):
    curve = expected_max(rewards, [1, 2, 3, 8, 64, 10_000])
    assert curve[0] == pytest.approx(np.mean(rewards), abs=1e-11)
    assert np.all(np.diff(curve) >= -1e-12)
    assert curve[-1] == pytest.approx(max(rewards), abs=1e-9)


@given(finite_rewards, st.integers(1, 50), st.floats(0, 5), st.floats(-10, 10), st.randoms())
def test_expected_max_ignores_order_and_follows_shift_and_scale(rewards, k, scale, shift, random):
    shuffled = random.sample(rewards, len(rewards))
    value = expected_max(rewards, k)
    assert expected_max(shuffled, k) == value
    moved = expected_max(np.array(rewards) * scale + shift, k)
    assert moved == pytest.approx(value * scale + shift, abs=1e-9)


@given(finite_rewards, st.integers(1, 50))
def test_repeating_a_pool_does_not_change_draws_with_replacement(rewards, k):
    assert expected_max(rewards * 3, k) == pytest.approx(expected_max(rewards, k), abs=1e-10)


def test_expected_max_takes_pools_along_the_last_axis_and_budgets_after_it():
    pools = np.random.default_rng(2).normal(size=(3, 4, 9))
    budgets = [1, 5]
    values = expected_max(pools, budgets)
    assert values.shape == (3, 4, 2)
    for index in np.ndindex(3, 4):
        for j, k in enumerate(budgets):
            assert values[(*index, j)] == pytest.approx(expected_max(pools[index], k), abs=1e-14)
    np.testing.assert_allclose(expected_max(pools, 5), values[..., 1], atol=1e-14)
    assert type(expected_max(pools[0, 0], 5)) is float


@pytest.mark.parametrize(
    ("rewards", "k"),
    [([1.0, math.nan], 1), ([math.inf], 1), ([], 1), (1.0, 1), ([1.0], 0), ([1.0], 1.5)],
)
def test_expected_max_refuses_bad_pools_and_budgets(rewards, k):
    with pytest.raises(ValueError, match=r"finite|at least one|at least 1|integers"):
        expected_max(rewards, k)
