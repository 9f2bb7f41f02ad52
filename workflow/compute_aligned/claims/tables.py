"""Verdicts as tidy values (csv) and for reading (md): the claims first, then their contrasts.

``page`` has them as a page of the report.
"""

from collections.abc import Sequence

import pandas as pd

from compute_aligned.claims import words as say
from compute_aligned.claims.evidence import Ratios
from compute_aligned.claims.review import Compared, Reviewed
from compute_aligned.claims.verdict_tables import deviations_grid, verdicts_grid
from compute_aligned.config.claim_rows import ContrastRow
from compute_aligned.config.deviations import Deviation
from compute_aligned.paper.captions import count
from compute_aligned.paper.sheets import (
    MISSING,
    Grid,
    Sheet,
    to_csv,
    words,
)

COLUMNS = (
    *("claim", "statement", "claim_verdict", "claim_p_holm", "role", "family", "branch", "against"),
    *("metric", "k", "claimed", "unit", "effect", "effect_low", "effect_high", "seeds", "problems"),
    *("verdict", "p", "p_holm", "detectable", "seeds_to_decide", "median", "undefined_share"),
    *("rival", "effect_at_usual_temperature", "paper_effect", "paper_error_at_most"),
)


RULE = (
    "A claim is reproduced if the 95% interval of each of its contrasts lies where the claim has "
    "it. Else the contrasts are corrected for their number (Holm), while the intervals shown are "
    "not. If then one lies wholly on the other side, the claim is contradicted, or holds in part "
    "where others lie where the claim has them. It is too small to see if all that is not shown is "
    "within two percentage points of 0 (.2 of a reward), and not shown otherwise."
)


def to_tidy(reviewed: Sequence[Reviewed]) -> str:
    """One row a contrast, control or measurement, columns ``COLUMNS``; empty where not run."""
    rows = []
    for claim in reviewed:
        of_claim = {
            "claim": claim.row.claim,
            "statement": claim.row.statement,
            "claim_verdict": say.verdict_words(claim),
            "claim_p_holm": claim.p_holm,
        }
        rows += [of_claim | _compared_values(each) for each in (*claim.contrasts, *claim.controls)]
        rows += [of_claim | _measured_values(each.row, each.found) for each in claim.measured]
    return to_csv(pd.DataFrame(rows, columns=list(COLUMNS)))


def _row_values(row: ContrastRow) -> dict[str, object]:
    names = ("role", "family", "branch", "against", "metric", "rival")
    return {name: getattr(row, name) for name in names} | {"k": row.budget}


def _compared_values(each: Compared) -> dict[str, object]:
    judgement, interval, paper = each.judgement, each.judgement.interval, each.paper
    values = _row_values(each.row) | {
        "claimed": each.row.direction,
        "unit": say.unit_words(each.row),
        "verdict": str(judgement.verdict),
    }
    if interval is not None:
        values |= {
            "effect": interval.estimate,
            "effect_low": interval.low,
            "effect_high": interval.high,
            "seeds": interval.num_seeds,
            "problems": interval.num_problems,
            "p": judgement.p,
            "p_holm": judgement.p_holm,
            "detectable": judgement.detectable,
            "seeds_to_decide": each.seeds,
            "effect_at_usual_temperature": each.at_usual,
        }
    if paper is not None:
        values |= {"paper_effect": paper.effect, "paper_error_at_most": paper.error}
    return values


def _measured_values(row: ContrastRow, found: Ratios | None) -> dict[str, object]:
    values = _row_values(row) | {"unit": "ratio", "verdict": say.BY_ALGEBRA}
    if found is None:
        return values
    values |= {"median": found.median, "undefined_share": found.undefined}
    if found.mean is not None:
        values |= {
            "effect": found.mean.estimate,
            "effect_low": found.mean.low,
            "effect_high": found.mean.high,
            "seeds": found.mean.num_seeds,
            "problems": found.mean.num_problems,
        }
    return values


# --- for reading ----------------------------------------------------------------------------


def sheet(reviewed: Sequence[Reviewed], scale: str, otherwise: Sequence[Deviation]) -> Sheet:
    """The verdicts, how the scale deviates from the paper, then the contrasts of each claim.

    Args:
        reviewed: The claims.
        scale: The scale of the run.
        otherwise: What it does otherwise than the paper's method.

    """
    return Sheet(
        name="claims",
        title="What holds of the paper's claims",
        caption=_caption(reviewed, scale),
        grids=[
            verdicts_grid(reviewed),
            *([deviations_grid(otherwise)] if otherwise else []),
            *(grid for claim in reviewed for grid in _details(claim)),
        ],
        note=_note(reviewed),
    )


def _caption(reviewed: Sequence[Reviewed], scale: str) -> str:
    num_claims = sum(claim.p_holm is not None for claim in reviewed)
    return (
        f"Scale {say.scale_words(reviewed, scale)}. {RULE} The effect shown is that of the "
        "deciding contrast; the paper's stands beside it and is not from this run, ± the most that "
        "half of its interval over problems can be. Clear after Holm: the verdict also stands a "
        f"correction for the {count(num_claims, 'claim')} judged here."
    )


def _all(reviewed: Sequence[Reviewed]) -> list[Compared]:
    return [each for claim in reviewed for each in (*claim.contrasts, *claim.controls)]


def _details(claim: Reviewed) -> list[Grid]:
    """A table of the contrasts of a claim, and one of its controls if it has any."""
    title = f"{claim.row.claim}. {claim.row.statement}: {say.verdict_words(claim)}"
    if claim.conclusion is None:
        columns = ("Measured", "Over problems where it is defined", "Seeds × problems")
        rows = [
            [words(each.name), words(say.ratio_words(each.found)), words(_ratio_size(each.found))]
            for each in claim.measured
        ]
        return [Grid(title, [*map(words, columns)], rows)]
    grids = [_contrasts(title, claim.contrasts)]
    if claim.controls:
        grids.append(_contrasts(f"{claim.row.claim}. What could overturn it", claim.controls))
    return grids


def _contrasts(heading: str, compared: Sequence[Compared]) -> Grid:
    controls = compared[0].row.is_control
    last = "Rival explanation" if controls else "Verdict"
    columns = ("Contrast", last, "Claimed", "Effect", "Corrected p")
    more = ("Detectable", "Seeds × problems", "The paper's")
    rows = []
    for each in compared:
        verdict = say.contrast_verdict(each)
        cells = (
            each.name,
            verdict,
            say.claimed_words(each.row),
            say.effect_words(each),
            _p_words(each),
            _detectable(each),
            _size(each),
            say.paper_words(each),
        )
        rows.append([words(cell) for cell in cells])
    return Grid(heading, [words(column) for column in (*columns, *more)], rows, left=2)


def _p_words(each: Compared) -> str:
    if each.judgement.interval is None:
        return MISSING
    return "< .001" if each.judgement.p_holm < 0.001 else f"{each.judgement.p_holm:.3f}"


def _detectable(each: Compared) -> str:
    smallest = each.judgement.detectable
    return MISSING if smallest is None else say.number(each.row, smallest)


def _size(each: Compared) -> str:
    interval = each.judgement.interval
    return MISSING if interval is None else f"{interval.num_seeds} × {interval.num_problems}"


def _ratio_size(found: Ratios | None) -> str:
    if found is None or found.mean is None:
        return MISSING
    return f"{found.mean.num_seeds} × {found.mean.num_problems}"


def _note(reviewed: Sequence[Reviewed]) -> str:
    intervals = [each.judgement.interval for each in _all(reviewed)]
    lone = any(interval is not None and interval.num_seeds == 1 for interval in intervals)
    return (
        "Intervals carry problems (bootstrap) and seeds (t), each for its contrast alone. They "
        "take seeds to differ evenly to both sides. Simulated with 3 to 10 seeds, 95% intervals "
        "cover 88 to 93% where a few seeds lie far off on one side, and 75 to 90% where one seed "
        "in five is in another state than the rest. "
        + ("One seed: problems only, nothing of another training. " if lone else "")
        + "Detectable: the smallest effect that this run would have shown in 80% of cases, with "
        "the seeds and problems it has. Corrected p: two-sided, for the contrasts, or the "
        "controls, of the claim. The paper's: the difference of its own reported values, ± the "
        "most that half of its 95% interval can be for its number of problems (binomial, "
        "unpaired); what another training would change is not in it. Rival explanations: "
        "controls, judged in the same way. One that is ruled out cannot account for the claim by "
        "itself; one that explains it does better than what the claim is about. Best temperatures: "
        "each model's own, chosen on validation problems, and compared on test problems; (no "
        "sweep): the family was not sampled at others, or with fewer samples than k. A dash "
        f"({MISSING}): not run, or not reported."
    )
