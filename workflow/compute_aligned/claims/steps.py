"""The step of the rule ``claims``: judge the paper's claims on what was run."""

from pathlib import Path
from typing import Annotated

import typer

from compute_aligned.config import claims as claim_sheets
from compute_aligned.config.options import Scale, grouped
from compute_aligned.files import provenance, writing


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
    from compute_aligned.claims import evidence, page, review, tables
    from compute_aligned.claims import figure as claim_figure
    from compute_aligned.paper import figures

    measured = grouped("--outcomes", outcomes or [])
    graded = grouped("--scores", scores or [])
    reviewed = review.review(
        claim_sheets.read_claims().values(),
        evidence.effects(scale, measured, graded),
        evidence.ratios(scale, graded),
    )
    writing.write_text(csv, tables.to_tidy(reviewed))
    writing.write_text(md, tables.to_markdown(reviewed, scale))
    writing.write_text(html, page.to_html(reviewed, scale))
    figures.save(claim_figure.draw(reviewed, scale), pdf, png)
    inputs = [str(path) for files in (measured, graded) for some in files.values() for path in some]
    for made in (csv, pdf):
        provenance.record(
            made,
            scale=scale,
            inputs=inputs,
            config_hash=claim_sheets.claims_fingerprint(scale),
        )
