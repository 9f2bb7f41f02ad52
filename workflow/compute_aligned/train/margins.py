"""Pairwise margins at the level of tokens: the target's logit against those of rivals.

Besides making a whole target likely, a branch can push each of its tokens above tokens that the
model might have written there instead (PAPER section 3, ``token_margin``; appendix A.7). Rivals are
drawn from noise that is made beforehand, so that it does not matter which examples share a forward
pass, and a resumed run draws the same ones.

Shapes: ``...`` positions, each with V logits and R rivals.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from compute_aligned.models.rollouts import invert

# Keeps the noise apart from the orders of the data, which the same run seed decides.
NOISE_STREAM = 2


def step_noise(seed: int, step: int, shape: tuple[int, ...]) -> Tensor:
    """Uniform noise on [0, 1) for the rivals of one optimiser step, float64, of the given shape."""
    return torch.from_numpy(np.random.default_rng([seed, step, NOISE_STREAM]).random(shape))


@torch.no_grad()
def draw_rivals(logits: Tensor, targets: Tensor, noise: Tensor) -> Tensor:
    """Draw tokens, with replacement, from the model's softmax without the target.

    Args:
        logits: Shape (..., V); minus infinity where a token is never written.
        targets: Token ids, shape (...).
        noise: Uniform on [0, 1), shape (..., R).

    Returns:
        Token ids, shape (..., R); never the target, and never a token of probability 0.

    """
    others = logits.double().scatter(-1, targets.unsqueeze(-1), -torch.inf).softmax(-1)
    drawn = invert(others.flatten(0, -2), noise.to(others.device).flatten(0, -2))
    return drawn.reshape(noise.shape)


def pairwise_losses(logits: Tensor, targets: Tensor, rivals: Tensor) -> Tensor:
    """The mean over rivals of ``-log sigmoid(z_target - z_rival)``, at every position.

    It is near 0 where the target's logit is far above all of them, and grows linearly where it is
    below. The gradient reaches the logits of target and rivals alike.

    Args:
        logits: Shape (..., V).
        targets: Token ids, shape (...).
        rivals: Token ids, shape (..., R).

    Returns:
        Shape (...), in the logits' dtype.

    """
    lead = logits.gather(-1, targets.unsqueeze(-1)) - logits.gather(-1, rivals)
    return -logsigmoid(lead).mean(-1)


def sequence_losses(logits: Tensor, targets: Tensor, mask: Tensor, noise: Tensor) -> Tensor:
    """The pairwise losses of each target, summed over its tokens, with rivals drawn by the noise.

    A sum, as a target's log-probability is one: divided by whatever that is divided by, the number
    of targets or of their tokens, the two stay comparable.

    Args:
        logits: Shape (B, C, V).
        targets: Token ids, shape (B, C).
        mask: Which of these are tokens and not padding, bool, shape (B, C).
        noise: Uniform on [0, 1), shape (B, C or more, R).

    Returns:
        Shape (B,), in the logits' dtype.

    """
    rivals = draw_rivals(logits, targets, noise[:, : targets.shape[1]])
    return torch.where(mask, pairwise_losses(logits, targets, rivals), 0.0).sum(-1)
