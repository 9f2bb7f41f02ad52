"""What follows from the strategies alone, without training: weights, variances (PAPER section 6).

Every number is asked of a strategy object, so a new strategy joins by having a row in
``config/branches.tsv``.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np
import pandas as pd
import torch

from compute_aligned.method.strategies import BestOfN, MajorityVote, PassAtN, SingleSample, Strategy
from compute_aligned.method.strategy_text import parse_strategy

Quantity = Literal["success", "sft_weight", "rl_weight"]

PAPER_KINDS: tuple[type[Strategy], ...] = (SingleSample, PassAtN, MajorityVote, BestOfN)
# the budgets of the paper's weight curves and of its alignment table
BUDGETS = (1, 4, 16, 64)
ALIGNMENT_POINTS = 2001
VARIANCE_BUDGETS = (4, 16, 64)
# the strategies that the paper trains with (PAPER sections 3 and 4)
TRAINED = (
    SingleSample(),
    PassAtN(n=4),
    PassAtN(n=16),
    PassAtN(n=64),
    MajorityVote(n=8, k=3),
    MajorityVote(n=16, k=4),
    MajorityVote(n=64, k=26),
    BestOfN(n=2),
    BestOfN(n=4),
    BestOfN(n=8),
)


def further_strategies(texts: Iterable[str]) -> list[Strategy]:
    """The strategies whose kind is none of the paper's, each once, in the order given.

    Args:
        texts: Strategies as the branch sheet spells them.

    Raises:
        InputError: One of them is no strategy.

    """
    parsed = dict.fromkeys(map(parse_strategy, texts))
    return [strategy for strategy in parsed if type(strategy) not in PAPER_KINDS]


def evaluate(strategy: Strategy, quantity: Quantity, p: np.ndarray) -> np.ndarray:
    """S(p), or a weight, at probabilities ``p`` of any shape, in float64.

    The RL weight of Best-of-N takes q = P[R' < R] for p.

    Raises:
        ValueError: A probability is not from 0 to 1.

    """
    log_p = torch.as_tensor(p, dtype=torch.float64).log()
    if quantity == "success":
        return strategy.log_success(log_p).exp().numpy()
    return (strategy.sft_weight if quantity == "sft_weight" else strategy.rl_weight)(log_p).numpy()


def weight_values(strategies: Sequence[Strategy], p: Sequence[float]) -> pd.DataFrame:
    """All quantities of strategies at a few probabilities, tidy.

    Returns:
        Columns strategy (its repr), label, quantity, p, value; a row for each combination.

    """
    return pd.DataFrame(
        [
            {
                "strategy": repr(strategy),
                "label": strategy.label,
                "quantity": quantity,
                "p": at,
                "value": value,
            }
            for quantity in get_args(Quantity)
            for strategy in strategies
            for at, value in zip(p, evaluate(strategy, quantity, np.array(p)), strict=True)
        ]
    )


def weight_alignment(train: Sequence[Strategy], test: Sequence[Strategy]) -> pd.DataFrame:
    """Cosines of SFT weights as functions of p, on a uniform grid of 2,001 points from 0 to 1.

    It compares two scalar functions; what a model gains is another matter.

    Returns:
        Columns train, test (labels), cosine; a row for each pair, train by train.

    """
    grid = np.linspace(0, 1, ALIGNMENT_POINTS)
    weights = {s: evaluate(s, "sft_weight", grid) for s in (*train, *test)}
    unit = {s: weight / np.linalg.norm(weight) for s, weight in weights.items()}
    return pd.DataFrame(
        [
            {"train": a.label, "test": b.label, "cosine": float(unit[a] @ unit[b])}
            for a in train
            for b in test
        ]
    )


def unit_crossings(strategy: Strategy, p: np.ndarray) -> list[float]:
    """Where the SFT weight passes through 1, the weight of cross-entropy, between points of ``p``.

    Args:
        strategy: Any strategy.
        p: Increasing probabilities, shape (P,); crossings are interpolated between neighbours.

    """
    above = evaluate(strategy, "sft_weight", p) - 1
    left = np.flatnonzero(np.diff(above > 0))
    share = above[left] / (above[left] - above[left + 1])
    return (p[left] + share * (p[left + 1] - p[left])).tolist()


def pivotal_variances(n: int, p: np.ndarray) -> pd.DataFrame:
    """Variances of unbiased estimators of the Pass@N gradient in a binary-logit example.

    A sample is right with probability p = sigmoid(t), and S = 1-(1-p)^n is to rise in the logit t.
    A right sample has the score d log p / dt = 1-p. By the product rule over the n draws,

        dS/dt = sum over i of E[R_i * 1{all others fail} * score_i],

    since draw i is *pivotal*, it decides the outcome, exactly when all others fail; that has
    probability (1-p)^(n-1) = w/n, w the RL weight of Pass@N. From this sum come

    - ``sampled``:  n R_I 1{all others fail} score_I, with one index I drawn uniformly;
    - ``summed``:   its conditional expectation over I given all draws, the sum itself, which is
      score_i where exactly one draw i is right and else 0;
    - ``weighted``: its conditional expectation given draw I alone, w R_I score_I: the scalar
      weight on an ordinary sample, with p known.

    Their mean is p w (1-p), and their second moments are, in units of (1-p)^2, n p w, p w, p w^2.
    By Rao and Blackwell the last two vary no more than the first. Of the two, ``summed`` varies
    less where w > 1; but it spends n draws and ``weighted`` one. ``averaged``, the mean of n
    weighted draws, never varies more than ``summed``: the ratio of the two variances is
    (1-p)^n / (1 - n p (1-p)^(n-1)), where the denominator is P[Bin(n, p) != 1] >= P[Bin(n, p) = 0].

    Args:
        n: The budget.
        p: Probabilities, shape (P,).

    Returns:
        Columns n, p, gradient (the mean), and the variances sampled, summed, weighted, averaged;
        P rows.

    Raises:
        InputError: ``n`` is no budget.
        ValueError: A probability is not from 0 to 1.

    """
    weight = evaluate(PassAtN(n=n), "rl_weight", p)
    score = 1 - p
    scale = p * weight * score**2
    # w - p w is written w (1-p): no difference of two close numbers
    weighted = scale * weight * score
    return pd.DataFrame(
        {
            "n": n,
            "p": p,
            "gradient": p * weight * score,
            "sampled": scale * (n - p * weight),
            "summed": scale * (1 - p * weight),
            "weighted": weighted,
            "averaged": weighted / n,
        }
    )
