from dataclasses import asdict
from typing import get_args

import numpy as np
import pytest
import sympy
from latex2sympy2_extended import latex2sympy

from compute_aligned.method.strategies import BestOfN, MajorityVote, PassAtN, Strategy
from compute_aligned.paper.analytic import PAPER_KINDS, TRAINED, Quantity, evaluate
from compute_aligned.paper.analytic_tables import FORMULAS, Formulas

P = (0.01, 0.1, 0.3, 0.5, 0.9, 0.99)
EXAMPLES = [*TRAINED, PassAtN(n=1), MajorityVote(n=5, k=5), MajorityVote(n=64, k=33), BestOfN(n=1)]


def value_of(latex: str, strategy: Strategy, p: float, success: str) -> float:
    """A formula's value with 40 digits, from its LaTeX alone."""
    exact = sympy.Rational(repr(p))
    values = asdict(strategy) | {"p": exact, "q": exact}  # type: ignore[call-overload]
    expression = latex2sympy(latex).subs("s", latex2sympy(success))  # the parser writes S as s
    expression = expression.subs(values).doit()
    assert not expression.free_symbols, f"{latex} is about more than {sorted(values)}"
    return float(sympy.N(expression, 40))


@pytest.mark.parametrize("quantity", get_args(Quantity))
@pytest.mark.parametrize("strategy", EXAMPLES, ids=repr)
def test_a_formula_has_the_values_of_its_strategy(strategy: Strategy, quantity: Quantity) -> None:
    formulas = FORMULAS[type(strategy)]

    expected = [value_of(getattr(formulas, quantity), strategy, p, formulas.success) for p in P]

    np.testing.assert_allclose(evaluate(strategy, quantity, np.array(P)), expected, rtol=1e-12)


def test_the_majority_weight_as_the_papers_table_1_prints_it_is_k_times_too_small() -> None:
    strategy, formulas = MajorityVote(n=16, k=4), FORMULAS[MajorityVote]
    printed = formulas.sft_weight.replace(r"{k \binom", r"{\binom")
    assert printed != formulas.sft_weight

    ratio = [
        evaluate(strategy, "sft_weight", np.array([p]))[0]
        / value_of(printed, strategy, p, formulas.success)
        for p in P
    ]

    np.testing.assert_allclose(ratio, strategy.k, rtol=1e-12)


def test_every_kind_of_strategy_in_the_paper_has_formulas_and_examples_here() -> None:
    assert set(FORMULAS) == set(PAPER_KINDS) == {type(strategy) for strategy in EXAMPLES}
    assert all(all(formulas) for formulas in FORMULAS.values())
    assert len({formulas.name for formulas in FORMULAS.values()}) == len(FORMULAS)


def test_the_quantities_of_a_strategy_are_the_fields_of_its_formulas() -> None:
    assert Formulas._fields == ("name", *get_args(Quantity))
