"""Claims for tests: their rows, effects with a known error, and a review of three of them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from compute_aligned.claims.evidence import AtTemperatures, Ratios
from compute_aligned.claims.review import Reviewed, review
from compute_aligned.config.claim_rows import ClaimRow, ContrastRow
from compute_aligned.config.claims import Claim
from compute_aligned.config.study import read_study
from compute_aligned.method.confidence import Confidence
from compute_aligned.method.intervals import Interval
from compute_aligned.paper.reported import read_reported


def row(**cells: Any) -> ContrastRow:
    """A contrast of the sheet, Pass@4 over cross-entropy at k = 64 unless said otherwise."""
    usual = {"claim": "C1a", "role": "contrast", "family": "sft_passn", "branch": "passn_n4"}
    usual |= {"against": "ce", "metric": "pass@k", "budget": 64, "direction": "above", "rival": "-"}
    return ContrastRow.model_validate(usual | cells)


def claim(*rows: ContrastRow, **cells: str) -> Claim:
    usual = {"claim": rows[0].claim, "reported": "sft_passn", "paper_problems": "500", "needs": "-"}
    return Claim(ClaimRow.model_validate(usual | {"statement": "Votes help"} | cells), rows)


def effect(estimate: float, standard_error: float = 1.0, seeds: int = 3) -> Confidence:
    """An effect with a normal error: its 95% interval ends 1.96 standard errors away."""
    size = {"num_seeds": seeds, "num_problems": 500, "sources": "problems+seeds"}
    errors = {"problem_errors": np.zeros(1), "seed_scale": standard_error, "freedom": np.inf}
    return Confidence(estimate=estimate, standard_error=standard_error, **errors, **size)


# --- a review -----------------------------------------------------------------------------------

PASSN = [row(branch=branch) for branch in ("passn_n4", "passn_n16", "passn_n64")]
CONTROLS = [
    row(role="control", branch=branch, against="warmup", rival="less over-fitting")
    for branch in ("passn_n4", "passn_n16")
]
SIZES = dict(zip([*PASSN, *CONTROLS], (2.5, 6.0, 11.0, -3.0, 9.0), strict=True))
ALGEBRA = {"role": "algebra", "against": "-", "metric": "rho", "direction": "-"}
RHO = row(claim="C11", family="sft_majority", branch="ce", budget=8, **ALGEBRA)
PROTEINS = {"family": "protein_unconditional", "branch": "bon_n2", "metric": "expected_max@k"}
ABSENT = row(claim="C5a", against="4", budget=1, **PROTEINS)
MEAN = Interval(1.24, 1.2, 1.3, 0.02, 3, 81, "problems+seeds")


def judged(
    claims: Sequence[Claim],
    effects: Mapping[ContrastRow, Confidence] | None = None,
    ratios: Mapping[ContrastRow, Ratios] | None = None,
    swept: Mapping[ContrastRow, AtTemperatures] | None = None,
) -> list[Reviewed]:
    """The claims, judged on these effects beside the paper's own."""
    study, reported = read_study("smoke"), read_reported()
    return review(study, claims, reported, effects or {}, ratios or {}, swept or {})


def reviewed(seeds: int = 3) -> list[Reviewed]:
    """Three claims: one with controls, one of a family that did not run, one that algebra shows."""
    claims = [
        claim(*PASSN, *CONTROLS),
        claim(ABSENT, reported="protein_unconditional", paper_problems="-"),
        claim(RHO, reported="-", paper_problems="-"),
    ]
    effects = {row: effect(size, seeds=seeds) for row, size in SIZES.items()}
    return judged(claims, effects, {RHO: Ratios(MEAN, 1.1, 0.25)})
