"""The policy update of one collected batch: advantages, losses, KL penalty (PAPER section 2).

The loss is ``-mean(stopgrad(A * w) * sum of completion token log-probs) + beta * KL``. The weights
w come from :mod:`compute_aligned.method.update_weights`; everything else is here, as pure
functions.

Shapes: P prompts and M rollouts of each (a group); B sequences, usually P * M, of T tokens. A mask,
bool, shape (B, T), is true on completion tokens, EOS included, and false on prompt and padding.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from compute_aligned.files.errors import InputError

STD_OFFSET = 1e-4


def reward_std(rewards: Tensor) -> Tensor:
    """The sample standard deviation of each prompt's rewards plus 1e-4, shape (P, 1)."""
    return _relative(rewards).std(dim=1, correction=1, keepdim=True) + STD_OFFSET


def group_advantages(
    rewards: Tensor,
    limit: float | None = None,
    divisor: Callable[[Tensor], Tensor] | None = reward_std,
) -> Tensor:
    """``A = (R - mean) / (std + 1e-4)`` within each prompt, or the difference over another divisor.

    A group without contrast (equal rewards, or a single rollout) has advantage 0, exactly.
    Source: PAPER section 2.

    Args:
        rewards: Floating, shape (P, M).
        limit: Clip the advantages to [-limit, limit] where given (5 in the Best-of-N families).
        divisor: From rewards to what each prompt's differences are divided by, shape (P, 1),
            positive; None for nothing.

    Returns:
        Advantages, shape (P, M).

    Raises:
        InputError: A reward is NaN or infinite; the error names its prompt.
        ValueError: The rewards are not floating, or not prompts x rollouts.

    """
    check_rewards(rewards)
    relative = _relative(rewards)
    if rewards.shape[1] == 1:
        return relative  # one value has no sample standard deviation
    advantages = relative - relative.mean(dim=1, keepdim=True)
    if divisor is not None:
        advantages = advantages / divisor(rewards)
    return advantages if limit is None else advantages.clamp(-limit, limit)


def _relative(rewards: Tensor) -> Tensor:
    """Rewards minus the first of their group: equal ones cancel whatever their mean rounds to."""
    return rewards - rewards[:, :1]


def penalise_all_wrong(advantages: Tensor, correct: Tensor, penalty: float) -> Tensor:
    """Give every rollout of a prompt that none of them solved the advantage ``-penalty``.

    Source: PAPER section 2 (0.5 in the majority family, in the standard branch too).

    Args:
        advantages: Shape (P, M).
        correct: Which rollouts are right, bool, shape (P, M).
        penalty: Not negative.

    Raises:
        ValueError: The penalty is negative.

    """
    if penalty < 0:
        raise ValueError(f"a penalty is not negative, this one is {penalty}")
    solved = correct.any(dim=1, keepdim=True)
    return torch.where(solved, advantages, torch.full_like(advantages, -penalty))


def check_rewards(rewards: Tensor) -> None:
    """Refuse rewards that are not finite numbers, prompts x rollouts.

    Raises:
        InputError: A reward is NaN or infinite; the error names its prompt.
        ValueError: The rewards are not floating, or not of shape (P, M).

    """
    if rewards.ndim != 2 or not rewards.is_floating_point():
        raise ValueError(
            f"rewards are floating, prompts x rollouts; these are {rewards.dtype}, "
            f"{tuple(rewards.shape)}"
        )
    wrong = (~rewards.isfinite()).nonzero()
    if len(wrong):
        prompt, rollout = wrong[0].tolist()
        raise InputError(
            f"reward of prompt {prompt}, rollout {rollout}",
            f"{rewards[prompt, rollout].item()} is not a finite number",
            "have the reward function return a finite number for every completion",
        )


def sequence_log_prob(token_log_probs: Tensor, mask: Tensor) -> Tensor:
    """Sum of the completion's token log-probabilities, shape (B,).

    Args:
        token_log_probs: Shape (B, T); values outside the mask may be anything, -inf and NaN too.
        mask: Completion tokens, bool, shape (B, T).

    """
    return _completion_only(token_log_probs, mask).sum(dim=1)


def policy_gradient_loss(log_probs: Tensor, weighted_advantages: Tensor) -> Tensor:
    """``-mean(stopgrad(A * w) * log p)`` over the sequences, a scalar (PAPER section 2).

    A batch in parts: weight each part's loss by its share of the sequences.

    Args:
        log_probs: Log-probability of each completion, summed over tokens, shape (B,).
        weighted_advantages: A * w, shape (B,); taken as constants.

    Raises:
        ValueError: The two shapes differ.

    """
    _check_same_shape(log_probs, weighted_advantages)
    return -(weighted_advantages.detach() * log_probs).mean()


def kl_penalty(
    token_log_probs: Tensor,
    reference_log_probs: Tensor,
    mask: Tensor,
    counts: Tensor | None = None,
) -> Tensor:
    """Mean of ``exp(d) - d - 1``, d = log pi_ref - log pi, over tokens and completions, a scalar.

    Not negative, and an unbiased estimate of KL(pi || pi_ref) at tokens sampled from pi. The mean
    is over the tokens of each completion, and then over completions (PAPER section 2), so that a
    short completion counts as much as a long one. A batch in parts: weight each part's penalty by
    its share of the completions.

    Args:
        token_log_probs: Under the policy being trained, shape (B, T).
        reference_log_probs: Under the reference policy, shape (B, T); taken as constants.
        mask: Completion tokens, bool, shape (B, T).
        counts: How many equal sequences each one stands for, shape (B,); one each where None.

    Raises:
        ValueError: The (B, T) shapes differ, or a completion has no token.

    """
    _check_same_shape(token_log_probs, reference_log_probs)
    num_tokens = mask.sum(dim=1)
    if not num_tokens.all():
        raise ValueError("a completion has no token")
    if counts is None:
        counts = torch.ones_like(num_tokens)
    d = _completion_only(reference_log_probs.detach() - token_log_probs, mask)
    of_completions = (torch.expm1(d) - d).sum(dim=1) / num_tokens
    return (of_completions * counts).sum() / counts.sum()


def _completion_only(values: Tensor, mask: Tensor) -> Tensor:
    """The values with 0 outside the mask, where neither value nor gradient may leak from."""
    _check_same_shape(values, mask)
    return values.masked_fill(~mask, 0.0)


def _check_same_shape(first: Tensor, second: Tensor) -> None:
    if first.shape != second.shape:
        raise ValueError(f"shapes differ: {tuple(first.shape)} and {tuple(second.shape)}")
