"""The steps of the rules ``table`` and ``figure``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from compute_aligned.config import fingerprints, study
from compute_aligned.config.options import Item, Outcomes, Scale, Scores, Steps, named
from compute_aligned.config.sheets import PaperItem
from compute_aligned.files import provenance, writing


def table(
    scale: Scale,
    item: Item,
    csv: Annotated[Path, typer.Option(help="Tidy values.")],
    md: Annotated[Path, typer.Option(help="For reading.")],
    tex: Annotated[Path, typer.Option(help="For a paper.")],
    html: Annotated[Path, typer.Option(help="For the report of the run.")],
    outcomes: Outcomes = None,
    scores: Scores = None,
    steps: Steps = None,
) -> None:
    """Make one table of the paper."""
    from compute_aligned.paper import items

    row = study.read_paper_item(item)
    files = items.Files(outcomes or [], scores or [], named("--steps", steps or []))
    rendered = items.table(row, files, scale)
    writing.write_text(csv, rendered.csv)
    writing.write_text(md, rendered.md)
    writing.write_text(tex, rendered.tex)
    writing.write_text(html, rendered.html)
    _record_item(csv, scale, row, files.paths)


def figure(
    scale: Scale,
    item: Item,
    pdf: Annotated[Path, typer.Option(help="Vector graphics.")],
    png: Annotated[Path, typer.Option(help="Pixels.")],
    outcomes: Outcomes = None,
    scores: Scores = None,
    steps: Steps = None,
) -> None:
    """Draw one figure of the paper."""
    from compute_aligned.paper import figures, items

    row = study.read_paper_item(item)
    files = items.Files(outcomes or [], scores or [], named("--steps", steps or []))
    figures.save(items.figure(row, files, scale), pdf, png)
    _record_item(pdf, scale, row, files.paths)


def _record_item(made: Path, scale: str, row: PaperItem, inputs: Sequence[Path]) -> None:
    provenance.record(
        made,
        scale=scale,
        family=row.family,
        item=row.item,
        inputs=[str(path) for path in inputs],
        config_hash=fingerprints.item_fingerprint(row.item),
    )
