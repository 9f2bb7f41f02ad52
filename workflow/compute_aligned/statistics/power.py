"""What a run could have seen: the smallest effect that it would have shown four times out of five.

A contrast is shown when its interval excludes zero. With an estimate that errs by
``standard_error`` and an interval of half-width h, that is a t test with the degrees of freedom nu
at which ``t(.975, nu) * standard_error = h``: S - 1 where the seeds vary most, near P - 1 where the
problems do, and between them otherwise. At an effect delta its power is the probability that a
noncentral t variate with nu degrees of freedom and noncentrality ``delta / standard_error`` exceeds
t(.975, nu); the detectable effect is the delta at which that is 80%. Few seeds cost twice: they
make h wide, and the standard error itself uncertain, by a factor of two or so with three seeds.
"""

import numpy as np
from scipy import optimize, special

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
    freedom = _freedom(half_width / standard_error)
    critical = special.stdtrit(freedom, (1 + LEVEL) / 2)

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
