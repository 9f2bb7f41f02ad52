"""How well the RL update points along the gradient it stands for, computed exactly on a toy policy.

The paper replaces the gradient of the strategy's expected reward by ordinary advantages times a
scalar. On a softmax over a handful of answers both sides are finite sums: the expected update over
every possible group of rollouts, through the same code that trains, and the true gradient by
automatic differentiation. Their cosine says what the replacement costs.

With one prompt, binary rewards and a weight that depends on the number of successes only, the
expected update is parallel to the gradient of p, hence of any S(p): the cosine is 1, whatever the
weight, and the same for the standard branch. It takes several prompts to tell weights apart. The
cosines belong to the toy policies given: they show what can happen, not what a model does.
"""

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, pairwise

import torch
from torch import Tensor

from compute_aligned.method.groups import RolloutGroups
from compute_aligned.method.objectives import GroupObjective
from compute_aligned.method.strategies import (
    BestOfN,
    MajorityVote,
    PassAtN,
    SingleSample,
    Strategy,
    UpdateForm,
)
from compute_aligned.method.update_weights import estimate_named

GROUP_SIZE = 8  # M, rollouts of a prompt


@dataclass(frozen=True, eq=False)
class ToyPolicy:
    """Independent softmax policies over the same number of answers, one a prompt.

    Attributes:
        name: What a table calls it.
        probabilities: Positive, each row sums to 1, float64, shape (P, A).
        rewards: Shape (P, A); an answer is right where its reward is positive.

    """

    name: str
    probabilities: Tensor
    rewards: Tensor


@dataclass(frozen=True)
class Comparison:
    """One update to compare with its gradient: a strategy, a weight form, an estimate of p."""

    policy: ToyPolicy
    strategy: Strategy
    form: UpdateForm
    success_estimate: str


@dataclass(frozen=True)
class Alignment:
    """One row of the result.

    Attributes:
        policy: Name of the toy policy.
        strategy: Label of the strategy whose expected reward is to rise.
        form: Form of its weight.
        success_estimate: Where the weight takes p from.
        cosine: Of the strategy's expected update with the true gradient.
        standard_cosine: Of the standard update (all weights 1) with the same gradient.

    """

    policy: str
    strategy: str
    form: UpdateForm
    success_estimate: str
    cosine: float
    standard_cosine: float


def expected_reward(logits: Tensor, rewards: Tensor, strategy: Strategy) -> Tensor:
    """Expected reward of the strategy on one prompt, a scalar with a graph to ``logits``.

    The reward is a staircase: its expectation is the lowest level plus every step's height times
    the probability S(P[R >= level]) that the strategy reaches it. For rewards 0 and 1 this is
    S(p); for Best-of-N the expected maximum of n draws.

    Args:
        logits: Shape (A,).
        rewards: Shape (A,).
        strategy: Its ``log_success`` is S.

    """
    log_probs = torch.log_softmax(logits, dim=0)
    levels = rewards.unique().tolist()
    value = logits.new_tensor(levels[0])
    for lower, level in pairwise(levels):
        log_tail = torch.logsumexp(log_probs[rewards >= level], dim=0)
        value = value + (level - lower) * strategy.log_success(log_tail).exp()
    return value


def true_gradient(policy: ToyPolicy, strategy: Strategy) -> Tensor:
    """Gradient of the summed expected rewards in the logits, shape (P, A)."""
    logits = policy.probabilities.log().requires_grad_()
    values = [
        expected_reward(row, rewards, strategy)
        for row, rewards in zip(logits, policy.rewards, strict=True)
    ]
    (gradient,) = torch.autograd.grad(torch.stack(values).sum(), logits)
    return gradient


@dataclass(frozen=True, eq=False)
class EveryGroup:
    """All multisets of M rollouts of every prompt, G a prompt, as one batch of P * G groups.

    Attributes:
        groups: Their rewards and log-probabilities.
        scores: Gradient of each rollout's log-probability in its prompt's logits, (P * G, M, A).
        probability: Of each group among those of its prompt, shape (P, G).

    """

    groups: RolloutGroups
    scores: Tensor
    probability: Tensor

    @classmethod
    def of(cls, policy: ToyPolicy, group_size: int) -> "EveryGroup":
        """The groups of a toy policy; their number grows as C(M + A - 1, M)."""
        num_prompts, num_answers = policy.probabilities.shape
        multisets = torch.tensor(
            list(combinations_with_replacement(range(num_answers), group_size))
        )  # (G, M)
        drawn = multisets.repeat(num_prompts, 1)  # (P * G, M), prompt by prompt
        prompts = torch.arange(num_prompts).repeat_interleave(len(multisets)).unsqueeze(1)
        log_probs = policy.probabilities.log()
        rewards = policy.rewards[prompts, drawn]
        groups = RolloutGroups(
            log_p=log_probs[prompts, drawn],
            rewards=rewards,
            correct=rewards > 0,
            answers=[[str(answer) for answer in group] for group in drawn.tolist()],
            past_rewards=_history(policy),
        )
        counts = torch.nn.functional.one_hot(drawn, num_answers).to(rewards.dtype)
        # the gradient of log p(answer) in the logits is onehot(answer) - p
        scores = counts - policy.probabilities[prompts]
        probability = _multinomial(counts.sum(dim=1), log_probs[prompts.squeeze(1)])
        return cls(groups, scores, probability.view(num_prompts, -1))

    def updates(self, objective: GroupObjective) -> Tensor:
        """The mean of gain * grad log p over the rollouts of every group, shape (P, G, A)."""
        gains = objective.gains(self.groups).gains
        updates = (gains.unsqueeze(2) * self.scores).mean(dim=1)
        return updates.view(*self.probability.shape, -1)


every_group = functools.lru_cache(maxsize=16)(EveryGroup.of)  # policies are told apart by identity


def expected_update(policy: ToyPolicy, objective: GroupObjective, group_size: int) -> Tensor:
    """Expectation of ``mean over rollouts of gain * grad log p`` over all groups, shape (P, A).

    Every multiset of rollouts of every prompt is one row of a single batch, so a weight that is
    divided by the batch mean is divided by one constant here, which no cosine sees; in training
    that mean fluctuates with the batch.

    Args:
        policy: The toy policy.
        objective: What becomes of a group's rewards.
        group_size: Rollouts a prompt, M.

    """
    groups = every_group(policy, group_size)
    return (groups.probability.unsqueeze(2) * groups.updates(objective)).sum(dim=1)


def _history(policy: ToyPolicy) -> Tensor:
    """Past rewards, about a thousand a prompt, each as often as the policy would have got it."""
    counts = (1000 * policy.probabilities).round().long()
    return policy.rewards.flatten().repeat_interleave(counts.flatten())


def _multinomial(counts: Tensor, log_probs: Tensor) -> Tensor:
    """Probability of drawing ``counts`` (rows, A) from ``log_probs`` (rows, A), shape (rows,)."""
    log_orders = torch.lgamma(counts.sum(dim=1) + 1) - torch.lgamma(counts + 1).sum(dim=1)
    return torch.exp(log_orders + (counts * log_probs).sum(dim=1))


def policy_alignment(
    comparisons: Iterable[Comparison], group_size: int = GROUP_SIZE
) -> list[Alignment]:
    """Cosines of expected updates with the true gradient, one record a comparison.

    Args:
        comparisons: For instance :data:`COMPARISONS`.
        group_size: Rollouts a prompt, M.

    """
    return [_align(comparison, group_size) for comparison in comparisons]


def _align(comparison: Comparison, group_size: int) -> Alignment:
    policy, strategy, form = comparison.policy, comparison.strategy, comparison.form
    estimate = estimate_named(comparison.success_estimate)
    gradient = true_gradient(policy, strategy)
    updates = [
        expected_update(policy, GroupObjective(of_update, form, estimate), group_size)
        for of_update in (strategy, SingleSample())
    ]
    cosines = [cosine(update, gradient) for update in updates]
    return Alignment(
        policy.name, strategy.label, form, comparison.success_estimate, cosines[0], cosines[1]
    )


def cosine(first: Tensor, second: Tensor) -> float:
    """Cosine of the angle between two tensors of one shape, taken as flat vectors."""
    return float((first * second).sum() / (first.norm() * second.norm()))


def toy(name: str, probabilities: Sequence[Sequence[float]], rewards: Sequence[float]) -> ToyPolicy:
    """A toy policy whose prompts share one row of rewards."""
    table = torch.tensor(probabilities, dtype=torch.float64)
    return ToyPolicy(name, table, torch.tensor(rewards, dtype=torch.float64).expand_as(table))


# Two of five answers are right; the prompts are solved with p = .30, and .05, .30 and .80.
_SOLVED_AT_30 = [0.20, 0.10, 0.40, 0.20, 0.10]
_SOLVED_AT_05_30_80 = [
    [0.04, 0.01, 0.50, 0.25, 0.20],
    _SOLVED_AT_30,
    [0.50, 0.30, 0.10, 0.05, 0.05],
]
_BINARY = [1.0, 1.0, 0.0, 0.0, 0.0]
_GRADED = [10.0, 7.0, 5.0, 2.0, 1.0]
_ANSWERED = [
    toy("1 prompt", [_SOLVED_AT_30], _BINARY),
    toy("3 prompts", _SOLVED_AT_05_30_80, _BINARY),
]
_RATED = [
    toy("1 prompt, graded", [_SOLVED_AT_30], _GRADED),
    toy("3 prompts, graded", _SOLVED_AT_05_30_80, _GRADED),
]
_FORMS: tuple[UpdateForm, ...] = ("log", "raw")

# The paper's strategies with the estimates of its families (section 2), at the branches' budgets.
COMPARISONS = (
    *[
        Comparison(policy, strategy, form, "sequence_probability")
        for policy in _ANSWERED
        for strategy in (PassAtN(n=4), PassAtN(n=16))
        for form in _FORMS
    ],
    *[
        Comparison(policy, strategy, form, "smoothed_success")
        for policy in _ANSWERED
        for strategy in (MajorityVote(n=4, k=3), MajorityVote(n=8, k=5))
        for form in _FORMS
    ],
    *[
        Comparison(policy, strategy, "raw", "group_quantile")
        for policy in _RATED
        for strategy in (BestOfN(n=2), BestOfN(n=4), BestOfN(n=8))
    ],
)


def further_comparisons(strategies: Iterable[Strategy]) -> list[Comparison]:
    """What there is to compare for strategies that the paper does not have.

    Both estimates of p that answers allow, since a family chooses, and every form of the weight.

    Args:
        strategies: Strategies for right and wrong answers.

    """
    return [
        Comparison(policy, strategy, form, estimate)
        for estimate in ("sequence_probability", "smoothed_success")
        for policy in _ANSWERED
        for strategy in strategies
        for form in strategy.update_forms
    ]
