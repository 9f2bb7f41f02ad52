"""Every claim with its verdict, those on its contrasts and controls, and the paper's effects.

What tables print and the figure draws. The paper's effects are its own, from
``config/paper_reported.csv``, and never enter a verdict.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd

from compute_aligned.claims.evidence import Ratios
from compute_aligned.config.claims import Claim
from compute_aligned.config.sheets import ClaimRow, ContrastRow
from compute_aligned.config.study import Study
from compute_aligned.method.confidence import Confidence
from compute_aligned.method.metrics import UnderStrategy, metric_of
from compute_aligned.method.verdicts import (
    ERROR_RATE,
    Conclusion,
    Judgement,
    Verdict,
    conclude,
    holm,
    judge,
)
from compute_aligned.paper.reported import reported_levels

Row = TypeVar("Row")
NORMAL_95 = 1.959964  # half of a normal 95% interval, in standard errors
STATEMENTS = (Verdict.REPRODUCED, Verdict.CONTRADICTED)  # what a correction can take back


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


@dataclass(frozen=True)
class Measured:
    """What is measured of a claim that holds by algebra; ``found`` is None where it was not run."""

    row: ContrastRow
    name: str
    found: Ratios | None


@dataclass(frozen=True)
class Compared:
    """A contrast or control: its row and name, what this run says, and what the paper reports.

    ``p_holm`` is corrected for all contrasts and controls that the run judges; None if not run.
    """

    row: ContrastRow
    name: str
    judgement: Judgement
    p_holm: float | None
    paper: PaperEffect | None

    @property
    def clear(self) -> bool:
        """Whether its verdict is a statement that holds after Holm's correction."""
        return _clear(self.judgement.verdict, self.p_holm)


@dataclass(frozen=True)
class Reviewed:
    """A claim: its row, its verdict, and what that rests on.

    ``conclusion`` is None for a claim that holds by algebra, of which only the size is
    ``measured``. ``p_holm`` is corrected for all claims that the run judges.
    """

    row: ClaimRow
    conclusion: Conclusion | None
    p_holm: float | None
    contrasts: Sequence[Compared]
    controls: Sequence[Compared]
    measured: Sequence[Measured]

    @property
    def clear(self) -> bool:
        """Whether its verdict is a statement that holds after Holm's correction."""
        return self.conclusion is not None and _clear(self.conclusion.verdict, self.p_holm)

    @property
    def deciding(self) -> Compared | None:
        """The contrast that the verdict hangs on."""
        return None if self.conclusion is None else self.contrasts[self.conclusion.deciding]


def _clear(verdict: Verdict, p_holm: float | None) -> bool:
    return verdict in STATEMENTS and p_holm is not None and p_holm < ERROR_RATE


def review(
    study: Study,
    claims: Iterable[Claim],
    reported: pd.DataFrame,
    effects: Mapping[ContrastRow, Confidence],
    ratios: Mapping[ContrastRow, Ratios],
) -> list[Reviewed]:
    """Judge every claim.

    Args:
        study: The scale that was run.
        claims: The claims, in order.
        reported: The paper's own numbers, as ``reported.read_reported`` gives them.
        effects: The effect of each contrast and control; those that were not run are missing.
        ratios: What was measured of claims that hold by algebra.

    """
    claims = list(claims)
    rows = [row for claim in claims for row in claim.rows if row.role != "algebra"]
    judgements = {row: judge(row.claimed, effects.get(row)) for row in rows}
    run = {row: each for row, each in judgements.items() if each.verdict != Verdict.NOT_RUN}
    adjusted = _adjusted(run)
    conclusions = {
        claim.row: conclude([judgements[row] for row in claim.rows if row.role == "contrast"])
        for claim in claims
        if not claim.by_algebra
    }
    decided = {row: each for row, each in conclusions.items() if each.verdict != Verdict.NOT_RUN}
    adjusted_claims = _adjusted(decided)
    reviewed = []
    for claim in claims:
        levels = reported_levels(reported, claim.row.reported)
        compared = [
            Compared(
                row,
                contrast_name(row, study.labels(row.family)),
                judgements[row],
                adjusted.get(row),
                paper_effect(claim.row, row, levels),
            )
            for row in claim.rows
            if row.role != "algebra"
        ]
        reviewed.append(
            Reviewed(
                row=claim.row,
                conclusion=conclusions.get(claim.row),
                p_holm=adjusted_claims.get(claim.row),
                contrasts=[each for each in compared if each.row.role == "contrast"],
                controls=[each for each in compared if each.row.role == "control"],
                measured=[
                    Measured(row, contrast_name(row, study.labels(row.family)), ratios.get(row))
                    for row in claim.rows
                    if row.role == "algebra"
                ],
            )
        )
    return reviewed


def contrast_name(row: ContrastRow, labels: Mapping[str, str]) -> str:
    """What is subtracted from what: ``Pass@4 − Cross-entropy, pass@64``.

    Args:
        row: The contrast.
        labels: Model id to what a reader sees; a model without one keeps its id.

    """
    sides = [labels.get(branch, branch) for branch in row.models]
    if row.level is not None:
        sides.append(f"{row.level:g}")
    return f"{' − '.join(sides)}, {metric_name(row)}"


def metric_name(row: ContrastRow) -> str:
    """The metric at its budget."""
    match row.metric:
        case "aggregation_gain@k":
            return f"maj@{row.budget} − pass@1"
        case "rho":
            return f"rho at n = {row.budget}"
        case name:
            metric = metric_of(name)
            at = metric.at(row.budget)
            return f"under {at}" if isinstance(metric, UnderStrategy) else at


def _adjusted(judged: Mapping[Row, Judgement] | Mapping[Row, Conclusion]) -> dict[Row, float]:
    """Holm's p-values of everything that a run judges."""
    adjusted = holm([each.p for each in judged.values()])
    return dict(zip(judged, adjusted.tolist(), strict=True))


# --- the paper's effects --------------------------------------------------------------------


def paper_effect(
    claim: ClaimRow, row: ContrastRow, levels: Mapping[tuple[str, str, int], float]
) -> PaperEffect | None:
    """The effect of a contrast in the paper's own numbers; None where it lacks one of them.

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
    sides = [_paper_level(row, branch, levels) for branch in row.models]
    found = [side for side in sides if side is not None]
    if len(found) < len(sides):
        return None
    effect = found[0] - (found[1] if row.level is None else row.level)
    num_problems = claim.num_paper_problems
    if num_problems is None or row.metrics != (row.metric,) or not row.is_share:
        return PaperEffect(effect, None)
    variance = sum(level * (100 - level) / num_problems for level in found)
    return PaperEffect(effect, NORMAL_95 * math.sqrt(variance))


def _paper_level(
    row: ContrastRow, branch: str, levels: Mapping[tuple[str, str, int], float]
) -> float | None:
    if row.metric != "aggregation_gain@k":
        return levels.get((branch, row.metric, row.budget))
    voted, alone = levels.get((branch, "maj@k", row.budget)), levels.get((branch, "pass@k", 1))
    return None if voted is None or alone is None else voted - alone
