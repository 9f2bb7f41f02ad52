"""A table as grids of entries, and its spellings: GitHub Markdown, LaTeX with booktabs, HTML."""

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from compute_aligned.paper import pages
from compute_aligned.paper.pages import Html

MISSING = "–"


@dataclass(frozen=True)
class Entry:
    """What stands in a cell, in all three spellings.

    ``below`` is what LaTeX sets in a row of its own under the cell; the others have it in the cell.
    """

    markdown: str
    latex: str
    html: Html
    below: str = ""


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
class Sheet:
    """A whole table; all text is unescaped."""

    name: str
    title: str
    caption: str
    grids: Sequence[Grid]
    note: str


@dataclass(frozen=True)
class Rendered:
    """The text of a table's four files: tidy values, for reading, for a paper, for the report."""

    csv: str
    md: str
    tex: str
    html: str


def rendered(frame: pd.DataFrame, sheet: Sheet) -> Rendered:
    """All spellings of a table, with its tidy values."""
    tidy = to_csv(frame)
    return Rendered(tidy, to_markdown(sheet), to_latex(sheet), to_html(sheet, tidy))


def to_csv(frame: pd.DataFrame) -> str:
    """Tidy values with six significant digits; what is missing is empty."""
    return frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")


# --- entries --------------------------------------------------------------------------------


def words(text: str) -> Entry:
    """Plain text."""
    return Entry(escape_markdown(text), escape_latex(text), pages.escape(text))


def label(text: str) -> Entry:
    """A short name, which HTML keeps on one line."""
    return Entry(escape_markdown(text), escape_latex(text), pages.label(text))


def emphasised(text: str) -> Entry:
    """Plain text in bold."""
    plain = words(text)
    html = Html(f"<strong>{plain.html}</strong>")
    return Entry(f"**{plain.markdown}**", rf"\textbf{{{plain.latex}}}", html)


def formula(latex: str) -> Entry:
    """Mathematics, which GitHub sets too, and HTML shows as a picture."""
    return Entry(f"${latex}$", f"${latex}$", pages.picture(latex))


def budget(k: int) -> Entry:
    """The heading of the column of a budget."""
    return Entry(f"k={k}", f"$k={k}$", Html(f"k = {k}"))


def missing() -> Entry:
    """A dash."""
    return words(MISSING)


def measured(value: str, interval: str = "", bold: bool = False) -> Entry:
    """A formatted number, with its interval below it where it has one."""
    markdown, latex, html = value, _signed(value), pages.escape(value)
    if bold:
        markdown, latex, html = f"**{value}**", rf"\textbf{{{latex}}}", Html(f"<b>{html}</b>")
    if not interval:
        return Entry(markdown, latex, html)
    small = Html(f"<small>{pages.escape(interval)}</small>")
    return Entry(
        f"{markdown}<br>{interval}",
        latex,
        pages.lines([html, small]),
        below=rf"{{\scriptsize {_signed(interval)}}}",
    )


def _signed(text: str) -> str:
    """A number, or an interval of two, with proper minus signs in LaTeX."""
    return text.replace("-", "$-$").replace(", ", r",\,")


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


# --- Markdown -------------------------------------------------------------------------------


def to_markdown(sheet: Sheet) -> str:
    """Title, caption, a table a grid, note."""
    parts = [f"# {escape_markdown(sheet.title)}", escape_markdown(sheet.caption)]
    for grid in sheet.grids:
        parts += [f"## {escape_markdown(grid.heading)}", markdown_table(grid)]
    return "\n\n".join([*parts, escape_markdown(sheet.note)]) + "\n"


def markdown_table(grid: Grid) -> str:
    """The table of a grid, without its heading."""
    return pd.DataFrame([[e.markdown for e in row] for row in grid.rows]).to_markdown(
        index=False,
        headers=[entry.markdown for entry in grid.columns],
        tablefmt="pipe",
        disable_numparse=True,
        colalign=grid.alignment("left", "right"),
    )


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is, in a table cell too."""
    return re.sub(r"([\\`*_|<])", r"\\\1", text)


# --- LaTeX ----------------------------------------------------------------------------------

_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        # after the \\ that ends a row these two would be read as its arguments
        "[": "{[}",
        "*": "{*}",
        "–": "--",
        "×": r"$\times$",
    }
)


def to_latex(sheet: Sheet) -> str:
    """A ``table`` float; needs booktabs and no more.

    Grids with the same columns stand one above the other under one head.
    """
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        r"\setlength{\belowcaptionskip}{4pt}",
        rf"\caption{{{escape_latex(sheet.title)}. {escape_latex(sheet.caption)}}}",
        rf"\label{{tab:{sheet.name}}}",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{2pt}",
    ]
    for columns, grids in itertools.groupby(sheet.grids, key=lambda grid: grid.columns):
        lines += _tabular(columns, list(grids))
    note = rf"\par\smallskip{{\footnotesize {escape_latex(sheet.note)}}}"
    return "\n".join([*lines, note, r"\end{table}"]) + "\n"


def escape_latex(text: str) -> str:
    """Text that LaTeX sets as it is."""
    return text.translate(_LATEX)


def _tabular(columns: Sequence[Entry], grids: Sequence[Grid]) -> list[str]:
    lines = [
        rf"\begin{{tabular}}{{{''.join(grids[0].alignment('l', 'r'))}}}",
        r"\toprule",
        _latex_row([entry.latex for entry in columns]),
    ]
    for grid in grids:
        # a box of no width: a long heading must not widen the last column
        heading = rf"\makebox[0pt][l]{{\emph{{{escape_latex(grid.heading)}}}}}"
        lines += [r"\midrule", rf"\multicolumn{{{len(columns)}}}{{l}}{{{heading}}} \\"]
        for row in grid.rows:
            lines += [r"\addlinespace[1pt]", _latex_row([entry.latex for entry in row])]
            if any(entry.below for entry in row):
                lines.append(_latex_row([entry.below for entry in row]))
    return [*lines, r"\bottomrule", r"\end{tabular}", r"\par\smallskip"]


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


# --- HTML -----------------------------------------------------------------------------------


def to_html(sheet: Sheet, tidy: str, *lead: Html) -> str:
    """A page: title, what leads, caption, a table a grid, note, and the tidy values folded away."""
    parts = [*lead, pages.paragraph(sheet.caption)]
    for grid in sheet.grids:
        header = [entry.html for entry in grid.columns]
        rows = [[entry.html for entry in row] for row in grid.rows]
        parts += [pages.heading(grid.heading), pages.table(header, rows, grid.left)]
    return pages.page(sheet.title, *parts, pages.paragraph(sheet.note), pages.values(tidy))
