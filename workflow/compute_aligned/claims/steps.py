"""The step of the rule ``claims``: judge the paper's claims on what was run."""

from pathlib import Path
from typing import Annotated

import typer

from compute_aligned.config import claims as claim_sheets
from compute_aligned.config.deviations import from_paper
from compute_aligned.config.options import Reported, Scale, grouped
from compute_aligned.config.reading import REPORTED
from compute_aligned.config.study import read_study
from compute_aligned.files import provenance, writing


def claims(
    scale: Scale,
    csv: Annotated[Path, typer.Option(help="Tidy values, a row a contrast.")],
    verdicts: Annotated[Path, typer.Option(help="A row a claim, in words.")],
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
    temperatures: Annotated[
        list[str] | None, typer.Option(help="FAMILY=FILE, outcomes at other temperatures.")
    ] = None,
    reported: Reported = REPORTED,
) -> None:
    """Judge the paper's claims on what was run: verdicts, their contrasts, a figure of them."""
    from compute_aligned.claims import evidence, page, review, tables, verdict_tables
    from compute_aligned.claims import figure as claim_figure
    from compute_aligned.paper.figures import save
    from compute_aligned.paper.reported import read_reported
    from compute_aligned.paper.sheets import to_markdown

    study = read_study(scale)
    measured = grouped("--outcomes", outcomes or [])
    graded = grouped("--scores", scores or [])
    swept = grouped("--temperatures", temperatures or [])
    reviewed = review.review(
        study,
        claim_sheets.read_claims().values(),
        read_reported(reported),
        evidence.effects(study, measured, graded),
        evidence.ratios(study, graded),
        evidence.at_temperatures(study, swept),
    )
    sheet = tables.sheet(reviewed, scale, from_paper(study))
    writing.write_text(csv, tables.to_tidy(reviewed))
    writing.write_text(verdicts, verdict_tables.to_verdicts(reviewed))
    writing.write_text(md, to_markdown(sheet))
    writing.write_text(html, page.to_html(reviewed, scale, sheet))
    save(claim_figure.draw(reviewed, scale), pdf, png)
    given = (measured, graded, swept)
    inputs = [str(path) for files in given for some in files.values() for path in some]
    for made in (csv, pdf):
        provenance.record(
            made,
            scale=scale,
            inputs=inputs,
            config_hash=claim_sheets.claims_fingerprint(study),
        )
