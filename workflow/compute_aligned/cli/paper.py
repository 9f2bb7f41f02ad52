"""Verbs that make what a reader sees: ``table``, ``figure``, ``claims``, ``reference``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from compute_aligned import config, provenance, records
from compute_aligned.cli.options import Item, Outcomes, Scale, Scores, Steps, grouped, named
from compute_aligned.configuration.sheets import PaperItem
from compute_aligned.study import claim_sheets, fingerprints


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

    row = config.read_paper_item(item)
    files = items.Files(outcomes or [], scores or [], named("--steps", steps or []))
    rendered = items.table(row, files, scale)
    records.write_text(csv, rendered.csv)
    records.write_text(md, rendered.md)
    records.write_text(tex, rendered.tex)
    records.write_text(html, rendered.html)
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
    from compute_aligned import figures
    from compute_aligned.paper import items

    row = config.read_paper_item(item)
    files = items.Files(outcomes or [], scores or [], named("--steps", steps or []))
    figures.save(items.figure(row, files, scale), pdf, png)
    _record_item(pdf, scale, row, files.paths)


def claims(
    scale: Scale,
    csv: Annotated[Path, typer.Option(help="Tidy values.")],
    md: Annotated[Path, typer.Option(help="For reading.")],
    html: Annotated[Path, typer.Option(help="For the report of the run.")],
    pdf: Annotated[Path, typer.Option(help="Vector graphics.")],
    png: Annotated[Path, typer.Option(help="Pixels.")],
    outcomes: Annotated[
        list[str] | None, typer.Option(help="FAMILY=FILE, once a family and seed.")
    ] = None,
    scores: Annotated[
        list[str] | None, typer.Option(help="FAMILY=FILE, where single samples are needed.")
    ] = None,
) -> None:
    """Judge the paper's claims on what was run: verdicts, their contrasts, a figure of them."""
    from compute_aligned import figures
    from compute_aligned.verdicts import (
        claim_evidence,
        claim_figure,
        claim_page,
        claim_review,
        claim_tables,
    )

    measured = grouped("--outcomes", outcomes or [])
    graded = grouped("--scores", scores or [])
    reviewed = claim_review.review(
        claim_sheets.read_claims().values(),
        claim_evidence.effects(scale, measured, graded),
        claim_evidence.ratios(scale, graded),
    )
    records.write_text(csv, claim_tables.to_tidy(reviewed))
    records.write_text(md, claim_tables.to_markdown(reviewed, scale))
    records.write_text(html, claim_page.to_html(reviewed, scale))
    figures.save(claim_figure.draw(reviewed, scale), pdf, png)
    inputs = [str(path) for files in (measured, graded) for some in files.values() for path in some]
    for made in (csv, pdf):
        provenance.record(
            made,
            scale=scale,
            inputs=inputs,
            config_hash=claim_sheets.claims_fingerprint(scale),
        )


def reference(scale: Scale = "laptop") -> None:
    """Copy a finished run's verdicts, tables and figures to results/reference/, and quote them."""
    from compute_aligned.reports.reference import publish

    for path in publish(scale, config.ROOT):
        typer.echo(path)


def _record_item(made: Path, scale: str, row: PaperItem, inputs: Sequence[Path]) -> None:
    provenance.record(
        made,
        scale=scale,
        family=row.family,
        item=row.item,
        inputs=[str(path) for path in inputs],
        config_hash=fingerprints.item_fingerprint(row.item),
    )
