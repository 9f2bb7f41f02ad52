import re
from io import StringIO

import numpy as np
import own_strategy  # noqa: F401 - makes SecondTry known
import pandas as pd
import pytest
from analytic_rows import analytic_item

from compute_aligned.config import study
from compute_aligned.config.sheets import PaperItem
from compute_aligned.files.errors import InputError
from compute_aligned.paper import analytic_tables
from compute_aligned.paper.alignment import COMPARISONS
from compute_aligned.paper.analytic import TRAINED
from compute_aligned.paper.tables import Rendered


def item_of(form: str) -> PaperItem:
    return analytic_item("table1", "table", form, "A & B")


@pytest.fixture(autouse=True)
def sheet(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The strategies that the branch sheet is to hold."""
    strategies = ["SingleSample()", "PassAtN(n=8)"]
    monkeypatch.setattr(study, "strategies_in_use", lambda: strategies)
    return strategies


def render(form: str) -> Rendered:
    return analytic_tables.render(item_of(form))


def markdown_grids(text: str) -> dict[str, list[list[str]]]:
    """Heading to rows of cells, the row of columns first."""
    grids = {}
    for section in text.split("\n## ")[1:]:
        heading, *lines = section.splitlines()
        rows = [line for line in lines if line.startswith("|") and not line.startswith("|:")]
        grids[heading] = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    return grids


def value_of(cell: str) -> float:
    return float(re.sub(r"\$(.*) \\times 10\^\{(.*)\}\$", r"\1e\2", cell))


# --- Table 1 --------------------------------------------------------------------------------


def test_table_1_has_the_papers_formulas_and_the_values_of_its_branches() -> None:
    grids = markdown_grids(render("weights").md)

    formulas, *values = grids.values()
    assert [row[0] for row in formulas] == [
        "Strategy",
        "Single sample",
        "Pass@N",
        "Majority vote, k of n",
        "Best-of-N",
    ]
    assert formulas[2][1:] == ["$1-(1-p)^{n}$", r"$\frac{n p (1-p)^{n-1}}{S}$", "$n (1-p)^{n-1}$"]
    for grid in values:
        assert [row[0] for row in grid] == ["Strategy", *(s.label for s in TRAINED)]
        assert grid[0][1:] == ["$p=0.01$", "$p=0.1$", "$p=0.5$", "$p=0.9$"]


def test_the_values_shown_are_those_of_the_textbook() -> None:
    grids = markdown_grids(render("weights").md)
    sft = {row[0]: [value_of(cell) for cell in row[1:]] for row in grids["SFT weight at p"][1:]}
    rl = {
        row[0]: [value_of(cell) for cell in row[1:]]
        for row in grids["RL weight at p (Best-of-N: at q = p)"][1:]
    }
    p = np.array([0.01, 0.1, 0.5, 0.9])
    pass_16 = 16 * p * (1 - p) ** 15 / (1 - (1 - p) ** 16)

    assert sft["Pass@16"] == pytest.approx(pass_16, rel=0.005)
    assert sft["Best-of-4"] == sft["Pass@4"]
    assert sft["Majority 4 of 16"][0] == pytest.approx(4, rel=0.03)
    assert rl["Best-of-4"] == pytest.approx(4 * p**3, rel=0.005)
    assert rl["Single sample"] == sft["Single sample"] == [1, 1, 1, 1]


def test_the_csv_of_table_1_is_tidy_with_the_formula_of_every_value() -> None:
    rows = pd.read_csv(StringIO(render("weights").csv))

    assert rows.columns.tolist() == ["strategy", "label", "quantity", "p", "value", "formula"]
    assert len(rows) == 3 * len(TRAINED) * 4
    one = rows[(rows["strategy"] == "MajorityVote(n=16, k=4)") & (rows["quantity"] == "rl_weight")]
    assert set(one["formula"]) == {r"n \binom{n-1}{k-1} p^{k-1} (1-p)^{n-k}"}
    assert one["value"].tolist()[1] == pytest.approx(16 * 455 * 0.1**3 * 0.9**12, rel=1e-5)


def test_the_note_tells_of_the_k_that_the_paper_leaves_out_and_of_no_dash() -> None:
    md = render("weights").md

    assert "prints the SFT weight of the majority vote without its leading k" in md
    assert "dash" not in md


def test_a_strategy_of_the_sheet_joins_with_its_values_and_dashes_for_formulas(
    sheet: list[str],
) -> None:
    sheet.append("SecondTry(chance=0.5)")
    rendered = render("weights")

    formulas, success, sft, _ = markdown_grids(rendered.md).values()
    assert formulas[-1] == ["SecondTry", "–", "–", "–"]
    assert success[-1][0] == "SecondTry(chance=0.5)"
    assert value_of(success[-1][2]) == pytest.approx(0.1 + 0.5 * 0.1 * 0.9, rel=0.005)
    assert value_of(sft[-1][3]) == pytest.approx((0.5 * 1.5 - 0.25) / 0.625, rel=0.005)
    assert rendered.md.rstrip().endswith("A dash: no formula was given.")
    assert "SecondTry & -- & -- & --" in rendered.tex
    assert pd.read_csv(StringIO(rendered.csv))["formula"].isna().sum() == 12


# --- the others -----------------------------------------------------------------------------


def test_the_alignment_table_is_square_and_takes_further_strategies_as_rows(
    sheet: list[str],
) -> None:
    (paper,) = markdown_grids(render("weight_alignment").md).values()
    sheet.append("SecondTry(chance=1.0)")
    (wider,) = markdown_grids(render("weight_alignment").md).values()

    labels = ["Pass@1", "Pass@4", "Pass@16", "Pass@64"]
    assert paper[0] == ["Trained for", *labels]
    assert [row[0] for row in paper[1:]] == labels
    assert [row[i] for i, row in enumerate(paper) if i] == ["1.00"] * 4
    assert wider[:5] == paper
    assert wider[5][0] == "SecondTry(chance=1.0)"


def test_the_alignment_csv_has_a_row_a_pair() -> None:
    rows = pd.read_csv(StringIO(render("weight_alignment").csv))

    assert len(rows) == 16
    assert rows.columns.tolist() == ["train", "test", "cosine"]
    pair = rows[(rows["train"] == "Pass@4") & (rows["test"] == "Pass@64")]
    assert 0.4 < pair["cosine"].item() < 0.5


def test_the_cosines_of_updates_are_shown_estimate_by_estimate_as_in_the_csv() -> None:
    rendered = render("policy_alignment")
    rows = pd.read_csv(StringIO(rendered.csv)).set_index(["strategy", "form", "policy"])

    grids = markdown_grids(rendered.md)
    assert len(grids) == 3
    shown = 0
    for columns, *body in grids.values():
        policies = columns[2::2]
        assert columns[3::2] == ["standard"] * len(policies)
        for strategy, form, *cells in body:
            for policy, cosine, standard in zip(policies, cells[::2], cells[1::2], strict=True):
                row = rows.loc[(strategy, form, policy)]
                assert float(cosine) == pytest.approx(row["cosine"], abs=6e-4)
                assert float(standard) == pytest.approx(row["standard_cosine"], abs=6e-4)
                shown += 1
    assert shown == len(rows) == len(COMPARISONS)


def test_a_strategy_of_the_sheet_joins_with_the_cosines_of_both_estimates(
    sheet: list[str],
) -> None:
    sheet.append("SecondTry(chance=0.5)")
    passes, votes, best = markdown_grids(render("policy_alignment").md).values()

    for grid in (passes, votes):
        assert [row[:2] for row in grid[-2:]] == [
            ["SecondTry(chance=0.5)", "log"],
            ["SecondTry(chance=0.5)", "raw"],
        ]
    # on one prompt the weight of a success rate is a factor that changes no direction
    assert [row[2:4] for row in votes[-2:]] == [["1.000", "1.000"]] * 2
    assert not any("SecondTry" in row[0] for row in best)


def test_the_variance_table_has_a_grid_a_budget_and_agrees_with_its_csv() -> None:
    rendered = render("rao_blackwell")
    grids = markdown_grids(rendered.md)
    rows = pd.read_csv(StringIO(rendered.csv)).set_index(["n", "p"])

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


@pytest.mark.parametrize(
    "form", ["weights", "weight_alignment", "policy_alignment", "rao_blackwell"]
)
def test_latex_has_the_cells_of_markdown_and_is_balanced(form: str) -> None:
    rendered = render(form)
    tex = rendered.tex

    rows = [line for line in tex.splitlines() if line.endswith(r"\\")]
    grids = markdown_grids(rendered.md)
    assert len(rows) == sum(len(grid) for grid in grids.values())
    widths = [len(row) for grid in grids.values() for row in grid]
    assert [row.count(" & ") + 1 for row in rows] == widths
    unescaped = re.sub(r"\\[{}]", "", tex)
    assert unescaped.count("{") == unescaped.count("}")
    assert len(re.findall(r"(?<!\\)\$", tex)) % 2 == 0
    assert r"\caption{A \& B. " in tex


def test_an_unknown_form_names_the_row_and_the_known_forms() -> None:
    with pytest.raises(InputError) as caught:
        render("weight")
    assert caught.value.where.endswith("paper_items.tsv: table1")
    assert "weights, weight_alignment, policy_alignment, rao_blackwell" in caught.value.remedy
