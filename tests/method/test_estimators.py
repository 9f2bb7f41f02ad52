import math
from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from compute_aligned.method.estimators import expected_max, k_of_n, pass_at_k

# --- pass@k and k of n ------------------------------------------------------------------------


def exact_pass_at_k(m, c, k):
    return float(1 - Fraction(math.comb(m - c, k), math.comb(m, k)))


@pytest.mark.parametrize("m", range(1, 8))
def test_they_are_the_shares_of_subsets_that_hold_correct_samples_enough(m):
    for c, n in product(range(m + 1), range(1, m + 1)):
        held = [sum(subset) for subset in combinations([1] * c + [0] * (m - c), n)]
        shares = [np.mean([correct >= k for correct in held]) for k in range(1, n + 1)]
        assert pass_at_k(m, c, n) == pytest.approx(shares[0], abs=1e-15)
        assert [k_of_n(m, c, n, k) for k in range(1, n + 1)] == pytest.approx(shares, abs=1e-15)


@pytest.mark.parametrize("k", [1, 2, 63, 64, 100, 4999, 5000, 9999, 10_000])
def test_pass_at_k_agrees_with_fractions_for_ten_thousand_samples(k):
    m, correct = 10_000, [0, 1, 2, 17, 100, 2_500, 5_000, 9_999, 10_000]
    exact = [exact_pass_at_k(m, c, k) for c in correct]
    np.testing.assert_allclose(pass_at_k(m, np.array(correct), k), exact, rtol=0, atol=1e-12)


@given(st.data())
@settings(max_examples=200)
def test_pass_at_k_agrees_with_fractions_anywhere_and_never_falls(data):
    m = data.draw(st.integers(1, 400))
    c, k = data.draw(st.integers(0, m)), data.draw(st.integers(1, m))
    curve = pass_at_k(m, c, np.arange(1, m + 1))
    assert curve[k - 1] == pytest.approx(exact_pass_at_k(m, c, k), abs=1e-13)
    assert np.all(np.diff(curve) >= -1e-15)


def test_pass_at_k_broadcasts_problems_against_budgets_and_keeps_integers_scalar():
    correct, budgets = np.array([0, 3, 16]), np.array([1, 4, 16])
    table = pass_at_k(16, correct[:, None], budgets)
    assert table.dtype == np.float64
    expected = [[pass_at_k(16, int(c), int(k)) for k in budgets] for c in correct]
    np.testing.assert_array_equal(table, expected)
    assert type(pass_at_k(16, 3, 4)) is float
    assert pass_at_k(np.array([4, 8]), np.array([1, 1]), 4).tolist() == [1.0, 0.5]


@pytest.mark.parametrize(("n", "k", "p"), [(5, 1, 0.17), (4, 1, 0.2), (8, 3, 0.4), (16, 9, 0.55)])
def test_they_are_unbiased_for_the_binomial(n, k, p):
    m = 24
    chances = stats.binom.pmf(range(m + 1), m, p)
    success = stats.binom.sf(k - 1, n, p)
    mean = sum(w * k_of_n(m, c, n, k) for c, w in enumerate(chances))
    assert mean == pytest.approx(success, rel=1e-12)
    if k == 1:
        assert chances @ pass_at_k(m, np.arange(m + 1), n) == pytest.approx(success, rel=1e-12)


# --- expected maximum -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rewards", [[1.0], [3.0, -5.0], [0.25, 0.25, 2.0], [1.5, -5.0, 7.0, 1.5], [4, 8, 1, -2, 0.5]]
)
def test_expected_max_agrees_with_every_tuple(rewards):
    for k in range(1, 6):
        exact = np.mean([max(drawn) for drawn in product(rewards, repeat=k)])
        assert expected_max(rewards, k) == pytest.approx(exact, abs=1e-13)


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
def test_expected_max_ignores_order_and_copies_and_follows_shift_and_scale(
    rewards, k, scale, shift, random
):
    value = expected_max(rewards, k)
    assert expected_max(random.sample(rewards, len(rewards)), k) == value
    assert expected_max(rewards * 3, k) == pytest.approx(value, abs=1e-10)
    moved = expected_max(np.array(rewards) * scale + shift, k)
    assert moved == pytest.approx(value * scale + shift, abs=1e-9)


def test_expected_max_takes_pools_along_the_last_axis_and_budgets_after_it():
    pools, budgets = np.random.default_rng(2).normal(size=(3, 4, 9)), [1, 5]
    values = expected_max(pools, budgets)
    assert values.shape == (3, 4, 2)
    for index in np.ndindex(3, 4):
        assert values[index] == pytest.approx([expected_max(pools[index], k) for k in budgets])
    np.testing.assert_allclose(expected_max(pools, 5), values[..., 1], atol=1e-14)
    assert type(expected_max(pools[0, 0], 5)) is float


# --- what makes no sense ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (pass_at_k, (4, 1, 5), "a budget k is larger than num_samples"),
        (pass_at_k, (0, 0, 1), "a budget k is larger than num_samples"),
        (pass_at_k, (4, 1, 0), "every budget k must be at least 1"),
        (pass_at_k, (4, 1, -3), "every budget k must be at least 1"),
        (pass_at_k, (4, 5, 1), "num_correct must be between 0 and num_samples"),
        (pass_at_k, (4, -1, 1), "num_correct must be between 0 and num_samples"),
        (pass_at_k, (-1, 0, 1), "num_correct must be between 0 and num_samples"),
        (pass_at_k, (4, 1.0, 2), "num_correct must hold integers, got float64"),
        (k_of_n, (4, 5, 2, 1), "5 correct of 4 samples make no sense"),
        (k_of_n, (4, -1, 2, 1), "-1 correct of 4 samples make no sense"),
        (k_of_n, (4, 2, 5, 1), "1 of 5 from 4 samples: 1 <= k <= n <= samples is needed"),
        (k_of_n, (4, 2, 2, 3), "3 of 2 from 4 samples: 1 <= k <= n <= samples is needed"),
        (k_of_n, (4, 2, 2, 0), "0 of 2 from 4 samples: 1 <= k <= n <= samples is needed"),
        (expected_max, ([1.0, math.nan], 1), "rewards must be finite"),
        (expected_max, ([math.inf], 1), "rewards must be finite"),
        (expected_max, ([], 1), "needs a pool of at least one reward"),
        (expected_max, (1.0, 1), "needs a pool of at least one reward"),
        (expected_max, ([1.0], 0), "every budget k must be at least 1"),
        (expected_max, ([1.0], 1.5), "k must hold integers, got float64"),
    ],
)
def test_what_makes_no_sense_is_refused(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)
