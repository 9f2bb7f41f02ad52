"""How verdicts, contrasts and effects read, in tables and in the figure alike."""

from collections.abc import Sequence

from compute_aligned.claims.evidence import Ratios
from compute_aligned.claims.review import Compared, Reviewed
from compute_aligned.config.claim_rows import ContrastRow
from compute_aligned.method.intervals import MOST_SEEDS
from compute_aligned.method.verdicts import Verdict
from compute_aligned.paper.captions import count
from compute_aligned.paper.sheets import MISSING

BY_ALGEBRA = "holds by algebra"
AGAINST = " (against the claim)"  # of the paper's own number
HALF = "explains more than half"  # of a claim's effect, says a control of temperatures
NO_SWEEP = "not run (no sweep)"
# of a control: what its verdict says of the rival explanation
OF_RIVALS = {  # the worst first
    Verdict.CONTRADICTED: "explains it",
    Verdict.NOT_SHOWN: "not ruled out",
    Verdict.TOO_SMALL: "not ruled out",
    Verdict.NOT_RUN: "not run",
    Verdict.REPRODUCED: "ruled out",
}
WORST_FIRST = ("explains it", "not ruled out", "not run", NO_SWEEP, HALF, "ruled out")


def claimed_words(row: ContrastRow) -> str:
    """Where a claim has the effect."""
    return {"above": "> 0", "below": "< 0", "equal": f"within ±{row.band:g}"}[row.claimed]


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


def paper_words(compared: Compared) -> str:
    """The paper's effect, and the most that the problems can make its error."""
    row, paper = compared.row, compared.paper
    if paper is None:
        return MISSING
    error = "" if paper.error is None else f" ±{number(row, paper.error)}"
    return number(row, paper.effect, "+") + error + (AGAINST if compared.against_paper else "")


def verdict_words(claim: Reviewed) -> str:
    """The verdict on a claim in a word or two."""
    return BY_ALGEBRA if claim.verdict is None else str(claim.verdict)


def headline(claim: Reviewed) -> str:
    """The verdict, and the rival explanations that stand against one in favour of the claim."""
    if claim.verdict not in (Verdict.REPRODUCED, Verdict.IN_PART):
        return verdict_words(claim)
    # of controls about the same, what stands against the claim more counts: it comes last
    controls = sorted(claim.controls, key=lambda control: not control.half_explained)
    standing = {
        (control.against, control.row.role): said
        for control in controls
        if (said := _standing(control))
    }
    return "; ".join([verdict_words(claim), *standing.values()])


def _standing(control: Compared) -> str:
    """What a control says against a claim; empty where it is in its favour, or was not run."""
    if control.half_explained:
        return "temperature explains more than half"
    if control.judgement.verdict in (Verdict.REPRODUCED, Verdict.NOT_RUN):
        return ""
    where = "below" if control.judgement.verdict == Verdict.CONTRADICTED else "not above"
    at = " at its own best temperature" if control.row.of_temperatures else ""
    return f"{where} {control.against}{at}"


def of_rival(control: Compared) -> str:
    """What a control says of the rival explanation."""
    verdict = control.judgement.verdict
    if control.row.of_temperatures and verdict == Verdict.NOT_RUN:
        return NO_SWEEP
    return HALF if control.half_explained else OF_RIVALS[verdict]


def reason(claim: Reviewed) -> str:
    """Why a verdict is none: what the scale lacks, or what would decide; empty for others."""
    deciding = claim.deciding
    if claim.verdict == Verdict.NOT_TESTABLE:
        return claim.untestable or ""
    if deciding is None or deciding.judgement.interval is None:
        return ""
    if claim.verdict == Verdict.TOO_SMALL:
        return f"an effect of {number(deciding.row, deciding.row.band)} is excluded"
    if claim.verdict == Verdict.NOT_SHOWN:
        return seeds_words(deciding)
    return ""


def contrast_verdict(compared: Compared) -> str:
    """The verdict on a contrast; of a control what it says of the rival explanation."""
    verdict = compared.judgement.verdict
    if compared.row.is_control:
        usual = compared.at_usual
        beside = "" if usual is None else f" ({number(compared.row, usual, '+')} at the usual one)"
        return f"{of_rival(compared)}: {compared.row.rival}{beside}"
    return f"{verdict}; {seeds_words(compared)}" if verdict == Verdict.NOT_SHOWN else str(verdict)


def seeds_words(compared: Compared) -> str:
    """How many seeds would decide what is not shown."""
    interval = compared.judgement.interval
    if compared.seeds is not None:
        return f"about {compared.seeds} seeds would decide"
    if interval is not None and interval.num_seeds == 1:
        return "one seed says nothing of others"
    if interval is not None and interval.standard_error == 0:
        return "nothing varied"
    return f"more than {MOST_SEEDS} seeds would decide"


def states_words(claim: Reviewed) -> str:
    """Where the seeds of a claim are counted that can be in two states; empty for others."""
    if claim.verdict == Verdict.NOT_RUN or not claim.states:
        return ""
    return f"seeds can be in two states, counted in {', '.join(claim.states)}"


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
    rivals = dict.fromkeys(control.row.rival for control in controls)
    words = []
    for rival in rivals:
        said = [of_rival(each) for each in controls if each.row.rival == rival]
        worst = min(said, key=WORST_FIRST.index)
        count = f" in {said.count(worst)} of {len(said)} contrasts" if len(said) > 1 else ""
        words.append(f"{worst}{count}: {rival}")
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


def ratio_words(found: Ratios | None) -> str:
    """Median, mean with interval, and undefined share of what holds by algebra."""
    if found is None:
        return "not run"
    parts = []
    if found.median is not None:
        parts.append(f"median {found.median:.2f}")
    if found.mean is not None:
        mean = found.mean
        parts.append(f"mean {mean.estimate:.2f} [{mean.low:.2f}, {mean.high:.2f}]")
    return ", ".join([*parts, f"undefined for {100 * found.undefined:.0f}%"])
