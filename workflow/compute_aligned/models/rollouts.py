"""Drawing a token: the distribution that decoding settings describe, inverted at given noise.

Noise is made before anything is drawn, from a seed of the prompt's own. So it does not matter which
prompts share a batch, and a run that is repeated or resumed draws the same tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.generation import (
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from compute_aligned.config.settings import Decoding
from compute_aligned.files.errors import InputError
from compute_aligned.models.log_probs import caches_attention_only, suppress


def token_distribution(logits: Tensor, settings: Decoding) -> Tensor:
    """Softmax at the temperature, cut by top-k and then by top-p.

    Args:
        logits: Shape (B, V).
        settings: Temperature, top-k and top-p.

    Returns:
        Probabilities, float64, shape (B, V).

    """
    warpers = LogitsProcessorList([TemperatureLogitsWarper(settings.temperature)])
    if settings.top_k:
        warpers.append(TopKLogitsWarper(settings.top_k))
    if settings.top_p < 1:
        warpers.append(TopPLogitsWarper(settings.top_p))
    return torch.softmax(warpers(None, logits.float()).double(), dim=-1)


def invert(probabilities: Tensor, noise: Tensor, rows: Tensor | None = None) -> Tensor:
    """The token of each row at which the cumulative distribution passes the noise.

    Args:
        probabilities: Shape (B, V).
        noise: Uniform on [0, 1), shape (B,), or (B, R) for R draws from each row.
        rows: The row of ``probabilities`` that each row of the noise draws from, if not its own.

    Returns:
        Token ids, of the noise's shape; never one of probability 0.

    """
    cumulative = probabilities.cumsum(-1)
    if rows is not None:
        cumulative = cumulative[rows]
    total = cumulative[:, -1:]
    # a product that rounds up to the total would point behind the last token
    draws = noise.unsqueeze(-1) if noise.ndim == 1 else noise
    level = torch.minimum(draws * total, total.nextafter(torch.zeros_like(total)))
    return torch.searchsorted(cumulative, level, right=True).reshape(noise.shape)


# --- rollouts --------------------------------------------------------------------------------

# Keeps the noise apart from the orders of the data, which the same run seed decides. It comes last:
# numpy takes [1, 2] and [1, 2, 0] for the same seed.
NOISE_STREAM = 1


@dataclass(frozen=True, eq=False)
class Rollouts:
    """M completions of each of P prompts.

    Attributes:
        completions: Token ids of P lists of M completions; the end-of-sequence token included
            where the model wrote it.
        finished: Which completions ended by themselves, bool, shape (P, M).
        log_p: Log-probability of each completion under the model's full softmax at temperature 1,
            whatever the decoding, summed over tokens, float64, shape (P, M).
        entropy: Entropy of the same softmax, in nats, summed over tokens, float64, shape (P, M).

    """

    completions: list[list[list[int]]]
    finished: Tensor
    log_p: Tensor
    entropy: Tensor

    @property
    def lengths(self) -> Tensor:
        """Tokens of each completion, shape (P, M)."""
        return torch.tensor([[len(c) for c in group] for group in self.completions])


def rollout_noise(seed: int, step: int, num_prompts: int, group_size: int, length: int) -> Tensor:
    """Uniform noise for every token of a batch, float64, shape (P, M, ``length``).

    A prompt's noise depends on the run's seed, the step and the prompt's position in the batch.
    """
    shape = (group_size, length)
    return torch.from_numpy(
        np.stack(
            [
                np.random.default_rng([seed, step, position, NOISE_STREAM]).random(shape)
                for position in range(num_prompts)
            ]
        )
    )


@torch.no_grad()
def draw(
    model: Any, prompts: Sequence[list[int]], noise: Tensor, settings: Decoding, eos: int, pad: int
) -> Rollouts:
    """Sample a group of completions of every prompt.

    Args:
        model: A causal language model of transformers, in evaluation mode.
        prompts: Token ids of P prompts.
        noise: Shape (P, M, T); completions have at most T tokens.
        settings: Temperature, top-k and top-p.
        eos: The end-of-sequence token's id.
        pad: The padding token's id.

    Raises:
        InputError: The model's cache holds a running state, which cannot be parted.

    """
    if not caches_attention_only(model):
        raise InputError(
            f"rollouts of {type(model).__name__}",
            "some of its layers keep a running state, which completions of a prompt cannot share",
            "a model whose layers are all attention; supervised fine-tuning takes any",
        )
    num_prompts, group_size, limit = noise.shape
    noise = noise.flatten(0, 1).to(model.device)
    drawn = _Drawn.empty(len(noise), limit, pad, model.device)
    ids, mask = _left_padded(prompts, pad, model.device)
    output = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=(mask.cumsum(-1) - 1).clamp(min=0),
        use_cache=True,
        logits_to_keep=1,
    )
    cache = output.past_key_values
    logits = suppress(model, output.logits[:, -1])
    rows = torch.arange(len(noise), device=model.device)  # the completions that go on
    texts = rows // group_size  # which of the distinct texts so far each of them has
    for position in range(limit):
        probabilities = token_distribution(logits, settings)
        tokens = invert(probabilities, noise[rows, position], texts)
        drawn.add(rows, position, tokens, texts, logits)
        going_on = tokens != eos
        if position + 1 == limit or not going_on.any():
            break
        rows = rows[going_on]
        parents, tokens, texts = _distinct(texts[going_on], tokens[going_on], logits.shape[-1])
        if not torch.equal(parents, torch.arange(len(logits), device=model.device)):
            cache.batch_select_indices(parents)
            mask = mask[parents]
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        output = model(
            input_ids=tokens.unsqueeze(-1),
            attention_mask=mask,
            position_ids=mask.sum(-1, keepdim=True) - 1,
            past_key_values=cache,
            use_cache=True,
        )
        logits = suppress(model, output.logits[:, -1])
    return drawn.rollouts(num_prompts, group_size, eos)


def _distinct(texts: Tensor, tokens: Tensor, vocabulary: int) -> tuple[Tensor, Tensor, Tensor]:
    """The distinct texts that B completions have after their next token.

    Args:
        texts: The distinct text that each had before, shape (B,).
        tokens: The next token of each, shape (B,).
        vocabulary: Tokens that there are.

    Returns:
        Of each distinct text the one that it continues and its last token; and the distinct text
        of each completion, shape (B,).

    """
    pairs, places = torch.unique(texts * vocabulary + tokens, return_inverse=True)
    return pairs // vocabulary, pairs % vocabulary, places


@dataclass(frozen=True, eq=False)
class _Drawn:
    """What has been drawn so far: tokens (B, T), and sums over them (B,), B = P * M."""

    tokens: Tensor
    lengths: Tensor
    log_p: Tensor
    entropy: Tensor

    @classmethod
    def empty(cls, size: int, limit: int, pad: int, device: torch.device) -> "_Drawn":
        return cls(
            torch.full((size, limit), pad, device=device),
            torch.zeros(size, dtype=torch.int64, device=device),
            torch.zeros(size, dtype=torch.float64, device=device),
            torch.zeros(size, dtype=torch.float64, device=device),
        )

    def add(
        self, rows: Tensor, position: int, tokens: Tensor, texts: Tensor, logits: Tensor
    ) -> None:
        """Add the next token of each row, drawn at the logits (D, V) of its text."""
        log_probs = torch.log_softmax(logits.double(), dim=-1)
        entropy = torch.special.entr(log_probs.exp()).sum(-1)
        self.tokens[rows, position] = tokens
        self.lengths[rows] += 1
        self.log_p[rows] += log_probs[texts, tokens]
        self.entropy[rows] += entropy[texts]

    def rollouts(self, num_prompts: int, group_size: int, eos: int) -> Rollouts:
        shape = (num_prompts, group_size)
        last = self.tokens.gather(-1, self.lengths.unsqueeze(-1) - 1).squeeze(-1)
        completions = [
            row[:length]
            for row, length in zip(self.tokens.tolist(), self.lengths.tolist(), strict=True)
        ]
        return Rollouts(
            [
                completions[start : start + group_size]
                for start in range(0, len(completions), group_size)
            ],
            (last == eos).reshape(shape).cpu(),
            self.log_p.reshape(shape).cpu(),
            self.entropy.reshape(shape).cpu(),
        )


def _left_padded(
    prompts: Sequence[list[int]], pad: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, (P, longest prompt), padded on the left."""
    longest = max(map(len, prompts))
    ids = [[pad] * (longest - len(p)) + p for p in prompts]
    mask = [[0] * (longest - len(p)) + [1] * len(p) for p in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)
