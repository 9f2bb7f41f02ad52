import csv
import io

import pandas as pd
import pytest
from html_cells import parsed, tables_of
from hypothesis import given
from hypothesis import strategies as st

from compute_aligned.paper import pages
from compute_aligned.paper.grids import Grid, GridSheet, formula, missing, number, words
from compute_aligned.paper.grids import to_html as grids_to_html
from compute_aligned.paper.panels import Cell, Panel, Sheet
from compute_aligned.paper.panels import to_html as panels_to_html
from compute_aligned.paper.tables import to_csv

HOSTILE = '<script>alert("1")</script> & </td>'
TIDY = 'branch,value\nce,0.25\n"a, b",-1.5e-07\n'
SHEET = Sheet(
    name="t",
    title=f"Pass@k {HOSTILE}",
    caption="Means & brackets.",
    budgets=(1, 64),
    panels=[Panel("This run", {"Pass@4": [Cell("1.0"), Cell("+2.0", "[0.5, 3.5]", bold=True)]})],
    note="A note.",
    more=["plurality"],
)
GRIDS = GridSheet(
    "t",
    "Weights",
    "A caption.",
    [Grid("First", [words("a<b"), formula(r"\frac{1}{n}")], [[words(HOSTILE), number(1e-5)]])],
    note="",
)

text = st.text(st.characters(exclude_categories=["Cs", "Cc"]))


@given(text)
def test_text_is_shown_as_it_is_whatever_it_holds(given_text: str) -> None:
    page = pages.page("A title", pages.table([pages.escape(given_text)], []))

    assert tables_of(page) == [[[given_text]]]


@pytest.mark.parametrize("page", [panels_to_html(SHEET, TIDY), grids_to_html(GRIDS, TIDY)])
def test_a_page_is_whole_and_loads_nothing(page: str) -> None:
    parser = parsed(page)

    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert [address for address in parser.loaded if not address.startswith("data:")] == []
    assert "@import" not in page
    assert "url(" not in page


def test_the_first_heading_is_the_title_escaped() -> None:
    page = panels_to_html(SHEET, TIDY)

    assert "<h1>Pass@k &lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &lt;/td&gt;" in page


def test_a_panel_has_its_cells_with_the_interval_below_and_clear_gains_bold() -> None:
    page = panels_to_html(SHEET, TIDY)

    assert tables_of(page)[0] == [
        ["", "k = 1", "k = 64", "plurality"],
        ["Pass@4", "1.0", "+2.0\n[0.5, 3.5]"],
    ]
    assert "<b>+2.0</b>" in page
    assert "<b>1.0</b>" not in page


def test_a_grid_has_words_numbers_and_formulas() -> None:
    page = grids_to_html(GRIDS, TIDY)

    assert tables_of(page)[0] == [["a<b", ""], [HOSTILE, "1.00 × 10-5"]]
    assert "10<sup>-5</sup>" in page
    assert r'<img alt="\frac{1}{n}" src="data:image/svg+xml;base64,' in page
    assert missing().html == "–"


def test_the_tidy_values_stand_in_the_page_as_in_the_file() -> None:
    for page in (panels_to_html(SHEET, TIDY), grids_to_html(GRIDS, TIDY)):
        assert tables_of(page)[-1] == list(csv.reader(io.StringIO(TIDY)))


@given(st.lists(st.tuples(text, st.floats(allow_nan=False)), min_size=1))
def test_any_values_come_back_from_the_page(rows: list[tuple[str, float]]) -> None:
    tidy = to_csv(pd.DataFrame(rows, columns=["label", "value"]))

    (shown,) = tables_of(pages.page("", pages.values(tidy)))
    assert shown == list(csv.reader(io.StringIO(tidy, newline="")))


def test_an_empty_paragraph_is_none() -> None:
    assert pages.paragraph("") == ""
