"""The command line: one verb a rule. Each reads its settings from config/, does one step, publishes.

Heavy libraries are imported by the verb that needs them, so that the others start at once.
"""

from pathlib import Path
from typing import Annotated

import typer

from compute_aligned import config, provenance, records
from compute_aligned.config import WARMUP
from compute_aligned.errors import InputError

app = typer.Typer(
    name="compute_aligned",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Steps of the Compute Aligned Training study; Snakemake calls them, you may too.",
)

Scale = Annotated[str, typer.Option(help="A file of config/scales/, without .yaml.")]
Family = Annotated[str, typer.Option(help="A family of that scale.")]
Seed = Annotated[int, typer.Option(help="The run's seed.", min=0)]
Item = Annotated[str, typer.Option(help="A row of config/paper_items.tsv.")]
Problems = Annotated[Path, typer.Option(help="Problems as JSON lines.")]


@app.command()
def fetch(
    scale: Scale,
    source: Annotated[str, typer.Option(help="A source of that scale.")],
    out: Annotated[Path, typer.Option(help="Where the raw problems go.")],
) -> None:
    """Read a source of raw problems whole: generate it, read its file, or download it."""
    from compute_aligned.problems import raw_problems

    settings = config.read_source(scale, source)
    # outside the declared outputs: Snakemake deletes those, and the revision has to stay
    revision_file = out.with_suffix(".revision")
    known = revision_file.read_text().strip() if revision_file.exists() else None
    problems, revision = raw_problems(settings, known)
    records.write_problems(out, problems)
    records.write_text(revision_file, revision + "\n")
    provenance.record(
        out,
        scale=scale,
        source=settings.source,
        revision=revision,
        config_hash=config.fingerprint(settings),
        problems=len(problems),
    )


@app.command()
def prepare(
    scale: Scale,
    family: Family,
    seed: Seed,
    raw: Annotated[Path, typer.Option(help="The raw problems.")],
    out: Annotated[Path, typer.Option(help="Folder that the splits go to.")],
) -> None:
    """Cut raw problems into the disjoint splits of a family and seed."""
    from compute_aligned.problems import split_problems

    settings = config.read_family(scale, family).problems
    for split, problems in split_problems(records.read_problems(raw), settings, seed).items():
        path = out / f"{split}.jsonl"
        records.write_problems(path, problems)
        provenance.record(
            path,
            scale=scale,
            family=family,
            seed=seed,
            config_hash=config.fingerprint(settings),
            problems=len(problems),
        )


@app.command()
def train_sft(
    scale: Scale,
    family: Family,
    branch: Annotated[str, typer.Option(help="A branch of the family, or warmup.")],
    seed: Seed,
    problems: Problems,
    model: Annotated[Path, typer.Option(help="Folder that the trained model goes to.")],
    steps: Annotated[Path, typer.Option(help="Where the record of every step goes.")],
    start: Annotated[Path | None, typer.Option(help="Model folder to start from.")] = None,
) -> None:
    """Train a family's warm-up, or a branch from it, by supervised fine-tuning."""
    import torch

    from compute_aligned import models, sft
    from compute_aligned.strategies import parse_strategy

    torch.set_num_threads(1)  # so that the bytes of a result repeat
    settings = config.read_family(scale, family)
    precision = getattr(torch, config.read_scale(scale).dtype)
    warming = branch == WARMUP
    strategy = parse_strategy(
        "SingleSample()" if warming else config.read_branch(family, branch).strategy
    )
    if start is None:
        network, tokenizer = models.build(settings.model, seed, precision)
    else:
        network, tokenizer = models.load(start.resolve(), precision)
    chat = getattr(settings.model, "chat_template", False)
    examples = [
        (
            models.encode_prompt(tokenizer, problem.prompt, chat),
            models.encode_completion(tokenizer, problem.target(settings.problems.target)),
        )
        for problem in records.read_problems(problems)
    ]
    config_hash = config.training_fingerprint(scale, family, branch)
    checkpoint = model.with_name(f".{model.name}.checkpoint.pt")
    record = sft.train(
        network,
        examples,
        strategy,
        settings.warmup if warming else settings.sft,
        seed,
        tokenizer.pad_token_id,
        checkpoint,
        identity=f"{config_hash} seed {seed}",
        description=f"{family} {branch} seed {seed}",
    )
    records.write_table(steps, record, records.STEPS)
    with records.replacing(model) as folder:
        models.save(network, tokenizer, folder)
    checkpoint.unlink(missing_ok=True)
    provenance.record(
        model,
        scale=scale,
        family=family,
        branch=branch,
        seed=seed,
        strategy=repr(strategy),
        config_hash=config_hash,
        device="cpu",
        steps=len(record),
        parameters=sum(p.numel() for p in network.parameters()),
    )


@app.command()
def sample(
    scale: Scale,
    family: Family,
    seed: Seed,
    engine: Annotated[str, typer.Option(help="vllm or transformers.")],
    problems: Problems,
    model: Annotated[list[str], typer.Option(help="BRANCH=FOLDER, once a model.")],
    out: Annotated[Path, typer.Option(help="Where the samples go.")],
) -> None:
    """Draw completions of the test problems for the warm-up and every branch, in one engine."""
    from compute_aligned import sampling
    from compute_aligned.engines import ENGINES

    settings = config.read_family(scale, family)
    at = config.read_scale(scale)
    folders = {name: Path(folder) for name, _, folder in (m.partition("=") for m in model)}
    if engine not in ENGINES:
        raise InputError("--engine", f"there is no {engine!r}", f"one of: {', '.join(ENGINES)}")
    config_hash = config.sampling_fingerprint(scale, family, engine)
    drawn = sampling.sample_family(
        lambda folder: ENGINES[engine](
            folder,
            settings.sampling,
            at.dtype,
            at.device,
            settings.model.max_length,
            getattr(settings.model, "chat_template", False),
        ),
        folders,
        records.read_problems(problems),
        settings.sampling,
        seed,
        store=out.with_suffix(".store"),
        identity=f"{engine} {at.dtype}",
    )
    records.write_table(out, drawn, records.SAMPLES)
    provenance.record(
        out,
        scale=scale,
        family=family,
        seed=seed,
        engine=engine,
        device=at.device,
        config_hash=config_hash,
        samples=len(drawn),
        tokens=sum(drawn["num_tokens"].to_pylist()),
    )


@app.command()
def score(
    scale: Scale,
    family: Family,
    samples: Annotated[Path, typer.Option(help="The samples of one seed.")],
    problems: Problems,
    scores: Annotated[Path, typer.Option(help="Where votes and correctness go.")],
    outcomes: Annotated[Path, typer.Option(help="Where the metrics go.")],
) -> None:
    """Grade samples, and compute every metric of every problem at every budget."""
    from compute_aligned import scoring

    settings = config.read_family(scale, family)
    drawn = records.read_table(samples, records.SAMPLES)
    rows = scoring.score(drawn, records.read_problems(problems), settings.grader)
    records.write_table(scores, rows, records.SCORES)
    records.write_table(outcomes, scoring.outcomes(rows, settings.metrics), records.OUTCOMES)
    for path in (scores, outcomes):
        provenance.record(
            path,
            scale=scale,
            family=family,
            grader=settings.grader,
            config_hash=config.scoring_fingerprint(scale, family),
        )


@app.command()
def table(
    scale: Scale,
    item: Item,
    outcomes: Annotated[list[Path], typer.Argument(help="The outcomes, a file a seed.")],
    csv: Annotated[Path, typer.Option(help="Tidy values.")],
    md: Annotated[Path, typer.Option(help="For reading.")],
    tex: Annotated[Path, typer.Option(help="For a paper.")],
) -> None:
    """Make one table of the paper."""
    from compute_aligned import tables

    row = config.read_paper_item(item)
    rendered = tables.render(row, _summary(row, outcomes), scale)
    for path, text in ((csv, rendered.csv), (md, rendered.md), (tex, rendered.tex)):
        records.write_text(path, text)
    provenance.record(
        csv,
        scale=scale,
        family=row.family,
        item=item,
        inputs=[str(p) for p in outcomes],
        config_hash=config.item_fingerprint(item),
    )


@app.command()
def figure(
    scale: Scale,
    item: Item,
    outcomes: Annotated[list[Path], typer.Argument(help="The outcomes, a file a seed.")],
    pdf: Annotated[Path, typer.Option(help="Vector graphics.")],
    png: Annotated[Path, typer.Option(help="Pixels.")],
) -> None:
    """Draw one figure of the paper."""
    from compute_aligned import figures

    row = config.read_paper_item(item)
    figures.save(figures.draw(row, _summary(row, outcomes), scale), pdf, png)
    provenance.record(
        pdf,
        scale=scale,
        family=row.family,
        item=item,
        inputs=[str(p) for p in outcomes],
        config_hash=config.item_fingerprint(item),
    )


@app.command()
def schemas(
    out: Annotated[
        Path, typer.Option(help="Folder that the schemas go to.")
    ] = config.SCHEMA_FOLDER,
) -> None:
    """Write the JSON schemas of the configuration, which editors check its files against."""
    for name, text in config.schemas().items():
        records.write_text(out / name, text)


def _summary(row: config.PaperItem, outcomes: list[Path]):  # noqa: ANN202 - pandas is not loaded here
    from compute_aligned import contrasts

    return contrasts.summarise(
        contrasts.read_outcomes(outcomes),
        [WARMUP, *row.branches],
        row.metric,
        row.budgets,
        config.baseline_of(row.family),
    )
