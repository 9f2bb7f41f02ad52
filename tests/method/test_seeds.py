import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute_aligned.method.seeds import problem_seed


@pytest.mark.parametrize("num_samples", [1, 7, 64, 1_000_000, 2**26])
@given(st.integers(0, 2**31 - 1))
def test_no_two_samples_share_a_seed_unless_their_problems_do(num_samples, seed):
    seeds = sorted({problem_seed(f"p{i}", seed, num_samples) for i in range(50)})
    assert all(later - sooner >= num_samples for sooner, later in itertools.pairwise(seeds))
    assert 0 <= seeds[0] <= seeds[-1] <= 2**32 - num_samples


def test_seeds_of_a_thousand_problems_differ_from_each_other_and_from_other_runs():
    assert len({problem_seed(f"p{i}", run, 64) for i in range(1000) for run in range(3)}) == 3000
