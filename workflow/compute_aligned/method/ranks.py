"""Spearman's rank correlation of points that come in groups, with its interval over groups."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from compute_aligned.method.resampling import FloatArray, resamples

FEWEST_GROUPS = 5  # for an interval: resamples of fewer are much alike
NUM_BOOTSTRAP = 1000


class Correlation(NamedTuple):
    """An estimate between the ends of its 95% interval; NaN where there is none."""

    estimate: float
    low: float
    high: float


def rank_correlation(x: ArrayLike, y: ArrayLike, groups: ArrayLike, seed: int = 0) -> Correlation:
    """Spearman's rank correlation of x and y.

    The interval is from a bootstrap of whole groups, since the points of a group vary together:
    from the 2.5 to the 97.5% quantile of the correlations in resamples that have one.

    Args:
        x: Shape (N,).
        y: Shape (N,).
        groups: What group each point is of, shape (N,).
        seed: Of the resamples.

    Returns:
        No estimate where x or y does not vary, and no interval with fewer than
        :data:`FEWEST_GROUPS` groups.

    """
    first, second = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    estimate = _spearman(first, second)
    names, places = np.unique(np.asarray(groups), return_inverse=True)
    if np.isnan(estimate) or len(names) < FEWEST_GROUPS:
        return Correlation(estimate, np.nan, np.nan)
    members = [np.flatnonzero(places == group) for group in range(len(names))]
    rng = np.random.default_rng(seed)
    found = []
    for drawn in resamples(len(names), NUM_BOOTSTRAP, rng):
        points = np.concatenate([members[group] for group in drawn])
        found.append(_spearman(first[points], second[points]))
    low, high = np.nanquantile(found, (0.025, 0.975))
    return Correlation(estimate, float(low), float(high))


def _spearman(x: FloatArray, y: FloatArray) -> float:
    """The correlation of ranks, ties having their mean rank; NaN where one does not vary."""
    ranks = np.stack([rankdata(x), rankdata(y)])
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    size = np.sqrt((centred**2).sum(axis=1).prod())
    return float(centred[0] @ centred[1] / size) if size else float("nan")
