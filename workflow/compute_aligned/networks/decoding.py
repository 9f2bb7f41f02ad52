"""Drawing a token: the distribution that decoding settings describe, inverted at given noise.

Noise is made before anything is drawn, from a seed of the prompt's own. So it does not matter which
prompts share a batch, and a run that is repeated or resumed draws the same tokens.
"""

import torch
from torch import Tensor
from transformers.generation import (
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from compute_aligned.configuration.settings import Decoding


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
