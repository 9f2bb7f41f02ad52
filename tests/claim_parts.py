"""Claims for tests: their rows, effects with a known error, and a review of three of them."""

from typing import Any

import numpy as np

from compute_aligned.claims.evidence import Ratios
from compute_aligned.claims.review import Reviewed, review
from compute_aligned.config.claims import Claim
from compute_aligned.config.sheets import ClaimRow, ContrastRow
from compute_aligned.method.confidence import Confidence
from compute_aligned.method.intervals import Interval


def row(**cells: Any) -> ContrastRow:
    """A contrast of the sheet, Pass@4 over cross-entropy at k = 64 unless said otherwise."""
    usual = {
        "claim": "C1a",
        "role": "contrast",
        "family": "sft_passn",
        "branch": "passn_n4",
        "against": "ce",
        "metric": "pass@k",
        "budget": 64,
        "direction": "above",
        "rival": "-",
    }
    return ContrastRow.model_validate(usual | cells)


def claim(*rows: ContrastRow, reported: str = "sft_passn", paper_problems: str = "500") -> Claim:
    cells = {"claim": rows[0].claim, "reported": reported, "paper_problems": paper_problems}
    return Claim(ClaimRow.model_validate(cells | {"statement": "Votes help"}), rows)


def effect(estimate: float, standard_error: float = 1.0, seeds: int = 3) -> Confidence:
    """An effect with a normal error: its 95% interval ends 1.96 standard errors away."""
    return Confidence(
        estimate=estimate,
        problem_errors=np.zeros(1),
        seed_scale=standard_error,
        freedom=np.inf,
        standard_error=standard_error,
        num_seeds=seeds,
        num_problems=500,
        sources="problems+seeds",
    )


# --- a review -----------------------------------------------------------------------------------

PASSN = [row(branch=branch) for branch in ("passn_n4", "passn_n16", "passn_n64")]
CONTROLS = [
    row(role="control", branch=branch, against="warmup", rival="less over-fitting")
    for branch in ("passn_n4", "passn_n16")
]
SIZES = dict(zip([*PASSN, *CONTROLS], (2.5, 6.0, 11.0, -3.0, 9.0), strict=True))
RHO = row(
    claim="C11", role="algebra", family="sft_majority", branch="ce", against="-", metric="rho",
    budget=8, direction="-",
)  # fmt: skip
ABSENT = row(claim="C5a", family="protein_unconditional", branch="bon_n2",
    against="4", metric="expected_max@k", budget=1)  # fmt: skip
MEAN = Interval(1.24, 1.2, 1.3, 0.02, 3, 81, "problems+seeds")


def reviewed(seeds: int = 3) -> list[Reviewed]:
    """Three claims: one with controls, one of a family that did not run, one that algebra shows."""
    claims = [
        claim(*PASSN, *CONTROLS),
        claim(ABSENT, reported="protein_unconditional", paper_problems="-"),
        claim(RHO, reported="-", paper_problems="-"),
    ]
    effects = {row: effect(size, seeds=seeds) for row, size in SIZES.items()}
    return review(claims, effects, {RHO: Ratios(MEAN, 1.1, 0.25)})
