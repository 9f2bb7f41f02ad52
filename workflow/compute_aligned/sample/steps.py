"""The steps of the rules ``sample``, ``sample_shard`` and ``sample_temperatures``: completions."""

import json
from collections import Counter
from itertools import islice, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from compute_aligned.config.fingerprints import sampling_fingerprint, sweep_fingerprint
from compute_aligned.config.models import PretrainedModel
from compute_aligned.config.options import Device, Family, Fetched, Problems, Scale, Seed, named
from compute_aligned.config.study import read_study
from compute_aligned.files import provenance, records, streams, writing
from compute_aligned.files.errors import InputError
from compute_aligned.models.ready import Ready, open_job, ready

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

    from compute_aligned.sample.engines import Drawing

EngineName = Annotated[str, typer.Option(help="vllm or transformers.")]
Models = Annotated[list[str], typer.Option(help="BRANCH=FOLDER, once a model.")]


def sample(
    context: typer.Context,
    scale: Scale,
    family: Family,
    seed: Seed,
    engine: EngineName,
    problems: Problems,
    model: Models,
    out: Annotated[Path, typer.Option(help="Where the samples go; of a shard, a summary of them.")],
    store: Annotated[
        Path | None, typer.Option(help="Folder for finished blocks; default: beside OUT.")
    ] = None,
    shard: Annotated[
        str | None, typer.Option(help="INDEX/COUNT: draw for this share of the problems only.")
    ] = None,
    fetched: Fetched = None,
    device: Device = None,
) -> None:
    """Draw completions of the test problems for the warm-up and every branch, in one engine.

    Where the family's sampling has shards, each draws its share, and without --shard they are only
    put together.
    """
    from compute_aligned.models.tokens import encode
    from compute_aligned.sample import store as sampling

    open_job(context, out)
    experiment = read_study(scale).experiment(family)
    settings, dtype = experiment.settings, experiment.dtype
    start_engine = _engine(engine)
    gathers = shard is None and settings.sampling.shards > 1
    at = ready(
        scale,
        family,
        "cpu" if gathers else device,
        fetched,
        lambda size: 0 if gathers else size.weight_bytes,
    )
    folders, tokenizer = _models(model, at)
    room = repeat(settings.sampling.max_new_tokens)
    tasks = encode(tokenizer, records.read_problems(problems), room, at.model)

    def start(folder: Path) -> sampling.Engine:
        if gathers:
            raise InputError(
                out,
                "samples that it is put together from are not there, or cannot be read",
                "draw them: snakemake --forcerun sample_shard",
            )
        return start_engine(
            folder, tokenizer, settings.sampling, dtype, at.device, at.model.max_length
        )

    drawn = sampling.sample_family(
        start,
        folders,
        {problem.id: prompt for problem, prompt in tasks},
        settings.sampling,
        seed,
        store=store or out.with_suffix(".store"),
        identity=f"{engine} {dtype}",
        shard=sampling.WHOLE if shard is None else sampling.Shard.parse(shard),
    )
    counts = Counter(samples=0, tokens=0)
    if shard is None:
        with streams.writing(out, records.SAMPLES) as written:
            for samples in drawn:
                counts.update(_counts(samples))
                written.add_table(samples)
    else:
        for samples in drawn:
            counts.update(_counts(samples))
        writing.write_text(out, json.dumps(counts) + "\n")
    provenance.record(
        out,
        scale=scale,
        family=family,
        seed=seed,
        shard=shard,
        engine=engine,
        device=at.device,
        config_hash=sampling_fingerprint(experiment, engine),
        samples=counts["samples"],
        tokens=counts["tokens"],
    )


def sample_temperatures(
    context: typer.Context,
    scale: Scale,
    family: Family,
    seed: Seed,
    engine: EngineName,
    validation: Annotated[Path, typer.Option(help="Problems to choose a temperature on.")],
    problems: Problems,
    model: Models,
    out: Annotated[Path, typer.Option(help="Where the samples go.")],
    fetched: Fetched = None,
    device: Device = None,
) -> None:
    """Draw completions at every temperature of the family's sweep, for every model, in one engine.

    A problem's seed is the same at all temperatures: so those of a model differ by less chance.
    """
    from compute_aligned.models.tokens import encode
    from compute_aligned.sample import store as sampling

    open_job(context, out)
    experiment = read_study(scale).experiment(family)
    sweep, swept, dtype = experiment.sweep, experiment.settings.swept, experiment.dtype
    start_engine = _engine(engine)
    at = ready(scale, family, device, fetched, lambda size: size.weight_bytes)
    folders, tokenizer = _models(model, at)
    asked = {
        split: list(islice(records.each_problem(path), sweep.problems))
        for split, path in {"validation": validation, "test": problems}.items()
    }
    room = repeat(experiment.settings.sampling.max_new_tokens)
    prompts = {
        split: {p.id: ids for p, ids in encode(tokenizer, found, room, at.model)}
        for split, found in asked.items()
    }
    running: Drawing | None = None

    def start(folder: Path) -> "Drawing":
        nonlocal running
        running = running or start_engine(
            folder, tokenizer, way, dtype, at.device, at.model.max_length
        )
        running.draw_as(way)
        return running

    store, counts = out.with_suffix(".store"), Counter(samples=0, tokens=0)
    shelves = []
    with streams.writing(out, records.SWEPT_SAMPLES) as written:
        for way in swept:
            for split, of_split in prompts.items():
                shelves.append(store / f"{split}@{way.temperature}")
                for samples in sampling.sample_family(
                    start, folders, of_split, way, seed, shelves[-1], f"{engine} {dtype}"
                ):
                    counts.update(_counts(samples))
                    written.add_table(_swept(samples, split, way.temperature))
    sampling.prune(store, shelves)
    provenance.record(
        out,
        scale=scale,
        family=family,
        seed=seed,
        engine=engine,
        device=at.device,
        config_hash=sweep_fingerprint(experiment, engine),
        samples=counts["samples"],
        tokens=counts["tokens"],
    )


def _swept(samples: "pa.Table", split: str, temperature: float) -> "pa.Table":
    import pyarrow as pa

    size = len(samples)
    drawn_at = samples.add_column(0, "temperature", pa.repeat(temperature, size))
    return drawn_at.add_column(0, "split", pa.repeat(split, size))


def _engine(name: str) -> "Callable[..., Drawing]":
    from compute_aligned.sample.engines import ENGINES

    if name not in ENGINES:
        raise InputError("--engine", f"there is no {name!r}", f"one of: {', '.join(ENGINES)}")
    return ENGINES[name]


def _models(options: list[str], at: Ready) -> tuple[dict[str, Path], Any]:
    """The folders of the models by name, and their tokenizer."""
    from compute_aligned.models import adapter_files, loading

    folders = dict(named("--model", options))
    if isinstance(at.model, PretrainedModel) and at.model.lora is not None:
        for folder in folders.values():
            adapter_files.check_base(folder, at.model)
    return folders, loading.load_tokenizer(next(iter(folders.values())))


def _counts(samples: "pa.Table") -> dict[str, int]:
    import pyarrow.compute as pc

    return {"samples": len(samples), "tokens": pc.sum(samples["num_tokens"]).as_py()}
