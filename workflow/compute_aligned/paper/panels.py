"""A table as panels of cells, and its spellings: GitHub Markdown, LaTeX with booktabs, HTML."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from compute_aligned.paper import pages
from compute_aligned.paper.pages import Html

MISSING = "–"


@dataclass(frozen=True)
class Cell:
    """A formatted number, its interval (empty for none), and whether it is set in bold."""

    value: str
    interval: str = ""
    bold: bool = False


@dataclass(frozen=True)
class Panel:
    """A heading, then one row of cells a label."""

    heading: str
    rows: dict[str, list[Cell]]


@dataclass(frozen=True)
class Sheet:
    """A whole table; all text is unescaped.

    Every panel has the same columns: ``budgets``, and then ``more`` by their names.
    """

    name: str
    title: str
    caption: str
    budgets: Sequence[int]
    panels: Sequence[Panel]
    note: str
    more: Sequence[str] = ()


# --- Markdown -------------------------------------------------------------------------------


def to_markdown(sheet: Sheet) -> str:
    """Title, caption, a table a panel, note."""
    header = ["", *(f"k={k}" for k in sheet.budgets), *map(escape_markdown, sheet.more)]
    parts = [f"# {escape_markdown(sheet.title)}", escape_markdown(sheet.caption)]
    for panel in sheet.panels:
        body = [
            [escape_markdown(label), *map(_markdown_cell, cells)]
            for label, cells in panel.rows.items()
        ]
        table = pd.DataFrame(body, columns=header).to_markdown(
            index=False,
            tablefmt="pipe",
            disable_numparse=True,
            colalign=["left", *["right"] * (len(header) - 1)],
        )
        parts += [f"## {escape_markdown(panel.heading)}", table]
    return "\n\n".join([*parts, escape_markdown(sheet.note)]) + "\n"


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as it is, in a table cell too."""
    return re.sub(r"([\\`*_|<])", r"\\\1", text)


def _markdown_cell(cell: Cell) -> str:
    value = f"**{cell.value}**" if cell.bold else cell.value
    return f"{value}<br>{cell.interval}" if cell.interval else value


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
    """A ``table`` float with the panels one above the other; needs booktabs and no more."""
    columns = [*(f"$k={k}$" for k in sheet.budgets), *map(escape_latex, sheet.more)]
    header = " & ".join(["", *columns])
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        r"\setlength{\belowcaptionskip}{4pt}",
        rf"\caption{{{escape_latex(sheet.title)}. {escape_latex(sheet.caption)}}}",
        rf"\label{{tab:{sheet.name}}}",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{2pt}",
        rf"\begin{{tabular}}{{l{'r' * len(columns)}}}",
        r"\toprule",
        rf"{header} \\",
    ]
    for panel in sheet.panels:
        # a box of no width: a long heading must not widen the last column
        heading = rf"\makebox[0pt][l]{{\emph{{{escape_latex(panel.heading)}}}}}"
        lines += [
            r"\midrule",
            rf"\multicolumn{{{len(columns) + 1}}}{{l}}{{{heading}}} \\",
        ]
        for label, cells in panel.rows.items():
            lines += [r"\addlinespace[1pt]", *_latex_rows(label, cells)]
    note = rf"\par\smallskip{{\footnotesize {escape_latex(sheet.note)}}}"
    lines += [r"\bottomrule", r"\end{tabular}", note, r"\end{table}"]
    return "\n".join(lines) + "\n"


def escape_latex(text: str) -> str:
    """Text that LaTeX sets as it is."""
    return text.translate(_LATEX)


def _latex_rows(label: str, cells: Sequence[Cell]) -> list[str]:
    """The row of values, and under it that of intervals, where there are any."""
    values = [rf"\textbf{{{_number(c.value)}}}" if c.bold else _number(c.value) for c in cells]
    rows = [[escape_latex(label), *values]]
    if any(cell.interval for cell in cells):
        intervals = [rf"{{\scriptsize {_number(c.interval)}}}" if c.interval else "" for c in cells]
        rows.append(["", *intervals])
    return [" & ".join(row) + r" \\" for row in rows]


def _number(text: str) -> str:
    """A number, or an interval of two, with proper minus signs."""
    return "--" if text == MISSING else text.replace("-", "$-$").replace(", ", r",\,")


# --- HTML -----------------------------------------------------------------------------------


def to_html(sheet: Sheet, tidy: str) -> str:
    """A page: title, caption, a table a panel, note, and the tidy values folded away."""
    header = ["", *(f"k = {k}" for k in sheet.budgets), *sheet.more]
    parts = [pages.paragraph(sheet.caption)]
    for panel in sheet.panels:
        rows = [
            [pages.label(label), *map(_html_cell, cells)] for label, cells in panel.rows.items()
        ]
        table = pages.table([*map(pages.escape, header)], rows)
        parts += [pages.heading(panel.heading), table]
    return pages.page(sheet.title, *parts, pages.paragraph(sheet.note), pages.values(tidy))


def _html_cell(cell: Cell) -> Html:
    value = pages.escape(cell.value)
    shown = Html(f"<b>{value}</b>") if cell.bold else value
    interval = [Html(f"<small>{pages.escape(cell.interval)}</small>")] if cell.interval else []
    return pages.lines([shown, *interval])
