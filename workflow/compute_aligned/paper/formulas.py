r"""The weights of the paper's strategies as LaTeX formulas (PAPER section 1, the paper's Table 1).

A strategy of your own shows dashes in their place until it has an entry:

    FORMULAS[TwoRounds] = Formulas(name="Two rounds", success=..., sft_weight=..., rl_weight=...)

A test evaluates every entry and compares it with the strategy's own numbers.
"""

from typing import NamedTuple

from compute_aligned.strategies import BestOfN, MajorityVote, PassAtN, SingleSample, Strategy


class Formulas(NamedTuple):
    """LaTeX, without dollar signs, in the strategy's fields and p; S stands for ``success``.

    Attributes:
        name: What a table calls this kind of strategy.
        success: S(p).
        sft_weight: ``d log S / d log p``.
        rl_weight: ``dS/dp``, in q = P[R' < R] where reinforcement learning has its own success.

    """

    name: str
    success: str
    sft_weight: str
    rl_weight: str


_ANY_OF_N = r"1-(1-p)^{n}"
_ANY_OF_N_SLOPE = r"\frac{n p (1-p)^{n-1}}{S}"

# The paper's Table 1 prints the majority SFT weight without its k; Eq. 7 and Appendix A.3 have it,
# and the limit k at p = 0 needs it.
FORMULAS: dict[type[Strategy], Formulas] = {
    SingleSample: Formulas("Single sample", "p", "1", "1"),
    PassAtN: Formulas(
        "Pass@N",
        success=_ANY_OF_N,
        sft_weight=_ANY_OF_N_SLOPE,
        rl_weight=r"n (1-p)^{n-1}",
    ),
    MajorityVote: Formulas(
        "Majority vote, k of n",
        success=r"\sum_{j=k}^{n} \binom{n}{j} p^{j} (1-p)^{n-j}",
        sft_weight=r"\frac{k \binom{n}{k} p^{k} (1-p)^{n-k}}{S}",
        rl_weight=r"n \binom{n-1}{k-1} p^{k-1} (1-p)^{n-k}",
    ),
    BestOfN: Formulas(
        "Best-of-N",
        success=_ANY_OF_N,
        sft_weight=_ANY_OF_N_SLOPE,
        rl_weight=r"n q^{n-1}",
    ),
}
