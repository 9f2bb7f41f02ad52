"""What holds of a claim: verdicts on contrasts, on lists of them, and on many claims at once.

**A contrast** has a claimed direction: above 0, below 0, or equal, which means within a band around
0. It is *reproduced* if its 95% interval lies in the claimed region and *contradicted* if it lies
outside of it altogether. One that is claimed to differ from 0 is *too small to see* if the interval
lies within the band: then the run excludes an effect of the band's size. Else it is *not shown*.
Where no variation was seen the interval has no width and shows nothing.

**A claim** is a list of contrasts that must all hold. If all intervals lie in the claimed regions
it is *reproduced*, however many they are (an intersection-union test). Short of that, of many
contrasts some would be shown, or contradicted, by chance. So each is corrected for their number,
in both directions alike, by Holm's method (1979). The claim is then the first of these that
applies: *in part*, if some contrasts are reproduced and some contradicted; *contradicted*, if one
is; *not run*, if one is; *too small to see*, if each that is not reproduced is; *not shown*.

**Many claims at once.** Of 20 claims without any effect one would be stated by chance, so each
verdict on a claim is also given after Holm's correction for all that a run judges, which keeps the
probability of *any* false statement at 5% however they depend on each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

import numpy as np

from compute_aligned.method.confidence import Confidence, FloatArray, Interval
from compute_aligned.method.intervals import LEVEL, detectable_effect

Direction = Literal["above", "below", "equal"]
ERROR_RATE = 1 - LEVEL  # of a two-sided statement


class Verdict(StrEnum):
    """What a run says of a contrast or of a claim."""

    REPRODUCED = "reproduced"
    CONTRADICTED = "contradicted"
    IN_PART = "in part"
    TOO_SMALL = "too small to see"
    NOT_SHOWN = "not shown"
    NOT_TESTABLE = "not testable here"
    NOT_RUN = "not run"


STATEMENTS = (Verdict.REPRODUCED, Verdict.CONTRADICTED, Verdict.IN_PART)  # a chance can make these


@dataclass(frozen=True, eq=False)
class Contrast:
    """An effect and where a claim has it.

    Attributes:
        direction: Where it should be.
        effect: The effect and its error; None where it was not run.
        band: What counts as equal to 0, in the effect's unit.

    """

    direction: Direction
    effect: Confidence | None
    band: float


@dataclass(frozen=True)
class Judgement:
    """The verdict on a contrast, and what it rests on.

    Attributes:
        verdict: Corrected for the contrasts that were judged with it.
        interval: Of the effect, at 95% for this contrast alone; None where it was not run.
        p_claimed: One-sided p-value against "it is not as claimed".
        p_opposite: One-sided p-value against "it is as claimed, or on its edge".
        p_holm: Two-sided, corrected for the contrasts that were judged with it.
        detectable: The smallest effect that the run could have seen, in the interval's unit;
            None where it was not run.

    """

    verdict: Verdict
    interval: Interval | None = None
    p_claimed: float = 1.0
    p_opposite: float = 1.0
    p_holm: float = 1.0
    detectable: float | None = None

    @property
    def p(self) -> float:
        """Two-sided: of a statement either way, for this contrast alone."""
        return _two_sided(self.p_claimed, self.p_opposite)


@dataclass(frozen=True)
class Conclusion:
    """The verdict on a claim.

    Attributes:
        verdict: On all of its contrasts together.
        judgements: The verdicts on them.
        deciding: The place of the contrast that it hangs on: the clearest one that contradicts
            the claim, else the first that was not run, else the least clear one.
        p: Two-sided p-value of the claim; 1 where nothing was run.

    """

    verdict: Verdict
    judgements: Sequence[Judgement]
    deciding: int
    p: float


def judge(contrast: Contrast) -> Judgement:
    """The verdict on one contrast alone."""
    effect = contrast.effect
    if effect is None:
        return Judgement(Verdict.NOT_RUN)
    p_claimed, p_opposite = _p_values(contrast.direction, effect, contrast.band)
    interval = effect.interval(LEVEL)
    return Judgement(
        _verdict(contrast, interval),
        interval,
        p_claimed,
        p_opposite,
        _two_sided(p_claimed, p_opposite),
        detectable_effect((interval.high - interval.low) / 2, interval.standard_error),
    )


def _p_values(direction: Direction, effect: Confidence, band: float) -> tuple[float, float]:
    """One-sided p-values against "not as claimed" and against "as claimed"."""
    match direction:
        case "above":
            return effect.p_at_most(0.0), effect.p_at_least(0.0)
        case "below":
            return effect.p_at_least(0.0), effect.p_at_most(0.0)
        case "equal":  # two one-sided tests, which have to be passed both
            inside = effect.p_at_most(-band), effect.p_at_least(band)
            outside = effect.p_at_most(band), effect.p_at_least(-band)
            return max(inside), min(outside)


def _verdict(contrast: Contrast, interval: Interval) -> Verdict:
    band = contrast.band
    lowest, highest = {"above": (0.0, np.inf), "below": (-np.inf, 0.0), "equal": (-band, band)}[
        contrast.direction
    ]
    if interval.standard_error > 0 and lowest < interval.low and interval.high < highest:
        return Verdict.REPRODUCED
    if interval.standard_error > 0 and (interval.high < lowest or highest < interval.low):
        return Verdict.CONTRADICTED
    return _undecided(contrast, interval)


def _undecided(contrast: Contrast, interval: Interval) -> Verdict:
    """The verdict on a contrast that is neither reproduced nor contradicted."""
    within = -contrast.band < interval.low and interval.high < contrast.band
    seen = interval.standard_error > 0 and contrast.direction != "equal"
    return Verdict.TOO_SMALL if within and seen else Verdict.NOT_SHOWN


# --- claims ---------------------------------------------------------------------------------


def conclude(contrasts: Sequence[Contrast]) -> Conclusion:
    """The verdict on a claim, and those on its contrasts, at least one.

    Raises:
        ValueError: There is none.

    """
    if not contrasts:
        raise ValueError("a claim without contrasts says nothing")
    judgements = judge_together(contrasts)
    verdict = _of_claim([judgement.verdict for judgement in judgements])
    deciding = _deciding(verdict, judgements)
    return Conclusion(verdict, judgements, deciding, _p_of(judgements))


def judge_together(contrasts: Sequence[Contrast]) -> list[Judgement]:
    """The verdicts on several contrasts, corrected for their number, in both directions alike.

    Nothing is taken back where all that were run are reproduced: that asks for more than any of
    them.
    """
    alone = [judge(contrast) for contrast in contrasts]
    if {judgement.verdict for judgement in alone} <= {Verdict.REPRODUCED, Verdict.NOT_RUN}:
        return alone
    run = [judgement.p for judgement in alone if judgement.interval is not None]
    p_holm = iter(holm(run).tolist())
    return [
        _corrected(judgement, contrast, next(p_holm)) if judgement.interval else judgement
        for judgement, contrast in zip(alone, contrasts, strict=True)
    ]


def _corrected(judgement: Judgement, contrast: Contrast, p_holm: float) -> Judgement:
    verdict, interval = judgement.verdict, judgement.interval
    if interval is not None and verdict in STATEMENTS and p_holm >= ERROR_RATE:
        verdict = _undecided(contrast, interval)
    return replace(judgement, verdict=verdict, p_holm=p_holm)


def _of_claim(verdicts: Sequence[Verdict]) -> Verdict:
    found = set(verdicts)
    if found >= {Verdict.REPRODUCED, Verdict.CONTRADICTED}:
        return Verdict.IN_PART
    for first in (Verdict.CONTRADICTED, Verdict.NOT_RUN, Verdict.NOT_SHOWN, Verdict.TOO_SMALL):
        if first in found:
            return first
    return Verdict.REPRODUCED


def _deciding(verdict: Verdict, judgements: Sequence[Judgement]) -> int:
    """The place of the contrast that the verdict on a claim hangs on."""
    if verdict in (Verdict.CONTRADICTED, Verdict.IN_PART):
        return int(np.argmin([judgement.p_opposite for judgement in judgements]))
    of_kind = [place for place, each in enumerate(judgements) if each.verdict == verdict]
    return max(of_kind, key=lambda place: judgements[place].p_claimed)


def _p_of(judgements: Sequence[Judgement]) -> float:
    """Of a claim: that of its least clear contrast, or against it that of the clearest, corrected.

    A claim takes all of its contrasts to be shown, which needs no correction for their number; one
    alone can contradict it, which does.
    """
    num_run = sum(judgement.interval is not None for judgement in judgements)
    if not num_run:
        return 1.0
    supporting = max(judgement.p_claimed for judgement in judgements)
    against = num_run * min(judgement.p_opposite for judgement in judgements)
    return _two_sided(supporting, min(1.0, against))


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
