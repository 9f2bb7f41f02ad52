import itertools
import math
from collections.abc import Callable

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from support.own_strategy import SecondTry

from compute_aligned.files.errors import InputError
from compute_aligned.method.strategies import BestOfN, MajorityVote, PassAtN, SingleSample, Strategy
from compute_aligned.paper.analytic import (
    BUDGETS,
    PAPER_KINDS,
    TRAINED,
    evaluate,
    further_strategies,
    pivotal_variances,
    unit_crossings,
    weight_alignment,
    weight_values,
)

INSIDE = np.linspace(0, 1, 501)[1:-1]


# --- values ---------------------------------------------------------------------------------


def test_every_quantity_of_every_strategy_has_a_row_at_every_p_that_is_one() -> None:
    strategies, p = [PassAtN(n=4), BestOfN(n=4)], [0.1, 0.5]

    frame = weight_values(strategies, p)

    assert len(frame) == 3 * 2 * 2
    values = frame.set_index(["quantity", "strategy", "p"])["value"]
    assert values["sft_weight", "PassAtN(n=4)", 0.5] == pytest.approx(4 * 0.5**4 / (1 - 0.5**4))
    assert values["sft_weight", "BestOfN(n=4)", 0.5] == values["sft_weight", "PassAtN(n=4)", 0.5]
    assert values["rl_weight", "BestOfN(n=4)", 0.1] == pytest.approx(4 * 0.1**3)
    assert values["success", "BestOfN(n=4)", 0.1] == pytest.approx(1 - 0.9**4)
    with pytest.raises(ValueError, match="above 0"):
        evaluate(PassAtN(n=4), "success", np.array([0.5, 1.5]))


# --- further strategies ---------------------------------------------------------------------


def test_further_strategies_are_those_of_other_kinds_each_once_and_in_order() -> None:
    texts = ["PassAtN(n=8)", "SecondTry(chance=0.5)", "SingleSample()", "SecondTry(chance=1.0)"]

    found = further_strategies([*texts, "SecondTry(chance=.5)", *map(repr, TRAINED)])

    assert found == [SecondTry(chance=0.5), SecondTry(chance=1.0)]
    assert {type(strategy) for strategy in TRAINED} == set(PAPER_KINDS)
    with pytest.raises(InputError, match="no strategy is named PassAtM"):
        further_strategies(["PassAtM(n=4)"])


# --- alignment ------------------------------------------------------------------------------

PASS = [PassAtN(n=n) for n in BUDGETS]


def textbook_weight(n: int, p: float) -> float:
    return n * p * (1 - p) ** (n - 1) / (1 - (1 - p) ** n) if p else 1.0


def test_the_cosines_are_those_of_the_textbook_weights_on_the_2001_point_grid() -> None:
    rows = np.array([[textbook_weight(n, i / 2000) for i in range(2001)] for n in BUDGETS])
    norms = np.sqrt((rows**2).sum(axis=1))

    cosines = weight_alignment(PASS, PASS)["cosine"].to_numpy().reshape(4, 4)

    np.testing.assert_allclose(cosines, rows @ rows.T / np.outer(norms, norms), rtol=1e-10)
    np.testing.assert_allclose(np.diag(cosines), 1)
    # the further apart the budgets, the lower
    assert (np.diff(cosines[0]) < 0).all()
    assert (np.diff(cosines[-1]) > 0).all()


def test_the_cosines_are_near_those_of_the_functions_themselves() -> None:
    def inner(a: int, b: int) -> float:
        def product(p: float) -> float:
            return textbook_weight(a, p) * textbook_weight(b, p)

        return quad(product, 0, 1, points=[0.02, 0.2], epsrel=1e-9)[0]

    expected = [
        inner(train, test) / math.sqrt(inner(train, train) * inner(test, test))
        for train, test in itertools.product(BUDGETS, BUDGETS)
    ]
    assert weight_alignment(PASS, PASS)["cosine"].tolist() == pytest.approx(expected, abs=2e-3)


def test_any_strategy_can_be_aligned_with_any_other() -> None:
    frame = weight_alignment([SecondTry(chance=1.0), MajorityVote(n=4, k=4)], [PassAtN(n=2)])

    # a sure second try is Pass@2, and unanimity weighs all alike, as cross-entropy does
    alone = weight_alignment([SingleSample()], [PassAtN(n=2)])["cosine"].item()
    np.testing.assert_allclose(frame["cosine"], [1, alone])
    assert frame["train"].tolist() == ["SecondTry(chance=1.0)", "Majority 4 of 4"]


# --- support --------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "k"), [(16, 4), (8, 3), (64, 26), (3, 2)])
def test_a_majority_weight_passes_through_one_where_mpmath_says(n: int, k: int) -> None:
    def excess(p: mpmath.mpf) -> mpmath.mpf:
        head = k * mpmath.binomial(n, k) * p**k * (1 - p) ** (n - k)
        return head / mpmath.betainc(k, n - k + 1, 0, p, regularized=True) - 1

    # that of (3, 2) is 3/4, a point of the grid
    (crossing,) = unit_crossings(MajorityVote(n=n, k=k), INSIDE)

    assert crossing == pytest.approx(
        float(mpmath.findroot(excess, (0.05, 0.95), solver="anderson")), abs=1e-4
    )


@pytest.mark.parametrize("strategy", [SingleSample(), PassAtN(n=16), MajorityVote(n=4, k=4)])
def test_a_weight_that_stays_on_one_side_has_no_crossing(strategy: Strategy) -> None:
    assert unit_crossings(strategy, INSIDE) == []


# --- the variance example -------------------------------------------------------------------


def enumerated(n: int, p: float) -> dict[str, float]:
    """Mean and variances by their definition, over all outcomes of n draws and all indices."""
    cases = []  # probability, draws, index, estimate
    for draws in itertools.product((0, 1), repeat=n):
        for index in range(n):
            others_fail = sum(draws) == draws[index]
            score = 1 - p if draws[index] else -p  # d log P[draw] / d logit
            estimate = n * draws[index] * others_fail * score
            probability = math.prod(p if right else 1 - p for right in draws) / n
            cases.append((probability, draws, index, estimate))
    mean = sum(probability * estimate for probability, *_, estimate in cases)

    def variance_given(key: Callable[[tuple], object]) -> tuple[float, float]:
        """Variance of the conditional expectation, and expectation of the conditional variance."""
        between = within = 0.0
        for value in {key(case) for case in cases}:
            inside = [case for case in cases if key(case) == value]
            mass = sum(probability for probability, *_ in inside)
            centre = sum(case[0] * case[3] for case in inside) / mass
            between += mass * (centre - mean) ** 2
            within += sum(case[0] * (case[3] - centre) ** 2 for case in inside)
        return between, within

    sampled = sum(probability * (x - mean) ** 2 for probability, *_, x in cases)
    summed, lost_index = variance_given(lambda case: case[1])
    weighted, lost_others = variance_given(lambda case: (case[2], case[1][case[2]]))
    # the law of total variance, which is all that Rao-Blackwell rests on
    assert summed + lost_index == pytest.approx(sampled)
    assert weighted + lost_others == pytest.approx(sampled)
    return {"gradient": mean, "sampled": sampled, "summed": summed, "weighted": weighted}


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("p", [0.05, 0.3, 0.5, 0.9])
def test_the_variances_are_those_of_an_enumeration_of_all_draws(n: int, p: float) -> None:
    row = pivotal_variances(n, np.array([p])).iloc[0]

    for name, expected in enumerated(n, p).items():
        assert row[name] == pytest.approx(expected, rel=1e-10), name
    assert row["averaged"] == pytest.approx(row["weighted"] / n)


@pytest.mark.parametrize("n", BUDGETS)
def test_the_estimators_aim_at_the_slope_of_pass_at_n_in_the_logit(n: int) -> None:
    logits = np.array([-4.0, -1.0, 0.0, 2.0])

    def success(logit: mpmath.mpf) -> mpmath.mpf:
        return 1 - (1 - 1 / (1 + mpmath.exp(-logit))) ** n

    gradient = pivotal_variances(n, 1 / (1 + np.exp(-logits)))["gradient"]

    with mpmath.workdps(150):
        slopes = [float(mpmath.diff(success, logit)) for logit in logits]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-10)


@given(n=st.integers(2, 100), p=st.floats(1e-6, 0.999))
def test_conditioning_never_adds_variance_and_neither_way_is_always_better(
    n: int, p: float
) -> None:
    row = pivotal_variances(n, np.array([p])).iloc[0]
    slack = 1 + 1e-9

    assert row["summed"] <= row["sampled"] / n * slack
    assert row["weighted"] <= row["sampled"] * slack
    assert row["averaged"] <= row["summed"] * slack
    weight = evaluate(PassAtN(n=n), "rl_weight", np.array([p])).item()
    if not math.isclose(weight, 1, rel_tol=1e-6):
        assert (row["summed"] < row["weighted"]) == (weight > 1)


def test_with_one_draw_all_estimators_are_the_same_and_at_the_ends_nothing_varies() -> None:
    frame = pivotal_variances(1, INSIDE)
    for name in ("sampled", "summed", "weighted", "averaged"):
        np.testing.assert_allclose(frame[name], INSIDE * (1 - INSIDE) ** 3)

    ends = pivotal_variances(16, np.array([0.0, 1.0]))
    assert (ends[["gradient", "sampled", "summed", "weighted", "averaged"]] == 0).all(axis=None)
