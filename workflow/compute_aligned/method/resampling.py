"""Bootstrap resamples of problems: drawn once for all contrasts of as many problems, or in blocks.

The draws depend on the seed and the numbers of problems and resamples alone.
"""

import functools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

KEPT_DRAWS = 2**22  # the largest resampling that is kept, 32 MiB
BLOCK_DRAWS = 2**16  # problems that are drawn at a time, in the processor's cache


def resampled_means(
    values: FloatArray, num_bootstrap: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Means of P values in B resamples with replacement, and B inverse chi-squares.

    Args:
        values: Shape (P,), P at least 2.
        num_bootstrap: B.
        seed: Seed of both.

    Returns:
        Means, shape (B,), and P - 1 over chi-squares of P - 1 degrees of freedom, shape (B,).

    """
    num_problems = len(values)
    if num_problems * num_bootstrap <= KEPT_DRAWS:
        shares, inflation = kept_resampling(num_problems, num_bootstrap, seed)
        return shares @ values, inflation
    rng = np.random.default_rng(seed)
    means = [shares @ values for shares in _shares(num_problems, num_bootstrap, rng)]
    return np.concatenate(means), _inflation(num_problems, num_bootstrap, rng)


def resamples(size: int, num_bootstrap: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """What is drawn of ``size`` items in each resample, shape (B, ``size``)."""
    return rng.integers(size, size=(num_bootstrap, size))


@functools.lru_cache(maxsize=2)
def kept_resampling(
    num_problems: int, num_bootstrap: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """The share of each problem in each resample, shape (B, P), and B inverse chi-squares.

    Contrasts of the same problems share them: drawing takes longer than all the rest.
    """
    rng = np.random.default_rng(seed)
    shares = np.empty((num_bootstrap, num_problems))
    start = 0
    for block in _shares(num_problems, num_bootstrap, rng):
        shares[start : start + len(block)] = block
        start += len(block)
    return shares, _inflation(num_problems, num_bootstrap, rng)


def _shares(
    num_problems: int, num_bootstrap: int, rng: np.random.Generator
) -> Iterator[FloatArray]:
    """The share of each problem in each resample, in blocks of resamples, shape (., P).

    The draws do not depend on the size of the blocks.
    """
    rows = max(1, BLOCK_DRAWS // num_problems)
    for start in range(0, num_bootstrap, rows):
        size = min(rows, num_bootstrap - start)
        drawn = resamples(num_problems, size, rng)
        drawn += num_problems * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=num_problems * size)
        yield counts.reshape(size, num_problems) / num_problems


def _inflation(num_problems: int, num_bootstrap: int, rng: np.random.Generator) -> FloatArray:
    freedom = num_problems - 1
    return freedom / rng.chisquare(freedom, size=num_bootstrap)
