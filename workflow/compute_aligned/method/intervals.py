"""Confidence intervals that carry both sources of variation: test problems and training seeds.

Outcomes form a two-way layout, seed s by problem p (the test problems are the same in every seed):
``mean + seed_s + problem_p + interaction_sp``, where the interaction holds sampling noise too. The
grand mean errs by the mean seed effect, the mean problem effect and the mean interaction.

Method. The means of the S seeds vary by seed effect *and* interaction, so a t variate with S - 1
degrees of freedom carries both, exactly under normality. What is left is the problem effect: a
bootstrap of the problems, scaled to ``(MS_problem - MS_interaction) / (S P)`` so that the
interaction is not counted twice. The two independent errors are convolved, as in the
Behrens-Fisher problem, and the quantiles are solved for: where only the seeds vary, the result is
the t interval to ten digits, without bootstrap noise.

The seeds' part is not less than a normal variate with the variance that the interaction alone
makes, ``MS_interaction / (S P)``: few seeds can agree by chance, and would then claim to know too
much. Of the two errors the one that reaches further counts, at each level for itself. (Taking the
normal one wherever its variance is the larger was tried too: of 12 contrasts without any effect on
three seeds, one or more was stated in 17% of runs after Holm's correction, instead of 5%.)

Coverage in percent of nominal 95% intervals and, in brackets, width relative to this method;
P = 100; 4,000 simulated data sets a row for the first column (standard error .35), at least 1,000
elsewhere:

    what varies most     S   this   full convolution   Satterthwaite   hierarchical percentile
    seeds                3   94.6   95.2  (1.02)       92.5  (.95)     76.7  (.38)
                         5   95.2   94.7  (1.00)       94.5  (.97)     85.4  (.65)
    problems             3   95.2   95.0   (.99)       94.8  (.98)     94.1  (.95)
                         5   94.7   95.2   (.99)       94.7 (1.00)     94.2  (.97)
    interaction          3   95.7   99.6  (1.12)       98.4  (.95)     98.9  (.76)
                         5   95.7   99.8  (1.23)       98.7 (1.05)     99.8 (1.18)
    seeds = problems     3   97.2   96.8   (.99)       94.0  (.75)     88.8  (.56)
                         5   96.5   96.7   (.99)       95.1  (.90)     93.0  (.78)
    problems, int.       3   97.8   99.0  (1.07)       96.3  (.83)     96.9  (.85)
                         5   95.9   97.0  (1.06)       95.2  (.97)     97.0 (1.03)
    sparse, both signs   3   94.5   95.0  (1.03)       94.0  (.87)     92.9  (.89)
                         5   93.4   93.0  (1.02)       93.8  (.98)     93.0 (1.00)
    sparse, one sign     3   95.6   97.9  (1.07)       94.1  (.83)     96.6  (.84)
                         5   94.0   95.6  (1.07)       92.5  (.97)     95.0 (1.03)
    sparse, seeds, int.  3   95.6   99.6  (1.12)       99.0  (.96)     99.5  (.76)
                         5   95.1   99.1  (1.23)       98.0 (1.04)     99.1 (1.17)
    pass@8 of 16, mixed  3   95.8   98.2  (1.05)       95.6  (.92)     95.3  (.57)
                         5   95.8   97.4  (1.10)       95.5  (.97)     96.8  (.89)

"Sparse": outcomes 1, 0, -1, of which 95 to 97% are 0. At P = 400 (2,000 data sets a row) this
method covers 94.8 to 98.0 in all these settings. Full convolution bootstraps the seed-averaged
problems as they are, and so counts the interaction twice. Satterthwaite is the variance
``(MS_seed + MS_problem - MS_interaction) / (S P)``, floored at either of its halves, with matched
degrees of freedom: the shortest, but short of 95% where seeds matter at S = 3. The hierarchical
percentile bootstrap resamples seeds, then problems: with so few seeds it fails (P = 400: 74.0 and
83.3 where seeds dominate). The table was made without the least variance above; with it, where
only the interaction varies, the interval covers 98.9, 98.0 and 97.0 with 3, 5 and 10 seeds, 3 to 5%
wider, and no more than 1.5 points more elsewhere.

Limits. A t interval on three seeds is 2.2 times as wide as a normal one: more seeds shorten it.
One seed says nothing about the next: the interval is then over problems only, and says so in
``sources``. Where skewed outcomes rest on few problems every method falls short: log-normal
problem effects 92, and with one seed and P = 100, 93 if 5% of the problems differ, 73 if 2% do.
Where seeds dominate and are not normal (3, 5, 10 seeds; 1,500 data sets each): t(3) 97, 96, 95;
log-normal 93, 88, 89; in one of two states, one seed in five, 82, 75, 90.
"""

import bisect
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, special

from compute_aligned.method.confidence import (
    NUM_BOOTSTRAP,
    POOL_BOOTSTRAP,
    Confidence,
    FloatArray,
    Interval,
    mean_confidence,
    pool_confidences,
)


def mean_interval(
    outcomes: ArrayLike, level: float = 0.95, num_bootstrap: int = NUM_BOOTSTRAP, seed: int = 0
) -> Interval:
    """Interval of the mean outcome over problems and training seeds.

    Args:
        outcomes: Shape (S, P): a row per seed, a column per problem, the same problems in each.
        level: Confidence level, inside (0, 1).
        num_bootstrap: Bootstrap samples of the problems.
        seed: Seed of the bootstrap.

    Returns:
        The interval. One seed: over problems only. One problem: over seeds only, and equal to
        the t interval. It is not cut to the range of the outcomes. Where all problems, or all
        seeds, have the same mean, that source adds nothing: outcomes that are all equal give a
        width of 0, which says that no variation was seen, not that there is none.

    Raises:
        ValueError: If ``outcomes`` is not a matrix, has a value that is not finite, or has fewer
            than two values; if ``level`` or ``num_bootstrap`` is out of range.

    """
    return mean_confidence(outcomes, num_bootstrap, seed).interval(level)


def paired_interval(
    differences: ArrayLike, level: float = 0.95, num_bootstrap: int = NUM_BOOTSTRAP, seed: int = 0
) -> Interval:
    """Interval of a contrast: ``mean_interval`` of the branch's outcome minus the baseline's.

    Args:
        differences: Shape (S, P): the branch's minus the baseline's outcome, on the same problem
            and from the same seed's warm-up.
        level: Confidence level, inside (0, 1).
        num_bootstrap: Bootstrap samples of the problems.
        seed: Seed of the bootstrap.

    Returns:
        As ``mean_interval``.

    Raises:
        ValueError: As ``mean_interval``.

    """
    return mean_interval(differences, level, num_bootstrap, seed)


def pool_interval(
    statistic: Callable[[FloatArray], FloatArray],
    pools: ArrayLike,
    baseline_pools: ArrayLike | None = None,
    level: float = 0.95,
    num_bootstrap: int = POOL_BOOTSTRAP,
    seed: int = 0,
) -> list[Interval]:
    """Intervals of a statistic of one pool of samples a seed, minus the baseline's if given.

    For metrics that are not means over problems: the expected maximum of unconditional proteins
    (PAPER section 4), ``lambda pools: expected_max(pools, budgets)``. Each seed has a fresh pool,
    so the spread of the seeds' values contains that of the samples, and the t interval on them
    carries both sources. With one seed the samples are bootstrapped, branch and baseline apart,
    and the interval is the estimate -/+ the normal quantile times the bootstrap standard error.

    Coverage of 95% intervals of the expected maximum in pools of 512, k = 1 to 128: 93.3 to 96.0
    with three or five seeds; adding a bootstrap of the samples gives 97 to 100, 10 to 25% wider,
    where samples dominate. With one seed 94 to 96 at k = 1 and 81 to 89 (contrasts) at k = 128,
    and no better by percentiles: a maximum over a quarter of the pool rests on few samples.

    Args:
        statistic: Maps pools of shape (B, m) to values of shape (B, K), row by row.
        pools: Shape (S, m), the samples of each seed.
        baseline_pools: Shape (S, m'), or None for the level of ``pools`` itself.
        level: Confidence level, inside (0, 1).
        num_bootstrap: Bootstrap samples; used with one seed only.
        seed: Seed of the bootstrap.

    Returns:
        K intervals, one for each value of the statistic.

    Raises:
        ValueError: If pools are not matrices of finite values with S rows each, hold a single
            sample of a single seed, or if ``level`` or ``num_bootstrap`` is out of range.

    """
    confidences = pool_confidences(statistic, pools, baseline_pools, num_bootstrap, seed)
    return [confidence.interval(level) for confidence in confidences]


# --- power -----------------------------------------------------------------------------------

LEVEL = 0.95
POWER = 0.8
MOST_FREEDOM = 1e6  # a t variate with more is a normal one


def detectable_effect(half_width: float, standard_error: float) -> float:
    """The smallest effect, in the unit of the arguments, that has power ``POWER``.

    Args:
        half_width: Half the width of the 95% interval of a contrast.
        standard_error: Of the contrast's estimate.

    Returns:
        The effect's size; 0 where nothing varied, which says nothing.

    Raises:
        ValueError: An argument is negative or not finite, or one of the two alone is 0.

    """
    if not (0 <= half_width < np.inf and 0 <= standard_error < np.inf):
        raise ValueError(f"no half-width and standard error: {half_width}, {standard_error}")
    if (half_width == 0) != (standard_error == 0):
        raise ValueError(f"a half-width of {half_width} and an error of {standard_error}")
    if standard_error == 0:
        return 0.0
    return _smallest(standard_error, _freedom(half_width / standard_error), LEVEL)


def _smallest(standard_error: float, freedom: float, level: float) -> float:
    """The smallest effect with power ``POWER`` in a two-sided t test."""
    critical = special.stdtrit(freedom, (1 + level) / 2)

    def excess(effect: float) -> float:
        return 1 - float(special.nctdtr(freedom, effect, critical)) - POWER

    return standard_error * float(optimize.brentq(excess, 0, 10 * critical))


def _freedom(ratio: float) -> float:
    """The degrees of freedom at which the two-sided critical value of t is ``ratio``.

    A skewed bootstrap can come out below the normal one, or above that of one degree of freedom:
    then these two ends are the nearest there is.
    """

    def excess(log_freedom: float) -> float:
        return float(special.stdtrit(np.exp(log_freedom), (1 + LEVEL) / 2)) - ratio

    fewest, most = 0.0, float(np.log(MOST_FREEDOM))
    if excess(most) >= 0:
        return MOST_FREEDOM
    if excess(fewest) <= 0:
        return 1.0
    return float(np.exp(optimize.brentq(excess, fewest, most)))


MOST_SEEDS = 200


def seeds_to_decide(
    effect: Confidence, band: float, is_claimed_equal: bool, level: float = LEVEL
) -> int | None:
    """How many seeds would decide about an effect of this size.

    It is decided where it is told from 0 in 80% of cases, or its interval lies within the band; one
    that is claimed to be equal, where the interval lies within the band or outside.
    More seeds make only the seeds' part of the error smaller: that of the problems stays.

    Args:
        effect: As the seeds at hand have it, two or more of them.
        band: What counts as equal to 0.
        is_claimed_equal: Whether the claim is that it is equal to 0.
        level: Of the interval: above 95% where contrasts are corrected for their number.

    Returns:
        The number, above that at hand; None where more than ``MOST_SEEDS`` would be needed, or
        seeds are not what was replicated.

    """
    if effect.num_seeds < 2 or effect.standard_error == 0:
        return None
    size, of_seeds = abs(effect.estimate), max(effect.seed_scale, effect.least_scale) ** 2
    of_problems = effect.standard_error**2 - of_seeds

    def decide(seeds: int) -> bool:
        error = float(np.sqrt(of_seeds * effect.num_seeds / seeds + of_problems))
        half_width = float(special.stdtrit(seeds - 1, (1 + level) / 2)) * error
        if is_claimed_equal:
            return size + half_width < band or size - half_width > band
        return _smallest(error, seeds - 1, level) <= size or size + half_width < band

    more = range(effect.num_seeds + 1, MOST_SEEDS + 1)
    place = bisect.bisect_left(more, True, key=decide)
    return more[place] if place < len(more) else None
