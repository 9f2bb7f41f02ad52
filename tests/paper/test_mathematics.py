import base64
import re
import xml.etree.ElementTree as ElementTree

import pytest

from compute_aligned.paper.analytic_tables import FORMULAS
from compute_aligned.paper.pages import picture


def drawing(html: str) -> bytes:
    found = re.search(r"base64,([^\"]+)", html)
    assert found is not None
    return base64.b64decode(found[1])


@pytest.mark.parametrize("latex", sorted({f for known in FORMULAS.values() for f in known[1:]}))
def test_every_formula_of_the_strategies_is_drawn(latex: str) -> None:
    html = picture(latex)

    assert html.startswith("<img alt=")
    root = ElementTree.fromstring(drawing(html))
    outlines = [element for element in root.iter() if element.get("d")]
    assert len(outlines) >= len(set(re.sub(r"\\[a-z]+|[{}^_ ]", "", latex)))


def test_a_formula_gives_the_same_bytes_again_and_another_gives_others() -> None:
    first = picture("p^{2}")
    picture.cache_clear()

    assert picture("p^{2}") == first
    assert drawing(picture("p^{3}")) != drawing(first)


def test_a_taller_formula_is_taller_and_hangs_below_the_line() -> None:
    def points(latex: str) -> tuple[float, float]:
        found = re.search(r"height:([\d.]+)pt;vertical-align:-([\d.]+)pt", picture(latex))
        assert found is not None
        return float(found[1]), float(found[2])

    (low, on_the_line), (tall, below) = points("n"), points(r"\frac{n}{k}")
    assert low < tall
    assert on_the_line < below


def test_what_cannot_be_drawn_is_shown_as_it_was_written() -> None:
    assert picture(r"\unknown{<p>}") == r"<code>\unknown{&lt;p&gt;}</code>"
