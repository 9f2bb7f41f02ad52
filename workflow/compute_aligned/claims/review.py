"""Every claim with its verdict, those on its contrasts and controls, and the paper's effects.

What tables print and the figure draws. The paper's effects are its own, from
``config/paper_reported.csv``, and never enter a verdict.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from compute_aligned.claims.evidence import AtTemperatures, Ratios
from compute_aligned.claims.paper_effects import PaperEffect, paper_effect
from compute_aligned.config.claim_rows import ClaimRow, ContrastRow
from compute_aligned.config.claims import Claim, items_of_states
from compute_aligned.config.sheets import DASH
from compute_aligned.config.study import Study
from compute_aligned.method.confidence import Confidence
from compute_aligned.method.intervals import seeds_to_decide
from compute_aligned.method.metrics import UnderStrategy, metric_of
from compute_aligned.method.verdicts import (
    ERROR_RATE,
    STATEMENTS,
    Conclusion,
    Contrast,
    Judgement,
    Verdict,
    conclude,
    holm,
    judge_together,
)
from compute_aligned.paper.reported import reported_levels


@dataclass(frozen=True)
class Measured:
    """What is measured of a claim that holds by algebra; ``found`` is None where it was not run."""

    row: ContrastRow
    name: str
    found: Ratios | None


@dataclass(frozen=True)
class Compared:
    """A contrast or control: its row and name, what this run says, and what the paper reports.

    ``against`` is what readers call the model that it is compared with. ``seeds`` is how many seeds
    would decide what is not shown; None where no number would, or something is. ``at_usual`` is the
    effect at the family's own temperature, of a control with models at their best ones.
    """

    row: ContrastRow
    name: str
    against: str
    judgement: Judgement
    seeds: int | None
    paper: PaperEffect | None
    at_usual: float | None = None

    @property
    def half_explained(self) -> bool:
        """Whether less than half of the effect is left with models at their best temperatures."""
        interval = self.judgement.interval
        if interval is None or self.at_usual is None:
            return False
        shown = self.judgement.verdict == Verdict.REPRODUCED
        return shown and abs(interval.estimate) < abs(self.at_usual) / 2

    @property
    def against_paper(self) -> bool:
        """Whether the paper's own numbers have the effect on the other side of 0."""
        if self.paper is None:
            return False
        other_side = "below" if self.paper.effect > 0 else "above"
        return self.paper.effect != 0 and self.row.claimed == other_side


@dataclass(frozen=True)
class Reviewed:
    """A claim: its row, its verdict, and what that rests on.

    Attributes:
        row: The claim.
        conclusion: The verdict on its contrasts; None for a claim that holds by algebra, of which
            only the size is ``measured``.
        untestable: Why this scale cannot test it; None where it can.
        states: The items that count its seeds where they can be in two states, of which intervals
            cover too little.
        p_holm: Corrected for all claims that the run judges; None where it judges none of it.
        contrasts: What has to hold for the claim.
        controls: What could overturn it.
        measured: What holds by algebra.

    """

    row: ClaimRow
    conclusion: Conclusion | None
    untestable: str | None
    states: Sequence[str]
    p_holm: float | None
    contrasts: Sequence[Compared]
    controls: Sequence[Compared]
    measured: Sequence[Measured]

    @property
    def verdict(self) -> Verdict | None:
        """The verdict; None for a claim that holds by algebra."""
        if self.conclusion is None:
            return None
        run = self.conclusion.verdict != Verdict.NOT_RUN
        return Verdict.NOT_TESTABLE if run and self.untestable else self.conclusion.verdict

    @property
    def clear(self) -> bool:
        """Whether its verdict is a statement that holds after Holm's correction for all claims."""
        stated = self.verdict in STATEMENTS
        return stated and self.p_holm is not None and self.p_holm < ERROR_RATE

    @property
    def deciding(self) -> Compared | None:
        """The contrast that the verdict hangs on."""
        return None if self.conclusion is None else self.contrasts[self.conclusion.deciding]


def review(
    study: Study,
    claims: Iterable[Claim],
    reported: pd.DataFrame,
    effects: Mapping[ContrastRow, Confidence],
    ratios: Mapping[ContrastRow, Ratios],
    swept: Mapping[ContrastRow, AtTemperatures],
) -> list[Reviewed]:
    """Judge every claim.

    Args:
        study: The scale that was run.
        claims: The claims, in order.
        reported: The paper's own numbers, as ``reported.read_reported`` gives them.
        effects: The effect of each contrast and control; those that were not run are missing.
        ratios: What was measured of claims that hold by algebra.
        swept: The effect of each control with models at their best temperatures.

    """
    every = {**effects, **{row: each.at_best for row, each in swept.items()}}
    usual = {row: each.at_usual for row, each in swept.items()}
    found = [_review(study, claim, reported, every, ratios, usual) for claim in claims]
    judged = [
        place
        for place, each in enumerate(found)
        if each.verdict not in (None, Verdict.NOT_RUN, Verdict.NOT_TESTABLE)
    ]
    p_values = [found[place].conclusion.p for place in judged]  # type: ignore[union-attr]
    for place, p_holm in zip(judged, holm(p_values).tolist(), strict=True):
        found[place] = replace(found[place], p_holm=p_holm)
    return found


def _review(
    study: Study,
    claim: Claim,
    reported: pd.DataFrame,
    effects: Mapping[ContrastRow, Confidence],
    ratios: Mapping[ContrastRow, Ratios],
    at_usual: Mapping[ContrastRow, float],
) -> Reviewed:
    """One claim, not yet corrected for the others."""
    levels = reported_levels(reported, claim.row.reported)

    def compared(rows: Sequence[ContrastRow], judgements: Sequence[Judgement]) -> list[Compared]:
        return [
            Compared(
                row,
                contrast_name(row, study.labels(row.family)),
                study.labels(row.family).get(row.against, row.against),
                judgement,
                _seeds(row, judgement, effects.get(row), sum(row in effects for row in rows)),
                paper_effect(claim.row, row, levels),
                at_usual.get(row),
            )
            for row, judgement in zip(rows, judgements, strict=True)
        ]

    def contrasts_of(rows: Sequence[ContrastRow]) -> list[Contrast]:
        return [Contrast(row.claimed, effects.get(row), row.band) for row in rows]

    rows, algebra = (
        [row for row in claim.rows if row.role == role] for role in ("contrast", "algebra")
    )
    controls = [row for row in claim.rows if row.is_control]
    conclusion = conclude(contrasts_of(rows)) if rows else None
    return Reviewed(
        row=claim.row,
        conclusion=conclusion,
        untestable=_untestable(study, claim),
        states=items_of_states(study, claim),
        p_holm=None,
        contrasts=compared(rows, conclusion.judgements) if conclusion else [],
        controls=compared(controls, judge_together(contrasts_of(controls))),
        measured=[
            Measured(row, contrast_name(row, study.labels(row.family)), ratios.get(row))
            for row in algebra
        ],
    )


def _seeds(
    row: ContrastRow, judgement: Judgement, effect: Confidence | None, of: int
) -> int | None:
    """How many seeds would decide one of so many contrasts that is not shown."""
    if judgement.verdict != Verdict.NOT_SHOWN or effect is None:
        return None
    level = 1 - ERROR_RATE / of
    return seeds_to_decide(effect, row.band, row.direction == "equal", level)


def _untestable(study: Study, claim: Claim) -> str | None:
    """Why a scale's families cannot test a claim; None where they can."""
    if claim.row.needs == DASH:
        return None
    for family in dict.fromkeys(row.family for row in claim.rows):
        experiment = study.experiments.get(family)
        if experiment is not None and experiment.settings.problems.target != "solution":
            return f"{family} learns bare answers, and the claim is about worked solutions"
    return None


def contrast_name(row: ContrastRow, labels: Mapping[str, str]) -> str:
    """What is subtracted from what: ``Pass@4 − Cross-entropy, pass@64``.

    Args:
        row: The contrast.
        labels: Model id to what a reader sees; a model without one keeps its id.

    """
    sides = [labels.get(branch, branch) for branch in row.models]
    if row.level is not None:
        sides.append(f"{row.level:g}")
    at = ", best temperatures" if row.of_temperatures else ""
    return f"{' − '.join(sides)}, {metric_name(row)}{at}"


def metric_name(row: ContrastRow) -> str:
    """The metric at its budget."""
    if row.metric == "rho":
        return f"rho at n = {row.budget}"
    metric = metric_of(row.metric)
    at = metric.at(row.budget)
    return f"under {at}" if isinstance(metric, UnderStrategy) else at
