"""Supervised fine-tuning under any strategy: the warm-up and every SFT branch.

The update is the ordinary one but for the loss: ``strategy.sft_loss`` of the sequence
log-probability (PAPER section 1) instead of its negative, and in part a margin of its tokens where
the settings ask for one. All randomness, the order of the data, dropout, and the noise that rival
tokens are drawn with, is a pure function of seed and step, so that a resumed run repeats an
uninterrupted one to the byte.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from compute_aligned.config.models import Model
from compute_aligned.config.settings import Sft, steps_per_epoch
from compute_aligned.files.errors import InputError
from compute_aligned.files.progress import notice, track
from compute_aligned.files.records import Problem
from compute_aligned.method.strategies import Strategy
from compute_aligned.models.tokens import encode, encode_completions
from compute_aligned.train.losses import (
    Example,
    example_losses,
    micro_batches,
    require_finite,
    rival_noise,
)
from compute_aligned.train.optimisation import (
    adamw,
    batch_indices,
    fingerprint,
    quantiles,
    restore_checkpoint,
    save_checkpoint,
    seed_dropout,
)

RECENT = 20  # batches over which the stopping criterion averages p


def encode_examples(
    tokenizer: Any, problems: Sequence[Problem], target: str, model: Model
) -> list[Example]:
    """The token ids of problems and of what the model is trained to write.

    Args:
        tokenizer: The model's.
        problems: The training problems.
        target: ``answer`` or ``solution``.
        model: See :func:`compute_aligned.models.tokens.encode`.

    Raises:
        InputError: A problem is too long, has no such target, or no token for some of its text.

    """
    completions = encode_completions(tokenizer, [p.target(target) for p in problems])
    tasks = encode(tokenizer, problems, map(len, completions), model)
    return [(prompt, c) for (_, prompt), c in zip(tasks, completions, strict=True)]


def no_longer_than(longest: int | None, examples: Sequence[Example]) -> list[Example]:
    """The examples of at most so many tokens, prompt and completion together; None is no limit.

    Raises:
        InputError: None is left.

    """
    kept = [e for e in examples if longest is None or len(e[0]) + len(e[1]) <= longest]
    if not kept:
        raise InputError(
            f"longest: {longest}", "no problem is that short", "raise it in the scale's file"
        )
    if len(kept) < len(examples):
        left_out = f"{len(examples) - len(kept)} of {len(examples)} problems"
        notice(f"{left_out} are left out: they take more than {longest} tokens")
    return kept


@dataclass
class Progress:
    """Everything that changes during training besides the weights: what a checkpoint holds.

    Attributes:
        step: How many steps are done.
        decay_start: The step at which the decay began; None before that.
        reached: Whether the mean of p reached ``stop_at_probability`` within the hold; None while
            that is open, or if there is no such criterion.
        steps: One record a step (schema ``records.STEPS``).

    """

    step: int = 0
    decay_start: int | None = None
    reached: bool | None = None
    steps: list[dict] = field(default_factory=list)


def train(
    model: Any,
    examples: list[Example],
    strategy: Strategy,
    settings: Sft,
    seed: int,
    pad: int,
    checkpoint: Path,
    description: str,
) -> Progress:
    """Train ``model`` in place and return what happened, step by step.

    Args:
        model: A causal language model of transformers.
        examples: Token ids of prompts and completions.
        strategy: Whose ``sft_loss`` is minimised.
        settings: Optimiser, schedule, batch.
        seed: Decides the order of the examples, and the rivals of a margin.
        pad: The padding token's id.
        checkpoint: Where progress is kept; an interrupted run continues from it, if it started from
            the same weights, examples and settings.
        description: What the progress bar says.

    Raises:
        InputError: A log-probability or the gradient is not finite.

    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = adamw(parameters, settings)
    schedule = Schedule.of(settings, len(examples))
    identity = fingerprint(model, examples, strategy, settings, seed, pad)
    progress = Progress(**restore_checkpoint(checkpoint, identity, model, optimizer))
    if progress.decay_start is None and settings.stop_at_probability is None:
        progress.decay_start = schedule.hold
    model.train()
    with track(
        schedule.remaining(progress), description, schedule.longest, progress.step
    ) as remaining:
        for step in remaining:
            rate = schedule.learning_rate(step, progress.decay_start)
            for group in optimizer.param_groups:
                group["lr"] = rate
            batch = [
                examples[i] for i in batch_indices(step, len(examples), settings.batch_size, seed)
            ]
            seed_dropout(seed, step, parameters[0].device)
            noise = rival_noise(settings, batch, seed, step)
            record = update(model, optimizer, parameters, batch, strategy, settings, pad, noise)
            progress.steps.append({"step": step, "learning_rate": rate, **record})
            progress.step = step + 1
            if progress.decay_start is None:
                schedule.end_hold(progress, settings)
            if progress.step % settings.checkpoint_every == 0:
                save_checkpoint(checkpoint, identity, model, optimizer, progress)
            remaining.set_postfix_str(
                f"loss {record['loss']:.3f}, p {record['mean_p']:.3f}", refresh=False
            )
    if progress.reached is False:
        notice(
            f"{description}: the mean of p did not reach {settings.stop_at_probability} "
            f"within {schedule.hold} steps"
        )
    return progress


@dataclass(frozen=True)
class Schedule:
    """Steps of constant rate (at most ``hold``), then ``decay`` steps on a line to 0."""

    base: float
    hold: int
    decay: int

    @classmethod
    def of(cls, settings: Sft, num_examples: int) -> "Schedule":
        """The schedule in steps, epochs turned into steps."""
        per_epoch = steps_per_epoch(num_examples, settings.batch_size)
        return cls(
            settings.learning_rate,
            settings.hold.steps(per_epoch),
            settings.decay.steps(per_epoch),
        )

    @property
    def longest(self) -> int:
        """The number of steps if the hold is not ended early."""
        return self.hold + self.decay

    def learning_rate(self, step: int, decay_start: int | None) -> float:
        """The rate of a step; the decay's last step is one part in ``decay`` above 0."""
        if decay_start is None or step < decay_start:
            return self.base
        return self.base * (1 - (step - decay_start) / self.decay)

    def end_hold(self, progress: Progress, settings: Sft) -> None:
        """Begin the decay if p over the latest batches is high enough, or time is up."""
        recent = [record["mean_p"] for record in progress.steps[-RECENT:]]
        reached = len(recent) == RECENT and np.mean(recent) >= settings.stop_at_probability
        if reached or progress.step >= self.hold:
            progress.reached = bool(reached)
            progress.decay_start = progress.step

    def remaining(self, progress: Progress) -> Iterator[int]:
        """The steps still to do; the end moves closer when the hold ends early."""
        step = progress.step
        while step < (self.hold if progress.decay_start is None else progress.decay_start) + (
            self.decay
        ):
            yield step
            step += 1


def update(
    model: Any,
    optimizer: torch.optim.Optimizer,
    parameters: list[torch.Tensor],
    batch: list[Example],
    strategy: Strategy,
    settings: Sft,
    pad: int,
    noise: torch.Tensor | None = None,
) -> dict:
    """One optimiser step; returns its record without step and rate.

    The examples' losses, a margin's share included, are divided by their number, or by that of
    their tokens with ``loss_reduction: token``. ``noise`` is :func:`rival_noise` of the batch.

    Raises:
        InputError: A log-probability or the gradient is not finite; the weights are as before.

    """
    tokens = sum(len(completion) for _, completion in batch)
    divisor = tokens if settings.loss_reduction == "token" else len(batch)
    optimizer.zero_grad(set_to_none=True)
    loss, log_ps = 0.0, []
    device = str(parameters[0].device)
    for rows, part in micro_batches(batch, settings.micro_batch_size, pad, device):
        part_noise = None if noise is None else noise[rows]
        log_p, losses = example_losses(model, part, strategy, settings, part_noise)
        part_loss = settings.loss_scale * losses.sum() / divisor
        part_loss.backward()
        loss += part_loss.item()
        log_ps.append(log_p.detach())
    norm = torch.nn.utils.clip_grad_norm_(parameters, settings.clip_norm)
    require_finite(strategy, "the gradient's norm", norm)
    optimizer.step()
    log_p = torch.cat(log_ps)
    return {
        "loss": loss,
        "grad_norm": norm.item(),
        "clipped": norm.item() > settings.clip_norm,
        "tokens": tokens,
        "mean_p": log_p.exp().mean().item(),
        **quantiles("log_p", log_p),
        **quantiles("weight", settings.weight_scale * strategy.sft_weight(log_p)),
    }
