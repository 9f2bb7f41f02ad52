"""The steps about a run: ``describe`` and ``timings``, and verbs that no rule calls.

Those are ``cost``, ``report``, ``reference`` and ``schemas``.
"""

from pathlib import Path
from typing import Annotated

import typer

from compute_aligned.config import checks, fingerprints
from compute_aligned.config.options import Device, Scale, Seeds
from compute_aligned.config.reading import ROOT, read_run
from compute_aligned.config.scales import Run
from compute_aligned.config.study import read_study
from compute_aligned.files import provenance, writing


def cost(
    scale: Annotated[
        str | None, typer.Option(help="A file of config/scales/; default: that of config.yaml.")
    ] = None,
    family: Annotated[
        list[str] | None, typer.Option(help="A family of it, once a family; default: all.")
    ] = None,
    seeds: Seeds = None,
    csv: Annotated[Path | None, typer.Option(help="Write it as CSV too, tidy.")] = None,
    device: Device = None,
) -> None:
    """Say what a run takes before it starts, and beside it what the finished jobs took.

    Steps, tokens, samples, time, disk and memory, by family and stage. Times come from the scale's
    block throughput. What a job took is in results/{scale}/benchmarks/, its CPU time in its record
    of provenance; the ratio is the estimate over that.
    """
    from compute_aligned.describe import cost_tables
    from compute_aligned.describe.cost import lines
    from compute_aligned.describe.finished import Finished
    from compute_aligned.describe.workload import plan

    given = {"scale": scale, "seeds": seeds, "device": device}
    run = read_run({key: value for key, value in given.items() if value})
    study = read_study(run.scale)
    checks.check(study)
    settings = study.settings
    if run.device not in (None, settings.device):  # whose throughput nobody has measured
        settings = settings.model_copy(update={"device": run.device, "throughput": None})
    engine = run.engine or settings.engine
    planned = plan(study, family or list(study.experiments), run.seeds or (), engine, ROOT)
    found = lines(planned.jobs, settings, engine, Finished(ROOT, run.scale))
    cost_tables.show(found, planned.notes, run.scale, settings)
    if csv is not None:
        writing.write_text(csv, cost_tables.tidy(found))


def schemas(
    out: Annotated[
        Path, typer.Option(help="Folder that the schemas go to.")
    ] = checks.SCHEMA_FOLDER,
) -> None:
    """Write the JSON schemas of the configuration, which editors check its files against."""
    for name, text in checks.schemas().items():
        writing.write_text(out / name, text)


# --- a finished run --------------------------------------------------------------------------

Page = Annotated[Path, typer.Option(help="Where the page goes.")]


def describe(
    scale: Scale,
    html: Page,
    seeds: Seeds = None,
    engine: Annotated[str | None, typer.Option(help="In place of the scale's.")] = None,
) -> None:
    """Say what was run: the resolved configuration, and the environment that jobs recorded."""
    from compute_aligned.describe import settings
    from compute_aligned.describe.finished import Finished
    from compute_aligned.describe.jobs import jobs_of

    run, study = _run(scale, seeds, engine), read_study(scale)
    finished = Finished(ROOT, scale)
    jobs = [
        job
        for job in jobs_of(study, list(study.experiments), run.seeds or ())
        if job.rule in settings.BEFORE
    ]
    found = [(job, record) for job in jobs if (record := finished.provenance(job)) is not None]
    writing.write_text(html, settings.to_html(run, study, found))
    config_hash = fingerprints.description_fingerprint(run, study)
    provenance.record(html, scale=scale, config_hash=config_hash)


def timings(scale: Scale, html: Page, seeds: Seeds = None) -> None:
    """Say how long each step of a run took."""
    from compute_aligned.describe import timings as times
    from compute_aligned.describe.finished import Finished
    from compute_aligned.describe.jobs import jobs_of

    study = read_study(scale)
    jobs = [
        job
        for job in jobs_of(study, list(study.experiments), seeds or ())
        if job.rule != "timings"  # it cannot have finished
    ]
    measured = times.measured(jobs, Finished(ROOT, scale))
    writing.write_text(html, times.to_html(measured, len(jobs), scale))
    provenance.record(html, scale=scale)


def report(
    scale: Annotated[
        str | None, typer.Option(help="A scale that has been run; default: that of config.yaml.")
    ] = None,
) -> None:
    """Build results/{scale}/report.html from a finished run; nothing is run for it."""
    from compute_aligned.describe.report import build

    run = read_run({"scale": scale} if scale else {})
    checks.check(read_study(run.scale))
    typer.echo(build(run.scale, ROOT))


def _run(scale: str, seeds: list[int] | None, engine: str | None) -> Run:
    given = {"scale": scale, "seeds": seeds, "engine": engine}
    return read_run({key: value for key, value in given.items() if value})


# --- the reference ---------------------------------------------------------------------------


def reference(
    scale: Scale = "laptop",
    replication: Annotated[
        bool, typer.Option(help="Keep the verdicts alone, beside those of the reference run.")
    ] = False,
) -> None:
    """Copy a finished run's verdicts, tables and figures to results/reference/, and quote them."""
    from compute_aligned.describe import reference
    from compute_aligned.describe import replication as other_run

    study = read_study(scale)
    if replication:
        typer.echo(other_run.keep(study, ROOT).relative_to(ROOT))
        reference.quote(study, ROOT)
    else:
        for path in reference.publish(study, ROOT):
            typer.echo(path)
