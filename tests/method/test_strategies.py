import functools
import math
import re
import sys

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.own_strategy import SecondTry

from compute_aligned.files.errors import InputError
from compute_aligned.method.budget_mixtures import MaxRL, Mixture
from compute_aligned.method.strategies import (
    BestOfN,
    BinomialStrategy,
    MajorityVote,
    PassAtN,
    SingleSample,
    Strategy,
    known_strategies,
)
from compute_aligned.method.strategy_text import parse_strategy

# A new strategy joins every test below by its examples here; without any, the first test fails.
EXAMPLES = {
    "SingleSample": [SingleSample()],
    "PassAtN": [PassAtN(n=1), PassAtN(n=4), PassAtN(n=64)],
    "MajorityVote": [MajorityVote(n=n, k=k) for n, k in ((1, 1), (8, 3), (16, 16), (64, 26))],
    "BestOfN": [BestOfN(n=1), BestOfN(n=8)],
    "MaxRL": [MaxRL(t=1), MaxRL(t=16)],
    "Mixture": [Mixture(n=2, a=0.9), Mixture(n=64, a=0.5)],
    "SecondTry": [SecondTry(chance=0.25), SecondTry(chance=1.0)],
}
ALL = [strategy for examples in EXAMPLES.values() for strategy in examples]
BINOMIAL = [strategy for strategy in ALL if isinstance(strategy, BinomialStrategy)]

WEIGHTS = ["sft_weight", "log_sft_weight", "rl_weight", "log_rl_weight"]
METHODS = ["log_success", "log_rl_success", "sft_loss", *WEIGHTS]
DTYPES = [torch.float32, torch.float64]
EXTREMES = [0.0, -1e-30, -1e-14, -1e-3, -0.5, -math.log(2), -0.7, -3.0, -50.0, -800.0, -10000.0]
COMFORTABLE = torch.linspace(-4.0, -0.02, 40, dtype=torch.float64)
PAIRS = st.lists(st.floats(-10000.0, 0.0), min_size=2, max_size=2).map(sorted)

double = functools.partial(torch.tensor, dtype=torch.float64)
every_strategy = pytest.mark.parametrize("strategy", ALL, ids=repr)


def test_every_known_strategy_has_examples_in_this_suite():
    ours = [n for n, c in known_strategies().items() if c.__module__.startswith("compute_aligned.")]
    assert sorted(EXAMPLES) == sorted([*ours, "SecondTry"])
    for name, examples in EXAMPLES.items():
        assert {type(example).__name__ for example in examples} == {name}


# ---- what holds for every strategy -----------------------------------------------------------


@every_strategy
@pytest.mark.parametrize("method", METHODS)
def test_each_element_is_computed_alone_and_float32_results_are_rounded(strategy, method):
    function = getattr(strategy, method)
    single = torch.tensor(EXTREMES[:10])
    exact, rounded = function(single.double()), function(single)

    assert (exact.dtype, rounded.dtype) == (torch.float64, torch.float32)
    torch.testing.assert_close(rounded, exact.float(), rtol=0, atol=0)
    for log_p, flat in ((single, rounded), (single.double(), exact)):
        assert torch.equal(function(log_p.reshape(2, 5)), flat.reshape(2, 5))
        assert function(log_p[:0]).shape == (0,)
        for value, expected in zip(log_p, flat, strict=True):
            torch.testing.assert_close(function(value), expected)


@every_strategy
def test_the_gradient_of_the_loss_is_minus_the_sft_weight_finite_and_differentiable(strategy):
    for dtype in DTYPES:
        log_p = torch.tensor(EXTREMES, dtype=dtype, requires_grad=True)
        loss = strategy.sft_loss(log_p)
        loss.sum().backward()
        assert torch.isfinite(loss).all()
        assert torch.isfinite(log_p.grad).all()
        torch.testing.assert_close(log_p.grad, -strategy.sft_weight(log_p), rtol=1e-6, atol=0)

    log_p = double([-5.0, -2.0, -1.0, -0.6, -0.3]).requires_grad_()
    assert torch.autograd.gradcheck(strategy.sft_loss, log_p)
    assert torch.autograd.gradgradcheck(strategy.sft_loss, log_p)


@every_strategy
def test_the_weights_are_the_finite_differences_of_the_successes(strategy):
    step = 1e-5
    above, below = COMFORTABLE + step, COMFORTABLE - step
    slope = (strategy.log_success(above) - strategy.log_success(below)) / (2 * step)
    torch.testing.assert_close(strategy.sft_weight(COMFORTABLE), slope, rtol=1e-6, atol=1e-9)

    rise = strategy.log_rl_success(above).exp() - strategy.log_rl_success(below).exp()
    slope = rise / (above.exp() - below.exp())
    torch.testing.assert_close(strategy.rl_weight(COMFORTABLE), slope, rtol=1e-6, atol=1e-8)


@every_strategy
@pytest.mark.parametrize("method", WEIGHTS)
def test_the_closed_forms_agree_with_what_the_base_class_derives(strategy, method):
    derived = getattr(Strategy, method)(strategy, COMFORTABLE)
    found = getattr(strategy, method)(COMFORTABLE)
    torch.testing.assert_close(found, derived, rtol=1e-12, atol=1e-12)


@every_strategy
def test_the_rl_weight_integrates_to_what_success_gains_from_p_0_to_1(strategy):
    # 48 nodes integrate the polynomials up to degree 95 exactly: every dS/dp here is one.
    nodes, quadrature = np.polynomial.legendre.leggauss(48)
    log_p = torch.log(torch.from_numpy((nodes + 1) / 2))
    integral = (strategy.rl_weight(log_p) * torch.from_numpy(quadrature / 2)).sum()
    never, always = strategy.log_rl_success(double([-math.inf, 0.0])).exp().tolist()
    assert integral.item() == pytest.approx(always - never, abs=1e-12)


@every_strategy
@settings(max_examples=25)
@given(pair=PAIRS)
def test_success_is_a_probability_that_grows_with_p(strategy, pair):
    lower, upper = strategy.log_success(double(pair)).tolist()
    assert lower <= upper + 1e-12 * abs(upper)
    assert upper <= 0.0
    assert (strategy.sft_weight(double(pair)) >= 0).all()
    assert (strategy.rl_weight(double(pair)) >= 0).all()


@every_strategy
@pytest.mark.parametrize("method", WEIGHTS)
def test_weights_are_constants_and_the_same_in_every_gradient_mode(strategy, method):
    weight = getattr(strategy, method)
    reference = weight(double(EXTREMES).requires_grad_())
    assert not reference.requires_grad
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            torch.testing.assert_close(weight(double(EXTREMES)), reference, rtol=0, atol=0)


@every_strategy
@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_log_probability_is_refused(strategy, method):
    for bad in (1e-12, math.inf, math.nan):
        for dtype in DTYPES:
            with pytest.raises(ValueError, match="1 of 2 log-probabilities are NaN or above 0"):
                getattr(strategy, method)(torch.tensor([-1.0, bad], dtype=dtype))
    for dtype in (torch.int64, torch.float16, torch.bfloat16):
        with pytest.raises(ValueError, match="float32 or float64"):
            getattr(strategy, method)(torch.zeros(2, dtype=dtype))


@every_strategy
def test_the_repr_parses_back_to_an_equal_and_hashable_strategy(strategy):
    parsed = parse_strategy(f"  {strategy!r}\n")
    assert parsed == strategy
    assert {parsed, strategy} == {strategy}


@every_strategy
def test_the_update_weight_takes_the_paper_s_two_forms_of_which_best_of_n_lacks_one(strategy):
    forms = {"log": strategy.sft_weight, "raw": strategy.rl_weight}
    if isinstance(strategy, BestOfN):
        del forms["log"]
    for form, weight in forms.items():
        assert torch.equal(strategy.update_weight(COMFORTABLE, form), weight(COMFORTABLE))
    for form in {"log", "sqrt"} - forms.keys():
        with pytest.raises(InputError, match=re.escape(f"{strategy.label} has no {form} form")):
            strategy.update_weight(COMFORTABLE, form)


# ---- the strategies of the paper, against high precision -------------------------------------


ORACLE_LOG_P = [
    *(-10000.0, -2345.6, -745.0, -700.0, -300.0, -40.0, -12.5, -7.0, -5.0, -4.0, -3.0, -2.0),
    *(-1.5, -1.0, -0.7, -math.log(2), -0.69, -0.5, -0.3, -0.1, -0.03, -0.01, -1e-3, -1e-5),
    *(-1e-8, -1e-11, -1e-14, -1e-100),
]


@functools.cache
def oracle(n, k, log_p):
    """Definitions of PAPER section 1, term by term; the digits resolve 1 - S down to 1e-330."""
    with mpmath.workdps(360):
        p, q = mpmath.exp(log_p), -mpmath.expm1(log_p)
        point = math.comb(n, k) * p**k * q ** (n - k)
        term, success = point, point
        for j in range(k, n):
            term = term * (n - j) / (j + 1) * p / q
            success += term
        weights = {"sft_weight": k * point / success, "rl_weight": k * point / p}
        logs = {f"log_{name}": mpmath.log(weight) for name, weight in weights.items()}
        successes = dict.fromkeys(("log_success", "log_rl_success"), mpmath.log(success))
        return successes | weights | logs


def with_votes_needed(n):
    """Strategies of n draws, with the votes that they need in SFT and in RL."""
    drawn = int(np.random.default_rng(n).integers(1, n + 1))
    kinds = {1, 2, math.ceil(0.4 * n), n // 2 + 1, n - 1, n, drawn}
    votes = [(MajorityVote(n=n, k=k), k, k) for k in sorted(kinds) if 1 <= k <= n]
    return [*votes, (PassAtN(n=n), 1, 1), (BestOfN(n=n), 1, n)]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 8, 16, 64, 257, 1024])
def test_strategies_match_the_oracle_for_every_kind_of_k_even_where_weights_underflow(n):
    for strategy, votes, rl_votes in with_votes_needed(n):
        for method in ("log_success", "log_rl_success", *WEIGHTS):
            k = rl_votes if "rl" in method else votes
            # Of a log weight the absolute error counts: it is the relative error of the weight.
            floor = 1.0 if "log" in method and "weight" in method else sys.float_info.min
            got = getattr(strategy, method)(double(ORACLE_LOG_P)).tolist()
            for log_p, value in zip(ORACLE_LOG_P, got, strict=True):
                truth = oracle(n, k, log_p)[method]
                error = abs(mpmath.mpf(value) - truth) / max(abs(truth), floor)
                assert error < 1e-12, f"{strategy!r}.{method} at {log_p}: {value}, not {truth}"


@pytest.mark.parametrize("n", [1, 3, 64, 1000])
def test_n_of_n_have_loss_n_log_p_and_weight_n_exactly(n):
    log_p = double([*EXTREMES, -math.inf])
    unanimous = MajorityVote(n=n, k=n)
    assert torch.equal(unanimous.sft_loss(log_p), -n * log_p)
    assert torch.equal(unanimous.sft_weight(log_p), torch.full_like(log_p, n))
    assert torch.equal(BestOfN(n=n).log_rl_success(log_p), n * log_p)


def test_one_of_one_is_cross_entropy_bit_for_bit():
    log_p = double([*EXTREMES, -math.inf])
    one, zero = torch.ones_like(log_p), torch.zeros_like(log_p)
    expected = [log_p, log_p, -log_p, one, zero, one, zero]
    for strategy in (MajorityVote(n=1, k=1), PassAtN(n=1), BestOfN(n=1), SingleSample()):
        for method, values in zip(METHODS, expected, strict=True):
            assert torch.equal(getattr(strategy, method)(log_p), values)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("strategy", BINOMIAL, ids=repr)
def test_the_weights_have_their_limits_and_certain_success_costs_nothing(strategy, dtype):
    (n, k), (rl_n, rl_k) = strategy.tail, strategy.rl_tail
    ends = torch.tensor([-math.inf, -10000.0, 0.0], dtype=dtype)
    at_zero, at_one = (rl_n if rl_k == 1 else 0), (rl_n if rl_k == rl_n else 0)

    assert strategy.sft_weight(ends).tolist() == [k, k, n if k == n else 0]
    assert strategy.rl_weight(ends).tolist() == pytest.approx([at_zero, at_zero, at_one], rel=1e-6)
    assert strategy.sft_loss(ends)[-1] == strategy.log_rl_success(ends)[-1] == 0.0


def test_sft_weights_are_those_that_the_paper_s_regimes_imply():
    printed = {
        (PassAtN(n=4), -1.0): "0.44",
        (PassAtN(n=16), -1.0): "0.006",
        (PassAtN(n=64), -1.0): "0.000",
        (MajorityVote(n=8, k=3), -10.0): "2.9998",
        (MajorityVote(n=16, k=4), -10.0): "3.9996",
        (MajorityVote(n=64, k=26), -10.0): "25.998",
    }
    for (strategy, log_p), digits in printed.items():
        weight = strategy.sft_weight(double(log_p)).item()
        assert f"{weight:.{len(digits.split('.')[1])}f}" == digits


@settings(max_examples=60)
@given(n=st.integers(2, 64), k=st.integers(1, 64), pair=PAIRS)
def test_more_draws_help_more_votes_hurt_and_weights_fade_with_p(n, k, pair):
    k, log_p, slack = min(k, n - 1), double(pair), 1e-12
    success = MajorityVote(n=n, k=k).log_success(log_p)
    assert (MajorityVote(n=n + 1, k=k).log_success(log_p) >= success * (1 + slack)).all()
    assert (MajorityVote(n=n, k=k + 1).log_success(log_p) <= success * (1 - slack)).all()

    lower, upper = MajorityVote(n=n, k=k).sft_weight(log_p).tolist()
    assert 0.0 <= upper <= lower * (1 + slack)
    assert lower <= k * (1 + slack)


def test_the_user_s_strategy_equals_pass_at_two_when_it_always_retries():
    for method in METHODS:
        of_two = getattr(PassAtN(n=2), method)(COMFORTABLE)
        torch.testing.assert_close(getattr(SecondTry(chance=1.0), method)(COMFORTABLE), of_two)


def test_labels_are_short_and_default_to_the_repr():
    labels = {
        SingleSample(): "Single sample",
        PassAtN(n=16): "Pass@16",
        MajorityVote(n=16, k=4): "Majority 4 of 16",
        BestOfN(n=4): "Best-of-4",
        SecondTry(chance=0.5): "SecondTry(chance=0.5)",
    }
    assert {strategy: strategy.label for strategy in labels} == labels


def test_two_strategies_of_one_name_are_refused():
    with pytest.raises(TypeError, match="already defines a strategy named PassAtN"):
        type("PassAtN", (PassAtN,), {})
    assert known_strategies()["PassAtN"] is PassAtN
