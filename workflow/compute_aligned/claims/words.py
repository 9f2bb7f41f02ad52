"""How verdicts, contrasts and effects read, in tables and in the figure alike."""

from collections.abc import Sequence

from compute_aligned.claims.review import Compared, PaperEffect, Reviewed
from compute_aligned.config.sheets import ContrastRow
from compute_aligned.method.verdicts import EQUAL_WITHIN, Verdict
from compute_aligned.paper.captions import count
from compute_aligned.paper.sheets import MISSING

BY_ALGEBRA = "holds by algebra"
# of a control: what its verdict says of the rival explanation
OF_RIVALS = {
    Verdict.REPRODUCED: "ruled out",
    Verdict.CONTRADICTED: "explains it",
    Verdict.NOT_SHOWN: "not ruled out",
    Verdict.NOT_RUN: "not run",
}
CLAIMED = {"above": "> 0", "below": "< 0", "equal": f"within ±{EQUAL_WITHIN:g}"}


def number(row: ContrastRow, value: float, sign: str = "") -> str:
    """A value in the unit of a contrast, with ``sign`` ``+`` for one that shows its sign."""
    return format(value, f"{sign}z.{1 if row.is_share else 2}f")


def effect_words(compared: Compared) -> str:
    """The effect with its 95% interval and unit; a dash where it was not run."""
    interval = compared.judgement.interval
    if interval is None:
        return MISSING
    row = compared.row
    estimate = number(row, interval.estimate, "+")
    low, high = number(row, interval.low), number(row, interval.high)
    return f"{estimate} [{low}, {high}] {unit_words(row)}"


def unit_words(row: ContrastRow) -> str:
    """The unit of an effect."""
    return "points" if row.is_share else "reward"


def paper_words(row: ContrastRow, paper: PaperEffect | None) -> str:
    """The paper's effect, and the most that the problems can make its error."""
    if paper is None:
        return MISSING
    error = "" if paper.error is None else f" ±{number(row, paper.error)}"
    return number(row, paper.effect, "+") + error


def verdict_words(claim: Reviewed) -> str:
    """The verdict on a claim."""
    return BY_ALGEBRA if claim.conclusion is None else str(claim.conclusion.verdict)


def support_words(claim: Reviewed) -> str:
    """How many of a claim's contrasts are reproduced, and how many are contradicted."""
    verdicts = [contrast.judgement.verdict for contrast in claim.contrasts]
    words = f"{verdicts.count(Verdict.REPRODUCED)} of {len(verdicts)} hold"
    contradicted = verdicts.count(Verdict.CONTRADICTED)
    return words + (f", {contradicted} contradicted" if contradicted else "")


def rival_words(controls: Sequence[Compared]) -> list[str]:
    """What the controls say of each rival explanation.

    A rival is ruled out if every control of it is, and explains the claim if one of them does.
    """
    order = (Verdict.CONTRADICTED, Verdict.NOT_SHOWN, Verdict.NOT_RUN, Verdict.REPRODUCED)
    rivals = dict.fromkeys(control.row.rival for control in controls)
    words = []
    for rival in rivals:
        verdicts = [each.judgement.verdict for each in controls if each.row.rival == rival]
        worst = min(verdicts, key=order.index)
        count = f" ({verdicts.count(worst)} of {len(verdicts)})" if len(verdicts) > 1 else ""
        words.append(f"{OF_RIVALS[worst]}{count}: {rival}")
    return words


def scale_words(reviewed: Sequence[Reviewed], scale: str) -> str:
    """What was run: the scale, and on how many seeds, ``laptop (3 to 5 seeds)``."""
    compared = [each for claim in reviewed for each in (*claim.contrasts, *claim.controls)]
    intervals = [each.judgement.interval for each in compared]
    seeds = [interval.num_seeds for interval in intervals if interval is not None]
    if not seeds:
        return scale
    fewest, most = min(seeds), max(seeds)
    range_ = count(most, "seed") if fewest == most else f"{fewest} to {most} seeds"
    return f"{scale} ({range_})"
