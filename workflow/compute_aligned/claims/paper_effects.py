"""The effects of contrasts in the paper's own numbers, which never enter a verdict."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from compute_aligned.config.claim_rows import ClaimRow, ContrastRow
from compute_aligned.method.metrics import AggregationGain, metric_of

NORMAL_95 = 1.959964  # half of a normal 95% interval, in standard errors


@dataclass(frozen=True)
class PaperEffect:
    """An effect as the paper's own numbers have it.

    Attributes:
        effect: The difference of two reported values, in the contrast's unit.
        error: The most that half of its 95% interval over problems can be; None where the number
            of problems is not known or the metric is no share.

    """

    effect: float
    error: float | None


def paper_effect(
    claim: ClaimRow, row: ContrastRow, levels: Mapping[tuple[str, str, int], float]
) -> PaperEffect | None:
    """The effect of a contrast in the paper's own numbers; None where it lacks one of them.

    It has none at other temperatures.

    The paper gives no intervals. Each of its shares v is a mean over P problems of values between
    0 and 1, whose variance is at most v (1 - v) / P, as if each were right or wrong. Both branches
    were measured on the same problems, which makes the error of their difference smaller than that
    of independent ones. So the error given is the largest that the problems can make; what another
    training would change is not in it.

    Args:
        claim: The claim, which says how many problems the paper has.
        row: The contrast.
        levels: As ``reported.reported_levels`` gives them.

    """
    if row.of_temperatures:
        return None
    sides = [levels.get((branch, row.metric, row.budget)) for branch in row.models]
    found = [side for side in sides if side is not None]
    if len(found) < len(sides):
        return None
    effect = found[0] - (found[1] if row.level is None else row.level)
    num_problems = claim.num_paper_problems
    binomial = row.is_share and not isinstance(metric_of(row.metric), AggregationGain)
    if num_problems is None or not binomial:
        return PaperEffect(effect, None)
    variance = sum(level * (100 - level) / num_problems for level in found)
    return PaperEffect(effect, NORMAL_95 * math.sqrt(variance))
