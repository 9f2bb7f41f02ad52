"""Tables whose cells are words, formulas and plain numbers: GitHub Markdown, LaTeX and HTML.

``panels`` does the same for numbers with intervals, a column a budget.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from compute_aligned.paper import pages
from compute_aligned.paper.pages import Html
from compute_aligned.paper.panels import MISSING, escape_latex, escape_markdown


@dataclass(frozen=True)
class Entry:
    """What stands in a cell, in all three spellings."""

    markdown: str
    latex: str
    html: Html


@dataclass(frozen=True)
class Grid:
    """A heading above columns; every row has an entry a column, the first of them its label.

    The first ``left`` columns hold words and are set to the left, the others to the right.
    """

    heading: str
    columns: Sequence[Entry]
    rows: Sequence[Sequence[Entry]]
    left: int = 1

    def alignment(self, left: str, right: str) -> list[str]:
        """What a spelling calls the alignment of each column."""
        return [left] * self.left + [right] * (len(self.columns) - self.left)


@dataclass(frozen=True)
class GridSheet:
    """A whole table; all text is unescaped."""

    name: str
    title: str
    caption: str
    grids: Sequence[Grid]
    note: str


# --- entries --------------------------------------------------------------------------------


def words(text: str) -> Entry:
    """Plain text."""
    return Entry(escape_markdown(text), escape_latex(text), pages.escape(text))


def emphasised(text: str) -> Entry:
    """Plain text in bold."""
    plain = words(text)
    html = Html(f"<strong>{plain.html}</strong>")
    return Entry(f"**{plain.markdown}**", rf"\textbf{{{plain.latex}}}", html)


def formula(latex: str) -> Entry:
    """Mathematics, which GitHub sets too, and HTML shows as a picture."""
    from compute_aligned.paper.pages import picture

    return Entry(f"${latex}$", f"${latex}$", picture(latex))


def missing() -> Entry:
    """A dash."""
    return words(MISSING)


def number(value: float) -> Entry:
    """A number, none below 0, with three significant digits; small ones with a power of ten.

    Raises:
        ValueError: The number is negative or not finite.

    """
    if not 0 <= value < math.inf:
        raise ValueError(f"a cell cannot hold {value}")
    mantissa, _, power = f"{value:.2e}".partition("e")
    exponent = int(power)
    if exponent < -3:
        latex = rf"${mantissa} \times 10^{{{exponent}}}$"
        return Entry(latex, latex, Html(f"{mantissa} × 10<sup>{exponent}</sup>"))
    return words(f"{value:.{max(2 - exponent, 0)}f}")


# --- spellings ------------------------------------------------------------------------------


def to_markdown(sheet: GridSheet) -> str:
    """Title, caption, a table a grid, note."""
    parts = [f"# {escape_markdown(sheet.title)}", escape_markdown(sheet.caption)]
    for grid in sheet.grids:
        table = pd.DataFrame([[e.markdown for e in row] for row in grid.rows]).to_markdown(
            index=False,
            headers=[entry.markdown for entry in grid.columns],
            tablefmt="pipe",
            disable_numparse=True,
            colalign=grid.alignment("left", "right"),
        )
        parts += [f"## {escape_markdown(grid.heading)}", table]
    return "\n\n".join([*parts, escape_markdown(sheet.note)]) + "\n"


def to_latex(sheet: GridSheet) -> str:
    """A ``table`` float with the grids one above the other; needs booktabs and no more."""
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        r"\setlength{\belowcaptionskip}{4pt}",
        rf"\caption{{{escape_latex(sheet.title)}. {escape_latex(sheet.caption)}}}",
        rf"\label{{tab:{sheet.name}}}",
        r"\footnotesize",
        r"\renewcommand{\arraystretch}{1.2}",
    ]
    for grid in sheet.grids:
        lines += [
            rf"\par\medskip\emph{{{escape_latex(grid.heading)}}}\par\smallskip",
            rf"\begin{{tabular}}{{{''.join(grid.alignment('l', 'r'))}}}",
            r"\toprule",
            _latex_row(grid.columns),
            r"\midrule",
            *map(_latex_row, grid.rows),
            r"\bottomrule",
            r"\end{tabular}",
        ]
    return "\n".join([*lines, rf"\par\smallskip {escape_latex(sheet.note)}", r"\end{table}"]) + "\n"


def to_html(sheet: GridSheet, tidy: str, *lead: Html) -> str:
    """A page: title, what leads, caption, a table a grid, note, and the tidy values folded away."""
    parts = [*lead, pages.paragraph(sheet.caption)]
    for grid in sheet.grids:
        header = [entry.html for entry in grid.columns]
        rows = [[entry.html for entry in row] for row in grid.rows]
        parts += [pages.heading(grid.heading), pages.table(header, rows, grid.left)]
    return pages.page(sheet.title, *parts, pages.paragraph(sheet.note), pages.values(tidy))


def _latex_row(entries: Sequence[Entry]) -> str:
    return " & ".join(entry.latex for entry in entries) + r" \\"
