"""Point estimators of test-time success: pass@k, maj@k, exact plurality, expected maximum.

Definitions are those of section 3, "Evaluation" (pass@k, maj@k) and section 4 (expected maximum)
of PAPER.md. Every estimator takes the m samples drawn once at the largest budget and answers for
any smaller budget. Interval estimates are in ``intervals.py``.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_NUMBER_BITS = np.uint64(2**11 - 1)  # of a random 64-bit integer, those that make no double
_BLOCK_NUMBERS = 2**17  # in the largest array of a block of draws


def _integers(name: str, values: ArrayLike) -> IntArray:
    array = np.asarray(values)
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name} must hold integers, got {array.dtype}")
    return array.astype(np.int64)


def _budgets(k: ArrayLike, largest: int | None = None) -> IntArray:
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
        _integers("num_samples", num_samples), _integers("num_correct", num_correct), _budgets(k)
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


@dataclass(frozen=True)
class _AnswerGroups:
    """The samples of a problem that have an answer, equal answers side by side.

    ``samples`` are indices into the m samples; group g is
    ``samples[starts[g] : starts[g] + sizes[g]]``.
    """

    samples: IntArray
    starts: IntArray
    sizes: IntArray
    correct: BoolArray


def _group_by_answer(votes: Sequence[str | None], correct: Sequence[bool]) -> _AnswerGroups:
    if len(votes) != len(correct):
        raise ValueError(f"{len(votes)} votes but {len(correct)} correctness flags")
    if len(votes) == 0:
        raise ValueError("no samples")
    groups: dict[str, list[int]] = {}
    for sample, answer in enumerate(votes):
        # Data frames turn None into NaN, which would be counted as an answer.
        if isinstance(answer, float):
            raise ValueError(f"vote {sample} is the number {answer}; expected a string or None")
        if answer is not None:
            groups.setdefault(answer, []).append(sample)
    samples = np.fromiter(chain.from_iterable(groups.values()), dtype=np.int64)
    sizes = np.fromiter(map(len, groups.values()), dtype=np.int64)
    flags = np.asarray(correct, dtype=bool)[samples]
    return _AnswerGroups(samples, np.cumsum(sizes) - sizes, sizes, flags)


def maj_at_ks(
    votes: Sequence[str | None],
    correct: Sequence[bool],
    ks: Sequence[int] | IntArray,
    num_draws: int = 500,
    seed: int = 0,
) -> FloatArray:
    """maj@k of one problem at several budgets, from the same random draws (PAPER section 3).

    A draw takes k of the m samples without replacement, in random order. The most frequent
    answer in it wins; of answers with equally many votes, the one drawn first. Unparseable
    samples stay in the pool and use up draws, but cannot win, so a draw of nothing else fails.
    The draw scores 1 if the winner is correct. A draw of k is the first k of a random permutation
    of all m, so one set of permutations serves every budget, and the curve over k is free of
    noise between its points.

    What is handed in for the winning answer is its first-drawn sample, whose flag counts. This
    matters only if a grader judges two samples of equal normalised text differently (it sees
    "2 1/2" and "21/2", say): each draw then scores what it would have handed in.

    Args:
        votes: The m extracted answers, ``None`` where a sample has none.
        correct: The m correctness flags; those of samples without an answer are not used.
        ks: The K budgets, in any order.
        num_draws: Random draws to average over.
        seed: Seed of the permutations; they depend on it, m and ``num_draws`` only.

    Returns:
        The mean score at each budget, shape (K,), float64.

    Raises:
        ValueError: If the lengths differ, there is no sample, a vote is a float (NaN for None), a
            budget is outside 1..m, or ``num_draws`` is below 1.

    """
    groups = _group_by_answer(votes, correct)
    budgets = _budgets(ks, largest=len(votes))
    if num_draws < 1:
        raise ValueError("num_draws must be at least 1")
    if groups.samples.size == 0:
        return np.zeros(budgets.shape)
    # Read as "sample i is drawn at this place": the inverse of a random permutation is one too.
    places = _permutations(seed, num_draws, len(votes)).T[groups.samples]
    # in blocks of draws that fit the processor's cache, however many samples and answers there are
    per_draw = max(groups.samples.size, len(groups.sizes) * len(budgets))
    block = max(1, _BLOCK_NUMBERS // per_draw)
    are_correct = [
        _winners_are_correct(places[:, start : start + block], groups, budgets)
        for start in range(0, num_draws, block)
    ]
    return np.concatenate(are_correct, axis=1).mean(axis=1)


def _permutations(seed: int, num_draws: int, size: int) -> NDArray[np.integer]:
    """Random permutations of ``size`` numbers, shape (D, ``size``).

    They are those of ``default_rng(seed).random((num_draws, size)).argsort(axis=1)``. A random
    double is the upper 53 of 64 random bits: the number that it belongs to fits below them, and
    sorting both together is faster than sorting indirectly.
    """
    generator = np.random.default_rng(seed)
    if size > _NUMBER_BITS + 1:
        return generator.random((num_draws, size)).argsort(axis=1)
    keys = generator.bit_generator.random_raw(num_draws * size).reshape(num_draws, size)
    keys &= ~_NUMBER_BITS
    keys |= np.arange(size, dtype=np.uint64)
    keys.sort(axis=1)
    keys &= _NUMBER_BITS
    return keys.astype(np.int16)


def _winners_are_correct(
    places: NDArray[np.integer], groups: _AnswerGroups, budgets: IntArray
) -> BoolArray:
    """Whether the winner of each draw is correct at each budget, shape (K, D).

    An answer's votes at a budget, the place of its first sample and whether that one is correct are
    put into one number, the more important in front; the winner's is the largest of all answers.

    Args:
        places: At which each sample with an answer is drawn, in the order of ``groups.samples``,
            from 0, shape (V, D).
        groups: The samples with an answer, at least one.
        budgets: K budgets.

    """
    num_groups, num_draws = len(groups.sizes), places.shape[1]
    ordered, index = np.unique(budgets, return_inverse=True)
    # samples are counted where they come in: between which two budgets, in which answer and draw
    sizes = (len(ordered) + 1, num_groups, num_draws)
    entered = np.searchsorted(ordered, np.arange(places.max() + 1), side="right")
    cells = (entered * (num_groups * num_draws)).take(places)
    cells += num_draws * np.repeat(np.arange(num_groups), groups.sizes)[:, None]
    cells += np.arange(num_draws)
    votes = np.bincount(cells.ravel(), minlength=math.prod(sizes)).reshape(sizes)[:-1]

    is_wrong = ~groups.correct[:, None]
    first = np.minimum.reduceat(2 * places + is_wrong, groups.starts, axis=0)
    one_vote = 2 * int(places.max()) + 2
    ranks = votes * one_vote
    ranks[0] += one_vote - 1 - first
    for before, after in itertools.pairwise(ranks):
        after += before
    winners = ranks.max(axis=1)
    # the lowest bit is the first sample's; without any vote the rank is that of a place alone
    return ((winners & 1 == 1) & (winners >= one_vote))[index]


def maj_at_k(
    votes: Sequence[str | None],
    correct: Sequence[bool],
    k: int,
    num_draws: int = 500,
    seed: int = 0,
) -> float:
    """maj@k of one problem: ``maj_at_ks`` at a single budget, with exactly the same value.

    Args:
        votes: The m extracted answers, ``None`` where a sample has none.
        correct: The m correctness flags.
        k: The budget, in 1..m. At k = m a draw is a permutation: ties still matter.
        num_draws: Random draws to average over.
        seed: Seed of the permutations.

    Returns:
        The share of the draws whose winner is correct.

    Raises:
        ValueError: As ``maj_at_ks``.

    """
    return float(maj_at_ks(votes, correct, [k], num_draws, seed)[0])


def plurality_correct(votes: Sequence[str | None], correct: Sequence[bool]) -> float:
    """Probability that the plurality answer of all m samples is correct, over orders of drawing.

    It is the exact value that ``maj_at_k(votes, correct, k=m)`` estimates. The first-drawn sample
    among the answers that lead is uniform over their samples, so the probability is the share of
    correct ones among these: 0 or 1 without a tie, and one over the number of leading answers if
    one of them is correct.

    Args:
        votes: The m extracted answers, ``None`` where a sample has none.
        correct: The m correctness flags.

    Returns:
        The probability; 0 if no sample has an answer.

    Raises:
        ValueError: If the lengths differ, there is no sample, or a vote is a float.

    """
    groups = _group_by_answer(votes, correct)
    if groups.samples.size == 0:
        return 0.0
    leads = np.repeat(groups.sizes == groups.sizes.max(), groups.sizes)
    return float(np.mean(groups.correct[leads]))


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
    budgets = _budgets(k)
    pools = np.sort(pools, axis=-1)
    m = pools.shape[-1]
    below = np.power.outer(np.arange(1, m) / m, budgets)
    shortfall = np.tensordot(np.diff(pools, axis=-1), below, axes=1)
    largest = pools[..., -1].reshape(pools.shape[:-1] + (1,) * budgets.ndim)
    expectation = largest - shortfall
    return float(expectation) if expectation.ndim == 0 else expectation
