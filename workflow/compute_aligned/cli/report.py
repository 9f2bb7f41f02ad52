"""Verbs about a run for its reader: ``describe``, ``timings``, and the ``report`` of all of it."""

from pathlib import Path
from typing import Annotated

import typer

from compute_aligned import config, provenance, records
from compute_aligned.cli.options import Scale, Seeds
from compute_aligned.configuration.settings import Run
from compute_aligned.study import fingerprints

Page = Annotated[Path, typer.Option(help="Where the page goes.")]


def describe(
    scale: Scale,
    html: Page,
    seeds: Seeds = None,
    engine: Annotated[str | None, typer.Option(help="In place of the scale's.")] = None,
) -> None:
    """Say what was run: the resolved configuration, and the environment that jobs recorded."""
    from compute_aligned.reports import description
    from compute_aligned.runs.finished import Finished
    from compute_aligned.runs.jobs import jobs_of

    run = _run(scale, seeds, engine)
    finished = Finished(config.ROOT, scale)
    jobs = [
        job
        for job in jobs_of(scale, list(config.read_scale(scale).families), run.seeds or ())
        if job.rule in description.BEFORE
    ]
    found = [(job, record) for job in jobs if (record := finished.provenance(job)) is not None]
    records.write_text(html, description.to_html(run, scale, found))
    config_hash = fingerprints.description_fingerprint(run, scale)
    provenance.record(html, scale=scale, config_hash=config_hash)


def timings(scale: Scale, html: Page, seeds: Seeds = None) -> None:
    """Say how long each step of a run took."""
    from compute_aligned.reports import timings as times
    from compute_aligned.runs.finished import Finished
    from compute_aligned.runs.jobs import jobs_of

    jobs = [
        job
        for job in jobs_of(scale, list(config.read_scale(scale).families), seeds or ())
        if job.rule != "timings"  # it cannot have finished
    ]
    measured = times.measured(jobs, Finished(config.ROOT, scale))
    records.write_text(html, times.to_html(measured, len(jobs), scale))
    provenance.record(html, scale=scale)


def report(
    scale: Annotated[
        str | None, typer.Option(help="A scale that has been run; default: that of config.yaml.")
    ] = None,
) -> None:
    """Build results/{scale}/report.html from a finished run; nothing is run for it."""
    from compute_aligned.reports.reporting import build

    run = config.read_run({"scale": scale} if scale else {})
    config.check(run)
    typer.echo(build(run.scale, config.ROOT))


def _run(scale: str, seeds: list[int] | None, engine: str | None) -> Run:
    given = {"scale": scale, "seeds": seeds, "engine": engine}
    return config.read_run({key: value for key, value in given.items() if value})
