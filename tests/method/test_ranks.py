import numpy as np
import pytest
from scipy.stats import spearmanr

from compute_aligned.method.ranks import rank_correlation


def test_the_estimate_is_that_of_scipy_with_ties() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.integers(6, size=(2, 40))

    found = rank_correlation(x, y, np.arange(40))
    assert found.estimate == pytest.approx(spearmanr(x, y).statistic)
    assert found.low < found.estimate < found.high
    assert found == rank_correlation(x, y, np.arange(40))


def test_points_of_a_group_are_drawn_together() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=12)
    y = x + rng.normal(size=12)
    few = rank_correlation(np.repeat(x, 10), np.repeat(y, 10), np.repeat(np.arange(12), 10))
    alone = rank_correlation(x, y, np.arange(12))

    # ten copies of a point say no more than the point
    assert few.high - few.low == pytest.approx(alone.high - alone.low, rel=0.1)


@pytest.mark.parametrize(
    ("y", "groups", "estimate"),
    [([1, 1, 1, 1, 1, 1], [1, 2, 3, 4, 5, 6], None), ([1, 2, 3, 4, 5, 6], [1, 1, 2, 2, 3, 4], 1)],
)
def test_what_cannot_be_said_is_missing(
    y: list[float], groups: list[int], estimate: float | None
) -> None:
    found = rank_correlation([1, 2, 3, 4, 5, 6], y, groups)

    assert np.isnan([found.low, found.high]).all()
    assert np.isnan(found.estimate) if estimate is None else found.estimate == estimate
