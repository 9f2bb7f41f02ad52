import math
from fractions import Fraction

import mpmath
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from compute_aligned.method.logmath import (
    check_log_probabilities,
    elementwise_slope,
    log1mexp,
    log_beta_density,
    log_binomial_hazard,
    log_binomial_tail,
)

INFINITY = float("inf")
LOG_PROBABILITIES = st.floats(min_value=-10000.0, max_value=0.0)
EVENTS = st.integers(1, 64).flatmap(lambda n: st.tuples(st.just(n), st.integers(1, n)))


def double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def exact_tail(n: int, k: int, p: Fraction) -> Fraction:
    return sum(
        (math.comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k, n + 1)), start=Fraction(0)
    )


@given(log_p=LOG_PROBABILITIES.filter(lambda value: value < 0))
def test_log1mexp_keeps_its_relative_precision_on_both_sides(log_p: float) -> None:
    with mpmath.workdps(60):
        expected = float(mpmath.log1p(-mpmath.exp(log_p)) if log_p < -1 else mpmath_log1mexp(log_p))
    assert log1mexp(double(log_p)).item() == pytest.approx(expected, rel=1e-14, abs=5e-324)


def mpmath_log1mexp(log_p: float) -> mpmath.mpf:
    return mpmath.log(-mpmath.expm1(log_p))


def test_log1mexp_has_its_limits_at_both_ends() -> None:
    assert log1mexp(double(0.0, -INFINITY)).tolist() == [-INFINITY, 0.0]


@pytest.mark.parametrize("p", [Fraction(1, 64), Fraction(3, 8), Fraction(1, 2), Fraction(63, 64)])
@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 1), (5, 3), (5, 5), (16, 4), (40, 31)])
def test_tail_hazard_and_density_agree_with_exact_rational_arithmetic(
    n: int, k: int, p: Fraction
) -> None:
    # The fractions are powers of two over each other, so log p is their logarithm to one rounding.
    log_p = double(math.log(p))
    tail = exact_tail(n, k, p)
    point = math.comb(n, k) * p**k * (1 - p) ** (n - k)
    density = Fraction(k) * point / p

    assert math.exp(log_binomial_tail(log_p, n, k).item()) == pytest.approx(float(tail), rel=1e-12)
    hazard = math.exp(log_binomial_hazard(log_p, n, k).item())
    assert hazard == pytest.approx(float(point / tail), rel=1e-12)
    assert math.exp(log_beta_density(log_p, n, k).item()) == pytest.approx(
        float(density), rel=1e-12
    )


@settings(deadline=None)
@given(event=EVENTS, log_p=LOG_PROBABILITIES)
def test_the_tail_is_the_complement_of_the_tail_of_failures(
    event: tuple[int, int], log_p: float
) -> None:
    n, k = event
    successes = log_binomial_tail(double(log_p), n, k)
    failures = log_binomial_tail(log1mexp(double(log_p)), n, n - k + 1)
    assert (successes.exp() + failures.exp()).item() == pytest.approx(1.0, abs=1e-12)


@settings(deadline=None)
@given(event=EVENTS, log_p=LOG_PROBABILITIES)
def test_the_density_is_the_tail_times_its_slope_over_p(
    event: tuple[int, int], log_p: float
) -> None:
    n, k = event
    x = double(log_p)
    chained = log_binomial_tail(x, n, k) + math.log(k) + log_binomial_hazard(x, n, k) - x
    assert chained.item() == pytest.approx(log_beta_density(x, n, k).item(), rel=1e-12, abs=1e-11)


def test_the_tail_has_finite_slopes_at_both_ends() -> None:
    log_p = double(-INFINITY, -10000.0, 0.0).requires_grad_()
    log_binomial_tail(log_p, 16, 4).sum().backward()
    assert log_p.grad is not None
    assert log_p.grad.tolist() == [4.0, 4.0, 0.0]


def test_the_tail_of_n_successes_in_n_draws_is_exactly_n_log_p() -> None:
    log_p = double(0.0, -1e-300, -1e-14, -0.3, -10000.0, -INFINITY)
    assert torch.equal(log_binomial_tail(log_p, 7, 7), 7 * log_p)


@pytest.mark.parametrize(("n", "k"), [(1, 1), (8, 1), (8, 3), (8, 8), (64, 26)])
def test_the_slope_of_the_tail_passes_gradcheck_to_second_order(n: int, k: int) -> None:
    log_p = double(-6.0, -2.5, -1.2, -0.7, -0.4, -0.2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: log_binomial_tail(x, n, k), log_p)
    assert torch.autograd.gradgradcheck(lambda x: log_binomial_tail(x, n, k), log_p)


def test_a_first_call_in_inference_mode_leaves_later_gradients_working() -> None:
    n, k = 37, 11  # used nowhere else, so that this call is what fills the cache
    with torch.inference_mode():
        log_binomial_tail(double(-1.0), n, k)
    log_p = double(-1.0).requires_grad_()
    (slope,) = torch.autograd.grad(log_binomial_tail(log_p, n, k), log_p, create_graph=True)
    (curvature,) = torch.autograd.grad(slope, log_p)
    assert curvature.item() < 0


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad, torch.inference_mode])
def test_the_slope_of_a_function_is_the_same_in_every_gradient_mode(mode: type) -> None:
    with mode():
        at = torch.tensor([[-2.0, -1.0], [-0.5, 0.0]])
        slope = elementwise_slope(torch.exp, at)
    assert torch.equal(slope, at.exp())
    assert not slope.requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_probabilities_from_zero_to_one_pass_the_check(dtype: torch.dtype) -> None:
    check_log_probabilities(torch.tensor([-INFINITY, -1e4, -0.0, 0.0], dtype=dtype))
    check_log_probabilities(torch.empty(0, dtype=dtype))


@pytest.mark.parametrize("bad", [1e-30, 3.0, INFINITY, float("nan")])
def test_what_is_no_log_probability_is_refused_with_its_value_and_count(bad: float) -> None:
    with pytest.raises(ValueError, match=rf"2 of 3 .* the first {bad}"):
        check_log_probabilities(double(bad, -1.0, bad))


@pytest.mark.parametrize("dtype", [torch.int64, torch.float16, torch.bfloat16, torch.bool])
def test_other_dtypes_are_refused(dtype: torch.dtype) -> None:
    with pytest.raises(ValueError, match=str(dtype)):
        check_log_probabilities(torch.zeros(2, dtype=dtype))
