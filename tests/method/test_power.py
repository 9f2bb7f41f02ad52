import numpy as np
import pytest
from scipy import stats

from compute_aligned.method.confidence import mean_confidence
from compute_aligned.method.intervals import detectable_effect

REPETITIONS = 400


@pytest.mark.parametrize("freedom", [1, 2, 4, 30])
def test_the_effect_has_a_power_of_80_percent_in_a_t_test(freedom):
    critical = stats.t.ppf(0.975, freedom)
    effect = detectable_effect(0.3 * critical, 0.3)
    assert stats.nct.sf(critical, freedom, effect / 0.3) == pytest.approx(0.8, abs=1e-6)


def test_with_many_problems_and_no_seeds_it_is_the_textbook_sum_of_two_normal_quantiles():
    assert detectable_effect(1.96, 1.0) == pytest.approx(1.96 + 0.8416, abs=2e-3)


@pytest.mark.parametrize(("ratio", "freedom"), [(1.5, 1e6), (25.0, 1.0)])
def test_a_skewed_interval_takes_the_nearest_degrees_of_freedom_there_are(ratio, freedom):
    same = detectable_effect(stats.t.ppf(0.975, freedom), 1.0)
    assert detectable_effect(ratio, 1.0) == pytest.approx(same, rel=1e-6)


def test_where_nothing_varied_it_says_nothing():
    assert detectable_effect(0.0, 0.0) == 0.0


@pytest.mark.parametrize("arguments", [(-1, 1), (1, -1), (np.nan, 1), (1, 0), (0, 1)])
def test_numbers_that_belong_to_no_interval_are_refused(arguments):
    with pytest.raises(ValueError, match="half-width"):
        detectable_effect(*arguments)


@pytest.mark.parametrize("num_seeds", [3, 5])
@pytest.mark.parametrize(
    ("seed_sd", "problem_sd", "tolerance"),
    [
        pytest.param(0.2, 0.05, 0.05, id="seeds dominate"),
        pytest.param(0.001, 0.3, 0.05, id="problems dominate"),
        pytest.param(0.06, 0.3, 0.08, id="both matter"),
    ],
)
def test_four_out_of_five_runs_show_an_effect_of_that_size(
    num_seeds, seed_sd, problem_sd, tolerance
):
    rng = np.random.default_rng(5)
    data = (
        seed_sd * rng.standard_normal((REPETITIONS, num_seeds, 1))
        + problem_sd * rng.standard_normal((REPETITIONS, 1, 40))
        + 0.05 * rng.standard_normal((REPETITIONS, num_seeds, 40))
    )
    intervals = [mean_confidence(run, 150, seed=i).interval() for i, run in enumerate(data)]
    lows = np.array([interval.low for interval in intervals])
    half_width = np.mean([interval.high - interval.low for interval in intervals]) / 2
    # the two averages that a single run can only estimate; errors are those of the mean squares
    standard_error = np.sqrt(np.mean([interval.standard_error**2 for interval in intervals]))
    shrink = half_width_shrink(num_seeds) if seed_sd > problem_sd else 1.0
    effect = detectable_effect(half_width / shrink, standard_error)

    assert np.mean(lows + effect > 0) == pytest.approx(0.8, abs=tolerance)


def half_width_shrink(num_seeds):
    """How far the mean of the estimated standard errors is below the root of their mean square."""
    freedom = num_seeds - 1
    return stats.chi(freedom).mean() / np.sqrt(freedom)
