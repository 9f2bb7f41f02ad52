"""What tells how a protein model writes, and where an update would push it: numbers of one seed.

Shapes: P prompts and M samples of each, with NaN for the share of what is no protein.
"""

import numpy as np
import pandas as pd
import torch

from compute_aligned.configuration.settings import Rl
from compute_aligned.policy import group_advantages
from compute_aligned.statistics.intervals import FloatArray
from compute_aligned.strategies import Strategy, UpdateForm
from compute_aligned.training.update_weights import SUCCESS_ESTIMATES, RolloutGroups


def within_prompt_sd(samples: pd.DataFrame) -> float:
    """Sample standard deviation of the hydrophobic share within a prompt, mean over prompts."""
    return float(samples.groupby("problem")["share"].std(ddof=1).mean())


def input_correlation(samples: pd.DataFrame) -> float:
    """Correlation of the input's and the output's hydrophobic share, over all samples."""
    return float(samples["input_share"].corr(samples["share"]))


def invalid_share(samples: pd.DataFrame) -> float:
    """The share of samples that are no protein of the least length."""
    return float(samples["share"].isna().mean())


def push_on_share(
    rewards: FloatArray, shares: FloatArray, strategy: Strategy, form: UpdateForm, settings: Rl
) -> float:
    """Covariance of A * w with the hydrophobic share h, in standard deviations of h.

    To first order an update moves the mean of h in proportion to it: the model whose samples these
    are leaves the low hill of the unconditional task where it is positive, and climbs back where it
    is negative. Quantiles among past rewards are taken among the given ones.

    Args:
        rewards: Of the samples, shape (P, M).
        shares: h, shape (P, M).
        strategy: The strategy of the branch.
        form: Which of its two weights.
        settings: How the branch is trained: estimate of success, limit of the advantages.

    """
    groups = torch.from_numpy(rewards)
    advantages = group_advantages(groups, settings.advantage_limit)
    weights = SUCCESS_ESTIMATES[settings.success_estimate]().weights(
        strategy,
        form,
        RolloutGroups(
            log_p=torch.zeros_like(groups), rewards=groups, past_rewards=groups.flatten()
        ),
    )
    valid = ~np.isnan(shares)
    gains = (advantages * weights).numpy()[valid]
    return float(np.cov(gains, shares[valid], ddof=0)[0, 1] / shares[valid].std())


def in_groups(samples: pd.DataFrame, column: str, size: int) -> FloatArray:
    """The samples of one model and seed as groups like those of training, shape (P, ``size``).

    Each prompt's samples are cut into as many whole groups as there are; the rest is left out.
    """
    drawn = samples.pivot(index="problem", columns="sample", values=column).to_numpy()
    whole = drawn.shape[1] // size * size
    return drawn[:, :whole].reshape(-1, size)
