r"""The weights of strategies as LaTeX formulas (PAPER section 1, the paper's Table 1).

A strategy of your own shows dashes in their place until it has an entry:

    FORMULAS[TwoRounds] = Formulas(name="Two rounds", success=..., sft_weight=..., rl_weight=...)

A test evaluates every entry and compares it with the strategy's own numbers.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple, get_args

import numpy as np
import pandas as pd

from compute_aligned.config.sheets import PaperItem
from compute_aligned.method.budget_mixtures import MaxRL, Mixture
from compute_aligned.method.strategies import BestOfN, MajorityVote, PassAtN, SingleSample, Strategy
from compute_aligned.paper.alignment import (
    COMPARISONS,
    GROUP_SIZE,
    further_comparisons,
    policy_alignment,
)
from compute_aligned.paper.analytic import (
    ALIGNMENT_POINTS,
    BUDGETS,
    TRAINED,
    VARIANCE_BUDGETS,
    Quantity,
    further_strategies,
    pivotal_variances,
    weight_alignment,
    weight_values,
)
from compute_aligned.paper.sheets import (
    Entry,
    Grid,
    Rendered,
    Sheet,
    formula,
    missing,
    number,
    rendered,
    words,
)


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
_HARMONIC = r"\sum_{k=1}^{t} \frac{1}{k}"
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
    MaxRL: Formulas(
        "Maximum likelihood, t terms",
        success=rf"\frac{{\sum_{{k=1}}^{{t}} \frac{{1-(1-p)^{{k}}}}{{k}}}}{{{_HARMONIC}}}",
        sft_weight=rf"\frac{{1-(1-p)^{{t}}}}{{S {_HARMONIC}}}",
        rl_weight=rf"\frac{{1-(1-p)^{{t}}}}{{p {_HARMONIC}}}",
    ),
    Mixture: Formulas(
        "Pass@N with probability a, else one sample",
        success=r"(1-a) p + a (1-(1-p)^{n})",
        sft_weight=r"\frac{(1-a) p + a n p (1-p)^{n-1}}{S}",
        rl_weight=r"1 - a + a n (1-p)^{n-1}",
    ),
}


# --- the tables ------------------------------------------------------------------------------

WEIGHTS_AT = (0.01, 0.1, 0.5, 0.9)
VARIANCES_AT = (0.01, 0.05, 0.1, 0.2, 0.5)
HEADINGS: dict[Quantity, str] = {
    "success": "Success S(p)",
    "sft_weight": "SFT weight at p",
    "rl_weight": "RL weight at p (Best-of-N: at q = p)",
}
# what the weight takes for p (PAPER section 2)
ESTIMATES = {
    "sequence_probability": "p is the completion's own probability (the paper's Pass@N)",
    "smoothed_success": "p is the prompt's success rate, smoothed (the paper's majority vote)",
    "group_quantile": "q is the reward's quantile in its group (the paper's Best-of-N)",
}


def weights(row: PaperItem, strategies: Sequence[str]) -> Rendered:
    """S, SFT weight and RL weight: as formulas, and as values (PAPER section 1, Table 1)."""
    shown = [*TRAINED, *further_strategies(strategies)]
    frame = weight_values(shown, WEIGHTS_AT)
    kinds = list(dict.fromkeys(map(type, shown)))
    sheet = Sheet(
        name=row.item,
        title=row.title,
        caption=(
            "p is the probability that one sample succeeds. The SFT loss is -log S(p); its "
            "gradient is that of -log p times d log S / d log p. The RL weight, dS/dp, multiplies "
            "the advantage. Best-of-N is Pass@N on the best target in SFT; in RL its weight is a "
            "function of q, the probability that another sample's reward is lower."
        ),
        grids=[_formula_grid(kinds), *(_value_grid(frame, q) for q in get_args(Quantity))],
        note=(
            "The paper's Table 1 prints the SFT weight of the majority vote without its leading k. "
            "It is needed, as in the paper's Eq. 7: the weight tends to k where p tends to 0."
            + (" A dash: no formula was given." if set(kinds) - set(FORMULAS) else "")
        ),
    )
    known = {repr(strategy): FORMULAS.get(type(strategy)) for strategy in shown}
    latex = [
        getattr(known[strategy], quantity, "")
        for strategy, quantity in zip(frame["strategy"], frame["quantity"], strict=True)
    ]
    return rendered(frame.assign(formula=latex), sheet)


def alignment(row: PaperItem, strategies: Sequence[str]) -> Rendered:
    """Cosines of the SFT weights of training and of Pass@N at test time (PAPER section 6)."""
    test = [PassAtN(n=n) for n in BUDGETS]
    frame = weight_alignment([*test, *further_strategies(strategies)], test)
    columns = [words("Trained for"), *(words(s.label) for s in test)]
    rows = [
        [words(str(label)), *map(number, cosines["cosine"])]
        for label, cosines in frame.groupby("train", sort=False)
    ]
    sheet = Sheet(
        name=row.item,
        title=row.title,
        caption=(
            f"Cosine of two SFT weights as functions of p, on {ALIGNMENT_POINTS:,} points from "
            "0 to 1 evenly spaced: 1 where training stresses each p as the budget at test time "
            "would. It compares functions and promises nothing about models."
        ),
        grids=[Grid("Tested with", columns, rows)],
        note="The grid is the paper's; the values are computed here, from the strategies.",
    )
    return rendered(frame, sheet)


def update_alignment(row: PaperItem, strategies: Sequence[str]) -> Rendered:
    """Cosines of expected RL updates with the true gradient (PAPER section 2), on toy policies."""
    further = further_comparisons(further_strategies(strategies))
    records = policy_alignment([*COMPARISONS, *further])
    frame = pd.DataFrame(map(asdict, records)).assign(group_size=GROUP_SIZE)
    sheet = Sheet(
        name=row.item,
        title=row.title,
        caption=(
            "Toy policies, each a softmax over five answers of a prompt: the cosine of the "
            f"expected update, over all groups of {GROUP_SIZE} rollouts of every prompt, with the "
            "gradient of the strategy's expected reward, both exact; beside it, standard, that of "
            "the update whose weights are all 1."
        ),
        grids=[
            _update_grid(ESTIMATES[str(estimate)], rows)
            for estimate, rows in frame.groupby("success_estimate", sort=False)
        ],
        note=(
            "A weight that takes a completion's own probability, or its reward's quantile, for the "
            "prompt's p is biased: even on one prompt its update leaves the true direction, which "
            "a weight of the success rate alone would keep. (That of a majority vote also looks at "
            "which wrong answer leads.) The cosines belong to these policies: they show what can "
            "happen, not what a model does."
        ),
    )
    return rendered(frame, sheet)


def rao_blackwell(row: PaperItem, strategies: Sequence[str]) -> Rendered:
    """Variances of estimators of the Pass@N gradient (PAPER section 6, Appendix F/G)."""
    at = np.array(VARIANCES_AT)
    frame = pd.concat([pivotal_variances(n, at) for n in VARIANCE_BUDGETS], ignore_index=True)
    names = ("Gradient", "Sampled", "Summed", "Weighted", "Averaged")
    columns = [formula("p"), *map(words, names)]
    grids = [
        Grid(
            f"n = {n}",
            columns,
            [
                [words(f"{p:g}"), *map(number, values)]
                for p, *values in rows.drop(columns="n").itertuples(index=False)
            ],
        )
        for n, rows in frame.groupby("n")
    ]
    sheet = Sheet(
        name=row.item,
        title=row.title,
        caption=(
            "One binary answer with success probability p, the sigmoid of a logit; the gradient of "
            "S = 1-(1-p)^n in that logit, and the variances of unbiased estimators of it. Sampled: "
            "of n draws one index, taken at random, counts n times if it is pivotal, that is if "
            "all other draws fail. Summed: the conditional expectation of this over the index. "
            "Weighted: its conditional expectation given that index's draw alone, which is the "
            "ordinary estimator times the RL weight n(1-p)^(n-1). Averaged: the mean of n such."
        ),
        grids=grids,
        note=(
            "Weighted spends one draw, the others n; weighted and averaged have to know p. Summed "
            "varies less than weighted exactly where the RL weight is above 1, averaged never more "
            "than summed."
        ),
    )
    return rendered(frame, sheet)


# --- parts ----------------------------------------------------------------------------------


def _formula_grid(kinds: Sequence[type[Strategy]]) -> Grid:
    """A row a kind of strategy; dashes where it has no formulas."""
    columns = [words("Strategy"), formula("S"), words("SFT weight"), words("RL weight")]
    rows: list[list[Entry]] = []
    for kind in kinds:
        known = FORMULAS.get(kind)
        if known is None:
            rows.append([words(kind.__name__), missing(), missing(), missing()])
        else:
            name, *latex = known
            rows.append([words(name), *map(formula, latex)])
    return Grid("Formulas", columns, rows)


def _value_grid(frame: pd.DataFrame, quantity: Quantity) -> Grid:
    """A row a strategy, a column a probability."""
    values = frame[frame["quantity"] == quantity]
    columns = [words("Strategy"), *(formula(f"p={p:g}") for p in WEIGHTS_AT)]
    rows = [
        [words(of_one["label"].iloc[0]), *map(number, of_one["value"])]
        for _, of_one in values.groupby("strategy", sort=False)
    ]
    return Grid(HEADINGS[quantity], columns, rows)


def _update_grid(heading: str, frame: pd.DataFrame) -> Grid:
    """A row a strategy and form, two columns a policy: the update's cosine, the standard one's."""
    policies = frame["policy"].unique().tolist()
    columns = [words("Strategy"), words("Form")]
    for policy in policies:
        columns += [words(policy), words("standard")]
    rows = []
    for (strategy, form), of_one in frame.groupby(["strategy", "form"], sort=False):
        cosines = of_one.set_index("policy").loc[policies, ["cosine", "standard_cosine"]]
        cells = [words(f"{cosine:z.3f}") for cosine in cosines.to_numpy().flatten()]
        rows.append([words(str(strategy)), words(str(form)), *cells])
    return Grid(heading, columns, rows)
