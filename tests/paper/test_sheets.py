import re
from collections.abc import Callable

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paper.paper_parts import grids_of, latex_rows
from support.html_cells import tables_of

from compute_aligned.paper import sheets
from compute_aligned.paper.sheets import (
    Entry,
    Grid,
    Sheet,
    budget,
    emphasised,
    formula,
    label,
    measured,
    missing,
    number,
    words,
)

# two grids with one head, and one of its own, of words in two columns
GAINS = Grid(
    "Gains in %",
    [words(""), budget(1), budget(64)],
    [
        [label("a&b"), measured("-1.0"), measured("+2.0", "[-0.5, 3.5]", bold=True)],
        [label("x_1"), measured("0.0"), missing()],
    ],
)
PAPERS = Grid("The paper's", GAINS.columns, [[label("y"), measured("1.5"), measured("2.5")]])
OTHERS = Grid(
    "Others",
    [words("[a]"), words("*b*"), formula("p")],
    [[words("c"), words("d"), number(1e-5)]],
    left=2,
)
SMALL = r"$1.00 \times 10^{-5}$"  # in Markdown and in LaTeX
SHEET = Sheet("t_1", "Weights & more", "50% of it.", [GAINS, PAPERS, OTHERS], note="A_note.")


# --- entries ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "markdown", "latex", "html"),
    [
        (words("a|<_"), r"a\|\<\_", r"a\textbar{}\textless{}\_", "a|&lt;_"),
        (label("a_1&"), r"a\_1&", r"a\_1\&", '<span class="label">a_1&amp;</span>'),
        (emphasised("a_1&"), r"**a\_1&**", r"\textbf{a\_1\&}", "<strong>a_1&amp;</strong>"),
        (budget(16), "k=16", "$k=16$", "k = 16"),
        (missing(), "–", "--", "–"),
        (measured("-2.0"), "-2.0", "$-$2.0", "-2.0"),
        (measured("+2.0", bold=True), "**+2.0**", r"\textbf{+2.0}", "<b>+2.0</b>"),
        (measured("1", "[-2, 3]"), "1<br>[-2, 3]", "1", "1<br><small>[-2, 3]</small>"),
        (number(0.0313725), "0.0314", "0.0314", "0.0314"),
        (number(1e-5), SMALL, SMALL, "1.00 × 10<sup>-5</sup>"),
    ],
)
def test_an_entry_is_spelt_in_three_ways(
    entry: Entry, markdown: str, latex: str, html: str
) -> None:
    assert (entry.markdown, entry.latex, entry.html) == (markdown, latex, html)


SHOWN = "0=0.00 1=1.00 .99999=1.00 .001=0.00100 .00099951=0.00100 25.98=26.0 1234.5=1234"


def test_a_number_shows_three_digits_and_powers_of_ten_where_it_is_small() -> None:
    for case in SHOWN.split():
        value, text = case.split("=")
        assert number(float(value)).markdown == text
    assert number(0.0009994).markdown == r"$9.99 \times 10^{-4}$"
    assert number(5.76e-62).markdown == r"$5.76 \times 10^{-62}$"


@given(value=st.floats(1e-300, 1e6))
def test_a_number_reads_back_to_the_digits_that_are_shown(value: float) -> None:
    entry = number(value)

    assert entry.markdown == entry.latex
    shown = re.sub(r" \\times 10\^\{(-\d+)\}", r"e\1", entry.latex.strip("$"))
    assert float(shown) == pytest.approx(value, rel=0.0050001)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1])
def test_what_is_no_weight_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="a cell cannot hold"):
        number(value)


# --- escaping ---------------------------------------------------------------------------------

LATEX_MEANING = {
    r"\textbackslash{}": "\\",
    r"\textasciitilde{}": "~",
    r"\textasciicircum{}": "^",
    r"\textless{}": "<",
    r"\textgreater{}": ">",
    r"\textbar{}": "|",
    r"$\times$": "×",
    "{[}": "[",
    "{*}": "*",
    "--": "–",
} | {f"\\{sign}": sign for sign in "{}&%$#_"}
LATEX_TOKEN = "|".join(map(re.escape, LATEX_MEANING)) + "|[ab ]"
MARKDOWN_MEANING = {f"\\{sign}": sign for sign in "\\`*_|<"}
MARKDOWN_TOKEN = "|".join(map(re.escape, MARKDOWN_MEANING)) + "|[ab {}&%$#~^>[×–]"


@pytest.mark.parametrize(
    ("escape", "token", "meaning"),
    [
        (sheets.escape_latex, LATEX_TOKEN, LATEX_MEANING),
        (sheets.escape_markdown, MARKDOWN_TOKEN, MARKDOWN_MEANING),
    ],
)
@given(text=st.text(st.sampled_from("ab \\{}&%$#_~^<>|[*–×`"), max_size=12))
def test_escaped_text_has_no_live_sign_and_reads_back_as_it_was(
    escape: Callable[[str], str], token: str, meaning: dict[str, str], text: str
) -> None:
    text = text.replace("`", "") if escape is sheets.escape_latex else text
    tokens = re.findall(token, escape(text))

    assert "".join(tokens) == escape(text)
    assert "".join(meaning.get(found, found) for found in tokens) == text


# --- the three spellings ----------------------------------------------------------------------


def test_markdown_has_a_table_a_grid_each_with_its_head() -> None:
    text = sheets.to_markdown(SHEET)

    assert text.startswith("# Weights & more\n\n50% of it.\n\n## Gains in %\n\n")
    assert text.endswith("\n\nA\\_note.\n")
    assert grids_of(text) == {
        "Gains in %": [
            ["", "k=1", "k=64"],
            ["a&b", "-1.0", "**+2.0**<br>[-0.5, 3.5]"],
            [r"x\_1", "0.0", "–"],
        ],
        "The paper's": [["", "k=1", "k=64"], ["y", "1.5", "2.5"]],
        "Others": [["[a]", r"\*b\*", "$p$"], ["c", "d", SMALL]],
    }
    rules = [line for line in text.splitlines() if line.startswith("|:")]
    assert [re.findall(r":-|-:", rule) for rule in rules] == [
        [":-", "-:", "-:"],
        [":-", "-:", "-:"],
        [":-", ":-", "-:"],
    ]


def test_latex_sets_grids_with_the_same_columns_under_one_head_and_intervals_below() -> None:
    tex = sheets.to_latex(SHEET)

    def heading(text: str) -> list[str]:
        return [rf"\multicolumn{{3}}{{l}}{{\makebox[0pt][l]{{\emph{{{text}}}}}}}"]

    assert latex_rows(tex) == [
        ["", "$k=1$", "$k=64$"],
        heading(r"Gains in \%"),
        [r"a\&b", "$-$1.0", r"\textbf{+2.0}"],
        ["", "", r"{\scriptsize [$-$0.5,\,3.5]}"],
        [r"x\_1", "0.0", "--"],
        heading("The paper's"),
        ["y", "1.5", "2.5"],
        ["{[}a]", "{*}b{*}", "$p$"],
        heading("Others"),
        ["c", "d", SMALL],
    ]
    assert re.findall(r"\\begin\{tabular\}\{(\w+)\}", tex) == ["lrr", "llr"]
    assert r"\caption{Weights \& more. 50\% of it.}" in tex
    assert r"\label{tab:t_1}" in tex
    assert r"A\_note." in tex


def test_html_has_a_table_a_grid_and_the_values_of_the_csv() -> None:
    frame = pd.DataFrame({"a, b": [1 / 3, None], "c": ["<", ""]})

    made = sheets.rendered(frame, SHEET)

    assert made.csv == '"a, b",c\n0.333333,<\n,\n'
    assert (made.md, made.tex) == (sheets.to_markdown(SHEET), sheets.to_latex(SHEET))
    assert tables_of(made.html) == [
        [["", "k = 1", "k = 64"], ["a&b", "-1.0", "+2.0\n[-0.5, 3.5]"], ["x_1", "0.0", "–"]],
        [["", "k = 1", "k = 64"], ["y", "1.5", "2.5"]],
        [["[a]", "*b*", ""], ["c", "d", "1.00 × 10-5"]],
        [["a, b", "c"], ["0.333333", "<"], ["", ""]],
    ]
    assert '<td class="words">d</td>' in made.html
    assert "<td>1.00 ×" in made.html
    assert "<p>50% of it.</p>" in made.html
