"""What a strategy's weight is on problems of which p is known, or counts of right samples.

:mod:`compute_aligned.method.activity` says of such weights on how many problems they are active.
"""

from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import special
from torch import Tensor

from compute_aligned.method.strategies import Strategy

Kind = Literal["sft", "log", "raw"]  # the SFT weight, or a form of the RL weight

POINTS = 2001
CONSTANT = 1e-9  # a weight whose range is a smaller part of its size is the same everywhere


def kinds_of(strategy: Strategy) -> list[Kind]:
    """The weights of a strategy that are functions of p.

    Best-of-N has none in reinforcement learning: there its argument is the quantile of a reward,
    which is as often high as low whatever the model.
    """
    return ["sft", *strategy.update_forms] if "log" in strategy.update_forms else ["sft"]


def weight(strategy: Strategy, log_p: Tensor, kind: Kind) -> Tensor:
    """The factor that a strategy puts on a gradient: in SFT, or in RL in one of its two forms.

    Args:
        strategy: The strategy.
        log_p: Natural logarithms of probabilities, any shape.
        kind: ``sft`` for ``d log S / d log p``; ``log`` for the same in RL, ``raw`` for ``dS/dp``.

    Raises:
        InputError: The strategy has no such form.

    """
    return strategy.sft_weight(log_p) if kind == "sft" else strategy.update_weight(log_p, kind)


def weight_range(strategy: Strategy, kind: Kind) -> tuple[float, float]:
    """The least and the largest weight over all p, on a grid that is dense near p = 0 and p = 1.

    Pass@N in SFT: 0 and 1; a majority of k: 0 and k; raw Pass@N: 0 and n.
    """
    small = -torch.logspace(-12, 4, 2 * POINTS, dtype=torch.float64)
    uniform = torch.linspace(0, 1, POINTS, dtype=torch.float64)[1:].log()
    values = weight(strategy, torch.cat([small, uniform]), kind)
    return values.min().item(), values.max().item()


def is_constant(strategy: Strategy) -> bool:
    """Whether the SFT weight is the same for every p, as a single sample's is."""
    low, high = weight_range(strategy, "sft")
    return high - low <= CONSTANT * high


def posterior_log_p(
    num_correct: ArrayLike, num_samples: ArrayLike, size: int
) -> NDArray[np.float64]:
    """What counts of right samples leave open: equally likely values of log p of each problem.

    They are the quantiles (i + 1/2) / ``size`` of Beta(c + 1/2, m - c + 1/2), the posterior of p
    under Jeffreys' prior, so that the mean of any function of them is its posterior mean. The
    estimate c / m itself would put problems at p = 0 and 1, where no weight is active.

    Args:
        num_correct: c, shape (P,).
        num_samples: m, shape (P,).
        size: How many values of each problem.

    Returns:
        Natural logarithms, ascending, shape (P, ``size``).

    """
    correct = np.asarray(num_correct, dtype=np.float64)[:, None]
    wrong = np.asarray(num_samples, dtype=np.float64)[:, None] - correct
    quantiles = (np.arange(size) + 0.5) / size
    return np.log(special.betaincinv(correct + 0.5, wrong + 0.5, quantiles))
