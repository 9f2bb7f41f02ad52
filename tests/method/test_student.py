import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from compute_aligned.method.student import distribution

VALUES = np.array([-1e6, -40.0, -3.0, -1.0, -1e-3, 0.0, 1e-9, 0.5, 2.0, 12.7, 1e3, 1e8])


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 6, 9, 10, 31, 60])
def test_it_is_the_integral_of_the_density(freedom: int) -> None:
    with mpmath.workdps(40):
        f = mpmath.mpf(freedom)
        expected = [
            mpmath.betainc(f / 2, mpmath.mpf(1) / 2, 0, f / (f + mpmath.mpf(t) ** 2), True) / 2
            for t in VALUES
        ]
        expected = [float(1 - p if t > 0 else p) for t, p in zip(VALUES, expected, strict=True)]

    np.testing.assert_allclose(distribution(freedom, VALUES), expected, rtol=0, atol=2e-15)


@given(st.integers(1, 40), st.lists(st.floats(-1e5, 1e5), min_size=1, max_size=20))
def test_it_is_scipy_s_at_any_whole_degrees_of_freedom(freedom: int, values: list[float]) -> None:
    found = distribution(float(freedom), np.array(values))

    np.testing.assert_allclose(found, special.stdtr(freedom, values), rtol=0, atol=1e-13)


@pytest.mark.parametrize("freedom", [0, -1, 2.5, np.inf])
def test_other_degrees_of_freedom_are_refused(freedom: float) -> None:
    with pytest.raises(ValueError, match="whole degrees of freedom"):
        distribution(freedom, VALUES)
