"""The loss of a batch of examples, in micro-batches that fit in memory."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from compute_aligned.config.settings import Sft
from compute_aligned.files.errors import InputError
from compute_aligned.method.strategies import Strategy
from compute_aligned.models.log_probs import chosen_log_probs, completion_logits
from compute_aligned.models.tokens import Batch, collate
from compute_aligned.train.margins import sequence_losses, step_noise
from compute_aligned.train.optimisation import of_like_length

Example = tuple[list[int], list[int]]  # token ids of a prompt and of its completion


def example_losses(
    model: Any, part: Batch, strategy: Strategy, settings: Sft, noise: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log p of each of B targets, and its loss: the strategy's, and what the settings add to it.

    Raises:
        InputError: A log-probability is not finite.
        ValueError: There is a margin and no noise to draw its rivals with.

    """
    logits = completion_logits(model, part)
    log_p = chosen_log_probs(logits, part).sum(-1)
    require_finite(strategy, "a target's log-probability", log_p)
    losses = strategy.sft_loss(log_p)
    mask = part.completion_mask.bool()
    if settings.strategy_share < 1:
        losses = settings.strategy_share * losses
    if settings.margin_share is not None:
        if noise is None:
            raise ValueError("a margin needs noise to draw its rivals with")
        of_margin = sequence_losses(logits, part.completion_ids, mask, noise)
        losses = losses + settings.margin_share * of_margin
    if settings.label_smoothing is not None:
        losses = losses + settings.label_smoothing * uniform_losses(logits, mask)
    if settings.entropy_bonus is not None:
        losses = losses - settings.entropy_bonus * entropies(logits, mask)
    return log_p, losses


def uniform_losses(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The loss of a target drawn evenly from the vocabulary, summed over the tokens, (B,).

    The part of label smoothing that is not the target's (Szegedy et al. 2016).

    Args:
        logits: (B, C, vocabulary); tokens with minus infinity are never written, and left out.
        mask: Which of the B x C are tokens and not padding.

    """
    possible = logits.isfinite()
    log_probs = torch.log_softmax(logits, dim=-1).masked_fill(~possible, 0.0)
    return -torch.where(mask, log_probs.sum(-1) / possible.sum(-1), 0.0).sum(-1)


def entropies(logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The entropies in nats of the model's distributions, summed over the tokens, (B,).

    As a bonus, the confidence penalty of Pereyra et al. (2017). The arguments are those of
    :func:`uniform_losses`.
    """
    log_probs = torch.log_softmax(logits, dim=-1).masked_fill(~logits.isfinite(), 0.0)
    terms = torch.where(logits.isfinite(), log_probs.exp() * log_probs, 0.0)
    return -torch.where(mask, terms.sum(-1), 0.0).sum(-1)


def rival_noise(
    settings: Sft, batch: Sequence[Example], seed: int, step: int
) -> torch.Tensor | None:
    """Noise for the rivals of every token of a batch, (B, longest completion, R); else None.

    An example's noise depends on its place in the batch and not on how the batch is cut.
    """
    if settings.rival_tokens is None:
        return None
    longest = max(len(completion) for _, completion in batch)
    return step_noise(seed, step, (len(batch), longest, settings.rival_tokens))


def require_finite(strategy: Strategy, what: str, values: torch.Tensor) -> None:
    """Refuse a loss or weight that is no finite number, naming the strategy.

    Raises:
        InputError: One is not.

    """
    wrong = values[~torch.isfinite(values)]
    if wrong.numel():
        raise InputError(
            f"training with {strategy}",
            f"{what} is {wrong[0].item()}",
            "lower learning_rate or clip_norm in the scale's file",
        )


def micro_batches(
    batch: list[Example], size: int | None, pad: int, device: str
) -> Iterator[tuple[list[int], Batch]]:
    """The batch in forward passes of like length, each with its examples' places in the batch."""
    places = range(len(batch))
    for rows in of_like_length(places, size, lambda i: len(batch[i][0]) + len(batch[i][1])):
        prompts, completions = zip(*(batch[i] for i in rows), strict=True)
        yield list(rows), collate(prompts, completions, pad, device)
