"""The step of the rules ``sample`` and ``sample_shard``: draw completions of the test problems."""

import json
from collections import Counter
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from compute_aligned.config.fingerprints import sampling_fingerprint
from compute_aligned.config.models import PretrainedModel
from compute_aligned.config.options import Device, Family, Fetched, Problems, Scale, Seed, named
from compute_aligned.config.study import read_study
from compute_aligned.files import provenance, records, streams, writing
from compute_aligned.files.errors import InputError
from compute_aligned.models.ready import open_job, ready

if TYPE_CHECKING:
    import pyarrow as pa


def sample(
    context: typer.Context,
    scale: Scale,
    family: Family,
    seed: Seed,
    engine: Annotated[str, typer.Option(help="vllm or transformers.")],
    problems: Problems,
    model: Annotated[list[str], typer.Option(help="BRANCH=FOLDER, once a model.")],
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
    from compute_aligned.models import adapter_files, loading
    from compute_aligned.models.tokens import encode
    from compute_aligned.sample import store as sampling
    from compute_aligned.sample.engines import ENGINES

    open_job(context, out)
    experiment = read_study(scale).experiment(family)
    settings, dtype = experiment.settings, experiment.dtype
    if engine not in ENGINES:
        raise InputError("--engine", f"there is no {engine!r}", f"one of: {', '.join(ENGINES)}")
    gathers = shard is None and settings.sampling.shards > 1
    at = ready(
        scale,
        family,
        "cpu" if gathers else device,
        fetched,
        lambda size: 0 if gathers else size.weight_bytes,
    )
    folders = dict(named("--model", model))
    if isinstance(at.model, PretrainedModel) and at.model.lora is not None:
        for folder in folders.values():
            adapter_files.check_base(folder, at.model)
    tokenizer = loading.load_tokenizer(next(iter(folders.values())))
    room = repeat(settings.sampling.max_new_tokens)
    tasks = encode(tokenizer, records.read_problems(problems), room, at.model)

    def start(folder: Path) -> sampling.Engine:
        if gathers:
            raise InputError(
                out,
                "samples that it is put together from are not there, or cannot be read",
                "draw them: snakemake --forcerun sample_shard",
            )
        return ENGINES[engine](
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


def _counts(samples: "pa.Table") -> dict[str, int]:
    import pyarrow.compute as pc

    return {"samples": len(samples), "tokens": pc.sum(samples["num_tokens"]).as_py()}
