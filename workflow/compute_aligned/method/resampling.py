"""How seeds and problems vary: bootstrap resamples of problems, and components of variance.

Resamples are drawn once for all contrasts of as many problems, or in blocks.

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


# --- seeds by problems ------------------------------------------------------------------------


def variance_components(values: FloatArray) -> tuple[float, float, float]:
    """Split the variance of the grand mean into seeds (with interaction) and problems (without).

    With mean squares of the two-way layout, these are ``MS_seed / (S P)`` and
    ``(MS_problem - MS_interaction) / (S P)``, the latter at least 0, which is what it estimates
    where the problems do not differ.

    The interaction alone makes the means of the seeds vary by ``MS_interaction / P``, and with
    (S - 1)(P - 1) degrees of freedom that is known well. Few seeds can agree by chance more than
    that: the seeds' variance is not less.

    Returns:
        The seeds' variance, the least that it is, and the problems' variance.

    """
    num_seeds, num_problems = values.shape
    seed_means, problem_means = values.mean(axis=1), values.mean(axis=0)
    if num_seeds == 1:
        return 0.0, 0.0, float(problem_means.var(ddof=1) / num_problems)
    seeds = float(seed_means.var(ddof=1) / num_seeds)
    if num_problems == 1:
        return seeds, 0.0, 0.0
    residuals = values - seed_means[:, None] - problem_means[None, :] + values.mean()
    mean_square = np.sum(residuals**2) / ((num_seeds - 1) * (num_problems - 1))
    floor = float(mean_square / values.size)
    problems = float(problem_means.var(ddof=1) / num_problems) - floor
    return seeds, floor, max(problems, 0.0)


def problem_errors(
    problem_means: FloatArray, variance: float, num_bootstrap: int, seed: int
) -> FloatArray:
    """Bootstrap errors of the mean over problems, scaled to the given variance.

    The bootstrap gives their shape (skewed where few problems differ), ``variance`` their size:
    the spread of the problems' means also holds the interaction, which the seeds account for.
    Since that variance is itself an estimate, each error is multiplied by the root of an inverse
    chi-square over its P - 1 degrees of freedom, as in a t variate.
    """
    num_problems = len(problem_means)
    centred = problem_means - problem_means.mean()
    bootstrap_variance = float(np.mean(centred**2)) / num_problems
    if variance == 0 or bootstrap_variance == 0:
        return np.zeros(1)
    errors, inflation = resampled_means(centred, num_bootstrap, seed)
    return errors * np.sqrt(inflation * variance / bootstrap_variance)
