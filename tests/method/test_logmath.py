import functools
import math
from fractions import Fraction

import mpmath
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from compute_aligned.method.logmath import (
    check_log_probabilities,
    elementwise_slope,
    log1mexp,
    log_beta_density,
    log_binomial_hazard,
    log_binomial_tail,
)

LOG_PROBABILITIES = st.floats(-10000.0, 0.0)
EVENTS = st.integers(1, 64).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n)))
double = functools.partial(torch.tensor, dtype=torch.float64)


@given(LOG_PROBABILITIES.filter(lambda value: value < 0))
def test_log1mexp_keeps_its_relative_precision_on_both_sides(log_p):
    with mpmath.workdps(60):
        expm1, exp = mpmath.expm1(log_p), mpmath.exp(log_p)
        expected = float(mpmath.log1p(-exp) if log_p < -1 else mpmath.log(-expm1))
    assert log1mexp(double(log_p)).item() == pytest.approx(expected, rel=1e-14, abs=5e-324)


def test_log1mexp_has_its_limits_at_both_ends():
    assert log1mexp(double([0.0, -math.inf])).tolist() == [-math.inf, 0.0]


@given(EVENTS, st.integers(1, 63).map(lambda numerator: Fraction(numerator, 64)))
def test_tail_hazard_and_density_agree_with_exact_rational_arithmetic(event, p):
    n, k = event
    points = [math.comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(n + 1)]
    tail, log_p = sum(points[k:]), double(math.log(p))
    expected = {
        log_binomial_tail: tail,
        log_binomial_hazard: points[k] / tail,
        log_beta_density: k * points[k] / p,
    }
    for function, exact in expected.items():
        assert math.exp(function(log_p, n, k)) == pytest.approx(float(exact), rel=1e-12)


@given(EVENTS, LOG_PROBABILITIES)
def test_the_tail_is_the_complement_of_the_tail_of_failures(event, log_p):
    n, k = event
    successes = log_binomial_tail(double(log_p), n, k)
    failures = log_binomial_tail(log1mexp(double(log_p)), n, n - k + 1)
    assert (successes.exp() + failures.exp()).item() == pytest.approx(1.0, abs=1e-12)


@given(EVENTS, LOG_PROBABILITIES)
def test_the_density_is_the_tail_times_its_slope_over_p(event, log_p):
    n, k = event
    x = double(log_p)
    chained = log_binomial_tail(x, n, k) + math.log(k) + log_binomial_hazard(x, n, k) - x
    assert chained.item() == pytest.approx(log_beta_density(x, n, k).item(), rel=1e-12, abs=1e-11)


def test_the_tail_has_finite_slopes_at_both_ends_and_a_curvature_between():
    log_p = double([-math.inf, -10000.0, 0.0]).requires_grad_()
    log_binomial_tail(log_p, 16, 4).sum().backward()
    assert log_p.grad.tolist() == [4.0, 4.0, 0.0]

    inside = double([-6.0, -2.5, -1.2, -0.7, -0.4, -0.2]).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda x: log_binomial_tail(x, 8, 3), inside)


def test_a_first_call_in_inference_mode_leaves_later_gradients_working():
    n, k = 137, 11  # used nowhere else, so that this call is what fills the cache
    with torch.inference_mode():
        log_binomial_tail(double(-1.0), n, k)
    log_p = double(-1.0).requires_grad_()
    (slope,) = torch.autograd.grad(log_binomial_tail(log_p, n, k), log_p, create_graph=True)
    (curvature,) = torch.autograd.grad(slope, log_p)
    assert curvature.item() < 0


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_the_slope_of_a_function_is_the_same_in_every_gradient_mode(mode):
    with mode():
        at = torch.tensor([[-2.0, -1.0], [-0.5, 0.0]])
        slope = elementwise_slope(torch.exp, at)
    assert torch.equal(slope, at.exp())
    assert not slope.requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_probabilities_from_zero_to_one_pass_the_check(dtype):
    check_log_probabilities(torch.tensor([-math.inf, -1e4, -0.0, 0.0], dtype=dtype))
    check_log_probabilities(torch.empty(0, dtype=dtype))


@pytest.mark.parametrize("bad", [1e-30, 3.0, math.inf, math.nan])
def test_what_is_no_log_probability_is_refused_with_its_value_and_count(bad):
    with pytest.raises(ValueError, match=rf"2 of 3 .* the first {bad}"):
        check_log_probabilities(double([bad, -1.0, bad]))


@pytest.mark.parametrize("dtype", [torch.int64, torch.float16, torch.bfloat16, torch.bool])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(ValueError, match=str(dtype)):
        check_log_probabilities(torch.zeros(2, dtype=dtype))
