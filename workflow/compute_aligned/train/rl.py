"""Reinforcement learning under any strategy: one loop for every family (PAPER section 2).

A step draws a whole optimiser batch from the model as it is, grades it, and takes one optimiser
step. The strategy enters by one factor on the advantage of each rollout. All randomness is noise
that depends on seed and step, so that a resumed run repeats an uninterrupted one to the byte.

A batch whose rollouts say nothing (every group of equal rewards) is a step all the same: the KL
term and the optimiser's momentum act, and branches stay comparable step by step.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from compute_aligned.config.settings import Rl
from compute_aligned.files.errors import InputError
from compute_aligned.files.progress import track
from compute_aligned.method.groups import RewardHistory
from compute_aligned.method.policy import kl_penalty, policy_gradient_loss, sequence_log_prob
from compute_aligned.models.adapters import recomputing
from compute_aligned.models.log_probs import pays_to_share_prompts, token_log_probs
from compute_aligned.models.tokens import Batch, Task, collate
from compute_aligned.train.experience import (
    Objective,
    Row,
    collect,
    distinct_rows,
    record,
    weigh,
)
from compute_aligned.train.optimisation import (
    adamw,
    batch_indices,
    fingerprint,
    of_like_length,
    restore_checkpoint,
    save_checkpoint,
)


@dataclass(frozen=True, eq=False)
class Policy:
    """The model in training, the frozen one it is held to, and their tokenizer.

    The reference is needed where the KL term has a weight.
    """

    model: Any
    tokenizer: Any
    reference: Any | None = None

    @property
    def parameters(self) -> list[Tensor]:
        """What is trained."""
        return [p for p in self.model.parameters() if p.requires_grad]


@dataclass
class Progress:
    """Everything that changes during training besides the weights: what a checkpoint holds.

    Attributes:
        step: How many steps are done.
        history: The state of the :class:`RewardHistory`.
        steps: One record a step (schema ``records.RL_STEPS``).

    """

    step: int = 0
    history: dict = field(default_factory=lambda: RewardHistory().state_dict())
    steps: list[dict] = field(default_factory=list)


def train(
    policy: Policy,
    tasks: Sequence[Task],
    objective: Objective,
    seed: int,
    checkpoint: Path,
    description: str,
) -> Progress:
    """Train ``policy.model`` in place and return what happened, step by step.

    Args:
        policy: The model that the branch starts from, and its reference, the same model.
        tasks: Problems and prompts.
        objective: Strategy, weight form, settings.
        seed: Decides the order of the problems and the noise of the rollouts.
        checkpoint: Where progress is kept; an interrupted run continues from it, if it started from
            the same weights, tasks and settings.
        description: What the progress bar says.

    Raises:
        InputError: The objective's parts do not go together; or a reward, a weight, the loss or the
            gradient is not finite.

    """
    objective.check()
    settings = objective.settings
    optimizer = adamw(policy.parameters, settings)
    identity = fingerprint(policy.model, tasks, objective, seed, "KL per completion")
    progress = Progress(**restore_checkpoint(checkpoint, identity, policy.model, optimizer))
    history = RewardHistory()
    history.load_state_dict(progress.history)
    policy.model.eval()  # no dropout: rollouts and update are of the same policy
    todo = range(progress.step, settings.steps)
    with track(todo, description, settings.steps, progress.step) as remaining:
        for step in remaining:
            chosen = batch_indices(step, len(tasks), settings.prompts_per_step, seed)
            batch = [tasks[i] for i in chosen]
            experience = collect(policy.model, policy.tokenizer, batch, objective, seed, step)
            gains = weigh(experience, objective, history.rewards())
            history.add(experience.rewards)
            updated = update(policy, optimizer, distinct_rows(experience, gains.gains), settings)
            progress.steps.append({"step": step, **updated, **record(experience, gains)})
            progress.step = step + 1
            progress.history = history.state_dict()
            if progress.step % settings.checkpoint_every == 0:
                save_checkpoint(checkpoint, identity, policy.model, optimizer, progress)
            remaining.set_postfix_str(
                f"reward {progress.steps[-1]['mean_reward']:.3f}, loss {updated['loss']:.3f}",
                refresh=False,
            )
    return progress


# --- the update -------------------------------------------------------------------------------


def update(policy: Policy, optimizer: torch.optim.Optimizer, rows: list[Row], settings: Rl) -> dict:
    """One optimiser step; returns its part of the step's record.

    Raises:
        InputError: The loss or the gradient's norm is not finite.

    """
    optimizer.zero_grad(set_to_none=True)
    losses = accumulate_gradient(policy, rows, settings)
    norm = torch.nn.utils.clip_grad_norm_(policy.parameters, settings.clip_norm).item()
    if not math.isfinite(losses["loss"]) or not math.isfinite(norm):
        raise InputError(
            "reinforcement learning",
            f"the loss is {losses['loss']} and the gradient's norm {norm}",
            "lower learning_rate or clip_norm in the scale's file",
        )
    optimizer.step()
    return {**losses, "grad_norm": norm, "clipped": norm > settings.clip_norm}


def accumulate_gradient(policy: Policy, rows: list[Row], settings: Rl) -> dict:
    """Add the gradient of the batch's loss to the model's parameters.

    Returns:
        ``loss``, with the weighted KL penalty, and ``kl``, the penalty alone; None where it has no
        weight, since nobody then asks the reference.

    """
    num_rollouts = sum(row.count for row in rows)
    loss, kl = 0.0, 0.0
    size = settings.micro_batch_size
    for part in of_like_length(rows, size, lambda r: len(r.prompt) + len(r.completion)):
        tensors = RowTensors.of(part, policy.tokenizer.pad_token_id, policy.model.device)
        mean_loss, penalty = part_losses(policy, tensors, settings)
        share = sum(row.count for row in part) / num_rollouts
        part_loss = mean_loss * (len(part) / num_rollouts)
        if penalty is not None:
            part_loss = part_loss + settings.kl_weight * share * penalty
            kl += share * penalty.item()
        part_loss.backward()
        loss += part_loss.item()
    return {"loss": loss, "kl": kl if settings.kl_weight else None}


@dataclass(frozen=True, eq=False)
class RowTensors:
    """A micro-batch of B distinct rows: tokens, and gain and count of each, shape (B,)."""

    tokens: Batch
    gains: Tensor
    counts: Tensor

    @classmethod
    def of(cls, rows: Sequence[Row], pad: int, device: torch.device) -> "RowTensors":
        """Put rows into tensors, padded to the longest."""
        return cls(
            collate([r.prompt for r in rows], [r.completion for r in rows], pad, str(device)),
            torch.tensor([r.gain for r in rows], dtype=torch.float64, device=device),
            torch.tensor([r.count for r in rows], device=device),
        )

    @property
    def mask(self) -> Tensor:
        """Completion tokens, bool, shape (B, C)."""
        return self.tokens.completion_mask.bool()


def part_losses(policy: Policy, rows: RowTensors, settings: Rl) -> tuple[Tensor, Tensor | None]:
    """The policy-gradient loss, a mean over rows, and the KL penalty, a mean over rollouts.

    The penalty is None where it has no weight. Policy and reference are taken at one temperature:
    at the rollouts' own, the penalty estimates the KL divergence of what is sampled from.
    """
    sampling = settings.gradient_temperature == "sampling"
    temperature = settings.rollout.temperature if sampling else 1.0
    with recomputing(policy.model):
        shares = pays_to_share_prompts(policy.model, rows.tokens)
        log_probs = token_log_probs(policy.model, rows.tokens, temperature, shares)
    loss = policy_gradient_loss(sequence_log_prob(log_probs, rows.mask), rows.gains)
    if not settings.kl_weight:
        return loss, None
    with torch.no_grad():
        reference = token_log_probs(policy.reference, rows.tokens, temperature, shares)
    return loss, kl_penalty(log_probs, reference, rows.mask, rows.counts)
