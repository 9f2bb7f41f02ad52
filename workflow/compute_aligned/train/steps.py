"""The steps of the rules that train: ``train_sft`` and ``train_rl``, a model each."""

from itertools import repeat
from pathlib import Path
from typing import Annotated, Any

import typer

from compute_aligned.config.fingerprints import training_fingerprint
from compute_aligned.config.models import Model, PretrainedModel
from compute_aligned.config.options import Device, Family, Fetched, Problems, Scale, Seed
from compute_aligned.config.settings import Rl
from compute_aligned.config.sheets import WARMUP
from compute_aligned.config.study import Experiment, read_study
from compute_aligned.files import provenance, records, writing
from compute_aligned.files.errors import InputError
from compute_aligned.models.ready import Ready, ready
from compute_aligned.models.size import ModelSize


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
    fetched: Fetched = None,
    device: Device = None,
) -> None:
    """Train a family's warm-up, or a branch from its start, by supervised fine-tuning."""
    import torch

    from compute_aligned.files.locks import sole_maker
    from compute_aligned.method.strategy_text import parse_strategy
    from compute_aligned.models import loading
    from compute_aligned.train import sft

    context.with_resource(sole_maker(model))
    torch.set_num_threads(1)  # so that the bytes of a result repeat
    experiment = read_study(scale).experiment(family)
    settings = experiment.settings
    dtype = getattr(torch, experiment.dtype)
    at = ready(scale, family, device, fetched, ModelSize.training_bytes)
    weights = loading.weights_dtype(at.model, dtype)
    warming = branch == WARMUP
    strategy = parse_strategy(
        "SingleSample()" if warming else experiment.branch(branch).row.strategy
    )
    if start is None:
        network, tokenizer = loading.build(at.model, seed, weights, at.device)
    else:
        network, tokenizer = loading.load(start, weights, at.model, at.device)
    checkpoint = _checkpoint_of(model)
    schedule = settings.warmup if warming else experiment.branch(branch).training
    if isinstance(schedule, Rl):
        raise InputError(f"{family} {branch}", "this branch is trained by RL", "use train-rl")
    description = f"{family} {branch} seed {seed}"
    if schedule is None:
        progress = sft.Progress()  # the checkpoint as it is takes the warm-up's place
    else:
        examples = sft.encode_examples(
            tokenizer, records.read_problems(problems), settings.problems.target, at.model
        )
        with loading.passes_in(dtype, at.device):
            progress = sft.train(
                network,
                sft.no_longer_than(schedule.longest, examples),
                strategy,
                schedule,
                seed,
                tokenizer.pad_token_id,
                checkpoint,
                description,
            )
    records.write_table(steps, progress.steps, records.STEPS)
    _publish_model(
        network,
        tokenizer,
        model,
        checkpoint,
        at,
        experiment,
        branch,
        seed=seed,
        strategy=repr(strategy),
        steps=progress.step,
        stop_at_probability=schedule and schedule.stop_at_probability,
        stop_reached=progress.reached,
        decay_started_at_step=progress.decay_start,
    )


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
    fetched: Fetched = None,
    device: Device = None,
) -> None:
    """Train a branch from its start, the warm-up or another branch, by reinforcement learning."""
    import torch

    from compute_aligned.files.locks import sole_maker
    from compute_aligned.method.strategy_text import parse_strategy
    from compute_aligned.models import loading
    from compute_aligned.models.tokens import encode
    from compute_aligned.train import experience, rl

    context.with_resource(sole_maker(model))
    torch.set_num_threads(1)  # so that the bytes of a result repeat
    experiment = read_study(scale).experiment(family)
    row, training = experiment.branch(branch).row, experiment.branch(branch).training
    if not isinstance(training, Rl) or row.weight_form == "-":
        raise InputError(f"{family} {branch}", "this branch is fine-tuned", "use train-sft")
    dtype = getattr(torch, experiment.dtype)
    references = 1 if training.kl_weight else 0
    at = ready(scale, family, device, fetched, lambda size: size.training_bytes(references))
    weights = loading.weights_dtype(at.model, dtype)
    network, tokenizer = loading.load(start, weights, at.model, at.device)
    reference = loading.reference(network, start) if training.kl_weight else None
    room = repeat(training.rollout.max_new_tokens)
    tasks = encode(tokenizer, records.read_problems(problems), room, at.model)
    strategy = parse_strategy(row.strategy)
    strategy.check_form(row.weight_form)
    objective = experience.Objective(
        strategy, row.weight_form, training, experiment.settings.grader
    )
    checkpoint = _checkpoint_of(model)
    with loading.passes_in(dtype, at.device):
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
        at,
        experiment,
        branch,
        seed=seed,
        strategy=repr(strategy),
        weight_form=row.weight_form,
        steps=progress.step,
        rollout_tokens=sum(step["tokens"] for step in progress.steps),
    )


def _origin(model: Model) -> dict[str, str | None]:
    """The checkpoint that a model was trained from, for its provenance; nothing of other models."""
    if not isinstance(model, PretrainedModel):
        return {}
    return {"pretrained": model.pretrained, "revision": model.revision}


def _checkpoint_of(model: Path) -> Path:
    """Where a model's training keeps its progress: beside it, outside the declared outputs."""
    return model.with_name(f".{model.name}.checkpoint.pt")


def _publish_model(
    network: Any,
    tokenizer: Any,
    model: Path,
    checkpoint: Path,
    at: Ready,
    experiment: Experiment,
    branch: str,
    **facts: Any,
) -> None:
    """Save a trained model with its provenance, and drop the checkpoint it no longer needs."""
    from compute_aligned.models import loading

    with writing.replacing(model) as folder:
        loading.save(network, tokenizer, folder)
    checkpoint.unlink(missing_ok=True)
    trained, parameters = loading.count_parameters(network)
    provenance.record(
        model,
        scale=experiment.scale,
        family=experiment.family,
        branch=branch,
        config_hash=training_fingerprint(experiment, branch),
        device=at.device,
        **_origin(at.model),
        parameters=parameters,
        trained_parameters=None if trained == parameters else trained,
        **facts,
    )
