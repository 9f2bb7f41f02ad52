"""The figures as Markdown, and the page of the reference that shows them: ``make figures``."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from benchmarks import figures
from benchmarks.figures import ORIGIN, shown
from compute_aligned.config.reading import ROOT
from compute_aligned.files.errors import InputError
from compute_aligned.files.writing import write_text

REFERENCE = ROOT / "results" / "reference"
COPY, PAGE = REFERENCE / "benchmarks.tsv", REFERENCE / "README.md"
START, END = "<!-- benchmarks: start -->", "<!-- benchmarks: end -->"
HEADINGS = {  # by the benchmark, in the order of the page
    "steps": "A training step, at the laptop's settings",
    "against_trl": "A training step beside trl's, in whole trainings",
    "scoring": "Scores and intervals",
    "sampling": "Evaluation samples, with the engine running",
    "orchestration": "Snakemake's own time",
    "whole_run": "The whole run",
    "decisions": "What else was measured on the way to a decision",
    "what_if": "Larger, on paper",
    "gpu": "On a GPU",
}


def markdown(rows: pd.DataFrame) -> str:
    """All rows as tables, a benchmark each, and below them where the figures come from."""
    origins = rows[ORIGIN].agg("; ".join, axis=1)
    letters = {origin: chr(ord("a") + place) for place, origin in enumerate(origins.unique())}
    rows = rows.assign(letter=origins.map(letters))
    parts = [
        f"### {heading}\n\n" + "\n\n".join(_tables(rows[rows.benchmark == name]))
        for name, heading in HEADINGS.items()
        if (rows.benchmark == name).any()
    ]
    legend = "\n".join(f"- {letter}: {origin.strip('; ')}" for origin, letter in letters.items())
    return "\n\n".join([*parts, f"Where the figures are from:\n\n{legend}"]) + "\n"


def _tables(rows: pd.DataFrame) -> Iterator[str]:
    """The tables of a benchmark: of ways side by side, and of figures that stand alone."""
    compared, alone = [], []
    for name, ways in rows.groupby("comparison", sort=False):
        if ways.ratio.notna().any():
            compared += _beside(name, ways)
        else:
            cells = [f"{w.way}: {_taken(w)} {w.unit}".strip() for w in ways.itertuples()]
            alone.append([name, "<br>".join(cells), ways.letter.iloc[0]])
    if compared:
        yield _table(["work", "here", "beside it", "ratio", "from"], compared)
    if alone:
        yield _table(["of", "figures", "from"], alone)


def _beside(name: str, ways: pd.DataFrame) -> Iterator[list[str]]:
    """A line for every way beside the first."""
    first, *others = ways.itertuples()
    for other in others:
        cells = [f"{way.way}: {shown(way.taken)} {way.unit}" for way in (first, other)]
        yield [name, *cells, shown(other.ratio, other.ratio_low, other.ratio_high), other.letter]


def _taken(way: pd.Series) -> str:
    return shown(way.taken, way.taken_low, way.taken_high)


def _table(columns: list[str], lines: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(c)} |" for c in [columns, ["---"] * len(columns), *lines])


def quoted(page: str, rows: pd.DataFrame) -> str:
    """The page's text with the part between its markers made anew from the figures."""
    before, _, rest = page.partition(START)
    _, found, after = rest.partition(END)
    if not found:
        raise InputError(PAGE, f"the markers {START} and {END} are gone", "put them back")
    return f"{before}{START}\n\n{markdown(rows)}\n{END}{after}"


def publish(measured: Path = figures.FILE) -> None:
    """Take what was measured into the reference's copy, and write its page anew."""
    figures.write(COPY, figures.merged(figures.read(COPY), figures.read(measured)))
    write_text(PAGE, quoted(PAGE.read_text(encoding="utf-8"), figures.read(COPY)))


if __name__ == "__main__":
    publish()
