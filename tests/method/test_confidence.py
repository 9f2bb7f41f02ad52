import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from compute_aligned.method.confidence import mean_confidence, pool_confidences

REPETITIONS = 2000


def layout(rng, num_seeds, num_problems, seed_sd, problem_sd, interaction_sd=0.1):
    return (
        seed_sd * rng.standard_normal((num_seeds, 1))
        + problem_sd * rng.standard_normal((1, num_problems))
        + interaction_sd * rng.standard_normal((num_seeds, num_problems))
    )


# --- p-values -------------------------------------------------------------------------------


@pytest.mark.parametrize("num_problems", [1, 9])
def test_where_only_seeds_vary_the_p_value_is_that_of_the_t_test(num_problems):
    means = np.array([0.05, 0.11, -0.02, 0.07])
    known = mean_confidence(np.repeat(means[:, None], num_problems, axis=1))
    for value in (-0.1, 0.0, 0.04, 0.2):
        above = stats.ttest_1samp(means, value, alternative="greater").pvalue
        assert known.p_at_most(value) == pytest.approx(above, abs=1e-10)
        assert known.p_at_least(value) == pytest.approx(1 - above, abs=1e-10)


def test_where_only_problems_vary_the_p_value_is_close_to_that_of_their_t_test():
    outcomes = np.random.default_rng(1).normal(0.1, 0.4, size=(1, 60))
    exact = stats.ttest_1samp(outcomes[0], 0, alternative="greater").pvalue
    assert 0.01 < exact < 0.1
    assert mean_confidence(outcomes, 40_000).p_at_most(0.0) == pytest.approx(exact, rel=0.1)


@given(st.integers(2, 5), st.integers(2, 30), st.integers(0, 10**6), st.floats(0.5, 0.9999))
def test_a_p_value_is_the_level_at_which_the_interval_ends_there(num_seeds, problems, seed, level):
    data = layout(np.random.default_rng(seed), num_seeds, problems, 0.1, 0.2)
    known = mean_confidence(data, num_bootstrap=100)
    interval = known.interval(level)
    assert known.p_at_most(interval.low) == pytest.approx((1 - level) / 2, rel=1e-6)
    assert known.p_at_least(interval.high) == pytest.approx((1 - level) / 2, rel=1e-6)


def test_draws_of_the_bootstrap_cannot_show_a_p_value_smaller_than_their_number_allows():
    far = mean_confidence(np.linspace(5, 6, 50)[None], num_bootstrap=99)
    assert far.p_at_most(0.0) == 1 / 100
    assert far.p_at_least(0.0) == 1.0


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_outcomes_that_do_not_vary_are_no_evidence(value):
    same = mean_confidence(np.full((3, 4), value))
    assert (same.p_at_most(0.0), same.p_at_least(0.0)) == (1.0, 1.0)


def test_a_pool_of_one_seed_has_a_normal_error():
    rng = np.random.default_rng(2)
    pool = rng.normal(0.2, 1, size=(1, 200))
    (known,) = pool_confidences(lambda pools: pools.mean(-1, keepdims=True), pool)
    z = known.estimate / known.standard_error
    assert known.p_at_most(0.0) == pytest.approx(stats.norm.sf(z))
    assert known.interval(0.9).low == pytest.approx(
        known.estimate - stats.norm.ppf(0.95) * known.standard_error
    )


def test_a_shift_moves_the_estimate_and_nothing_else():
    known = mean_confidence(layout(np.random.default_rng(3), 3, 20, 0.1, 0.2))
    moved, interval = known.shifted(-4.0).interval(), known.interval()
    assert (moved.low, moved.high) == pytest.approx((interval.low - 4, interval.high - 4))
    assert known.shifted(-4.0).p_at_most(-4.0) == pytest.approx(known.p_at_most(0.0))


def test_contrasts_of_the_same_problems_do_not_change_each_other():
    rng = np.random.default_rng(4)
    one, other = layout(rng, 3, 20, 0.0, 0.2), layout(rng, 3, 20, 0.0, 0.2)
    first = mean_confidence(one).interval()
    mean_confidence(other)
    assert mean_confidence(one).interval() == first


# --- coverage of the levels that a correction for many asks for -----------------------------


@pytest.mark.parametrize("num_seeds", [3, 5])
@pytest.mark.parametrize(
    "sds", [{"seed_sd": 0.1, "problem_sd": 0.1}, {"seed_sd": 0.002, "problem_sd": 0.3}]
)
def test_error_rates_hold_far_out_where_seeds_and_where_problems_dominate(num_seeds, sds):
    rng = np.random.default_rng(13)
    p_values = np.array(
        [
            mean_confidence(layout(rng, num_seeds, 60, **sds), 300, seed=i).p_at_most(0.0)
            for i in range(REPETITIONS)
        ]
    )
    for rate in (0.025, 0.005, 0.0005):
        few = stats.binom.ppf(0.999, REPETITIONS, rate)
        assert np.count_nonzero(p_values < rate) <= few
    assert np.count_nonzero(p_values < 0.025) >= 0.3 * 0.025 * REPETITIONS
