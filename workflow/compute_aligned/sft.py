"""Supervised fine-tuning under any strategy: the warm-up and every SFT branch.

The update is the ordinary one but for the loss: ``strategy.sft_loss`` of the sequence
log-probability (PAPER section 1) instead of its negative. All randomness is the order of the data,
a pure function of seed and step, so that a resumed run repeats an uninterrupted one to the byte.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from compute_aligned.errors import InputError
from compute_aligned.models import Batch, collate, sequence_log_probs
from compute_aligned.progress import track
from compute_aligned.records import replacing
from compute_aligned.settings import Sft
from compute_aligned.strategies import Strategy

RECENT = 20  # batches over which the stopping criterion averages p
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

Example = tuple[list[int], list[int]]  # token ids of a prompt and of its completion


@dataclass
class Progress:
    """Everything that changes during training besides the weights: what a checkpoint holds."""

    step: int = 0
    decay_start: int | None = None
    steps: list[dict] = field(default_factory=list)


def train(
    model: Any,
    examples: list[Example],
    strategy: Strategy,
    settings: Sft,
    seed: int,
    pad: int,
    checkpoint: Path,
    identity: str,
    description: str,
) -> list[dict]:
    """Train ``model`` in place and return one record a step (schema ``records.STEPS``).

    Args:
        model: A causal language model of transformers.
        examples: Token ids of prompts and completions.
        strategy: Whose ``sft_loss`` is minimised.
        settings: Optimiser, schedule, batch.
        seed: Decides the order of the examples.
        pad: The padding token's id.
        checkpoint: Where progress is kept; an interrupted run continues from it.
        identity: What the checkpoint belongs to; one of other settings is not used.
        description: What the progress bar says.

    Raises:
        InputError: The loss or the gradient is not finite.

    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters,
        lr=settings.learning_rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        fused=True,
    )
    schedule = Schedule.of(settings, len(examples))
    progress = restore(checkpoint, identity, model, optimizer)
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
            batch = [examples[i] for i in batch_indices(step, len(examples), settings, seed)]
            record = update(model, optimizer, parameters, batch, strategy, settings, pad)
            progress.steps.append({"step": step, "learning_rate": rate, **record})
            progress.step = step + 1
            if progress.decay_start is None and schedule.hold_ends(progress, settings):
                progress.decay_start = progress.step
            if progress.step % settings.checkpoint_every == 0:
                save_checkpoint(checkpoint, identity, model, optimizer, progress)
            remaining.set_postfix_str(
                f"loss {record['loss']:.3f}, p {record['mean_p']:.3f}", refresh=False
            )
    return progress.steps


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

    def hold_ends(self, progress: Progress, settings: Sft) -> bool:
        """Whether the mean of p over the latest batches has reached the criterion, or time is up."""
        recent = [record["mean_p"] for record in progress.steps[-RECENT:]]
        reached = len(recent) == RECENT and np.mean(recent) >= settings.stop_at_probability
        return bool(reached) or progress.step >= self.hold

    def remaining(self, progress: Progress) -> Iterator[int]:
        """The steps still to do; the end moves closer when the hold ends early."""
        step = progress.step
        while step < (self.hold if progress.decay_start is None else progress.decay_start) + (
            self.decay
        ):
            yield step
            step += 1


def steps_per_epoch(num_examples: int, batch_size: int) -> int:
    """Batches in an epoch, the last one possibly smaller."""
    return -(-num_examples // batch_size)


def batch_indices(step: int, num_examples: int, settings: Sft, seed: int) -> list[int]:
    """Which examples a step sees: every epoch is a fresh permutation, seeded by run and epoch."""
    epoch, position = divmod(step, steps_per_epoch(num_examples, settings.batch_size))
    order = np.random.default_rng([seed, epoch]).permutation(num_examples)
    start = position * settings.batch_size
    return order[start : start + settings.batch_size].tolist()


def update(
    model: Any,
    optimizer: torch.optim.Optimizer,
    parameters: list[torch.Tensor],
    batch: list[Example],
    strategy: Strategy,
    settings: Sft,
    pad: int,
) -> dict:
    """One optimiser step; returns its record without step and rate."""
    tokens = sum(len(completion) for _, completion in batch)
    divisor = tokens if settings.loss_reduction == "token" else len(batch)
    optimizer.zero_grad(set_to_none=True)
    loss, log_ps = 0.0, []
    for part in micro_batches(batch, settings.micro_batch_size, pad, str(parameters[0].device)):
        log_p = sequence_log_probs(model, part)
        part_loss = strategy.sft_loss(log_p).sum() / divisor
        part_loss.backward()
        loss += part_loss.item()
        log_ps.append(log_p.detach())
    norm = torch.nn.utils.clip_grad_norm_(parameters, settings.clip_norm).item()
    if not np.isfinite(loss) or not np.isfinite(norm):
        raise InputError(
            f"training with {strategy}",
            f"the loss is {loss} and the gradient's norm {norm}",
            "lower learning_rate or clip_norm in the scale's file",
        )
    optimizer.step()
    log_p = torch.cat(log_ps)
    return {
        "loss": loss,
        "grad_norm": norm,
        "clipped": norm > settings.clip_norm,
        "tokens": tokens,
        "mean_p": log_p.exp().mean().item(),
        **quantiles("log_p", log_p),
        **quantiles("weight", strategy.sft_weight(log_p)),
    }


def micro_batches(batch: list[Example], size: int | None, pad: int, device: str) -> Iterator[Batch]:
    """Cut a batch into forward passes of like length: less padding, the same gradient."""
    size = size or len(batch)
    ordered = sorted(batch, key=lambda e: len(e[0]) + len(e[1])) if size < len(batch) else batch
    for start in range(0, len(ordered), size):
        prompts, completions = zip(*ordered[start : start + size], strict=True)
        yield collate(prompts, completions, pad, device)


def quantiles(name: str, values: torch.Tensor) -> dict[str, float]:
    """The 5, 25, 50, 75 and 95% quantiles as record columns ``{name}_q05`` and so on."""
    found = torch.quantile(values.double(), torch.tensor(QUANTILES, dtype=torch.float64))
    return {
        f"{name}_q{int(100 * q):02d}": v for q, v in zip(QUANTILES, found.tolist(), strict=True)
    }


def save_checkpoint(
    path: Path, identity: str, model: Any, optimizer: torch.optim.Optimizer, progress: Progress
) -> None:
    """Write all that a rerun needs to continue, whole or not at all."""
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    content = {
        "identity": identity,
        "model": {n: t for n, t in model.state_dict().items() if n in trained},
        "optimizer": optimizer.state_dict(),
        "progress": vars(progress),
    }
    with replacing(path) as temporary:
        torch.save(content, temporary)


def restore(path: Path, identity: str, model: Any, optimizer: torch.optim.Optimizer) -> Progress:
    """Load a checkpoint into model and optimizer; without a usable one, start from step 0.

    A file that cannot be read is reported and passed over: training again from the start gives
    the same result, only later.
    """
    if not path.exists():
        return Progress()
    try:
        content = torch.load(path, weights_only=True)
        found = content["identity"]
    except Exception as error:  # torch.load raises whatever the broken bytes lead to
        print(f"{path}: unreadable ({type(error).__name__}); training starts from step 0")
        return Progress()
    if found != identity:
        print(f"{path}: made with other settings; training starts from step 0")
        return Progress()
    model.load_state_dict(content["model"], strict=False)
    optimizer.load_state_dict(content["optimizer"])
    return Progress(**content["progress"])
