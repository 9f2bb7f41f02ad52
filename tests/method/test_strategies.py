import math
from collections.abc import Callable
from dataclasses import dataclass

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from compute_aligned.files.errors import InputError
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


@dataclass(frozen=True)
class Retry(Strategy):
    """One sample and, with some chance, a second one if it fails: S = p + chance p (1-p)."""

    chance: float

    def log_success(self, log_p: Tensor) -> Tensor:
        return log_p + torch.log1p(-self.chance * torch.expm1(log_p))


# A new strategy joins every test below by its examples here; without any, the first test fails.
EXAMPLES: dict[str, list[Strategy]] = {
    "SingleSample": [SingleSample()],
    "PassAtN": [PassAtN(n=1), PassAtN(n=4), PassAtN(n=64)],
    "MajorityVote": [
        MajorityVote(n=1, k=1),
        MajorityVote(n=8, k=3),
        MajorityVote(n=16, k=16),
        MajorityVote(n=64, k=26),
    ],
    "BestOfN": [BestOfN(n=1), BestOfN(n=8)],
    "Retry": [Retry(chance=0.25), Retry(chance=1.0)],
}
ALL = [strategy for examples in EXAMPLES.values() for strategy in examples]
BINOMIAL = [strategy for strategy in ALL if isinstance(strategy, BinomialStrategy)]

WEIGHTS = ["sft_weight", "log_sft_weight", "rl_weight", "log_rl_weight"]
METHODS = ["log_success", "log_rl_success", "sft_loss", *WEIGHTS]
DTYPES = [torch.float32, torch.float64]
EXTREMES = [0.0, -1e-30, -1e-14, -1e-3, -0.5, -math.log(2), -0.7, -3.0, -50.0, -800.0, -10000.0]
COMFORTABLE = torch.linspace(-4.0, -0.02, 40, dtype=torch.float64)
LOG_PROBABILITIES = st.floats(min_value=-10000.0, max_value=0.0)

every_strategy = pytest.mark.parametrize("strategy", ALL, ids=repr)
every_binomial_strategy = pytest.mark.parametrize("strategy", BINOMIAL, ids=repr)
every_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def double(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_every_known_strategy_has_examples_in_this_suite() -> None:
    here = [
        name
        for name, cls in known_strategies().items()
        if cls.__module__.startswith("compute_aligned.") or cls.__module__ == __name__
    ]
    assert sorted(EXAMPLES) == sorted(here)
    for name, examples in EXAMPLES.items():
        assert examples
        assert all(type(example).__name__ == name for example in examples)


# ---- what holds for every strategy -----------------------------------------------------------


@every_dtype
@every_strategy
@pytest.mark.parametrize("method", METHODS)
def test_each_element_is_computed_alone_and_keeps_shape_and_dtype(
    strategy: Strategy, method: str, dtype: torch.dtype
) -> None:
    function: Callable[[Tensor], Tensor] = getattr(strategy, method)
    log_p = torch.tensor(EXTREMES[:10], dtype=dtype)
    flat = function(log_p)

    assert flat.dtype == dtype
    assert torch.equal(function(log_p.reshape(2, 5)), flat.reshape(2, 5))
    for value, expected in zip(log_p, flat, strict=True):
        torch.testing.assert_close(function(value), expected)
    assert function(log_p[:0]).shape == (0,)


@every_dtype
@every_strategy
def test_the_gradient_of_the_loss_is_minus_the_sft_weight_and_finite_everywhere(
    strategy: Strategy, dtype: torch.dtype
) -> None:
    log_p = torch.tensor(EXTREMES, dtype=dtype, requires_grad=True)
    loss = strategy.sft_loss(log_p)
    loss.sum().backward()

    assert log_p.grad is not None
    assert torch.isfinite(loss).all()
    assert torch.isfinite(log_p.grad).all()
    torch.testing.assert_close(log_p.grad, -strategy.sft_weight(log_p), rtol=1e-6, atol=0)


@every_strategy
def test_the_loss_passes_gradcheck_to_second_order(strategy: Strategy) -> None:
    log_p = double(-5.0, -2.0, -1.0, -0.6, -0.3).requires_grad_()
    assert torch.autograd.gradcheck(strategy.sft_loss, log_p)
    assert torch.autograd.gradgradcheck(strategy.sft_loss, log_p)


@every_strategy
def test_the_weights_are_the_finite_differences_of_the_successes(strategy: Strategy) -> None:
    step = 1e-5
    rise = strategy.log_success(COMFORTABLE + step) - strategy.log_success(COMFORTABLE - step)
    torch.testing.assert_close(
        strategy.sft_weight(COMFORTABLE), rise / (2 * step), rtol=1e-6, atol=1e-9
    )

    above, below = COMFORTABLE + step, COMFORTABLE - step
    rise_in_rl = strategy.log_rl_success(above).exp() - strategy.log_rl_success(below).exp()
    torch.testing.assert_close(
        strategy.rl_weight(COMFORTABLE),
        rise_in_rl / (above.exp() - below.exp()),
        rtol=1e-6,
        atol=1e-8,
    )


@every_strategy
def test_the_log_weights_are_the_logarithms_of_the_weights(strategy: Strategy) -> None:
    for name in ("sft_weight", "rl_weight"):
        weight = getattr(strategy, name)(COMFORTABLE)
        log_weight = getattr(strategy, f"log_{name}")(COMFORTABLE)
        torch.testing.assert_close(log_weight.exp(), weight, rtol=1e-12, atol=0)


@every_strategy
@pytest.mark.parametrize("method", WEIGHTS)
def test_the_closed_forms_agree_with_what_the_base_class_derives(
    strategy: Strategy, method: str
) -> None:
    derived = getattr(Strategy, method)(strategy, COMFORTABLE)
    torch.testing.assert_close(
        getattr(strategy, method)(COMFORTABLE), derived, rtol=1e-10, atol=1e-12
    )


@every_strategy
def test_the_rl_weight_integrates_to_what_success_gains_from_p_0_to_1(strategy: Strategy) -> None:
    # 48 nodes integrate the polynomials up to degree 95 exactly: every dS/dp here is one.
    nodes, quadrature = np.polynomial.legendre.leggauss(48)
    log_p = torch.log(torch.from_numpy((nodes + 1) / 2))
    integral = (strategy.rl_weight(log_p) * torch.from_numpy(quadrature / 2)).sum()
    never, always = strategy.log_rl_success(double(-math.inf, 0.0)).exp().tolist()
    assert integral.item() == pytest.approx(always - never, abs=1e-12)


@every_binomial_strategy
def test_certain_success_costs_nothing(strategy: Strategy) -> None:
    assert strategy.sft_loss(double(0.0)).item() == 0.0
    assert strategy.log_rl_success(double(0.0)).item() == 0.0


@every_strategy
@settings(deadline=None, max_examples=25)
@given(pair=st.tuples(LOG_PROBABILITIES, LOG_PROBABILITIES).map(sorted))
def test_success_is_a_probability_that_grows_with_p(strategy: Strategy, pair: list[float]) -> None:
    lower, upper = strategy.log_success(double(*pair)).tolist()
    assert lower <= upper + 1e-12 * abs(upper)
    assert upper <= 0.0
    assert (strategy.sft_weight(double(*pair)) >= 0).all()
    assert (strategy.rl_weight(double(*pair)) >= 0).all()


@every_strategy
@pytest.mark.parametrize("method", METHODS)
def test_float32_results_are_float64_results_rounded(strategy: Strategy, method: str) -> None:
    log_p = torch.tensor(EXTREMES, dtype=torch.float32)
    exact = getattr(strategy, method)(log_p.double())
    torch.testing.assert_close(getattr(strategy, method)(log_p), exact.float(), rtol=0, atol=0)


@every_strategy
@pytest.mark.parametrize("method", WEIGHTS)
def test_weights_are_constants_and_the_same_in_every_gradient_mode(
    strategy: Strategy, method: str
) -> None:
    weight: Callable[[Tensor], Tensor] = getattr(strategy, method)
    log_p = double(*EXTREMES).requires_grad_()
    reference = weight(log_p)
    assert not reference.requires_grad
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            torch.testing.assert_close(weight(double(*EXTREMES)), reference, rtol=0, atol=0)


@every_strategy
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bad", [1e-12, math.inf, math.nan])
def test_what_is_no_log_probability_is_refused(strategy: Strategy, method: str, bad: float) -> None:
    for dtype in DTYPES:
        with pytest.raises(ValueError, match="1 of 2 log-probabilities are NaN or above 0"):
            getattr(strategy, method)(torch.tensor([-1.0, bad], dtype=dtype))


@every_strategy
@pytest.mark.parametrize("dtype", [torch.int64, torch.float16, torch.bfloat16], ids=str)
def test_dtypes_other_than_float32_and_float64_are_refused(
    strategy: Strategy, dtype: torch.dtype
) -> None:
    for method in METHODS:
        with pytest.raises(ValueError, match="float32 or float64"):
            getattr(strategy, method)(torch.zeros(2, dtype=dtype))


@every_strategy
def test_the_repr_parses_back_to_an_equal_and_hashable_strategy(strategy: Strategy) -> None:
    parsed = parse_strategy(f"  {strategy!r}\n")
    assert parsed == strategy
    assert {parsed, strategy} == {strategy}


@every_strategy
def test_the_update_weight_takes_the_paper_s_two_forms(strategy: Strategy) -> None:
    weights = {"log": strategy.sft_weight, "raw": strategy.rl_weight}
    for form in strategy.update_forms:
        assert torch.equal(strategy.update_weight(COMFORTABLE, form), weights[form](COMFORTABLE))
    with pytest.raises(InputError, match="has no sqrt form"):
        strategy.update_weight(COMFORTABLE, "sqrt")  # type: ignore[arg-type]


# ---- the strategies of the paper, against high precision -----------------------------------------


ORACLE_LOG_P = [
    *(-10000.0, -2345.6, -745.0, -700.0, -300.0, -40.0, -12.5, -7.0, -5.0, -4.0, -3.0, -2.0),
    *(-1.5, -1.0, -0.7, -math.log(2), -0.69, -0.5, -0.3, -0.1, -0.03, -0.01, -1e-3, -1e-5),
    *(-1e-8, -1e-11, -1e-14, -1e-100),
]
SMALLEST_NORMAL = torch.finfo(torch.float64).smallest_normal


def oracle(n: int, k: int, log_p: float) -> dict[str, mpmath.mpf]:
    """Definitions of PAPER section 1, term by term; the digits resolve 1 - S down to 1e-330."""
    with mpmath.workdps(360):
        p, q = mpmath.exp(log_p), -mpmath.expm1(log_p)
        point = math.comb(n, k) * p**k * q ** (n - k)
        term, success = point, point
        for j in range(k, n):
            term = term * (n - j) / (j + 1) * p / q
            success += term
        sft_weight, rl_weight = k * point / success, k * point / p
        return {
            "log_success": mpmath.log(success),
            "sft_weight": sft_weight,
            "log_sft_weight": mpmath.log(sft_weight),
            "rl_weight": rl_weight,
            "log_rl_weight": mpmath.log(rl_weight),
        }


def votes_to_try(n: int) -> list[int]:
    drawn = int(np.random.default_rng(n).integers(1, n + 1))
    kinds = {1, 2, math.ceil(0.4 * n), n // 2 + 1, n - 1, n, drawn}
    return sorted(k for k in kinds if 1 <= k <= n)


def assert_matches_the_oracle(method: str, got: list[float], expected: list[mpmath.mpf]) -> None:
    # Of a log weight the absolute error counts: it is the relative error of the weight.
    floor = 1.0 if method in ("log_sft_weight", "log_rl_weight") else SMALLEST_NORMAL
    for log_p, value, truth in zip(ORACLE_LOG_P, got, expected, strict=True):
        error = abs(mpmath.mpf(value) - truth) / max(abs(truth), floor)
        assert error < 1e-12, f"{method} at log p = {log_p}: {value}, not {mpmath.nstr(truth, 17)}"


@pytest.mark.parametrize("n", [1, 2, 3, 4, 8, 16, 64, 257, 1024])
def test_majority_votes_match_the_oracle_for_every_kind_of_k(n: int) -> None:
    for k in votes_to_try(n):
        truths = [oracle(n, k, log_p) for log_p in ORACLE_LOG_P]
        for method in ("log_success", *WEIGHTS):
            got = getattr(MajorityVote(n=n, k=k), method)(double(*ORACLE_LOG_P)).tolist()
            assert_matches_the_oracle(method, got, [truth[method] for truth in truths])


@pytest.mark.parametrize("n", [1, 4, 64, 1024])
def test_best_of_n_matches_the_oracle_with_its_two_faces(n: int) -> None:
    any_of_n = [oracle(n, 1, log_p) for log_p in ORACLE_LOG_P]
    all_of_n = [oracle(n, n, log_p) for log_p in ORACLE_LOG_P]
    for method in ("log_success", *WEIGHTS):
        truths = all_of_n if "rl" in method else any_of_n
        got = getattr(BestOfN(n=n), method)(double(*ORACLE_LOG_P)).tolist()
        assert_matches_the_oracle(method, got, [truth[method] for truth in truths])


@pytest.mark.parametrize("n", [1, 4, 16, 64])
def test_one_vote_of_n_is_pass_at_n_in_its_textbook_form(n: int) -> None:
    p = COMFORTABLE.exp()
    success = 1 - (1 - p) ** n
    weight = n * p * (1 - p) ** (n - 1) / success
    for strategy in (PassAtN(n=n), MajorityVote(n=n, k=1), BestOfN(n=n)):
        torch.testing.assert_close(
            strategy.log_success(COMFORTABLE), success.log(), rtol=1e-9, atol=1e-14
        )
        torch.testing.assert_close(strategy.sft_weight(COMFORTABLE), weight, rtol=1e-10, atol=0)
    torch.testing.assert_close(
        PassAtN(n=n).rl_weight(COMFORTABLE), n * (1 - p) ** (n - 1), rtol=1e-11, atol=0
    )


@pytest.mark.parametrize("n", [1, 3, 64, 1000])
def test_n_votes_of_n_have_loss_n_log_p_and_weight_n_exactly(n: int) -> None:
    log_p = double(*EXTREMES)
    unanimous = MajorityVote(n=n, k=n)
    assert torch.equal(unanimous.sft_loss(log_p), -n * log_p)
    assert torch.equal(unanimous.sft_weight(log_p), torch.full_like(log_p, n))


@pytest.mark.parametrize("strategy", [MajorityVote(n=1, k=1), PassAtN(n=1), BestOfN(n=1)], ids=repr)
def test_one_of_one_is_the_single_sample_bit_for_bit(strategy: Strategy) -> None:
    log_p = double(*EXTREMES, -math.inf)
    for method in METHODS:
        assert torch.equal(getattr(strategy, method)(log_p), getattr(SingleSample(), method)(log_p))


def test_the_single_sample_is_cross_entropy_bit_for_bit() -> None:
    log_p = double(*EXTREMES)
    assert torch.equal(SingleSample().sft_loss(log_p), -log_p)
    assert torch.equal(SingleSample().sft_weight(log_p), torch.ones_like(log_p))
    assert torch.equal(SingleSample().rl_weight(log_p), torch.ones_like(log_p))


@pytest.mark.parametrize("n", [1, 2, 4, 8, 64])
def test_the_best_of_n_rl_weight_is_n_q_to_the_n_minus_one(n: int) -> None:
    q = COMFORTABLE.exp()
    weight = BestOfN(n=n).rl_weight(COMFORTABLE)
    torch.testing.assert_close(weight, n * q ** (n - 1), rtol=1e-11, atol=0)
    assert torch.equal(BestOfN(n=n).log_rl_success(COMFORTABLE), n * COMFORTABLE)


@every_dtype
@every_binomial_strategy
def test_the_weights_have_their_limits_at_both_ends(
    strategy: BinomialStrategy, dtype: torch.dtype
) -> None:
    n, k = strategy.tail
    rl_n, rl_k = strategy.rl_tail
    sft_weight = strategy.sft_weight(torch.tensor([-math.inf, -10000.0, 0.0], dtype=dtype))
    rl_weight = strategy.rl_weight(torch.tensor([-math.inf, -10000.0, 0.0], dtype=dtype))

    assert sft_weight.tolist() == [k, k, n if k == n else 0]
    at_zero, at_one = (rl_n if rl_k == 1 else 0), (rl_n if rl_k == rl_n else 0)
    assert rl_weight.tolist() == pytest.approx([at_zero, at_zero, at_one], rel=1e-6)


def test_log_weights_stay_accurate_where_the_weights_underflow() -> None:
    sure, hopeless = double(-1e-14), double(-10000.0)
    assert PassAtN(n=64).sft_weight(sure).item() == 0.0
    expected = math.log(64) - 1e-14 + 63 * math.log(1e-14)
    assert PassAtN(n=64).log_sft_weight(sure).item() == pytest.approx(expected, rel=1e-12)

    assert MajorityVote(n=16, k=4).rl_weight(hopeless).item() == 0.0
    expected = math.log(16 * math.comb(15, 3)) - 3 * 10000.0
    assert MajorityVote(n=16, k=4).log_rl_weight(hopeless).item() == pytest.approx(
        expected, rel=1e-15
    )


@pytest.mark.parametrize(
    ("strategy", "log_p", "weight", "tolerance"),
    [
        (PassAtN(n=4), -1.0, 0.44, 5e-3),
        (PassAtN(n=16), -1.0, 0.006, 5e-4),
        (PassAtN(n=64), -1.0, 0.0, 5e-4),
        (MajorityVote(n=8, k=3), -10.0, 2.9998, 5e-5),
        (MajorityVote(n=16, k=4), -10.0, 3.9996, 5e-5),
        (MajorityVote(n=64, k=26), -10.0, 25.998, 5e-4),
    ],
    ids=repr,
)
def test_sft_weights_are_those_that_the_paper_s_regimes_imply(
    strategy: Strategy, log_p: float, weight: float, tolerance: float
) -> None:
    assert strategy.sft_weight(double(log_p)).item() == pytest.approx(weight, abs=tolerance)


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(2, 64),
    k=st.integers(1, 64),
    pair=st.tuples(LOG_PROBABILITIES, LOG_PROBABILITIES).map(sorted),
)
def test_more_draws_help_more_votes_hurt_and_weights_fade_with_p(
    n: int, k: int, pair: list[float]
) -> None:
    k = min(k, n - 1)
    log_p = double(*pair)
    slack = 1e-12
    success = MajorityVote(n=n, k=k).log_success(log_p)
    assert (MajorityVote(n=n + 1, k=k).log_success(log_p) >= success * (1 + slack)).all()
    assert (MajorityVote(n=n, k=k + 1).log_success(log_p) <= success * (1 - slack)).all()

    lower, upper = MajorityVote(n=n, k=k).sft_weight(log_p).tolist()
    assert 0.0 <= upper <= lower * (1 + slack)
    assert lower <= k * (1 + slack)


def test_best_of_n_says_that_it_has_no_log_form() -> None:
    with pytest.raises(InputError, match="Best-of-4 has no log form"):
        BestOfN(n=4).update_weight(COMFORTABLE, "log")


@pytest.mark.parametrize(
    ("strategy", "label"),
    [
        (SingleSample(), "Single sample"),
        (PassAtN(n=16), "Pass@16"),
        (MajorityVote(n=16, k=4), "Majority 4 of 16"),
        (BestOfN(n=4), "Best-of-4"),
        (Retry(chance=0.5), "Retry(chance=0.5)"),
    ],
    ids=repr,
)
def test_labels_are_short_and_default_to_the_repr(strategy: Strategy, label: str) -> None:
    assert strategy.label == label


# ---- reading a strategy from a sheet ---------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("PassAtN(n=0)", "n=0"),
        ("PassAtN(n=-3)", "n=-3"),
        ("PassAtN(n=2.0)", r"n=2\.0"),
        ("PassAtN(n=True)", "n=True"),
        ("BestOfN(n='4')", "n='4'"),
        ("MajorityVote(n=4, k=5)", "k=5.*n=4"),
        ("MajorityVote(n=4, k=0)", "k=0.*n=4"),
        ("MajorityVote(n=4, k=None)", "k=None.*n=4"),
        ("MajorityVote(n=4)", "missing a required argument: 'k'"),
        ("SingleSample(n=1)", "unexpected keyword argument 'n'"),
        ("PassAtK(n=4)", "no strategy is named PassAtK"),
        ("BinomialStrategy()", "no strategy is named BinomialStrategy"),
        ("PassAtN(4)", "literal keyword arguments"),
        ("PassAtN(n=size)", "literal keyword arguments"),
        ("PassAtN(n=4, n=8)", "each given once"),
        ("PassAtN(n=__import__('os').getpid())", "literal keyword arguments"),
        ("PassAtN", "literal keyword arguments"),
        ("strategies.PassAtN(n=4)", "literal keyword arguments"),
        ("PassAtN(n=4", "literal keyword arguments"),
        ("", "literal keyword arguments"),
    ],
)
def test_a_wrong_row_is_refused_with_its_text_and_the_reason(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        parse_strategy(text)
    assert caught.value.where == text


def test_an_unknown_name_is_answered_with_the_nearest_and_all_known_ones() -> None:
    with pytest.raises(InputError) as caught:
        parse_strategy("MajorityVotes(n=4, k=2)")
    assert "did you mean MajorityVote?" in caught.value.remedy
    for name in ("SingleSample", "PassAtN", "MajorityVote", "BestOfN", "Retry"):
        assert name in caught.value.remedy


def test_the_user_s_strategy_equals_pass_at_two_when_it_always_retries() -> None:
    retry, two = parse_strategy("Retry(chance=1.0)"), PassAtN(n=2)
    for method in METHODS:
        torch.testing.assert_close(
            getattr(retry, method)(COMFORTABLE), getattr(two, method)(COMFORTABLE)
        )


def test_two_strategies_of_one_name_are_refused() -> None:
    with pytest.raises(TypeError, match="already defines a strategy named PassAtN"):
        type("PassAtN", (PassAtN,), {})
    assert known_strategies()["PassAtN"] is PassAtN
