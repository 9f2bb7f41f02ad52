"""The strategy's factor w on the advantage of every rollout (PAPER section 2).

w is the strategy's RL weight at an estimate of the probability p that one sample succeeds. Families
differ in the estimate, which the configuration names: :data:`SUCCESS_ESTIMATES`. The baseline takes
the same path with ``SingleSample``, whose weight is 1.

Shapes: P prompts and M rollouts of each (a group), all of one optimiser batch.
"""

from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from compute_aligned.method.policy import check_rewards
from compute_aligned.method.strategies import MajorityVote, Strategy, UpdateForm

Given = TypeVar("Given")


@dataclass(frozen=True, eq=False)
class RolloutGroups:
    """What the rollouts of one optimiser batch tell about probabilities of success.

    Attributes:
        log_p: Log-probability of each completion under the sampling policy (untempered, full
            softmax, summed over tokens), shape (P, M).
        rewards: Floating, shape (P, M).
        correct: Which rollouts are right, bool, shape (P, M); None where a task has no answers.
        answers: The extracted answer of each rollout, P lists of M; None in a list where a
            completion cannot be parsed.
        past_rewards: The rewards before this batch, shape (H,), from :class:`RewardHistory`.

    Raises:
        ValueError: They do not agree on P and M.

    """

    log_p: Tensor
    rewards: Tensor
    correct: Tensor | None = None
    answers: Sequence[Sequence[str | None]] | None = None
    past_rewards: Tensor | None = None

    def __post_init__(self) -> None:
        shapes = {tuple(t.shape) for t in (self.log_p, self.rewards, self.correct) if t is not None}
        if self.answers is not None:
            shapes |= {(len(self.answers), len(group)) for group in self.answers}
        if len(shapes) != 1 or self.rewards.ndim != 2:
            raise ValueError(f"not the same prompts x rollouts: {sorted(shapes)}")


class SuccessEstimate(ABC):
    """A way to estimate p for every rollout, and the weights that follow from it.

    Subclasses are frozen dataclasses; their fields are the paper's constants.
    """

    @abstractmethod
    def log_probability(self, groups: RolloutGroups) -> Tensor:
        """Natural logarithm of the estimate for every rollout, shape (P, M)."""

    @abstractmethod
    def weights(self, strategy: Strategy, form: UpdateForm, groups: RolloutGroups) -> Tensor:
        """The factor w on the advantage of every rollout, shape (P, M).

        Args:
            strategy: The strategy of the branch.
            form: Which of the paper's two RL weights to take, ``log`` or ``raw``.
            groups: The whole optimiser batch, since some weights are relative to its mean.

        Raises:
            InputError: The strategy has no such form.
            ValueError: The groups lack what the estimate is made from.

        """


@dataclass(frozen=True)
class SequenceProbability(SuccessEstimate):
    """p is the completion's own probability (Pass@N); w is capped and not normalised.

    Attributes:
        log_p_floor: Lower values of log p are raised to it.
        cap: Largest weight.

    """

    log_p_floor: float = -50.0
    cap: float = 50.0

    def log_probability(self, groups: RolloutGroups) -> Tensor:
        """The summed log-probability, floored."""
        return groups.log_p.clamp(min=self.log_p_floor)

    def weights(self, strategy: Strategy, form: UpdateForm, groups: RolloutGroups) -> Tensor:
        """The strategy's weight, capped."""
        return strategy.update_weight(self.log_probability(groups), form).clamp(max=self.cap)


@dataclass(frozen=True)
class SmoothedSuccess(SuccessEstimate):
    """p is the prompt's success rate, Laplace-smoothed (majority); w has mean 1 over the batch.

    The k of a majority vote is replaced, prompt by prompt, by :func:`dynamic_threshold`: a right
    answer needs more votes where the wrong ones agree.

    Attributes:
        cap: Largest weight before the division by the mean.

    """

    cap: float = 10.0

    def log_probability(self, groups: RolloutGroups) -> Tensor:
        """``log((successes + 1) / (M + 2))``, the same for all rollouts of a prompt."""
        successes = _given(groups.correct, "correct").sum(dim=1, keepdim=True)
        group_size = groups.rewards.shape[1]
        p = (successes + 1).to(groups.log_p.dtype) / (group_size + 2)
        return p.log().expand_as(groups.log_p)

    def weights(self, strategy: Strategy, form: UpdateForm, groups: RolloutGroups) -> Tensor:
        """The strategy's weight, capped, then divided by the batch mean; not in a batch of one."""
        log_p = self.log_probability(groups)
        num_prompts, group_size = log_p.shape
        strategies = [
            _against_rivals(strategy, votes, group_size) for votes in most_wrong_votes(groups)
        ]
        weights = log_p.new_empty(num_prompts, group_size)
        for of_prompt in set(strategies):  # few differ, so few calls
            rows = [row for row, other in enumerate(strategies) if other == of_prompt]
            weights[rows] = of_prompt.update_weight(log_p[rows], form).clamp(max=self.cap)
        # within one prompt the weights are equal, and their mean would cancel them
        return weights if num_prompts == 1 else _with_mean_one(weights)


class RewardQuantile(SuccessEstimate):
    """p is the quantile q of the rollout's reward (Best-of-N); w has mean 1 over the batch."""

    def weights(self, strategy: Strategy, form: UpdateForm, groups: RolloutGroups) -> Tensor:
        """The strategy's weight at q, divided by the batch mean."""
        return _with_mean_one(strategy.update_weight(self.log_probability(groups), form))


@dataclass(frozen=True)
class GroupQuantile(RewardQuantile):
    """The quantile among the prompt's own rollouts (Best-of-N, conditional task)."""

    def log_probability(self, groups: RolloutGroups) -> Tensor:
        """``log((strictly smaller rewards of the group + 1) / (M + 1))``."""
        rewards = groups.rewards
        smaller = (rewards.unsqueeze(1) < rewards.unsqueeze(2)).sum(dim=2)
        return ((smaller + 1).to(rewards.dtype) / (rewards.shape[1] + 1)).log()


@dataclass(frozen=True)
class HistoryQuantile(RewardQuantile):
    """The quantile among the rewards before this batch (Best-of-N, unconditional task).

    Attributes:
        lowest: Lower bound of q.
        highest: Upper bound of q.

    """

    lowest: float = 0.001
    highest: float = 0.999

    def log_probability(self, groups: RolloutGroups) -> Tensor:
        """``log((strictly smaller past rewards + 1) / (past rewards + 2))``, within bounds."""
        past = _given(groups.past_rewards, "past_rewards").sort().values
        smaller = torch.searchsorted(past, groups.rewards.to(past.dtype).contiguous())
        q = (smaller + 1).to(groups.rewards.dtype) / (len(past) + 2)
        return q.clamp(self.lowest, self.highest).log()


SUCCESS_ESTIMATES: dict[str, type[SuccessEstimate]] = {
    "sequence_probability": SequenceProbability,
    "smoothed_success": SmoothedSuccess,
    "group_quantile": GroupQuantile,
    "history_quantile": HistoryQuantile,
}


class RewardHistory:
    """The latest rewards, first in, first out; read it before a batch is added.

    Args:
        capacity: How many rewards are kept (PAPER section 2: 4000).

    Raises:
        ValueError: The capacity is below 1.

    """

    def __init__(self, capacity: int = 4000) -> None:
        if capacity < 1:
            raise ValueError(f"a history keeps at least one reward, not {capacity}")
        self._rewards: deque[float] = deque(maxlen=capacity)

    def rewards(self) -> Tensor:
        """The kept rewards, oldest first, float64, shape (H,)."""
        return torch.tensor(list(self._rewards), dtype=torch.float64)

    def add(self, rewards: Tensor) -> None:
        """Append the rewards of a batch, shape (P, M), row by row; the oldest make room.

        Raises:
            InputError: A reward is NaN or infinite.

        """
        check_rewards(rewards)
        self._rewards.extend(rewards.flatten().tolist())

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs to continue the history: its rewards and its capacity."""
        return {"capacity": self._rewards.maxlen, "rewards": list(self._rewards)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Become the history that ``state`` was taken from."""
        self._rewards = deque(state["rewards"], maxlen=state["capacity"])


def dynamic_threshold(n: int, group_size: int, wrong_votes: int) -> int:
    """Votes that a right answer needs among n samples to beat the strongest wrong answer.

    ``max(2, min(n//2 + 1, floor(n * wrong_votes / group_size) + 1))``: one more than the wrong
    answer is expected to get, at least 2, at most a strict majority. Source: PAPER section 2.

    Args:
        n: Votes cast, at least 2.
        group_size: Rollouts looked at, M.
        wrong_votes: How many of them gave the most frequent wrong answer.

    Raises:
        ValueError: n is below 2, or ``wrong_votes`` is not within 0 to ``group_size``.

    """
    if n < 2 or group_size < 1 or not 0 <= wrong_votes <= group_size:
        raise ValueError(f"no vote of {n} samples with {wrong_votes} of {group_size} against")
    return max(2, min(n // 2 + 1, n * wrong_votes // group_size + 1))


def most_wrong_votes(groups: RolloutGroups) -> list[int]:
    """Votes of the most frequent wrong answer of each prompt, P numbers; 0 where all are right.

    Completions that cannot be parsed count together as one wrong answer. Source: PAPER section 2.
    """
    answers = _given(groups.answers, "answers")
    correct = _given(groups.correct, "correct").tolist()
    wrong = (
        Counter(answer for answer, right in zip(*group, strict=True) if not right)
        for group in zip(answers, correct, strict=True)
    )
    return [max(votes.values(), default=0) for votes in wrong]


def _against_rivals(strategy: Strategy, wrong_votes: int, group_size: int) -> Strategy:
    """The strategy to use on one prompt; only a vote depends on how wrong answers agree."""
    if not isinstance(strategy, MajorityVote):
        return strategy
    return replace(strategy, k=dynamic_threshold(strategy.n, group_size, wrong_votes))


def _with_mean_one(weights: Tensor) -> Tensor:
    """The weights divided by their mean, or as they are if all are zero."""
    mean = weights.mean()
    return weights / torch.where(mean > 0, mean, torch.ones_like(mean))


def _given(value: Given | None, name: str) -> Given:
    if value is None:
        raise ValueError(f"this estimate is made from the groups' {name}, which are not given")
    return value
