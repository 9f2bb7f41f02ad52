import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from compute_aligned.method.confidence import mean_confidence
from compute_aligned.method.estimators import expected_max
from compute_aligned.method.intervals import (
    detectable_effect,
    mean_interval,
    paired_interval,
    pool_interval,
)

REPETITIONS = 1500
# Two standard errors of a coverage of 95% below it.
LOWEST_COVERAGE = 0.95 - 2 * np.sqrt(0.95 * 0.05 / REPETITIONS)


def layout(rng, num_seeds, num_problems, seed_sd, problem_sd, interaction_sd, runs=()):
    return (
        seed_sd * rng.standard_normal((*runs, num_seeds, 1))
        + problem_sd * rng.standard_normal((*runs, 1, num_problems))
        + interaction_sd * rng.standard_normal((*runs, num_seeds, num_problems))
    )


def sparse_layout(rng, num_seeds):
    """Outcomes 1, 0, -1: a tenth of 100 problems ever differ, each in 70% of the seeds."""
    differs = rng.random((1, 100)) < 0.1
    sign = np.where(rng.random((1, 100)) < 0.7, 1.0, -1.0)
    return differs * sign * (rng.random((num_seeds, 100)) < 0.7) - 0.1 * 0.4 * 0.7


def t_shrink(freedom):
    """The mean of estimated standard errors, in units of the root of their mean square."""
    return stats.chi(freedom).mean() / np.sqrt(freedom)


# --- coverage -------------------------------------------------------------------------------

# what varies: the standard deviations of seeds, of 60 problems and of their interaction
SEEDS, PROBLEMS, INTERACTION = (0.1, 0.1, 0.1), (0.002, 0.3, 0.05), (0.0, 0.0, 0.3)


@pytest.mark.parametrize(
    ("num_seeds", "sds", "highest"),
    [
        *[(num_seeds, SEEDS, 0.975) for num_seeds in (3, 5)],
        *[(num_seeds, PROBLEMS, 1.0) for num_seeds in (3, 5)],
        *[(num_seeds, INTERACTION, 0.995) for num_seeds in (3, 5)],
        *[(num_seeds, (0.3 * np.sqrt(num_seeds / 60), 0.3, 0.05), 1.0) for num_seeds in (3, 5)],
        *[(num_seeds, "sparse", 1.0) for num_seeds in (3, 5)],
        (1, PROBLEMS, 0.97),
    ],
)
def test_coverage_holds_also_far_out_and_no_interval_is_wider_than_needed(num_seeds, sds, highest):
    rng, found = np.random.default_rng(11), []
    for seed in range(REPETITIONS):
        sparse = sds == "sparse"
        data = sparse_layout(rng, num_seeds) if sparse else layout(rng, num_seeds, 60, *sds)
        found.append(mean_confidence(data, num_bootstrap=300, seed=seed))
    p_values = np.array([(known.p_at_most(0.0), known.p_at_least(0.0)) for known in found])
    covered = np.mean(p_values.min(axis=1) >= 0.025)  # where the interval of 95% holds 0
    assert LOWEST_COVERAGE <= covered <= highest

    if sds in (PROBLEMS, INTERACTION):  # the interaction is counted once
        freedom, variance, bound = 59, 0.3**2 / 60, 1.065
        if sds == INTERACTION:
            freedom, variance, bound = num_seeds - 1, variance / num_seeds, 1.08
        ends = [known.interval() for known in found]
        width = np.mean([interval.high - interval.low for interval in ends])
        exact = 2 * stats.t.ppf(0.975, freedom) * t_shrink(freedom) * np.sqrt(variance)
        assert 0.97 < width / exact < bound
    if sds in (SEEDS, PROBLEMS) and num_seeds > 1:  # as a correction for many asks for
        for rate in (0.025, 0.005, 0.0005):
            few = stats.binom.ppf(0.999, REPETITIONS, rate)
            assert np.count_nonzero(p_values[:, 0] < rate) <= few
        assert np.count_nonzero(p_values[:, 0] < 0.025) >= 0.3 * 0.025 * REPETITIONS


# --- closed forms ---------------------------------------------------------------------------


@pytest.mark.parametrize("num_problems", [1, 7])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_where_only_seeds_vary_it_is_the_t_interval(num_problems, level):
    seed_means = np.array([0.02, 0.11, -0.03, 0.05])
    interval = paired_interval(np.repeat(seed_means[:, None], num_problems, axis=1), level)
    exact = stats.ttest_1samp(seed_means, 0.0).confidence_interval(level)
    assert (interval.low, interval.high) == pytest.approx(exact, abs=1e-10)
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
    data = layout(np.random.default_rng(9), 4, 30, 0.1, 0.5, 0.2)
    seeds, problems = data.mean(1, keepdims=True) - data.mean(), data.mean(0) - data.mean()
    residual = data - data.mean() - seeds - problems
    squares = 30 * np.sum(seeds**2) / 3, 4 * np.sum(problems**2) / 29, np.sum(residual**2) / 87
    variance = (squares[0] + squares[1] - squares[2]) / data.size
    assert paired_interval(data).standard_error == pytest.approx(np.sqrt(variance))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_long_side_faces_the_rare_outcomes_like_the_binomial_one(sign):
    interval = mean_interval(np.array([[sign] * 5 + [0.0] * 95]), num_bootstrap=40_000)
    wilson = stats.binomtest(5, 100).proportion_ci(0.95, method="wilson")
    outer, inner = sorted((interval.low, interval.high), key=abs, reverse=True)
    assert abs(outer) - 0.05 > 1.2 * (0.05 - abs(inner))
    assert abs(outer) == pytest.approx(wilson.high, abs=0.02)
    assert sign * inner > 0


# --- properties -----------------------------------------------------------------------------

layouts = st.tuples(st.integers(1, 5), st.integers(2, 12), st.integers(0, 10**6)).map(
    lambda args: layout(np.random.default_rng(args[2]), args[0], args[1], 0.2, 0.2, 0.2)
)


@given(layouts, st.floats(-5, 5), st.floats(0.01, 100))
@settings(max_examples=50)
def test_it_follows_shift_and_scale_ignores_the_order_of_seeds_and_widens_with_the_level(
    data, shift, scale
):
    interval, moved, reordered = (
        paired_interval(values, num_bootstrap=200)
        for values in (data, scale * data + shift, data[::-1])
    )
    wider = paired_interval(data, level=0.99, num_bootstrap=200)
    for field in ("estimate", "low", "high"):
        expected = scale * getattr(interval, field) + shift
        assert getattr(moved, field) == pytest.approx(expected, abs=1e-8 * max(scale, 1))
    assert (interval.low, interval.high) == pytest.approx((reordered.low, reordered.high))
    assert wider.low <= interval.low <= interval.high <= wider.high


def test_the_seed_fixes_the_interval():
    data = layout(np.random.default_rng(0), 3, 50, 0.0, 0.3, 0.1)
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
    exact = stats.ttest_1samp(data.mean(1), 0.0).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx(exact, abs=1e-10)


# --- pools ----------------------------------------------------------------------------------


def maxima(pools):
    return expected_max(pools, [1, 4, 32])


def test_several_pools_give_the_t_interval_of_their_paired_statistics():
    rng = np.random.default_rng(6)
    pools, baseline = rng.normal(1, 2, size=(4, 64)), rng.normal(0, 2, size=(4, 80))
    intervals = pool_interval(maxima, pools, baseline)
    differences = maxima(pools) - maxima(baseline)
    for interval, values in zip(intervals, differences.T, strict=True):
        exact = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
        assert (interval.low, interval.high) == pytest.approx(exact, abs=1e-9)
        assert (interval.num_seeds, interval.sources) == (4, "samples+seeds")


def test_one_pool_gives_the_bootstrap_standard_error_of_the_mean():
    def mean_and_square(pools):
        return np.stack([pools.mean(-1), (pools**2).mean(-1)], axis=-1)

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
    rng, covered = np.random.default_rng(8), np.zeros(3)
    for _ in range(REPETITIONS):
        shifts = seed_sd * rng.standard_normal((2, 3, 1))
        pools, baseline = shifts + rng.standard_normal((2, 3, 64))
        intervals = pool_interval(maxima, pools, baseline)
        covered += [interval.low <= 0.0 <= interval.high for interval in intervals]
    assert np.all(covered / REPETITIONS >= LOWEST_COVERAGE)


# --- power ----------------------------------------------------------------------------------


@pytest.mark.parametrize("freedom", [1, 2, 4, 30])
def test_the_effect_has_a_power_of_80_percent_in_a_t_test(freedom):
    critical = stats.t.ppf(0.975, freedom)
    effect = detectable_effect(0.3 * critical, 0.3)
    assert stats.nct.sf(critical, freedom, effect / 0.3) == pytest.approx(0.8, abs=1e-6)


def test_the_effect_of_many_problems_is_that_of_a_normal_test_and_of_no_variation_is_0():
    assert detectable_effect(1.96, 1.0) == pytest.approx(1.96 + 0.8416, abs=2e-3)
    assert detectable_effect(0.0, 0.0) == 0.0


@pytest.mark.parametrize(("ratio", "freedom"), [(1.5, 1e6), (25.0, 1.0)])
def test_a_skewed_interval_takes_the_nearest_degrees_of_freedom_there_are(ratio, freedom):
    same = detectable_effect(stats.t.ppf(0.975, freedom), 1.0)
    assert detectable_effect(ratio, 1.0) == pytest.approx(same, rel=1e-6)


@pytest.mark.parametrize("num_seeds", [3, 5])
@pytest.mark.parametrize(
    ("seed_sd", "problem_sd", "tolerance"),
    [(0.2, 0.05, 0.05), (0.001, 0.3, 0.05), (0.06, 0.3, 0.08)],
    ids=["seeds dominate", "problems dominate", "both matter"],
)
def test_four_out_of_five_runs_show_an_effect_of_that_size(
    num_seeds, seed_sd, problem_sd, tolerance
):
    runs = layout(np.random.default_rng(5), num_seeds, 40, seed_sd, problem_sd, 0.05, runs=(400,))
    intervals = [mean_confidence(run, 150, seed=i).interval() for i, run in enumerate(runs)]
    lows = np.array([interval.low for interval in intervals])
    half_width = np.mean([interval.high - interval.low for interval in intervals]) / 2
    # the two averages that a single run can only estimate; errors are those of the mean squares
    standard_error = np.sqrt(np.mean([interval.standard_error**2 for interval in intervals]))
    shrink = t_shrink(num_seeds - 1) if seed_sd > problem_sd else 1.0
    effect = detectable_effect(half_width / shrink, standard_error)

    assert np.mean(lows + effect > 0) == pytest.approx(0.8, abs=tolerance)


# --- refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (mean_interval, (np.zeros((1, 1)),), "two seeds or two problems"),
        (mean_interval, (np.zeros(5),), r"expected a matrix .* got shape \(5,\)"),
        (mean_interval, (np.zeros((3, 0)),), "expected a matrix"),
        (mean_interval, ([[0.0, np.nan]],), "outcomes must be finite"),
        (mean_interval, (np.zeros((2, 5)), 1.0), r"level must be inside \(0, 1\), got 1.0"),
        (mean_interval, (np.zeros((2, 5)), 0.95, 1), "num_bootstrap must be at least 2"),
        (pool_interval, (maxima, np.zeros((3, 8)), np.zeros((2, 8))), "different numbers of seeds"),
        (pool_interval, (maxima, np.zeros((1, 1))), "pools of two samples"),
        *[
            (detectable_effect, numbers, "no half-width and standard error")
            for numbers in ((-1, 1), (1, -1), (np.nan, 1))
        ],
        (detectable_effect, (1, 0), "a half-width of 1 and an error of 0"),
        (detectable_effect, (0, 1), "a half-width of 0 and an error of 1"),
    ],
)
def test_what_allows_no_interval_is_refused(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)
