"""Verbs about a run, not in it: what it will ``cost``, and the ``schemas`` of its settings."""

from pathlib import Path
from typing import Annotated

import typer

from compute_aligned import config, records
from compute_aligned.cli.options import Device, Seeds


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
    from compute_aligned.runs import cost_tables
    from compute_aligned.runs.cost import lines
    from compute_aligned.runs.finished import Finished
    from compute_aligned.runs.workload import plan

    given = {"scale": scale, "seeds": seeds, "device": device}
    run = config.read_run({key: value for key, value in given.items() if value})
    config.check(run)
    settings = config.read_scale(run.scale)
    if run.device not in (None, settings.device):  # whose throughput nobody has measured
        settings = settings.model_copy(update={"device": run.device, "throughput": None})
    engine = run.engine or settings.engine
    planned = plan(
        run.scale, family or list(settings.families), run.seeds or (), engine, config.ROOT
    )
    found = lines(planned.jobs, settings, engine, Finished(config.ROOT, run.scale))
    cost_tables.show(found, planned.notes, run.scale, settings)
    if csv is not None:
        records.write_text(csv, cost_tables.tidy(found))


def schemas(
    out: Annotated[
        Path, typer.Option(help="Folder that the schemas go to.")
    ] = config.SCHEMA_FOLDER,
) -> None:
    """Write the JSON schemas of the configuration, which editors check its files against."""
    for name, text in config.schemas().items():
        records.write_text(out / name, text)
