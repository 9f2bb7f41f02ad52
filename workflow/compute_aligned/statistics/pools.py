"""The expected maximum of families that are evaluated on one prompt: a pool of samples a seed.

With one problem there is nothing to average over, so levels and gains come from the pools
themselves. What comes out has the form of :func:`compute_aligned.statistics.contrasts.summarise`.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from compute_aligned.errors import InputError
from compute_aligned.estimators import expected_max
from compute_aligned.statistics.contrasts import interval_columns
from compute_aligned.statistics.intervals import FloatArray, pool_interval


def summarise(
    scores: pd.DataFrame, branches: Sequence[str], budgets: Sequence[int], baseline: str
) -> pd.DataFrame:
    """One row a branch and budget: expected maximum and gain over the baseline, with intervals.

    Args:
        scores: What :func:`~compute_aligned.paper.protein_scores.read_scores` gives of one problem.
        branches: The rows wanted, in order.
        budgets: The k wanted; those above the size of the pools are left out.
        baseline: The branch that gains are taken against.

    Returns:
        As :func:`compute_aligned.statistics.contrasts.summarise`; ``problems`` is 1.

    Raises:
        InputError: A branch has no samples, or pools differ in size.

    """
    pools = equal_pools(scores, [*branches, baseline])
    num_seeds, size = pools[baseline].shape
    shown = sorted(k for k in set(budgets) if k <= size)

    def maxima(samples: FloatArray) -> FloatArray:
        return np.asarray(expected_max(samples, shown))

    rows = []
    for branch in branches:
        levels = pool_interval(maxima, pools[branch])
        gains = (
            [None] * len(shown)
            if branch == baseline
            else pool_interval(maxima, pools[branch], pools[baseline])
        )
        rows += [
            {"branch": branch, "metric": "expected_max@k", "k": k}
            | interval_columns("value", level)
            | interval_columns("gain", gain)
            | {"seeds": num_seeds, "problems": 1}
            for k, level, gain in zip(shown, levels, gains, strict=True)
        ]
    return pd.DataFrame(rows)


def equal_pools(scores: pd.DataFrame, branches: Sequence[str]) -> dict[str, FloatArray]:
    """The rewards of every branch, a row a seed, as many of each.

    Raises:
        InputError: A branch has no samples, or pools differ in size.

    """
    pools = {branch: pools_of(scores, branch) for branch in branches}
    sizes = {pool.shape for pool in pools.values()}
    if len(sizes) > 1:
        raise InputError(
            "pools of samples",
            f"they differ in seeds or samples: {', '.join(map(str, sorted(sizes)))}",
            "run again with every seed sampled and scored",
        )
    return pools


def pools_of(scores: pd.DataFrame, branch: str) -> FloatArray:
    """The rewards of one branch, a row a seed.

    Raises:
        InputError: It has no samples, or not equally many in every seed.

    """
    mine = scores[scores["branch"] == branch]
    if mine.empty:
        raise InputError(f"branch {branch}", "it has no samples", "sample and score it first")
    matrix = mine.pivot(index="seed", columns="sample", values="reward").to_numpy()
    if np.isnan(matrix).any():
        raise InputError(
            f"branch {branch}", "its seeds have pools of different sizes", "sample all seeds anew"
        )
    return matrix
