"""Binomial tails in log space, accurate from log p = -inf to log p = 0.

Every strategy of the paper succeeds when at least k of n independent draws do, so one event,
``Bin(n, p) >= k``, carries all of them (paper, section 1). With ``x = log p`` and ``y = log(1-p)``,

    P[Bin = k]              = C(n,k) p^k (1-p)^(n-k)
    P[Bin >= k] / P[Bin = k] = sum over j >= k of C(n,j)/C(n,k) * exp((j-k) (x-y))

Every term is positive: nothing cancels, whatever p is. The functions work in the dtype they are
given; the precision their docstrings state is that of float64.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.nn import functional

Owner = TypeVar("Owner")  # what a method belongs to
LOG_HALF = -math.log(2.0)


def check_log_probabilities(log_p: Tensor) -> None:
    """Refuse what is not the natural logarithm of a probability.

    Raises:
        ValueError: If the dtype is neither float32 nor float64, or an element is NaN or above 0.
    """
    if log_p.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"log-probabilities must be float32 or float64, not {log_p.dtype}")
    valid = log_p <= 0  # false for NaN too
    if not valid.all():
        wrong = log_p[~valid]
        raise ValueError(
            f"{wrong.numel()} of {log_p.numel()} log-probabilities are NaN or above 0, "
            f"the first {wrong[0].item()}"
        )


def elementwise_slope(function: Callable[[Tensor], Tensor], at: Tensor) -> Tensor:
    """Derivative of an elementwise function by autograd, without a graph of its own.

    Args:
        function: Maps a tensor to one of the same shape, each element on its own.
        at: Where to differentiate, any shape.

    Returns:
        A tensor of the shape and dtype of ``at``, also under ``no_grad`` and ``inference_mode``.
    """
    with torch.inference_mode(False), torch.enable_grad():
        leaf = at.clone().detach().requires_grad_()
        (slope,) = torch.autograd.grad(function(leaf).sum(), leaf)
    return slope


def log1mexp(log_p: Tensor) -> Tensor:
    """``log(1 - p)`` from ``log p``, to full relative precision on both sides of p = 1/2.

    Args:
        log_p: Natural logarithms of probabilities, any shape, each at most 0.

    Returns:
        A tensor of the same shape and dtype; ``-inf`` where ``log_p`` is 0.
    """
    return torch.where(
        log_p > LOG_HALF, torch.log(-torch.expm1(log_p)), torch.log1p(-torch.exp(log_p))
    )


def log_binomial_tail(log_p: Tensor, n: int, k: int) -> Tensor:
    """``log P[Bin(n, p) >= k]``, differentiable, with the exact slope ``k * hazard``.

    The value keeps its relative precision where the tail is near 1, and so its logarithm near 0.
    The gradient is finite everywhere, p = 0 and p = 1 included; second derivatives exist for
    0 < p < 1.

    Args:
        log_p: ``log p``, any shape, each at most 0.
        n: Draws, at least 1.
        k: Successes needed, from 1 to ``n``.

    Returns:
        A tensor of the same shape and dtype.
    """
    return _LogBinomialTail.apply(log_p, n, k)


def log_binomial_hazard(log_p: Tensor, n: int, k: int) -> Tensor:
    """``log(P[Bin(n, p) = k] / P[Bin(n, p) >= k])``: exactly k successes, given at least k.

    ``k`` times the hazard is the slope of ``log P[Bin >= k]`` in ``log p`` (paper, section 1,
    the SFT weight). It stays accurate where the hazard itself underflows.

    Args:
        log_p: ``log p``, any shape, each at most 0.
        n: Draws, at least 1.
        k: Successes, from 1 to ``n``.

    Returns:
        A tensor of the same shape and dtype, from ``-inf`` to 0.
    """
    return -_log_tail_over_head(log_p - log1mexp(log_p), n, k)


def log_beta_density(log_p: Tensor, n: int, k: int) -> Tensor:
    """Log density of Beta(k, n-k+1) at p, the slope ``dP[Bin(n, p) >= k]/dp``.

    Args:
        log_p: ``log p``, any shape, each at most 0.
        n: Draws, at least 1.
        k: Successes needed, from 1 to ``n``.

    Returns:
        A tensor of the same shape and dtype; ``-inf`` where the density is 0.
    """
    log_normaliser = math.log(k) + _log_binomial(n, k)
    return log_normaliser + _power(log_p, k - 1) + _power(log1mexp(log_p), n - k)


class _LogBinomialTail(torch.autograd.Function):
    """Pairs the accurate value with the accurate slope; autograd's own would be 0/0 at p = 1."""

    @staticmethod
    def forward(ctx: Any, log_p: Tensor, n: int, k: int) -> Tensor:
        ctx.save_for_backward(log_p)
        ctx.n, ctx.k = n, k
        log_q = log1mexp(log_p)
        log_upper = _log_tail(log_p, log_q, n, k)
        if k == n:
            return log_upper  # n log p, exact; the complement below would round it
        # The same sum with successes and failures exchanged: more than n-k failures.
        log_lower = _log_tail(log_q, log_p, n, n - k + 1)
        return torch.where(log_lower < LOG_HALF, log1mexp(log_lower), log_upper)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        (log_p,) = ctx.saved_tensors
        slope = ctx.k * torch.exp(log_binomial_hazard(log_p, ctx.n, ctx.k))
        return grad_outputs[0] * slope, None, None


def _log_tail(log_p: Tensor, log_q: Tensor, n: int, k: int) -> Tensor:
    """``log P[Bin(n, p) >= k]`` as a sum of positive terms, to absolute precision."""
    log_head = _log_binomial(n, k) + _power(log_p, k) + _power(log_q, n - k)
    return log_head + _log_tail_over_head(log_p - log_q, n, k)


def _log_tail_over_head(log_odds: Tensor, n: int, k: int) -> Tensor:
    """``log(P[Bin >= k] / P[Bin = k])`` from ``log(p / (1-p))``, infinite odds included."""
    steps, log_ratios = _tail_coefficients(n, k, log_odds.dtype, log_odds.device)
    terms = torch.addcmul(log_ratios, log_odds.unsqueeze(-1), steps)
    # The term j = k is 1 whatever the odds are; 0 times infinite odds would make it NaN.
    return torch.logsumexp(functional.pad(terms, (1, 0)), dim=-1)


def _power(log_base: Tensor, exponent: int) -> Tensor:
    """``log(base ** exponent)`` with ``0 ** 0 = 1``, where a plain product gives NaN."""
    return log_base * exponent if exponent else torch.zeros_like(log_base)


@functools.lru_cache(maxsize=4096)
def _log_binomial(n: int, k: int) -> float:
    """``log C(n, k)`` from the exact integer: lgamma would lose a digit and a half at n = 1024."""
    return math.log(math.comb(n, k))


@functools.lru_cache(maxsize=256)
def _tail_coefficients(
    n: int, k: int, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """``j - k`` and ``log C(n,j)/C(n,k)`` for j = k+1 ... n, each of shape (n-k,)."""
    steps = range(1, n - k + 1)
    log_ratios = [_log_binomial(n, k + step) - _log_binomial(n, k) for step in steps]
    # A cached inference tensor could not take part in a later backward pass.
    with torch.inference_mode(False):
        return (
            torch.tensor(steps, dtype=dtype, device=device),
            torch.tensor(log_ratios, dtype=dtype, device=device),
        )


# --- precision -------------------------------------------------------------------------------


def in_float64(
    method: Callable[[Owner, Tensor], Tensor],
) -> Callable[[Owner, Tensor], Tensor]:
    """Run a method of a strategy on checked log-probabilities, in float64 inside.

    The result comes back in the dtype of the argument, and gradients flow through both casts.

    Raises:
        ValueError: If the argument is neither float32 nor float64, or holds NaN or a value
            above 0.
    """

    @functools.wraps(method)
    def wrapper(self: Owner, log_p: Tensor) -> Tensor:
        check_log_probabilities(log_p)
        return method(self, log_p.to(torch.float64)).to(log_p.dtype)

    return wrapper
