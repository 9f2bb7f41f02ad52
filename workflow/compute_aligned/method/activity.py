"""Where a strategy's weight is active: neither near its least value nor near its largest.

A weight that lies near one end of its range on all problems is a constant factor, which AdamW with
clipping takes away again: the branch is then the baseline under another name (PAPER section 5, the
regime note). So the share of problems with an active weight says whether a strategy can matter.
"""

from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy import special
from torch import Tensor

from compute_aligned.method.strategies import Strategy

Kind = Literal["sft", "log", "raw"]  # the SFT weight, or a form of the RL weight

MARGIN = 0.1  # of the range of a weight, at either end
CONSTANT = 1e-9  # a weight whose range is a smaller part of its size is the same everywhere
POINTS = 2001


def weight(strategy: Strategy, log_p: Tensor, kind: Kind) -> Tensor:
    """The factor that a strategy puts on a gradient: in SFT, or in RL in one of its two forms.

    Args:
        strategy: The strategy.
        log_p: Natural logarithms of probabilities, any shape; for ``raw`` with Best-of-N those of
            the reward's quantile.
        kind: ``sft`` for ``d log S / d log p``; ``log`` for the same in RL, ``raw`` for ``dS/dp``.

    Raises:
        InputError: The strategy has no such form.

    """
    return strategy.sft_weight(log_p) if kind == "sft" else strategy.update_weight(log_p, kind)


def weight_range(strategy: Strategy, kind: Kind) -> tuple[float, float]:
    """The least and the largest weight over all p, on a grid that is dense near p = 0 and p = 1.

    Pass@N in SFT: 0 and 1; a majority of k: 0 and k; raw Pass@N and Best-of-N: 0 and n.
    """
    small = -torch.logspace(-12, 4, 2 * POINTS, dtype=torch.float64)
    uniform = torch.linspace(0, 1, POINTS, dtype=torch.float64)[1:].log()
    values = weight(strategy, torch.cat([small, uniform]), kind)
    return values.min().item(), values.max().item()


def is_active(strategy: Strategy, log_p: Tensor, kind: Kind) -> Tensor:
    """Where the weight lies between a tenth and nine tenths of its range; bool, same shape.

    A weight that is the same for every p is nowhere active.
    """
    low, high = weight_range(strategy, kind)
    width = high - low
    if width <= CONSTANT * high:
        return torch.zeros_like(log_p, dtype=torch.bool)
    found = (weight(strategy, log_p, kind) - low) / width
    return (found > MARGIN) & (found < 1 - MARGIN)


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
