"""Verbs that evaluate: ``sample`` completions of the test problems, ``score`` them."""

from pathlib import Path
from typing import Annotated

import typer

from compute_aligned import config, fingerprints, provenance, records, streams
from compute_aligned.cli.options import Family, Problems, Scale, Seed, named
from compute_aligned.errors import InputError


def sample(
    context: typer.Context,
    scale: Scale,
    family: Family,
    seed: Seed,
    engine: Annotated[str, typer.Option(help="vllm or transformers.")],
    problems: Problems,
    model: Annotated[list[str], typer.Option(help="BRANCH=FOLDER, once a model.")],
    out: Annotated[Path, typer.Option(help="Where the samples go.")],
) -> None:
    """Draw completions of the test problems for the warm-up and every branch, in one engine."""
    import torch

    from compute_aligned import models, sampling
    from compute_aligned.engines import ENGINES
    from compute_aligned.locks import sole_maker

    context.with_resource(sole_maker(out))
    torch.set_num_threads(1)  # so that the bytes of a result repeat
    settings = config.read_family(scale, family)
    at = config.read_scale(scale)
    if engine not in ENGINES:
        raise InputError("--engine", f"there is no {engine!r}", f"one of: {', '.join(ENGINES)}")
    folders = dict(named("--model", model))
    tokenizer = models.load_tokenizer(next(iter(folders.values())))
    drawn = sampling.sample_family(
        lambda folder: ENGINES[engine](
            folder, tokenizer, settings.sampling, at.dtype, at.device, settings.model.max_length
        ),
        folders,
        sampling.encode(
            tokenizer,
            records.read_problems(problems),
            settings.sampling.max_new_tokens,
            settings.model.max_length,
            settings.model.chat_template,
        ),
        settings.sampling,
        seed,
        store=out.with_suffix(".store"),
        identity=f"{engine} {at.dtype}",
    )
    num_samples = num_tokens = 0
    with streams.writing(out, records.SAMPLES) as written:
        for samples in drawn:
            written.add_table(samples)
            num_samples += len(samples)
            num_tokens += sum(samples["num_tokens"].to_pylist())
    provenance.record(
        out,
        scale=scale,
        family=family,
        seed=seed,
        engine=engine,
        device=at.device,
        config_hash=fingerprints.sampling_fingerprint(scale, family, engine),
        samples=num_samples,
        tokens=num_tokens,
    )


def score(
    scale: Scale,
    family: Family,
    samples: Annotated[Path, typer.Option(help="The samples of one seed.")],
    problems: Problems,
    scores: Annotated[Path, typer.Option(help="Where votes and correctness go.")],
    outcomes: Annotated[Path, typer.Option(help="Where the metrics go.")],
) -> None:
    """Grade samples, and compute every metric of every problem at every budget."""
    from compute_aligned import protein_scores, scoring

    settings = config.read_family(scale, family)
    drawn = streams.read_batches(samples, records.SAMPLES, "scoring")
    asked = records.read_problems(problems)
    if settings.reward == "answer":
        schema = records.SCORES
        rows = scoring.score(drawn, asked, settings.grader)
    else:
        schema = records.PROTEIN_SCORES
        rows = protein_scores.score(drawn, asked, settings.reward, settings.grader)
    del asked  # what scoring needs of the problems it has
    with (
        streams.writing(scores, schema) as scored,
        streams.writing(outcomes, records.OUTCOMES) as measured,
    ):
        for row in rows:
            scored.add_rows([row])
            measured.add_rows(scoring.outcomes([row], settings.metrics))
    for path in (scores, outcomes):
        provenance.record(
            path,
            scale=scale,
            family=family,
            grader=settings.grader,
            inputs=[str(samples), str(problems)],
            config_hash=fingerprints.scoring_fingerprint(scale, family),
        )
