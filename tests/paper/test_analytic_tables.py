import re
from dataclasses import asdict
from io import StringIO
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import support.own_strategy  # noqa: F401 - makes SecondTry known
import sympy
from latex2sympy2_extended import latex2sympy
from paper.paper_parts import STUDY, grids_of, latex_rows

from compute_aligned.files.errors import InputError
from compute_aligned.method.budget_mixtures import MaxRL, Mixture
from compute_aligned.method.strategies import BestOfN, MajorityVote, PassAtN, Strategy
from compute_aligned.paper import forms
from compute_aligned.paper.alignment import COMPARISONS
from compute_aligned.paper.analytic import PAPER_KINDS, TRAINED, Quantity, evaluate
from compute_aligned.paper.analytic_tables import ESTIMATES, FORMULAS, Formulas
from compute_aligned.paper.sheets import Rendered


def render(form: str, *further: str) -> Rendered:
    """A table where the branch sheet has these strategies besides two of the paper's kinds."""
    row = STUDY.row("table1").model_copy(update={"title": "A & B"})
    return forms.TABLES[form].load()(row, ["SingleSample()", "PassAtN(n=8)", *further])


def frame_of(made: Rendered) -> pd.DataFrame:
    return pd.read_csv(StringIO(made.csv))


def value_of(cell: str) -> float:
    return float(re.sub(r"\$(.*) \\times 10\^\{(.*)\}\$", r"\1e\2", cell))


# --- formulas ---------------------------------------------------------------------------------

P = (0.01, 0.1, 0.3, 0.5, 0.9, 0.99)
EXAMPLES = [*TRAINED, PassAtN(n=1), MajorityVote(n=5, k=5), MajorityVote(n=64, k=33), BestOfN(n=1)]
EXAMPLES += [MaxRL(t=1), MaxRL(t=16), Mixture(n=8, a=0.25)]


def evaluated(latex: str, strategy: Strategy, p: float, success: str) -> float:
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

    expected = [evaluated(getattr(formulas, quantity), strategy, p, formulas.success) for p in P]

    np.testing.assert_allclose(evaluate(strategy, quantity, np.array(P)), expected, rtol=1e-12)


def test_the_majority_weight_as_the_papers_table_1_prints_it_is_k_times_too_small() -> None:
    strategy, formulas = MajorityVote(n=16, k=4), FORMULAS[MajorityVote]
    printed = formulas.sft_weight.replace(r"{k \binom", r"{\binom")
    assert printed != formulas.sft_weight

    values = [evaluated(printed, strategy, p, formulas.success) for p in P]

    weight = evaluate(strategy, "sft_weight", np.array(P))
    np.testing.assert_allclose(weight / values, strategy.k, rtol=1e-12)


def test_every_kind_of_strategy_in_the_paper_has_formulas_and_examples_here() -> None:
    assert set(PAPER_KINDS) < set(FORMULAS) == {type(strategy) for strategy in EXAMPLES}
    assert all(all(formulas) for formulas in FORMULAS.values())
    assert len({formulas.name for formulas in FORMULAS.values()}) == len(FORMULAS)
    assert Formulas._fields == ("name", *get_args(Quantity))


# --- Table 1 ----------------------------------------------------------------------------------


def test_table_1_has_the_papers_formulas_and_the_textbooks_values_of_its_branches() -> None:
    made = render("weights")
    formulas, *values = grids_of(made.md).values()

    kinds = ["Strategy", "Single sample", "Pass@N", "Majority vote, k of n", "Best-of-N"]
    assert [row[0] for row in formulas] == kinds
    assert formulas[2][1:] == ["$1-(1-p)^{n}$", r"$\frac{n p (1-p)^{n-1}}{S}$", "$n (1-p)^{n-1}$"]
    for grid in values:
        assert [row[0] for row in grid] == ["Strategy", *(s.label for s in TRAINED)]
        assert grid[0][1:] == ["$p=0.01$", "$p=0.1$", "$p=0.5$", "$p=0.9$"]
    sft, rl = ({row[0]: [*map(value_of, row[1:])] for row in grid[1:]} for grid in values[1:])
    p = np.array([0.01, 0.1, 0.5, 0.9])
    assert sft["Pass@16"] == pytest.approx(16 * p * (1 - p) ** 15 / (1 - (1 - p) ** 16), rel=0.005)
    assert sft["Best-of-4"] == sft["Pass@4"]
    assert sft["Majority 4 of 16"][0] == pytest.approx(4, rel=0.03)
    assert rl["Best-of-4"] == pytest.approx(4 * p**3, rel=0.005)
    assert rl["Single sample"] == sft["Single sample"] == [1, 1, 1, 1]
    assert "prints the SFT weight of the majority vote without its leading k" in made.md
    assert "dash" not in made.md


def test_the_csv_of_table_1_is_tidy_with_the_formula_of_every_value() -> None:
    rows = frame_of(render("weights"))

    assert rows.columns.tolist() == ["strategy", "label", "quantity", "p", "value", "formula"]
    assert len(rows) == 3 * len(TRAINED) * 4
    one = rows.query("strategy == 'MajorityVote(n=16, k=4)' and quantity == 'rl_weight'")
    assert set(one["formula"]) == {r"n \binom{n-1}{k-1} p^{k-1} (1-p)^{n-k}"}
    assert one["value"].tolist()[1] == pytest.approx(16 * 455 * 0.1**3 * 0.9**12, rel=1e-5)


def test_a_strategy_of_the_sheet_joins_with_its_values_and_dashes_for_formulas() -> None:
    made = render("weights", "SecondTry(chance=0.5)")

    formulas, success, sft, _ = grids_of(made.md).values()
    assert formulas[-1] == ["SecondTry", "–", "–", "–"]
    assert success[-1][0] == "SecondTry(chance=0.5)"
    assert value_of(success[-1][2]) == pytest.approx(0.1 + 0.5 * 0.1 * 0.9, rel=0.005)
    assert value_of(sft[-1][3]) == pytest.approx((0.5 * 1.5 - 0.25) / 0.625, rel=0.005)
    assert made.md.rstrip().endswith("A dash: no formula was given.")
    assert frame_of(made)["formula"].isna().sum() == 12


def test_a_row_that_holds_no_strategy_is_named() -> None:
    with pytest.raises(InputError, match="did you mean SecondTry"):
        render("weights", "SecondCry(chance=0.5)")


# --- the others -------------------------------------------------------------------------------


def test_the_alignment_table_is_square_and_takes_further_strategies_as_rows() -> None:
    made = render("weight_alignment")
    (paper,) = grids_of(made.md).values()
    (wider,) = grids_of(render("weight_alignment", "SecondTry(chance=1.0)").md).values()

    labels = ["Pass@1", "Pass@4", "Pass@16", "Pass@64"]
    assert paper[0] == ["Trained for", *labels]
    assert [row[0] for row in paper[1:]] == labels
    assert [row[i] for i, row in enumerate(paper) if i] == ["1.00"] * 4
    assert (wider[:5], wider[5][0]) == (paper, "SecondTry(chance=1.0)")
    rows = frame_of(made)
    assert len(rows) == 16
    pair = rows[(rows["train"] == "Pass@4") & (rows["test"] == "Pass@64")]
    assert 0.4 < pair["cosine"].item() < 0.5


def test_the_cosines_of_updates_are_shown_estimate_by_estimate_as_in_the_csv() -> None:
    made = render("policy_alignment", "SecondTry(chance=0.5)")
    frame, grids = frame_of(made), grids_of(made.md)

    shown = 0
    estimates = dict.fromkeys(frame["success_estimate"])
    assert list(grids) == [ESTIMATES[estimate] for estimate in estimates]
    for estimate, (columns, *body) in zip(estimates, grids.values(), strict=True):
        of_one = frame[frame["success_estimate"] == estimate]
        rows = of_one.set_index(["strategy", "form", "policy"]).sort_index()
        policies = columns[2::2]
        assert columns[3::2] == ["standard"] * len(policies)
        for strategy, form, *cells in body:
            for policy, *pair in zip(policies, cells[::2], cells[1::2], strict=True):
                cosines = rows.loc[(strategy, form, policy), ["cosine", "standard_cosine"]]
                assert [*map(float, pair)] == pytest.approx(cosines.tolist(), abs=6e-4)
                shown += 1
    assert shown == len(frame) > len(COMPARISONS)
    assert latex_rows(made.tex)
    passes, votes, best = grids.values()
    # a strategy of the sheet joins with both estimates of a success probability
    for grid in (passes, votes):
        assert [row[:2] for row in grid[-2:]] == [
            ["SecondTry(chance=0.5)", form] for form in ("log", "raw")
        ]
    assert not any("SecondTry" in row[0] for row in best)
    # on one prompt the weight of a success rate is a factor that changes no direction
    assert [row[2:4] for row in votes[-2:]] == [["1.000", "1.000"]] * 2


def test_the_variance_table_has_a_grid_a_budget_and_agrees_with_its_csv() -> None:
    made = render("rao_blackwell")
    rows = frame_of(made).set_index(["n", "p"])

    grids = grids_of(made.md)
    assert list(grids) == ["n = 4", "n = 16", "n = 64"]
    names = ["Gradient", "Sampled", "Summed", "Weighted", "Averaged"]
    for heading, (columns, *body) in grids.items():
        assert columns == ["$p$", *names]
        for p, *cells in body:
            expected = rows.loc[(int(heading.removeprefix("n = ")), float(p))]
            shown = [value_of(cell) for cell in cells]
            assert shown == pytest.approx([expected[name.lower()] for name in names], rel=0.005)
    # n = 4, p = .5: w = 1/2, so the second moments are p w (4, 1, w) (1-p)^2 and the mean 1/8
    assert rows.loc[(4, 0.5)].tolist() == pytest.approx(
        [1 / 8, 1 / 4 - 1 / 64, 1 / 16 - 1 / 64, 1 / 32 - 1 / 64, (1 / 32 - 1 / 64) / 4]
    )


@pytest.mark.parametrize("form", ["weights", "weight_alignment", "rao_blackwell"])
def test_latex_has_the_rows_of_markdown_and_can_be_set(form: str) -> None:
    made = render(form)

    rows = [row for row in latex_rows(made.tex) if not row[0].startswith(r"\multicolumn")]
    heads = [tuple(head) for head, *_ in grids_of(made.md).values()]
    body = [row for _, *body in grids_of(made.md).values() for row in body]
    assert len(rows) == len(body) + len(dict.fromkeys(heads))  # equal heads stand there once
    assert {len(row) for row in rows} == {len(row) for row in body}
    assert r"\caption{A \& B. " in made.tex
