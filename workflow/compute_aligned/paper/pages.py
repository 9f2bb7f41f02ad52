"""Pages of HTML that are complete in themselves: no script, no font and no other file is loaded.

What takes or gives :data:`Html` is markup already; :func:`escape` makes it from text.
"""

import base64
import csv
import functools
import html
import io
from collections.abc import Iterable, Sequence
from typing import NewType

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser

Html = NewType("Html", str)

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1f2937; max-width: 76em; margin: 1.5em auto;
  padding: 0 1.5em; }
h1 { font-size: 1.45em; line-height: 1.25; margin: 0 0 .4em; }
h2 { font-size: 1.1em; margin: 1.6em 0 .3em; }
p { max-width: 62em; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: .3em 0 .8em; }
th, td { padding: .25em .75em; text-align: right; vertical-align: baseline; }
th { border-bottom: 1px solid #6b7280; font-weight: 600; vertical-align: bottom; }
td { border-bottom: 1px solid #e5e7eb; }
th.words, td.words { text-align: left; }
small { color: #4b5563; }
sup { line-height: 0; }
.label { white-space: nowrap; }
td:not(.words) small { white-space: nowrap; }
details { margin: 1.2em 0; }
summary { cursor: pointer; }
"""


def escape(text: object) -> Html:
    """Text that HTML shows as it is, in an attribute too."""
    return Html(html.escape(str(text)))


def page(title: str, *parts: Html) -> str:
    """A whole document: its title as the first heading, then the parts."""
    body = "\n".join([f"<h1>{escape(title)}</h1>", *parts])
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def heading(text: str) -> Html:
    """A heading below that of the page."""
    return Html(f"<h2>{escape(text)}</h2>")


def label(text: str) -> Html:
    """A short name that stays on one line."""
    return Html(f'<span class="label">{escape(text)}</span>')


def paragraph(text: str) -> Html:
    """A paragraph of text; nothing where there is no text."""
    return Html(f"<p>{escape(text)}</p>" if text else "")


def lines(parts: Iterable[Html]) -> Html:
    """Parts below each other in a cell."""
    return Html("<br>".join(parts))


def table(header: Sequence[Html], rows: Sequence[Sequence[Html]], words: int = 1) -> Html:
    """A table.

    Args:
        header: What stands above each column.
        rows: A cell a column.
        words: How many columns, from the left, hold words; the others are numbers, set to the
            right.

    """
    return Html(
        f"<table>\n<thead>\n{_row('th', header, words)}\n</thead>\n<tbody>\n"
        + "\n".join(_row("td", row, words) for row in rows)
        + "\n</tbody>\n</table>"
    )


def folded(summary: str, *parts: Html) -> Html:
    """Parts that a reader unfolds."""
    inside = "\n".join(parts)
    return Html(f"<details>\n<summary>{escape(summary)}</summary>\n{inside}\n</details>")


def values(tidy: str) -> Html:
    """The rows of a CSV text as they stand there, folded away."""
    header, *rows = csv.reader(io.StringIO(tidy, newline=""))
    shown = [[*map(escape, row)] for row in rows]
    return folded("All values, tidy", table([*map(escape, header)], shown, len(header)))


def _row(tag: str, cells: Sequence[Html], words: int) -> str:
    marked = (
        f'<{tag} class="words">{cell}</{tag}>' if i < words else f"<{tag}>{cell}</{tag}>"
        for i, cell in enumerate(cells)
    )
    return f"<tr>{''.join(marked)}</tr>"


# --- formulas --------------------------------------------------------------------------------

SIZE = 12  # points
FRACTION, LARGE_FRACTION = r"\frac", r"\dfrac"
MARGIN = 1  # points around a formula, so that no stroke is cut


@functools.cache
def picture(latex: str) -> Html:
    """A formula on the line of the text around it; as code where matplotlib cannot set it.

    Args:
        latex: Without dollar signs.

    """
    # fractions as large as in a formula that stands alone: there is room in a cell
    text = f"${latex.replace(FRACTION, LARGE_FRACTION)}$"
    font = FontProperties(size=SIZE)
    try:
        width, height, depth, *_ = MathTextParser("path").parse(text, dpi=72, prop=font)
    except ValueError:  # one of the reader's own, in more of LaTeX than matplotlib knows
        return Html(f"<code>{escape(latex)}</code>")
    across, up = width + 2 * MARGIN, height + 2 * MARGIN
    figure = Figure(figsize=(across / 72, up / 72))
    place = (MARGIN / across, (depth + MARGIN) / up)
    figure.text(*place, text, fontproperties=font)
    drawn = io.BytesIO()
    # the same formula gives the same bytes: no date, and ids that are not random
    with matplotlib.rc_context({"svg.hashsalt": latex, "svg.fonttype": "path"}):
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    data = base64.b64encode(drawn.getvalue()).decode()
    return Html(
        f'<img alt="{escape(latex)}" src="data:image/svg+xml;base64,{data}" '
        f'style="height:{up:.2f}pt;vertical-align:-{depth + MARGIN:.2f}pt">'
    )
