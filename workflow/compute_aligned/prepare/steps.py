"""The steps of the rules ``fetch``, ``fetch_model`` and ``prepare``."""

from pathlib import Path
from typing import Annotated

import typer

from compute_aligned.config.fingerprints import fingerprint
from compute_aligned.config.options import Family, Scale, Seed
from compute_aligned.config.study import read_study
from compute_aligned.files import provenance, records, writing


def fetch(
    scale: Scale,
    source: Annotated[str, typer.Option(help="A source of that scale.")],
    out: Annotated[Path, typer.Option(help="Where the raw problems go.")],
) -> None:
    """Read a source of raw problems whole: generate it, read its file, or download it."""
    from compute_aligned.prepare.problems import raw_problems

    settings = read_study(scale).source(source)
    # outside the declared outputs: Snakemake deletes those, and the revision has to stay
    revision_file = out.with_suffix(".revision")
    known = revision_file.read_text().strip() if revision_file.exists() else None
    problems, revision = raw_problems(settings, known)
    records.write_problems(out, problems)
    writing.write_text(revision_file, revision + "\n")
    provenance.record(
        out,
        scale=scale,
        source=settings.source,
        revision=revision,
        config_hash=fingerprint(settings),
        problems=len(problems),
    )


def fetch_model(
    scale: Scale,
    checkpoint: Annotated[str, typer.Option(help="A checkpoint of that scale, as a file name.")],
    out: Annotated[Path, typer.Option(help="Where the record of it goes.")],
) -> None:
    """Have the checkpoint that families start from on this machine, and record its revision."""
    from compute_aligned.models import fetching

    settings = read_study(scale).checkpoint(checkpoint)
    revision_file = out.with_suffix(".revision")  # stays, as for a source of problems
    known = revision_file.read_text().strip() if revision_file.exists() else None
    record = fetching.fetch(settings, out, known)
    writing.write_text(out, record.model_dump_json(indent=1) + "\n")
    writing.write_text(revision_file, record.revision + "\n")
    provenance.record(out, scale=scale, **record.model_dump())


def prepare(
    scale: Scale,
    family: Family,
    seed: Seed,
    raw: Annotated[Path, typer.Option(help="The raw problems.")],
    out: Annotated[Path, typer.Option(help="Folder that the splits go to.")],
) -> None:
    """Cut raw problems into the disjoint splits of a family and seed."""
    from compute_aligned.prepare.splits import split_problems

    settings = read_study(scale).experiment(family).settings.problems
    for split, problems in split_problems(records.read_problems(raw), settings, seed).items():
        path = out / f"{split}.jsonl"
        records.write_problems(path, problems)
        provenance.record(
            path,
            scale=scale,
            family=family,
            seed=seed,
            config_hash=fingerprint(settings),
            problems=len(problems),
        )
