"""Majority votes of k samples: who wins, and how often the winner is correct."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from compute_aligned.method.estimators import BoolArray, FloatArray, IntArray, checked_budgets

_NUMBER_BITS = np.uint64(2**11 - 1)  # of a random 64-bit integer, those that make no double

_BLOCK_NUMBERS = 2**17  # in the largest array of a block of draws


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
    budgets = checked_budgets(ks, largest=len(votes))
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
