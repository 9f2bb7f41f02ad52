import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute_aligned.method.activity import LEVELS, active_share


@given(st.lists(st.floats(0, 1), min_size=5, max_size=5), st.floats(0.01, 100))
def test_it_is_the_share_of_the_middle_nine_tenths_and_no_constant_factor_changes_it(
    weights: list[float], factor: float
) -> None:
    quantiles = np.sort(np.round(weights, 3))
    top = quantiles[-1]
    levels = np.linspace(LEVELS[0], LEVELS[-1], 40001)
    along = np.interp(levels, LEVELS, quantiles)
    brute = np.mean((0.1 * top < along) & (along < 0.9 * top))

    assert active_share(quantiles) == pytest.approx(brute, abs=3e-4)
    assert active_share(factor * quantiles) == pytest.approx(active_share(quantiles), abs=1e-6)


@pytest.mark.parametrize(
    ("quantiles", "share"),
    [
        ([1, 1, 1, 1, 1], 0),  # cross-entropy
        ([0, 0, 0, 0, 0], 0),
        ([7, 7, 7, 7, 7], 0),  # k, of a majority loss where no problem is near its threshold
        ([0.5, 0.5, 0.5, 0.5, 1], (0.2 * 0.8 + 0.7) / 0.9),
        ([0.05, 0.05, 0.95, 0.95, 1], 0.25 * 0.8 / 0.9 / 0.9),
        ([0, 0.1, 0.9, 0.9, 1], 0.25 / 0.9),
    ],
)
def test_some_batches(quantiles: list[float], share: float) -> None:
    assert active_share(quantiles) == pytest.approx(share)
    assert active_share([quantiles, [1] * 5]).tolist() == pytest.approx([share, 0])
