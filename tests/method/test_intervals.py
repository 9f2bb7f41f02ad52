from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from compute_aligned.method.estimators import expected_max
from compute_aligned.method.intervals import mean_interval, paired_interval, pool_interval

REPETITIONS = 1500
# Two standard errors of a coverage of 95% below it.
LOWEST_COVERAGE = 0.95 - 2 * np.sqrt(0.95 * 0.05 / REPETITIONS)


def normal_layout(rng, num_seeds, num_problems, seed_sd, problem_sd, interaction_sd):
    return (
        seed_sd * rng.standard_normal((num_seeds, 1))
        + problem_sd * rng.standard_normal((1, num_problems))
        + interaction_sd * rng.standard_normal((num_seeds, num_problems))
    )


def sparse_layout(rng, num_seeds, num_problems):
    """Outcomes 1, 0, -1: a tenth of the problems ever differ, each in 70% of the seeds."""
    differs = rng.random((1, num_problems)) < 0.1
    sign = np.where(rng.random((1, num_problems)) < 0.7, 1.0, -1.0)
    shows = rng.random((num_seeds, num_problems)) < 0.7
    return differs * sign * shows


def simulate(draw, truth=0.0):
    """Coverage and mean width over fresh data sets, and fresh bootstrap seeds."""
    rng = np.random.default_rng(11)
    intervals = [paired_interval(draw(rng), num_bootstrap=300, seed=i) for i in range(REPETITIONS)]
    covered = np.mean([interval.low <= truth <= interval.high for interval in intervals])
    return covered, np.mean([interval.high - interval.low for interval in intervals])


def hierarchical_percentile_covers(data, rng):
    """Whether the plain alternative covers 0: resample seeds, then problems; take percentiles."""
    num_seeds, num_problems = data.shape
    seeds = rng.integers(num_seeds, size=(300, num_seeds, 1))
    columns = rng.integers(num_problems, size=(300, 1, num_problems))
    low, high = np.quantile(data[seeds, columns].mean(axis=(1, 2)), [0.025, 0.975])
    return low <= 0 <= high


# --- coverage -------------------------------------------------------------------------------

SEEDS = {"seed_sd": 0.1, "problem_sd": 0.1, "interaction_sd": 0.1}
PROBLEMS = {"seed_sd": 0.002, "problem_sd": 0.3, "interaction_sd": 0.05}
INTERACTION = {"seed_sd": 0.0, "problem_sd": 0.0, "interaction_sd": 0.3}


def mixed_layout(num_seeds):
    """Seeds and problems contribute equally to the variance of the grand mean of 60 problems."""
    return {"seed_sd": 0.3 * np.sqrt(num_seeds / 60), "problem_sd": 0.3, "interaction_sd": 0.05}


@pytest.mark.parametrize("num_seeds", [3, 5])
def test_coverage_holds_where_seeds_dominate(num_seeds):
    covered, _ = simulate(partial(normal_layout, num_seeds=num_seeds, num_problems=60, **SEEDS))
    assert LOWEST_COVERAGE <= covered <= 0.975


@pytest.mark.parametrize("num_seeds", [3, 5])
def test_coverage_holds_and_width_is_ideal_where_problems_dominate(num_seeds):
    covered, width = simulate(
        partial(normal_layout, num_seeds=num_seeds, num_problems=60, **PROBLEMS)
    )
    assert covered >= LOWEST_COVERAGE
    ideal = 2 * stats.t.ppf(0.975, 59) * 0.3 / np.sqrt(60)
    assert ideal * 0.98 < width < ideal * 1.06


@pytest.mark.parametrize("num_seeds", [3, 5])
def test_the_interaction_is_counted_once(num_seeds):
    covered, width = simulate(
        partial(normal_layout, num_seeds=num_seeds, num_problems=60, **INTERACTION)
    )
    assert LOWEST_COVERAGE <= covered <= 0.975
    # Mean of a chi variate over its root degrees of freedom, times the exact t half-width.
    freedom = num_seeds - 1
    shrink = stats.chi(freedom).mean() / np.sqrt(freedom)
    exact = 2 * stats.t.ppf(0.975, freedom) * shrink * 0.3 / np.sqrt(60 * num_seeds)
    assert exact * 0.97 < width < exact * 1.08


@pytest.mark.parametrize("num_seeds", [3, 5])
def test_coverage_holds_where_seeds_and_problems_weigh_the_same(num_seeds):
    covered, _ = simulate(
        partial(normal_layout, num_seeds=num_seeds, num_problems=60, **mixed_layout(num_seeds))
    )
    assert covered >= LOWEST_COVERAGE


@pytest.mark.parametrize("num_seeds", [3, 5])
def test_coverage_holds_where_most_differences_are_zero(num_seeds):
    draw = partial(sparse_layout, num_seeds=num_seeds, num_problems=100)
    covered, _ = simulate(draw, truth=0.1 * 0.4 * 0.7)
    assert covered >= LOWEST_COVERAGE


def test_one_seed_covers_the_mean_over_problems():
    covered, _ = simulate(partial(normal_layout, num_seeds=1, num_problems=60, **PROBLEMS))
    assert LOWEST_COVERAGE <= covered <= 0.97


@pytest.mark.parametrize(("num_seeds", "ceiling"), [(3, 0.85), (5, 0.92)])
def test_the_plain_hierarchical_bootstrap_would_fall_short(num_seeds, ceiling):
    rng = np.random.default_rng(5)
    covered = np.mean(
        [
            hierarchical_percentile_covers(normal_layout(rng, num_seeds, 20, 0.3, 0.1, 0.1), rng)
            for _ in range(500)
        ]
    )
    assert covered < ceiling


# --- closed forms ---------------------------------------------------------------------------


@pytest.mark.parametrize("num_problems", [1, 7])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_where_only_seeds_vary_it_is_the_t_interval(num_problems, level):
    seed_means = np.array([0.02, 0.11, -0.03, 0.05])
    interval = paired_interval(np.repeat(seed_means[:, None], num_problems, axis=1), level)
    low, high = stats.ttest_1samp(seed_means, 0.0).confidence_interval(level)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-10)
    assert interval.standard_error == pytest.approx(stats.sem(seed_means))
    assert interval.sources == ("seeds" if num_problems == 1 else "problems+seeds")


@pytest.mark.parametrize("num_seeds", [1, 3])
def test_where_only_problems_vary_it_is_close_to_their_t_interval(num_seeds):
    outcomes = np.random.default_rng(4).normal(0.3, 0.2, size=40)
    interval = mean_interval(np.tile(outcomes, (num_seeds, 1)), num_bootstrap=40_000)
    low, high = stats.ttest_1samp(outcomes, 0.0).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=0.04 * (high - low))
    assert interval.standard_error == pytest.approx(stats.sem(outcomes))
    assert interval.sources == ("problems" if num_seeds == 1 else "problems+seeds")


def test_the_squared_standard_error_adds_the_two_mean_squares_less_the_interaction():
    data = normal_layout(np.random.default_rng(9), 4, 30, 0.1, 0.5, 0.2)
    seed_part = data.mean(1) - data.mean()
    problem_part = data.mean(0) - data.mean()
    residual = data - data.mean() - seed_part[:, None] - problem_part
    seed_square = 30 * np.sum(seed_part**2) / 3
    problem_square = 4 * np.sum(problem_part**2) / 29
    interaction_square = np.sum(residual**2) / (3 * 29)
    variance = (seed_square + problem_square - interaction_square) / data.size
    assert paired_interval(data).standard_error == pytest.approx(np.sqrt(variance))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_long_side_faces_the_rare_outcomes_like_the_binomial_one(sign):
    outcomes = np.zeros((1, 100))
    outcomes[0, :5] = sign
    interval = mean_interval(outcomes, num_bootstrap=40_000)
    wilson = stats.binomtest(5, 100).proportion_ci(0.95, method="wilson")
    outer, inner = sorted((interval.low, interval.high), key=abs, reverse=True)
    assert abs(outer) - 0.05 > 1.2 * (0.05 - abs(inner))
    assert abs(outer) == pytest.approx(wilson.high, abs=0.02)
    assert sign * inner > 0


# --- properties -----------------------------------------------------------------------------

layouts = st.tuples(st.integers(1, 5), st.integers(2, 12), st.integers(0, 10**6)).map(
    lambda args: normal_layout(np.random.default_rng(args[2]), args[0], args[1], 0.2, 0.2, 0.2)
)


@given(layouts, st.floats(-5, 5), st.floats(0.01, 100))
@settings(max_examples=50, deadline=None)
def test_the_interval_follows_shift_and_scale(data, shift, scale):
    interval = paired_interval(data, num_bootstrap=200)
    moved = paired_interval(scale * data + shift, num_bootstrap=200)
    for field in ("estimate", "low", "high"):
        expected = scale * getattr(interval, field) + shift
        assert getattr(moved, field) == pytest.approx(expected, abs=1e-8 * max(scale, 1))
    assert interval.low <= interval.high


@given(layouts)
@settings(max_examples=50, deadline=None)
def test_the_order_of_the_seeds_does_not_matter_and_a_higher_level_is_wider(data):
    interval = paired_interval(data, num_bootstrap=200)
    reordered = paired_interval(data[::-1], num_bootstrap=200)
    assert (interval.low, interval.high) == pytest.approx((reordered.low, reordered.high))
    wider = paired_interval(data, level=0.99, num_bootstrap=200)
    assert wider.low <= interval.low
    assert wider.high >= interval.high


def test_the_seed_fixes_the_interval():
    data = normal_layout(np.random.default_rng(0), 3, 50, 0.0, 0.3, 0.1)
    assert paired_interval(data, seed=1) == paired_interval(data, seed=1)
    assert paired_interval(data, seed=1) != paired_interval(data, seed=2)
    assert paired_interval(data) == mean_interval(data)


def test_outcomes_that_are_all_equal_have_no_width():
    interval = paired_interval(np.zeros((3, 20)))
    assert (interval.estimate, interval.low, interval.high) == (0.0, 0.0, 0.0)
    assert (interval.num_seeds, interval.num_problems) == (3, 20)


def test_means_that_agree_up_to_rounding_do_not_break_the_solver():
    data = np.array([[0.1], [0.2], [0.7]]) + np.full((1, 30), 1 / 3) * np.linspace(1, 1 + 1e-15, 30)
    interval = paired_interval(data)
    low, high = stats.ttest_1samp(data.mean(1), 0.0).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-10)


@pytest.mark.parametrize(
    ("outcomes", "options"),
    [
        (np.zeros((1, 1)), {}),
        (np.zeros(5), {}),
        (np.zeros((3, 0)), {}),
        (np.array([[0.0, np.nan]]), {}),
        (np.zeros((2, 5)), {"level": 1.0}),
        (np.zeros((2, 5)), {"num_bootstrap": 1}),
    ],
)
def test_input_that_allows_no_interval_is_refused(outcomes, options):
    with pytest.raises(ValueError, match=r"two seeds|matrix|finite|level|num_bootstrap"):
        mean_interval(outcomes, **options)


# --- pools ----------------------------------------------------------------------------------

BUDGETS = np.array([1, 4, 32])


def expected_maxima(pools):
    return expected_max(pools, BUDGETS)


def mean_and_square(pools):
    return np.stack([pools.mean(-1), (pools**2).mean(-1)], axis=-1)


def test_several_pools_give_the_t_interval_of_their_paired_statistics():
    rng = np.random.default_rng(6)
    pools, baseline = rng.normal(1, 2, size=(4, 64)), rng.normal(0, 2, size=(4, 80))
    intervals = pool_interval(expected_maxima, pools, baseline)
    differences = expected_maxima(pools) - expected_maxima(baseline)
    assert len(intervals) == len(BUDGETS)
    for interval, values in zip(intervals, differences.T, strict=True):
        low, high = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=1e-9)
        assert (interval.num_seeds, interval.sources) == (4, "samples+seeds")


def test_one_pool_gives_the_bootstrap_standard_error_of_the_mean():
    rng = np.random.default_rng(7)
    pool, baseline = rng.normal(1, 2, size=(1, 300)), rng.normal(0, 1, size=(1, 200))
    interval = pool_interval(mean_and_square, pool, baseline, num_bootstrap=4000)[0]
    exact = np.sqrt(pool.var() / 300 + baseline.var() / 200)
    assert interval.estimate == pytest.approx(pool.mean() - baseline.mean())
    assert interval.standard_error == pytest.approx(exact, rel=0.05)
    assert interval.high - interval.low == pytest.approx(2 * 1.95996398 * interval.standard_error)
    assert interval.sources == "samples"
    level = pool_interval(mean_and_square, pool, num_bootstrap=4000)[0]
    assert level.standard_error == pytest.approx(pool.std() / np.sqrt(300), rel=0.05)


@pytest.mark.parametrize("seed_sd", [0.0, 0.3])
def test_pools_of_three_seeds_cover_whether_or_not_seeds_vary(seed_sd):
    rng, covered = np.random.default_rng(8), np.zeros(len(BUDGETS))
    for _ in range(REPETITIONS):
        shifts = seed_sd * rng.standard_normal((2, 3, 1))
        pools, baseline = shifts + rng.standard_normal((2, 3, 64))
        intervals = pool_interval(expected_maxima, pools, baseline)
        covered += [interval.low <= 0.0 <= interval.high for interval in intervals]
    assert np.all(covered / REPETITIONS >= LOWEST_COVERAGE)


def test_pools_that_do_not_match_or_hold_one_sample_are_refused():
    with pytest.raises(ValueError, match="different numbers of seeds"):
        pool_interval(expected_maxima, np.zeros((3, 8)), np.zeros((2, 8)))
    with pytest.raises(ValueError, match="two samples"):
        pool_interval(expected_maxima, np.zeros((1, 1)))
