import math

import mpmath
import pytest
import torch

from compute_aligned.files.errors import InputError
from compute_aligned.method.budget_mixtures import MaxRL, Mixture
from compute_aligned.method.strategies import PassAtN, SingleSample

MIXTURES = [MaxRL(t=1), MaxRL(t=2), MaxRL(t=16), Mixture(n=2, a=0.3), Mixture(n=64, a=0.9)]
LOG_P = [-10000.0, -745.0, -50.0, -7.0, -2.0, -1.0, -0.7, -0.69, -0.5, -0.1, -1e-3, -1e-8, -1e-14]


def oracle(strategy, log_p):
    """S and its derivatives from the definitions; 1 - q^k as p times a sum loses no digits."""
    with mpmath.workdps(60):
        p, q = mpmath.exp(log_p), -mpmath.expm1(log_p)

        def any_of(k):
            return p * mpmath.fsum(q**j for j in range(k))

        if isinstance(strategy, MaxRL):
            terms = range(1, strategy.t + 1)
            success = mpmath.fsum(any_of(k) / k for k in terms)
            slope = any_of(strategy.t) / p  # the paper's weight, in closed form
            whole = mpmath.fsum(mpmath.mpf(1) / k for k in terms)
            success, slope = success / whole, slope / whole
        else:
            n, a = strategy.n, mpmath.mpf(strategy.a)
            success = (1 - a) * p + a * any_of(n)
            slope = (1 - a) + a * n * q ** (n - 1)
        return {
            "log_success": mpmath.log(success),
            "rl_weight": slope,
            "log_rl_weight": mpmath.log(slope),
            "sft_weight": p * slope / success,
        }


@pytest.mark.parametrize("strategy", MIXTURES, ids=repr)
def test_success_and_weights_match_the_definitions_even_near_0_and_1(strategy):
    for method in ("log_success", "rl_weight", "log_rl_weight", "sft_weight"):
        got = getattr(strategy, method)(torch.tensor(LOG_P, dtype=torch.float64)).tolist()
        for log_p, value in zip(LOG_P, got, strict=True):
            with mpmath.workdps(60):
                truth = oracle(strategy, mpmath.mpf(log_p))[method]
                floor = 1.0 if method == "log_rl_weight" else 1e-300
                error = abs(mpmath.mpf(value) - truth) / max(abs(truth), floor)
            assert error < 1e-11, f"{strategy!r}.{method} at {log_p}: {value}, not {truth}"


@pytest.mark.parametrize("strategy", MIXTURES, ids=repr)
def test_at_p_0_and_1_there_are_limits(strategy):
    ends = torch.tensor([-math.inf, 0.0], dtype=torch.float64)
    assert strategy.log_success(ends).tolist() == [-math.inf, 0.0]
    least = sum(share for k, share in strategy.shares.items() if k == 1)
    steepest = sum(k * share for k, share in strategy.shares.items())
    assert strategy.rl_weight(ends).tolist() == pytest.approx([steepest, least])


@pytest.mark.parametrize("strategy", MIXTURES, ids=repr)
def test_the_estimate_is_unbiased_and_asks_for_the_largest_budget(strategy):
    m, p = max(strategy.shares) + 1, 0.3
    mean = sum(
        math.comb(m, c) * p**c * (1 - p) ** (m - c) * strategy.estimate(m, c) for c in range(m + 1)
    )
    log_p = torch.tensor(p, dtype=torch.float64).log()
    assert mean == pytest.approx(strategy.log_success(log_p).exp().item(), rel=1e-12)
    assert strategy.estimate(m - 2, 0) is None


def test_maxrl_goes_from_one_sample_to_log_p():
    log_p = torch.tensor([-2.0, -0.5], dtype=torch.float64)
    assert torch.equal(MaxRL(t=1).log_success(log_p), SingleSample().log_success(log_p))
    many = MaxRL(t=300)
    weight = many.rl_weight(log_p) * many.scale
    torch.testing.assert_close(weight, 1 / log_p.exp())


def test_a_mixture_lies_between_its_parts():
    log_p = torch.tensor([-3.0, -0.2], dtype=torch.float64)
    one, many = (s.log_success(log_p).exp() for s in (SingleSample(), PassAtN(n=8)))
    torch.testing.assert_close(Mixture(n=8, a=0.25).log_success(log_p).exp(), 0.75 * one + many / 4)


@pytest.mark.parametrize(
    "make",
    [
        *(lambda t=t: MaxRL(t=t) for t in (0, -1, 2.0, True)),
        *(lambda n=n, a=a: Mixture(n=n, a=a) for n, a in ((1, 0.5), (4, 0.0), (4, 1), (4.0, 0.5))),
    ],
)
def test_values_that_make_no_sense_are_refused(make):
    with pytest.raises(InputError, match="write it as"):
        make()
