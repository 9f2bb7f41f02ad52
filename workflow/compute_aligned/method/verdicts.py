"""What holds of a claim: verdicts on contrasts, on lists of them, and on many at once.

**A contrast** has a claimed direction: above 0, below 0, or equal, which means within
``EQUAL_WITHIN`` percentage points. It is *reproduced* if its 95% interval lies in the claimed
region, *contradicted* if it lies outside of it altogether, else *not shown*. Where no variation
was seen the interval has no width and shows nothing.

**A claim** is a list of contrasts that must all hold. One counter-example refutes such a list,
whatever else is missing; nothing short of all of it proves it. So the verdict is the first of these
that applies: *contradicted*, if a contrast is; *not run*, if one is; *not shown*, if one is;
*reproduced*.

**Many at once.** Of 60 contrasts without any effect three have intervals that exclude 0, so every
verdict is also given after Holm's correction (1979), which keeps the probability of *any* false
statement at 5% however the contrasts depend on each other. Among contrasts, all that a run judges
are corrected for, controls too. Among claims it is the claims that are: a claim that takes all of
its contrasts to be shown needs no correction for how many they are (an intersection-union test:
its p-value is the largest of theirs), and one that a single contrast can contradict needs it
(Bonferroni: the smallest, times their number). P-values are those of the intervals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np

from compute_aligned.method.confidence import Confidence, FloatArray, Interval
from compute_aligned.method.intervals import LEVEL, detectable_effect

Direction = Literal["above", "below", "equal"]
EQUAL_WITHIN = 2.0  # percentage points
ERROR_RATE = 1 - LEVEL  # of a two-sided statement


class Verdict(StrEnum):
    """What a run says of a contrast or of a claim."""

    REPRODUCED = "reproduced"
    CONTRADICTED = "contradicted"
    NOT_SHOWN = "not shown"
    NOT_RUN = "not run"


PRECEDENCE = (Verdict.CONTRADICTED, Verdict.NOT_RUN, Verdict.NOT_SHOWN, Verdict.REPRODUCED)


@dataclass(frozen=True)
class Judgement:
    """The verdict on a contrast, and what it rests on.

    Attributes:
        verdict: At 95%, for this contrast alone.
        interval: Of the effect; None where it was not run.
        p_claimed: One-sided p-value against "it is not as claimed".
        p_opposite: One-sided p-value against "it is as claimed, or on its edge".
        detectable: The smallest effect that the run could have seen, in the interval's unit;
            None where it was not run.

    """

    verdict: Verdict
    interval: Interval | None = None
    p_claimed: float = 1.0
    p_opposite: float = 1.0
    detectable: float | None = None

    @property
    def p(self) -> float:
        """Two-sided: of a statement either way."""
        return _two_sided(self.p_claimed, self.p_opposite)


@dataclass(frozen=True)
class Conclusion:
    """The verdict on a claim.

    Attributes:
        verdict: On all of its contrasts together.
        deciding: The place of the contrast that it hangs on: the clearest one that contradicts
            the claim, else the first that was not run, else the least clear one.
        p: Two-sided p-value of the claim; 1 where nothing was run.

    """

    verdict: Verdict
    deciding: int
    p: float


def judge(direction: Direction, effect: Confidence | None) -> Judgement:
    """The verdict on one contrast.

    Args:
        direction: Where the effect should be; ``equal`` takes percentage points.
        effect: The effect and its error; None where it was not run.

    """
    if effect is None:
        return Judgement(Verdict.NOT_RUN)
    p_claimed, p_opposite = _p_values(direction, effect)
    interval = effect.interval(LEVEL)
    return Judgement(
        _verdict(direction, interval),
        interval,
        p_claimed,
        p_opposite,
        detectable_effect((interval.high - interval.low) / 2, interval.standard_error),
    )


def _p_values(direction: Direction, effect: Confidence) -> tuple[float, float]:
    """One-sided p-values against "not as claimed" and against "as claimed"."""
    match direction:
        case "above":
            return effect.p_at_most(0.0), effect.p_at_least(0.0)
        case "below":
            return effect.p_at_least(0.0), effect.p_at_most(0.0)
        case "equal":  # two one-sided tests, which have to be passed both
            inside = effect.p_at_most(-EQUAL_WITHIN), effect.p_at_least(EQUAL_WITHIN)
            outside = effect.p_at_most(EQUAL_WITHIN), effect.p_at_least(-EQUAL_WITHIN)
            return max(inside), min(outside)


def _verdict(direction: Direction, interval: Interval) -> Verdict:
    if interval.standard_error == 0:
        return Verdict.NOT_SHOWN
    lowest, highest = {
        "above": (0.0, np.inf),
        "below": (-np.inf, 0.0),
        "equal": (-EQUAL_WITHIN, EQUAL_WITHIN),
    }[direction]
    if lowest < interval.low and interval.high < highest:
        return Verdict.REPRODUCED
    if interval.high < lowest or highest < interval.low:
        return Verdict.CONTRADICTED
    return Verdict.NOT_SHOWN


def conclude(judgements: Sequence[Judgement]) -> Conclusion:
    """The verdict on a claim from those on its contrasts, at least one.

    Raises:
        ValueError: There is none.

    """
    if not judgements:
        raise ValueError("a claim without contrasts says nothing")
    verdicts = [judgement.verdict for judgement in judgements]
    verdict = min(verdicts, key=PRECEDENCE.index)
    against = [judgement.p_opposite for judgement in judgements]
    supporting = [judgement.p_claimed for judgement in judgements]
    if verdict == Verdict.CONTRADICTED:
        deciding = int(np.argmin(against))
    elif verdict == Verdict.NOT_RUN:
        deciding = verdicts.index(verdict)
    else:
        deciding = int(np.argmax(supporting))
    num_run = len(judgements) - verdicts.count(Verdict.NOT_RUN)
    opposite = min(1.0, num_run * min(against)) if num_run else 1.0
    return Conclusion(verdict, deciding, _two_sided(max(supporting), opposite))


def _two_sided(claimed: float, opposite: float) -> float:
    return min(1.0, 2 * min(claimed, opposite))


def holm(p_values: Sequence[float]) -> FloatArray:
    """Holm's adjusted p-values: one below .05 is clear with 5% for any error among them all.

    The smallest is multiplied by their number, the next by one less, and so on; none is smaller
    than the one before it.

    Args:
        p_values: M of them, dependent in any way.

    Returns:
        Shape (M,), in the order given.

    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    factors = values.size - np.arange(values.size)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(factors * values[order]), 1.0)
    return adjusted
