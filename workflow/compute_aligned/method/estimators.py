"""Point estimators of test-time success: pass@k, maj@k, exact plurality, expected maximum.

Definitions are those of section 3, "Evaluation" (pass@k, maj@k) and section 4 (expected maximum)
of PAPER.md. Every estimator takes the m samples drawn once at the largest budget and answers for
any smaller budget. Interval estimates are in ``intervals.py``.
"""

import functools
import math
from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def _integers(name: str, values: ArrayLike) -> IntArray:
    array = np.asarray(values)
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name} must hold integers, got {array.dtype}")
    return array.astype(np.int64)


def checked_budgets(k: ArrayLike, largest: int | None = None) -> IntArray:
    """Budgets as whole numbers, seen to lie between 1 and the largest."""
    budgets = _integers("k", k)
    if np.any(budgets < 1):
        raise ValueError("every budget k must be at least 1")
    if largest is not None and np.any(budgets > largest):
        raise ValueError(f"a budget k is larger than the {largest} samples drawn")
    return budgets


# --- pass@k ---------------------------------------------------------------------------------


@overload
def pass_at_k(num_samples: int, num_correct: int, k: int) -> float: ...
@overload
def pass_at_k(num_samples: ArrayLike, num_correct: ArrayLike, k: ArrayLike) -> FloatArray: ...
def pass_at_k(num_samples: ArrayLike, num_correct: ArrayLike, k: ArrayLike) -> float | FloatArray:
    """Unbiased pass@k, ``1 - C(m-c, k) / C(m, k)`` (PAPER section 3, Evaluation).

    It is the share of the k-subsets of the m samples that hold a correct one, hence an unbiased
    estimate of ``1 - (1-p)^k``. The ratio of binomials is a product of min(c, k) factors in
    [0, 1], which keeps full accuracy where log-gamma functions lose five digits (m = 10,000).

    Args:
        num_samples: m, the samples drawn for a problem; an integer or an array of them.
        num_correct: c, how many are correct; broadcast against the others.
        k: The budget; broadcast against the others.

    Returns:
        A float for three integers, else a float64 array of the broadcast shape.

    Raises:
        ValueError: Unless 0 <= c <= m and 1 <= k <= m everywhere, all of them integers.

    """
    m, c, budget = np.broadcast_arrays(
        _integers("num_samples", num_samples),
        _integers("num_correct", num_correct),
        checked_budgets(k),
    )
    if np.any(c < 0) or np.any(c > m):
        raise ValueError("num_correct must be between 0 and num_samples")
    if np.any(budget > m):
        raise ValueError("a budget k is larger than num_samples")
    fewer, more = np.minimum(c, budget), np.maximum(c, budget)
    failure = np.ones(m.shape)
    for i in range(int(fewer.max(initial=0))):
        # Where c + k > m, the factor with m - more - i = 0 occurs and failure is impossible.
        factor = np.divide(m - more - i, m - i, out=np.ones(m.shape), where=i < fewer)
        failure *= factor
    success = 1.0 - failure
    return float(success) if success.ndim == 0 else success


# --- majority vote --------------------------------------------------------------------------


# --- k of n ---------------------------------------------------------------------------------


@functools.lru_cache(maxsize=2**14)
def k_of_n(num_samples: int, num_correct: int, n: int, k: int) -> float:
    """Unbiased estimate of P[Bin(n, p) >= k]: the share of n-subsets with k correct or more.

    Hypergeometric, in whole numbers and rounded once. At k = 1 it is pass@n.

    Args:
        num_samples: Samples m of the problem.
        num_correct: How many of them are correct.
        n: Samples that the strategy draws, at most m.
        k: Correct ones that it needs.

    Raises:
        ValueError: Not ``0 <= num_correct <= num_samples``, or not ``1 <= k <= n <= num_samples``.

    """
    if not 0 <= num_correct <= num_samples:
        raise ValueError(f"{num_correct} correct of {num_samples} samples make no sense")
    if not 1 <= k <= n <= num_samples:
        raise ValueError(f"{k} of {n} from {num_samples} samples: 1 <= k <= n <= samples is needed")
    wrong = num_samples - num_correct
    held = sum(math.comb(num_correct, j) * math.comb(wrong, n - j) for j in range(k, n + 1))
    return held / math.comb(num_samples, n)


# --- expected maximum -----------------------------------------------------------------------


@overload
def expected_max(rewards: ArrayLike, k: int) -> float | FloatArray: ...
@overload
def expected_max(rewards: ArrayLike, k: Sequence[int] | IntArray) -> FloatArray: ...
def expected_max(rewards: ArrayLike, k: ArrayLike) -> float | FloatArray:
    """Exact expected maximum of k draws with replacement from a pool (PAPER section 4).

    With the rewards sorted, P[max <= r_i] = (i/m)^k, so the expectation is the largest reward
    minus the sum over i < m of ``(r_{i+1} - r_i) (i/m)^k``. All terms have one sign: nothing
    cancels in large pools, and the result does not decrease in k.

    Args:
        rewards: A pool of m rewards, or pools of m along the last axis, shape (..., m).
        k: A budget, or an array of K of them; with replacement, k may exceed m.

    Returns:
        Shape (...) for one budget and (..., K) for an array of them; a float for one of both.

    Raises:
        ValueError: If a pool is empty, a reward is not finite, or a budget is not an integer of
            at least 1.

    """
    pools = np.asarray(rewards, dtype=np.float64)
    if pools.ndim == 0 or pools.shape[-1] == 0:
        raise ValueError("expected_max needs a pool of at least one reward")
    if not np.all(np.isfinite(pools)):
        raise ValueError("rewards must be finite")
    budgets = checked_budgets(k)
    pools = np.sort(pools, axis=-1)
    m = pools.shape[-1]
    below = np.power.outer(np.arange(1, m) / m, budgets)
    shortfall = np.tensordot(np.diff(pools, axis=-1), below, axes=1)
    largest = pools[..., -1].reshape(pools.shape[:-1] + (1,) * budgets.ndim)
    expectation = largest - shortfall
    return float(expectation) if expectation.ndim == 0 else expectation
