"""The steps of the rules ``table`` and ``figure``."""

from pathlib import Path
from typing import Annotated

import typer

from compute_aligned.config.fingerprints import item_fingerprint
from compute_aligned.config.options import (
    Cells,
    Family,
    Item,
    Outcomes,
    Reported,
    Scale,
    Scores,
    Steps,
    named,
)
from compute_aligned.config.reading import REPORTED
from compute_aligned.config.regimes import cell_fingerprint
from compute_aligned.config.study import Study, read_study
from compute_aligned.files import provenance, writing


def cell(
    scale: Scale,
    family: Family,
    out: Annotated[Path, typer.Option(help="What is measured, a row an effect.")],
    outcomes: Outcomes = None,
    scores: Scores = None,
    steps: Steps = None,
) -> None:
    """Measure one cell of a map: gains over the baseline, contrasts of claims, active weights."""
    from compute_aligned.files.records import CELLS, write_table
    from compute_aligned.paper import cells

    study, files = read_study(scale), named("--steps", steps or [])
    write_table(out, cells.measure(study, family, outcomes or [], scores or [], files), CELLS)
    provenance.record(
        out,
        scale=scale,
        family=family,
        inputs=[
            str(path) for path in (*(outcomes or []), *(scores or []), *(path for _, path in files))
        ],
        config_hash=cell_fingerprint(study, family),
    )


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
    cells: Cells = None,
    reported: Reported = REPORTED,
) -> None:
    """Make one table of the paper."""
    from compute_aligned.paper import items

    study = read_study(scale)
    files = items.Files(
        reported,
        outcomes or [],
        scores or [],
        named("--steps", steps or []),
        named("--cells", cells or [], "family"),
    )
    made = items.make(item, study, files)
    writing.write_text(csv, made.csv)
    writing.write_text(md, made.md)
    writing.write_text(tex, made.tex)
    writing.write_text(html, made.html)
    _record(csv, study, item, files.of_run)


def figure(
    scale: Scale,
    item: Item,
    pdf: Annotated[Path, typer.Option(help="Vector graphics.")],
    png: Annotated[Path, typer.Option(help="Pixels.")],
    outcomes: Outcomes = None,
    scores: Scores = None,
    steps: Steps = None,
    cells: Cells = None,
    reported: Reported = REPORTED,
) -> None:
    """Draw one figure of the paper."""
    from compute_aligned.paper import figures, items, style

    study = read_study(scale)
    files = items.Files(
        reported,
        outcomes or [],
        scores or [],
        named("--steps", steps or []),
        named("--cells", cells or [], "family"),
    )
    with style.context():
        made = items.make(item, study, files)
    figures.save(made, pdf, png)
    _record(pdf, study, item, files.of_run)


def _record(made: Path, study: Study, item: str, inputs: list[Path]) -> None:
    provenance.record(
        made,
        scale=study.scale,
        family=study.row(item).family,
        item=item,
        inputs=[str(path) for path in inputs],
        config_hash=item_fingerprint(study, item),
    )
