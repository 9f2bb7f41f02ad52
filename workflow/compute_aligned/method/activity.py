"""How much of a batch a strategy's weight told apart, from the quantiles that steps record."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)  # of the quantiles that a step records
LEAST, MOST = 0.1, 0.9  # of the weight's range; between them it is active


def active_share(quantiles: ArrayLike) -> NDArray[np.float64]:
    """The share of a batch on which the weight is active: neither near 0 nor near its largest.

    The range of the weight is that from 0 to the 95% quantile of the batch, since AdamW with
    clipping takes a constant factor away, and reinforcement learning divides by the batch's mean.
    The weight is active between a tenth and nine tenths of it. Quantiles are joined by straight
    lines, and what lies outside of 5 to 95% does not count: the result is a share of the rest.
    A weight that is the same throughout a batch gives 0.

    Args:
        quantiles: Of the weights, none below 0, at :data:`LEVELS`; shape (..., 5).

    Returns:
        Shares, shape (...).

    """
    found = np.asarray(quantiles, dtype=float)
    low, high = found[..., :-1], found[..., 1:]
    least, most = LEAST * found[..., -1:], MOST * found[..., -1:]
    length = high - low
    inside = np.clip(np.minimum(high, most) - np.maximum(low, least), 0, None)
    level = (least < low) & (low < most)  # of a piece without length: all of it, or nothing
    parts = np.where(length > 0, inside / np.where(length > 0, length, 1), level)
    return parts @ np.diff(LEVELS) / (LEVELS[-1] - LEVELS[0])
