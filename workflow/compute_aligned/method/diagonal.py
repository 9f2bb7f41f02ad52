"""The diagonal diagnostic: how much the scalar update leaves out (PAPER section 7, figures 9, 10).

Let S(p) be the probability that the target t wins when n outcomes are drawn from a finite
distribution p. With ``a_j = dS/dp_j = n * P[t wins | one draw is forced to be j]``, the scalar
update keeps ``a = a_t`` alone. Raising p_t makes the others decay in proportion, which takes back
``C = sum over j != t of p_j a_j / (1 - p_t)``: the whole derivative is a - C, and the diagnostic is
``rho = a / (a - C)``.

The paper estimates a and C by 5,000 Monte-Carlo trials; here they are exact, since all that
matters of a set of draws is how many are t. With ``w(c) = P[t wins | c of the n draws are t]`` and
K distributed as Bin(n-1, p_t),

    a = n E[w(K+1)]     C = n E[w(K)]     a - C = n E[w(K+1) - w(K)]

w never falls, from w(0) = 0 to w(n) = 1. So C >= 0, a - C > 0 and rho >= 1 for every 0 < p_t < 1:
claim C11 is algebra, and rho is undefined at p_t = 0 and p_t = 1 alone. (A Monte-Carlo estimate
also meets a - C = 0: where no trial hangs on one draw.)
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln, xlogy

FloatArray = NDArray[np.float64]

SUM_TOLERANCE = 1e-9


@dataclass(frozen=True)
class DiagonalTerms:
    """The derivative of P[t wins] in p_t, with and without what the rivals do.

    Attributes:
        own: a, with every other probability held fixed.
        cross: C >= 0, what the proportional decay of the others takes back.
        total: a - C, to full relative precision where ``own`` and ``cross`` nearly cancel.

    """

    own: float
    cross: float
    total: float

    @property
    def ratio(self) -> float | None:
        """The ratio rho = a / (a - C); None where a - C underflows to 0."""
        return 1 + self.cross / self.total if self.total > 0 else None


def diagonal_terms(
    probabilities: ArrayLike,
    target: int,
    n: int,
    rewards: ArrayLike | None = None,
    no_answer: float = 0.0,
) -> DiagonalTerms | None:
    """a, C and a - C of a target, exactly (PAPER section 7).

    Without rewards the rule is strict plurality: t wins if it has more votes than any other
    answer; ties lose. With rewards it is Best-of-N: t wins if it is drawn and every other answer
    drawn has a strictly lower reward. Drawing t twice is no tie, drawing another answer of equal
    reward is one and loses; answers that should share a win are one outcome, to be merged before.

    Args:
        probabilities: Of the A answers, shape (A,); with ``no_answer`` they sum to 1 within 1e-9.
        target: Index of t.
        n: Draws, at least 1; the work for plurality grows as A n^3.
        rewards: One an answer, finite, shape (A,); None for plurality.
        no_answer: Probability of a draw that cannot win: no rival in a vote, below every reward.

    Returns:
        The terms, or None where p_t is 0 or 1.

    Raises:
        ValueError: Probabilities or rewards are not as above or differ in length, the target is
            no index of them, or n is no whole number >= 1.

    """
    outcomes = _distribution(probabilities, no_answer)
    num_answers = outcomes.size - 1
    if not 0 <= target < num_answers:
        raise ValueError(f"target {target} is not one of {num_answers} answers")
    if not isinstance(n, int | np.integer) or n < 1:
        raise ValueError(f"n must be a whole number >= 1, not {n}")
    beaten = None if rewards is None else _beaten(rewards, target, num_answers)
    p, others = float(outcomes[target]), np.delete(outcomes, target)
    if p == 0 or not others.any():
        return None
    if beaten is None:
        return _plurality_terms(p, others[:-1], others[-1], n)
    return _best_of_n_terms(p, float(others[beaten].sum()), float(others[~beaten].sum()), n)


def diagonal_ratio(
    probabilities: ArrayLike,
    target: int,
    n: int,
    rewards: ArrayLike | None = None,
    no_answer: float = 0.0,
) -> float | None:
    """The ratio rho = a / (a - C) of a target, exactly; None where undefined (PAPER section 7).

    Arguments and errors are those of :func:`diagonal_terms`.
    """
    terms = diagonal_terms(probabilities, target, n, rewards, no_answer)
    return None if terms is None else terms.ratio


def vote_ratio(votes: Sequence[str | None], correct: Sequence[bool], n: int) -> float | None:
    """The ratio rho of the correct answer in a vote of n samples of a problem (Figure 9).

    The distribution is that of the m samples. All correct samples are one answer, the target,
    however they are written: its p_t is the success probability that the scalar update sees.
    Samples without an answer use up draws and cannot win, as in maj@k; their flags are not used.

    Args:
        votes: The m extracted answers, ``None`` where a sample has none.
        correct: The m correctness flags.
        n: Votes drawn, with replacement.

    Returns:
        rho, or None where all samples are correct or none is.

    Raises:
        ValueError: Lengths differ, no sample, a vote that is a float, or no whole number n >= 1.

    """
    if len(votes) != len(correct) or len(votes) == 0:
        raise ValueError(f"{len(votes)} votes and {len(correct)} correctness flags")
    # Data frames turn None into NaN, which would be counted as an answer.
    if any(isinstance(vote, float) for vote in votes):
        raise ValueError("a vote is a number; expected strings and None")
    pairs = [pair for pair in zip(votes, correct, strict=True) if pair[0] is not None]
    rivals = Counter(vote for vote, right in pairs if not right)
    counts = np.array([len(pairs) - rivals.total(), *rivals.values()])
    unanswered = len(votes) - len(pairs)
    return diagonal_ratio(counts / len(votes), 0, n, no_answer=unanswered / len(votes))


def reward_ratio(rewards: ArrayLike, n: int) -> float | None:
    """The ratio rho of the best reward in a prompt's pool under Best-of-n (Figure 10).

    Samples of equal reward are one outcome; the target is the highest one.

    Args:
        rewards: Finite, shape (m,).
        n: Draws from the pool, with replacement.

    Returns:
        rho, or None where all rewards are equal.

    Raises:
        ValueError: If the pool is empty, a reward is not finite, or n is no whole number >= 1.

    """
    levels, counts = np.unique(np.asarray(rewards, dtype=np.float64), return_counts=True)
    if levels.size == 0:
        raise ValueError("no rewards")
    return diagonal_ratio(counts / counts.sum(), levels.size - 1, n, rewards=levels)


def _distribution(probabilities: ArrayLike, no_answer: float) -> FloatArray:
    """The checked probabilities of the answers, with that of no answer last, shape (A+1,)."""
    answers = np.asarray(probabilities, dtype=np.float64)
    if answers.ndim != 1:
        raise ValueError(f"probabilities must be one row, not of shape {answers.shape}")
    outcomes = np.append(answers, no_answer)
    if not np.all(outcomes >= 0):  # false for NaN too
        raise ValueError("a probability is negative or NaN")
    total = outcomes.sum()
    if not abs(total - 1) <= SUM_TOLERANCE:
        raise ValueError(f"the probabilities sum to {total}, not to 1")
    return outcomes


def _beaten(rewards: ArrayLike, target: int, num_answers: int) -> NDArray[np.bool_]:
    """Which of the other outcomes t wins against, no answer the last of them, shape (A,)."""
    values = np.asarray(rewards, dtype=np.float64)
    if values.shape != (num_answers,):
        raise ValueError(f"rewards of shape {values.shape} for {num_answers} answers")
    if not np.all(np.isfinite(values)):
        raise ValueError("rewards must be finite")
    return np.append(np.delete(values, target) < values[target], True)


def _best_of_n_terms(p: float, lower: float, higher: float, n: int) -> DiagonalTerms:
    """The terms of ``S = (p + lower)^n - lower^n``: no draw from above, and not all from below.

    Probabilities: ``p`` of t, ``lower`` of what it beats, ``higher`` of the rest, ties included.
    """
    none_higher = (p + lower) ** (n - 1)
    # t wins in spite of a draw forced to be lower if the n - 1 others hold it and nothing higher
    some_target = none_higher - lower ** (n - 1)
    scale = n / (lower + higher)
    return DiagonalTerms(
        own=n * none_higher,
        cross=scale * lower * some_target,
        total=scale * (higher * none_higher + lower**n),
    )


def _plurality_terms(p: float, rivals: FloatArray, no_answer: float, n: int) -> DiagonalTerms:
    """The terms as averages of w over K ~ Bin(n-1, p)."""
    rest = rivals.sum() + no_answer
    win, lose = _win_and_lose(rivals / rest, no_answer / rest, n)
    # w(c+1) - w(c) from whichever of w and 1 - w is small, so that its digits are kept
    steps = np.where(win[:-1] < 0.5, np.diff(win), -np.diff(lose))
    # binomial: the split of n-1 draws in two is that of two Poisson counts, given their sum
    split = _poisson(np.array([p, rest]) * n, n - 1)
    weights = split[0] * split[1, ::-1]
    weights *= n / weights.sum()
    return DiagonalTerms(
        own=float(weights @ win[1:]),
        cross=float(weights @ win[:-1]),
        total=float(weights @ steps),
    )


def _win_and_lose(rivals: FloatArray, no_answer: float, n: int) -> tuple[FloatArray, FloatArray]:
    """w(c) and 1 - w(c) for c = 0 ... n, each of shape (n+1,) and accurate where it is tiny.

    t wins with c votes if each rival has fewer among the n - c other draws. Poisson counts of the
    rivals, given their sum, are multinomial, and their sums are convolutions. Two are built up
    rival by rival, of positive terms only: no rival so far has reached c votes, or one has.
    ``rivals``, shape (A-1,), and ``no_answer`` are the probabilities of a draw that is not t.
    """
    win, lose = np.ones(n + 1), np.zeros(n + 1)
    win[0], lose[0] = 0.0, 1.0
    shares = np.append(no_answer, rivals[rivals > 0])
    for c in range(1, n // 2 + 1):  # with more than half of the votes t has won
        unanswered, *votes = _poisson((n - c) * shares, n - c)
        below, reached = unanswered, np.zeros_like(unanswered)
        for pmf in votes:
            at_least_c = np.append(np.zeros(c), pmf[c:])
            reached = (np.convolve(reached, pmf) + np.convolve(below, at_least_c))[: n - c + 1]
            below = np.convolve(below, pmf[:c])[: n - c + 1]
        both = below[-1] + reached[-1]
        win[c], lose[c] = below[-1] / both, reached[-1] / both
    return win, lose


def _poisson(rates: FloatArray, highest: int) -> FloatArray:
    """Probabilities of the counts 0 ... highest at R Poisson rates, shape (R, highest + 1)."""
    counts, rate = np.arange(highest + 1), rates[:, np.newaxis]
    return np.exp(xlogy(counts, rate) - rate - gammaln(counts + 1))
