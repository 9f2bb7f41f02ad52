"""The command line: a verb a rule. Each reads its settings from config/, does one step, publishes.

Heavy libraries are imported by the verb that needs them, so that the others start at once.
"""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from compute_aligned import claim_sheets, config, fingerprints, provenance, records
from compute_aligned.config import WARMUP
from compute_aligned.errors import InputError
from compute_aligned.settings import PretrainedModel, Rl, ScratchModel, Sft
from compute_aligned.sheets import PaperItem

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
Outcomes = Annotated[
    list[Path] | None,
    typer.Argument(help="The outcomes, a file a seed; an analytic item needs none."),
]
Scores = Annotated[
    list[Path] | None,
    typer.Option(help="The scores, once a seed, for items that are made from single samples."),
]
Steps = Annotated[
    list[str] | None,
    typer.Option(help="BRANCH=FILE, once a branch and seed, for items about the training."),
]
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
        config_hash=fingerprints.fingerprint(settings),
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
            config_hash=fingerprints.fingerprint(settings),
            problems=len(problems),
        )


@app.command()
def train_sft(
    context: typer.Context,
    scale: Scale,
    family: Family,
    branch: Annotated[str, typer.Option(help="A branch of the family, or warmup.")],
    seed: Seed,
    problems: Problems,
    model: Annotated[Path, typer.Option(help="Folder that the trained model goes to.")],
    steps: Annotated[Path, typer.Option(help="Where the record of every step goes.")],
    start: Annotated[Path | None, typer.Option(help="Model folder to start from.")] = None,
) -> None:
    """Train a family's warm-up, or a branch from its start, by supervised fine-tuning."""
    import torch

    from compute_aligned import models, sft
    from compute_aligned.locks import sole_maker
    from compute_aligned.strategies import parse_strategy

    context.with_resource(sole_maker(model))
    torch.set_num_threads(1)  # so that the bytes of a result repeat
    settings = config.read_family(scale, family)
    at = config.read_scale(scale)
    precision = getattr(torch, at.dtype)
    warming = branch == WARMUP
    strategy = parse_strategy(
        "SingleSample()" if warming else config.read_branch(family, branch).strategy
    )
    if start is None:
        network, tokenizer = models.build(settings.model, seed, precision)
    else:
        network, tokenizer = models.load(start, precision)
    network.to(at.device)
    examples = sft.encode(
        tokenizer,
        records.read_problems(problems),
        settings.problems.target,
        settings.model.max_length,
        _chat_template(settings.model),
    )
    checkpoint = _checkpoint_of(model)
    schedule = settings.warmup if warming else config.branch_training(scale, family, branch)
    if not isinstance(schedule, Sft):
        raise InputError(f"{family} {branch}", "this branch is trained by RL", "use train-rl")
    progress = sft.train(
        network,
        examples,
        strategy,
        schedule,
        seed,
        tokenizer.pad_token_id,
        checkpoint,
        description=f"{family} {branch} seed {seed}",
    )
    records.write_table(steps, progress.steps, records.STEPS)
    _publish_model(
        network,
        tokenizer,
        model,
        checkpoint,
        scale=scale,
        family=family,
        branch=branch,
        seed=seed,
        strategy=repr(strategy),
        steps=progress.step,
        stop_at_probability=schedule.stop_at_probability,
        stop_reached=progress.reached,
        decay_started_at_step=progress.decay_start,
    )


@app.command()
def train_rl(
    context: typer.Context,
    scale: Scale,
    family: Family,
    branch: Annotated[str, typer.Option(help="A branch of the family.")],
    seed: Seed,
    problems: Problems,
    start: Annotated[Path, typer.Option(help="Model folder to start from; also the reference.")],
    model: Annotated[Path, typer.Option(help="Folder that the trained model goes to.")],
    steps: Annotated[Path, typer.Option(help="Where the record of every step goes.")],
) -> None:
    """Train a branch from its start, the warm-up or another branch, by reinforcement learning."""
    import torch

    from compute_aligned import experience, models, rl
    from compute_aligned.locks import sole_maker
    from compute_aligned.strategies import parse_strategy

    context.with_resource(sole_maker(model))
    torch.set_num_threads(1)  # so that the bytes of a result repeat
    settings, row = config.read_family(scale, family), config.read_branch(family, branch)
    training = config.branch_training(scale, family, branch)
    if not isinstance(training, Rl) or row.weight_form == "-":
        raise InputError(f"{family} {branch}", "this branch is fine-tuned", "use train-sft")
    at = config.read_scale(scale)
    network, tokenizer = models.load(start, getattr(torch, at.dtype))
    network.to(at.device)
    reference = copy.deepcopy(network).requires_grad_(False) if training.kl_weight else None
    tasks = experience.encode(
        tokenizer,
        records.read_problems(problems),
        training.rollout.max_new_tokens,
        settings.model.max_length,
        _chat_template(settings.model),
    )
    strategy = parse_strategy(row.strategy)
    strategy.check_form(row.weight_form)
    objective = experience.Objective(strategy, row.weight_form, training, settings.grader)
    checkpoint = _checkpoint_of(model)
    progress = rl.train(
        rl.Policy(network, tokenizer, reference),
        tasks,
        objective,
        seed,
        checkpoint,
        description=f"{family} {branch} seed {seed}",
    )
    records.write_table(steps, progress.steps, records.RL_STEPS)
    _publish_model(
        network,
        tokenizer,
        model,
        checkpoint,
        scale=scale,
        family=family,
        branch=branch,
        seed=seed,
        strategy=repr(strategy),
        weight_form=row.weight_form,
        steps=progress.step,
        rollout_tokens=sum(step["tokens"] for step in progress.steps),
    )


@app.command()
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
    folders = dict(_named("--model", model))
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
            _chat_template(settings.model),
        ),
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
        config_hash=fingerprints.sampling_fingerprint(scale, family, engine),
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
    from compute_aligned import protein_scores, scoring

    settings = config.read_family(scale, family)
    drawn = records.read_table(samples, records.SAMPLES)
    asked = records.read_problems(problems)
    if settings.reward == "answer":
        schema = records.SCORES
        rows = scoring.score(drawn, asked, settings.grader)
    else:
        schema = records.PROTEIN_SCORES
        rows = protein_scores.score(drawn, asked, settings.reward, settings.grader)
    records.write_table(scores, rows, schema)
    records.write_table(outcomes, scoring.outcomes(rows, settings.metrics), records.OUTCOMES)
    for path in (scores, outcomes):
        provenance.record(
            path,
            scale=scale,
            family=family,
            grader=settings.grader,
            inputs=[str(samples), str(problems)],
            config_hash=fingerprints.scoring_fingerprint(scale, family),
        )


@app.command()
def table(
    scale: Scale,
    item: Item,
    csv: Annotated[Path, typer.Option(help="Tidy values.")],
    md: Annotated[Path, typer.Option(help="For reading.")],
    tex: Annotated[Path, typer.Option(help="For a paper.")],
    outcomes: Outcomes = None,
    scores: Scores = None,
    steps: Steps = None,
) -> None:
    """Make one table of the paper."""
    from compute_aligned import items

    row = config.read_paper_item(item)
    files = items.Files(outcomes or [], scores or [], _named("--steps", steps or []))
    rendered = items.table(row, files, scale)
    for path, text in ((csv, rendered.csv), (md, rendered.md), (tex, rendered.tex)):
        records.write_text(path, text)
    _record_item(csv, scale, row, files.paths)


@app.command()
def figure(
    scale: Scale,
    item: Item,
    pdf: Annotated[Path, typer.Option(help="Vector graphics.")],
    png: Annotated[Path, typer.Option(help="Pixels.")],
    outcomes: Outcomes = None,
    scores: Scores = None,
    steps: Steps = None,
) -> None:
    """Draw one figure of the paper."""
    from compute_aligned import figures, items

    row = config.read_paper_item(item)
    files = items.Files(outcomes or [], scores or [], _named("--steps", steps or []))
    figures.save(items.figure(row, files, scale), pdf, png)
    _record_item(pdf, scale, row, files.paths)


@app.command()
def claims(
    scale: Scale,
    csv: Annotated[Path, typer.Option(help="Tidy values.")],
    md: Annotated[Path, typer.Option(help="For reading.")],
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
    from compute_aligned import claim_evidence, claim_figure, claim_review, claim_tables, figures

    measured = _grouped("--outcomes", outcomes or [])
    graded = _grouped("--scores", scores or [])
    reviewed = claim_review.review(
        claim_sheets.read_claims().values(),
        claim_evidence.effects(scale, measured, graded),
        claim_evidence.ratios(scale, graded),
    )
    records.write_text(csv, claim_tables.to_tidy(reviewed))
    records.write_text(md, claim_tables.to_markdown(reviewed, scale))
    figures.save(claim_figure.draw(reviewed, scale), pdf, png)
    inputs = [str(path) for files in (measured, graded) for some in files.values() for path in some]
    for made in (csv, pdf):
        provenance.record(
            made,
            scale=scale,
            inputs=inputs,
            config_hash=claim_sheets.claims_fingerprint(scale),
        )


@app.command()
def reference(scale: Scale = "laptop") -> None:
    """Copy a finished run's verdicts, tables and figures to results/reference/, and quote them."""
    from compute_aligned.reference import publish

    for path in publish(scale, config.ROOT):
        typer.echo(path)


@app.command()
def cost(
    scale: Annotated[
        str | None, typer.Option(help="A file of config/scales/; default: that of config.yaml.")
    ] = None,
    family: Annotated[
        list[str] | None, typer.Option(help="A family of it, once a family; default: all.")
    ] = None,
    seeds: Annotated[
        list[int] | None, typer.Option(help="A seed, once a seed; default: each family's own.")
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write it as CSV too, tidy.")] = None,
) -> None:
    """Say what a run takes before it starts, and beside it what the finished jobs took.

    Steps, tokens, samples, time, disk and memory, by family and stage. Times come from the scale's
    block throughput. What a job took is in results/{scale}/benchmarks/; the ratio is the estimate
    over that.
    """
    from compute_aligned import cost_tables
    from compute_aligned.cost import lines
    from compute_aligned.workload import plan

    given = {"scale": scale, "seeds": seeds}
    run = config.read_run({key: value for key, value in given.items() if value})
    config.check(run)
    settings = config.read_scale(run.scale)
    engine = run.engine or settings.engine
    planned = plan(
        run.scale, family or list(settings.families), run.seeds or (), engine, config.ROOT
    )
    benchmarks = config.ROOT / "results" / run.scale / "benchmarks"
    found = lines(planned.jobs, settings, engine, benchmarks)
    cost_tables.show(found, planned.notes, run.scale, settings)
    if csv is not None:
        records.write_text(csv, cost_tables.tidy(found))


@app.command()
def schemas(
    out: Annotated[
        Path, typer.Option(help="Folder that the schemas go to.")
    ] = config.SCHEMA_FOLDER,
) -> None:
    """Write the JSON schemas of the configuration, which editors check its files against."""
    for name, text in config.schemas().items():
        records.write_text(out / name, text)


def _checkpoint_of(model: Path) -> Path:
    """Where a model's training keeps its progress: beside it, outside the declared outputs."""
    return model.with_name(f".{model.name}.checkpoint.pt")


def _publish_model(
    network: Any,
    tokenizer: Any,
    model: Path,
    checkpoint: Path,
    *,
    scale: str,
    family: str,
    branch: str,
    **facts: Any,
) -> None:
    """Save a trained model with its provenance, and drop the checkpoint it no longer needs."""
    from compute_aligned import models

    with records.replacing(model) as folder:
        models.save(network, tokenizer, folder)
    checkpoint.unlink(missing_ok=True)
    provenance.record(
        model,
        scale=scale,
        family=family,
        branch=branch,
        config_hash=fingerprints.training_fingerprint(scale, family, branch),
        device=config.read_scale(scale).device,
        parameters=sum(p.numel() for p in network.parameters()),
        **facts,
    )


def _record_item(made: Path, scale: str, row: PaperItem, inputs: Sequence[Path]) -> None:
    provenance.record(
        made,
        scale=scale,
        family=row.family,
        item=row.item,
        inputs=[str(path) for path in inputs],
        config_hash=fingerprints.item_fingerprint(row.item),
    )


def _chat_template(model: ScratchModel | PretrainedModel) -> bool:
    return isinstance(model, PretrainedModel) and model.chat_template


def _named(option: str, values: list[str], kind: str = "branch") -> list[tuple[str, Path]]:
    """Branches, or families, and their paths, from the values ``BRANCH=PATH`` of an option."""
    named = []
    for value in values:
        name, _, path = value.partition("=")
        if not name or not path:
            raise InputError(
                f"{option} {value}", f"no {kind} with its path", f"{kind.upper()}=PATH"
            )
        named.append((name, Path(path)))
    return named


def _grouped(option: str, values: list[str]) -> dict[str, list[Path]]:
    """The paths of each family, from the values ``FAMILY=PATH`` of an option."""
    paths: dict[str, list[Path]] = {}
    for family, path in _named(option, values, "family"):
        paths.setdefault(family, []).append(path)
    return paths
