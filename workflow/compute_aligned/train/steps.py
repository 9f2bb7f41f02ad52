"""The steps of the rules that train: ``train_sft`` and ``train_rl``, a model each."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Annotated, Any

import typer

from compute_aligned.config.fingerprints import training_fingerprint
from compute_aligned.config.models import PretrainedModel
from compute_aligned.config.options import Device, Family, Fetched, Problems, Scale, Seed
from compute_aligned.config.settings import Rl
from compute_aligned.config.sheets import WARMUP
from compute_aligned.config.study import Experiment, read_study
from compute_aligned.files import provenance, records, writing
from compute_aligned.files.errors import InputError
from compute_aligned.models.ready import Ready, open_job, ready
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
    from compute_aligned.method.strategy_text import parse_strategy
    from compute_aligned.train import sft

    open_job(context, model)
    experiment = read_study(scale).experiment(family)
    settings, warming = experiment.settings, branch == WARMUP
    schedule = settings.warmup if warming else experiment.branch(branch).training
    if isinstance(schedule, Rl):
        raise InputError(f"{family} {branch}", "this branch is trained by RL", "use train-rl")
    strategy = parse_strategy(
        "SingleSample()" if warming else experiment.branch(branch).row.strategy
    )
    at = ready(scale, family, device, fetched, ModelSize.training_bytes)
    training = _Training.of(experiment, at, model, start, seed)
    progress = sft.Progress()
    if schedule is not None:  # else the checkpoint as it is takes the warm-up's place
        examples = sft.encode_examples(
            training.tokenizer, records.read_problems(problems), settings.problems.target, at.model
        )
        with training.passes():
            progress = sft.train(
                training.network,
                sft.no_longer_than(schedule.longest, examples),
                strategy,
                schedule,
                seed,
                training.tokenizer.pad_token_id,
                training.checkpoint,
                f"{family} {branch} seed {seed}",
            )
    records.write_table(steps, progress.steps, records.STEPS)
    training.publish(
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
    from compute_aligned.method.strategy_text import parse_strategy
    from compute_aligned.models import loading
    from compute_aligned.models.tokens import encode
    from compute_aligned.train.experience import Objective
    from compute_aligned.train.rl import Policy, train

    open_job(context, model)
    experiment = read_study(scale).experiment(family)
    row, how = experiment.branch(branch).row, experiment.branch(branch).training
    if not isinstance(how, Rl) or row.weight_form == "-":
        raise InputError(f"{family} {branch}", "this branch is fine-tuned", "use train-sft")
    strategy = parse_strategy(row.strategy)
    strategy.check_form(row.weight_form)
    references = 1 if how.kl_weight else 0
    at = ready(scale, family, device, fetched, lambda size: size.training_bytes(references))
    training = _Training.of(experiment, at, model, start, seed)
    reference = loading.reference(training.network, start) if references else None
    room = repeat(how.rollout.max_new_tokens)
    tasks = encode(training.tokenizer, records.read_problems(problems), room, at.model)
    with training.passes():
        progress = train(
            Policy(training.network, training.tokenizer, reference),
            tasks,
            Objective(strategy, row.weight_form, how, experiment.settings.grader),
            seed,
            training.checkpoint,
            f"{family} {branch} seed {seed}",
        )
    records.write_table(steps, progress.steps, records.RL_STEPS)
    training.publish(
        branch,
        seed=seed,
        strategy=repr(strategy),
        weight_form=row.weight_form,
        steps=progress.step,
        rollout_tokens=sum(step["tokens"] for step in progress.steps),
    )


@dataclass(frozen=True, eq=False)
class _Training:
    """What is trained, and where it goes."""

    experiment: Experiment
    at: Ready
    model: Path
    network: Any
    tokenizer: Any

    @classmethod
    def of(
        cls, experiment: Experiment, at: Ready, model: Path, start: Path | None, seed: int
    ) -> "_Training":
        """The network of a start, or, where there is none, of the family's settings and a seed."""
        import torch

        from compute_aligned.models import loading

        weights = loading.weights_dtype(at.model, getattr(torch, experiment.dtype))
        if start is None:
            found = loading.build(at.model, seed, weights, at.device)
        else:
            found = loading.load(start, weights, at.model, at.device)
        return cls(experiment, at, model, *found)

    @property
    def checkpoint(self) -> Path:
        """Where its progress is kept: beside the model, outside the declared outputs."""
        return self.model.with_name(f".{self.model.name}.checkpoint.pt")

    def passes(self) -> AbstractContextManager:
        """Where its passes multiply in the scale's dtype."""
        import torch

        from compute_aligned.models import loading

        return loading.passes_in(getattr(torch, self.experiment.dtype), self.at.device)

    def publish(self, branch: str, **facts: Any) -> None:
        """Save the model with its provenance, and drop the checkpoint it no longer needs."""
        from compute_aligned.models import loading

        with writing.replacing(self.model) as folder:
            loading.save(self.network, self.tokenizer, folder)
        self.checkpoint.unlink(missing_ok=True)
        trained, parameters = loading.count_parameters(self.network)
        origin, settings = {}, self.at.model
        if isinstance(settings, PretrainedModel):
            origin = {"pretrained": settings.pretrained, "revision": settings.revision}
        provenance.record(
            self.model,
            scale=self.experiment.scale,
            family=self.experiment.family,
            branch=branch,
            config_hash=training_fingerprint(self.experiment, branch),
            device=self.at.device,
            **origin,
            parameters=parameters,
            trained_parameters=None if trained == parameters else trained,
            **facts,
        )
