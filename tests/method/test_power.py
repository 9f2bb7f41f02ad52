"""How many seeds would decide: ``intervals.seeds_to_decide``."""

import numpy as np
import pytest
from scipy import stats

from compute_aligned.method.confidence import mean_confidence
from compute_aligned.method.intervals import seeds_to_decide


@pytest.mark.parametrize("size", [0.7, 1.1, 1.9])
def test_the_seeds_that_decide_are_those_of_a_t_test_with_that_power(size):
    seeds_alone = mean_confidence(size + np.array([[-1.0], [0.0], [1.0]]))  # deviation 1
    found = seeds_to_decide(seeds_alone, band=0.1, is_claimed_equal=False)

    def power(seeds):
        critical = stats.t.ppf(0.975, seeds - 1)
        return stats.nct.sf(critical, seeds - 1, size * np.sqrt(seeds))

    assert power(found) >= 0.8
    assert found == 4 or power(found - 1) < 0.8


@pytest.mark.parametrize(("size", "decided"), [(0.5, True), (1.99, False), (3.0, True)])
def test_what_is_claimed_equal_is_decided_where_its_interval_crosses_no_edge(size, decided):
    known = mean_confidence(size + np.array([[-1.0], [0.0], [1.0]]))
    seeds = seeds_to_decide(known, band=2.0, is_claimed_equal=True)
    assert (seeds is not None) == decided
    half_width = stats.t.ppf(0.975, (seeds or 200) - 1) / np.sqrt(seeds or 200)
    assert (half_width < abs(2 - size)) == decided


def test_no_seeds_decide_where_the_problems_make_the_error_or_nothing_was_replicated():
    rng = np.random.default_rng(5)
    problems = np.tile(rng.standard_normal(40), (3, 1)) + 1e-3 * rng.standard_normal((3, 40))
    for outcomes in (problems, problems[:1], np.full((3, 5), 2.0)):
        assert seeds_to_decide(mean_confidence(outcomes), 0.01, is_claimed_equal=False) is None


def test_a_stricter_level_takes_more_seeds():
    known = mean_confidence(1.1 + np.array([[-1.0], [0.0], [1.0]]))
    found = [seeds_to_decide(known, 0.1, False, 1 - 0.05 / number) for number in (1, 4, 15)]
    assert found == sorted(set(found))
