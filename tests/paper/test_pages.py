import base64
import csv
import io
import re
import xml.etree.ElementTree as ElementTree

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.html_cells import parsed, tables_of

from compute_aligned.paper import pages
from compute_aligned.paper.analytic_tables import FORMULAS
from compute_aligned.paper.pages import picture
from compute_aligned.paper.sheets import Grid, Sheet, formula, to_csv, to_html, words

HOSTILE = '<script>alert("1")</script> & </td>'
text = st.text(st.characters(exclude_categories=["Cs", "Cc"]))


@given(text)
def test_text_is_shown_as_it_is_whatever_it_holds(given_text: str) -> None:
    page = pages.page("A title", pages.table([pages.escape(given_text)], []))

    assert tables_of(page) == [[[given_text]]]


def test_a_page_is_whole_and_loads_nothing_whatever_its_words_say() -> None:
    grid = Grid(HOSTILE, [words(HOSTILE), formula(r"\frac{1}{n}")], [[words("a"), words("b")]])
    page = to_html(Sheet("t", HOSTILE, HOSTILE, [grid], HOSTILE), f"a\n{HOSTILE}\n")

    assert page.startswith("<!doctype html>")
    assert not re.search(r"<script|@import|url\(", page)
    (drawn,) = parsed(page).loaded
    assert drawn.startswith("data:image/svg+xml;base64,")
    assert "<h1>&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &lt;/td&gt;</h1>" in page


@given(st.lists(st.tuples(text, st.floats(allow_nan=False)), min_size=1))
def test_any_tidy_values_come_back_from_the_page(rows: list[tuple[str, float]]) -> None:
    tidy = to_csv(pd.DataFrame(rows, columns=["label", "value"]))

    (shown,) = tables_of(pages.page("", pages.values(tidy)))
    assert shown == list(csv.reader(io.StringIO(tidy, newline="")))


def test_an_empty_paragraph_is_none() -> None:
    assert pages.paragraph("") == ""


# --- formulas ---------------------------------------------------------------------------------


def drawing(html: str) -> bytes:
    found = re.search(r"base64,([^\"]+)", html)
    assert found is not None
    return base64.b64decode(found[1])


@pytest.mark.parametrize("latex", sorted({f for known in FORMULAS.values() for f in known[1:]}))
def test_every_formula_of_the_strategies_is_drawn(latex: str) -> None:
    html = picture(latex)

    assert html.startswith(f'<img alt="{latex}" ')
    root = ElementTree.fromstring(drawing(html))
    outlines = [element for element in root.iter() if element.get("d")]
    assert len(outlines) >= len(set(re.sub(r"\\[a-z]+|[{}^_ ]", "", latex)))


def test_a_formula_gives_the_same_bytes_again_and_another_gives_others() -> None:
    first = picture("p^{2}")
    picture.cache_clear()

    assert picture("p^{2}") == first
    assert drawing(picture("p^{3}")) != drawing(first)


def test_a_taller_formula_is_taller_and_hangs_below_the_line() -> None:
    found = [
        re.search(r"height:([\d.]+)pt;vertical-align:-([\d.]+)pt", picture(latex))
        for latex in ("n", r"\frac{n}{k}")
    ]
    (low, on_the_line), (tall, below) = (map(float, sizes.groups()) for sizes in found if sizes)
    assert low < tall
    assert on_the_line < below


def test_what_cannot_be_drawn_is_shown_as_it_was_written() -> None:
    assert picture(r"\unknown{<p>}") == r"<code>\unknown{&lt;p&gt;}</code>"
