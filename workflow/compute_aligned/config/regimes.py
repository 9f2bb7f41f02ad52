"""What is measured in a cell of a map: what the claims compare, and what the map's figures show.

Without pandas: Snakemake asks this module before any job, in an environment of its own.
"""

from dataclasses import dataclass

from compute_aligned.config.claim_rows import ContrastRow
from compute_aligned.config.claims import read_claims, scored_budgets
from compute_aligned.config.fingerprints import fingerprint
from compute_aligned.config.study import Study

NO_CLAIM = "-"  # of an effect that only a figure shows


@dataclass(frozen=True)
class Effect:
    """A difference that is measured in a cell: a metric of a branch minus that of another.

    Attributes:
        claim: The claim that it is a contrast of, or ``-``.
        branch: The branch.
        against: What is subtracted: a branch, or a fixed level in the metric's unit.
        metric: A metric of the family.
        k: Its budget.

    """

    claim: str
    branch: str
    against: str
    metric: str
    k: int


def effects_of(study: Study, run: str) -> list[Effect]:
    """The effects that are measured in a cell: contrasts of claims first, in the sheet's order.

    A claim's contrasts are left out where the cell lacks a branch, the metric or the budget.

    Args:
        study: A scale that is a map.
        run: The family that the cell is.

    """
    experiment, cell = study.experiment(run), study.cell(run)
    settings = experiment.settings

    def has(row: ContrastRow) -> bool:
        return (
            (row.role, row.family) == ("contrast", cell.like)
            and {*row.models} <= {*experiment.models}
            and row.metric in settings.metrics
            and row.budget in scored_budgets(row.metric, settings)
        )

    claimed = [
        Effect(row.claim, row.branch, row.against, row.metric, row.budget)
        for claim in read_claims(study.folder).values()
        for row in claim.rows
        if has(row)
    ]
    compared = {(each.branch, each.against, each.metric, each.k) for each in claimed}
    shown = dict.fromkeys(
        (branch, experiment.baseline, item.metric, k)
        for item in study.items.values()
        if item.measured and item.of_cells and run in study.families_of(item)
        for branch in experiment.branches
        for k in item.budgets
        if branch in item.branches
        and branch != experiment.baseline
        and k in scored_budgets(item.metric, settings)
    )
    return claimed + [Effect(NO_CLAIM, *each) for each in shown if each not in compared]


def cell_fingerprint(study: Study, run: str) -> str:
    """What the record of a cell depends on, besides scores and steps."""
    return fingerprint(*map(repr, effects_of(study, run)))
