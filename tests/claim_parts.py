"""Claims for tests: their rows, and effects with a known error."""

from typing import Any

import numpy as np

from compute_aligned.configuration.claim_rows import ClaimRow, ContrastRow
from compute_aligned.statistics.confidence import Confidence
from compute_aligned.study.claim_sheets import Claim


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
