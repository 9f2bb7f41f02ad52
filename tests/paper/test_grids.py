import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute_aligned.paper.grids import (
    Entry,
    Grid,
    GridSheet,
    formula,
    missing,
    number,
    to_latex,
    to_markdown,
    words,
)

FIRST = Grid(
    "First",
    [words("a|b"), formula("p=0.1")],
    [[words("x_1"), number(1e-5)], [words("y"), missing()]],
)
SECOND = Grid("Second", [words("c"), words("d"), words("e")], [[words("z"), number(1), number(0)]])
SHEET = GridSheet("t", "Weights & more", "50% of it.", [FIRST, SECOND], note="A note.")


def read_back(entry: Entry) -> float:
    assert entry.markdown == entry.latex
    text = entry.latex.strip("$")
    return float(re.sub(r" \\times 10\^\{(-\d+)\}", r"e\1", text))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.00"),
        (1, "1.00"),
        (0.99999, "1.00"),
        (0.0313725, "0.0314"),
        (0.001, "0.00100"),
        (0.00099951, "0.00100"),
        (0.0009994, r"$9.99 \times 10^{-4}$"),
        (5.76e-62, r"$5.76 \times 10^{-62}$"),
        (25.98, "26.0"),
        (1234.5, "1234"),
    ],
)
def test_a_number_shows_three_digits_and_powers_of_ten_where_it_is_small(
    value: float, text: str
) -> None:
    assert number(value).markdown == text


@given(value=st.floats(1e-300, 1e6))
def test_a_number_reads_back_to_the_digits_that_are_shown(value: float) -> None:
    assert read_back(number(value)) == pytest.approx(value, rel=0.0050001)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1])
def test_what_is_no_weight_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="a cell cannot hold"):
        number(value)


def test_markdown_has_a_table_a_grid_with_its_own_columns() -> None:
    lines = to_markdown(SHEET).splitlines()

    assert lines[0] == "# Weights & more"
    assert [line for line in lines if line.startswith("##")] == ["## First", "## Second"]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines if line.startswith("|")]
    cells = [[cell.strip() for cell in row] for row in rows if not row[0].startswith(":")]
    assert cells == [
        [r"a\|b", "$p=0.1$"],
        [r"x\_1", r"$1.00 \times 10^{-5}$"],
        ["y", "–"],
        ["c", "d", "e"],
        ["z", "1.00", "0.00"],
    ]


def test_latex_has_a_tabular_a_grid_and_is_balanced_and_escaped() -> None:
    tex = to_latex(SHEET)

    opened = re.findall(r"\\begin\{(\w+)\}", tex)
    assert opened == ["table", "tabular", "tabular"]
    assert re.findall(r"\\begin\{tabular\}\{(\w+)\}", tex) == ["lr", "lrr"]
    unescaped = re.sub(r"\\[{}]", "", tex)
    assert unescaped.count("{") == unescaped.count("}")
    assert r"\caption{Weights \& more. 50\% of it.}" in tex
    assert re.findall(r"(?m)^.*(?<!\\)%.*$", tex) == [r"% needs \usepackage{booktabs}"]
    rows = [
        line.removesuffix(r" \\").split(" & ") for line in tex.splitlines() if line[-2:] == "\\\\"
    ]
    assert rows == [
        ["a\\textbar{}b", "$p=0.1$"],
        [r"x\_1", r"$1.00 \times 10^{-5}$"],
        ["y", "--"],
        ["c", "d", "e"],
        ["z", "1.00", "0.00"],
    ]
