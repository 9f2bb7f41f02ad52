"""The strategy's factor w on the advantage of every rollout (PAPER section 2).

w is the strategy's RL weight at an estimate of the probability p that one sample succeeds. Families
differ in the estimate, which the configuration names; here are the paper's. The baseline takes the
same path with ``SingleSample``, whose weight is 1.

Shapes: P prompts and M rollouts of each (a group), all of one optimiser batch.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, TypeVar

import torch
from torch import Tensor

from compute_aligned.files.errors import InputError
from compute_aligned.method.groups import Gains, RolloutGroups
from compute_aligned.method.strategies import MajorityVote, SingleSample, Strategy, UpdateForm

Given = TypeVar("Given")
AdvantageScale = Literal["std", "mean", "success_std", "none"]

# The estimates by the name that the configuration has for them; subclasses enter themselves.
SUCCESS_ESTIMATES: dict[str, type["SuccessEstimate"]] = {}


class SuccessEstimate(ABC):
    """Where the success of a strategy is taken from, and the gains that follow from it.

    Subclasses are frozen dataclasses; their fields are constants of their source. The name that the
    configuration has for one stands in its head:

        @dataclass(frozen=True)
        class Halved(SuccessEstimate, name="halved"):

    Attributes:
        name: That name.
        formula: LaTeX of the gain, with A for the advantage and w for the strategy's weight.
        needs_answers: Whether rewards have to be 1 for right and 0 for wrong.
        scales: What it lets advantages be divided by.

    """

    name: ClassVar[str]
    formula: ClassVar[str] = r"A \, w"
    needs_answers: ClassVar[bool] = False
    scales: ClassVar[tuple[AdvantageScale, ...]] = ("std", "mean", "success_std", "none")

    def __init_subclass__(cls, name: str | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if name is not None:
            if SUCCESS_ESTIMATES.setdefault(name, cls) is not cls:
                raise TypeError(f"there already is a success estimate named {name}")
            cls.name = name

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

    def gains(
        self,
        strategy: Strategy,
        form: UpdateForm,
        groups: RolloutGroups,
        advantages: Callable[[Tensor], Tensor],
    ) -> Gains:
        """What the rollouts push with: their advantage times w, unless a subclass does otherwise.

        Args:
            strategy: As in :meth:`weights`, like the next two.
            form: ``log`` or ``raw``.
            groups: The whole batch.
            advantages: From rewards to advantages, both (P, M).

        """
        weights = self.weights(strategy, form, groups)
        return Gains(weights, advantages(groups.rewards) * weights)

    def check(self, strategy: Strategy, form: UpdateForm, group_size: int) -> None:
        """Refuse what the estimate cannot be made for, before anything is trained.

        Raises:
            InputError: The strategy has no such form, or the estimate none for such a strategy.

        """
        strategy.check_form(form)

    def scale_if_unbiased(self, strategy: Strategy, group_size: int) -> float | None:
        """What multiple of ``grad S(p)`` the expected update is, with advantages ``R - mean``.

        The update is the mean of gain * grad log p over a group; None where it is not the same
        multiple for every policy. A group's mean contains a rollout's own reward: (M-1)/M.
        """
        return (group_size - 1) / group_size if strategy == SingleSample() else None


class ProbabilityEstimate(SuccessEstimate):
    """An estimate of p, to put into the strategy's weight."""

    @abstractmethod
    def log_probability(self, groups: RolloutGroups) -> Tensor:
        """Natural logarithm of the estimate for every rollout, shape (P, M)."""


def estimate_named(name: str) -> SuccessEstimate:
    """The estimate that the configuration calls by this name.

    Raises:
        InputError: There is none.

    """
    if name not in SUCCESS_ESTIMATES:
        known = ", ".join(SUCCESS_ESTIMATES)
        raise InputError(
            "success_estimate", f"there is no success estimate {name!r}", f"choose from {known}"
        )
    return SUCCESS_ESTIMATES[name]()


@dataclass(frozen=True)
class SequenceProbability(ProbabilityEstimate, name="sequence_probability"):
    """p is the completion's own probability (Pass@N); w is capped and not normalised.

    Attributes:
        log_p_floor: Lower values of log p are raised to it.
        cap: Largest weight.

    """

    formula: ClassVar[str] = r"A \, w(\pi(y))"

    log_p_floor: float = -50.0
    cap: float = 50.0

    def log_probability(self, groups: RolloutGroups) -> Tensor:
        """The summed log-probability, floored."""
        return groups.log_p.clamp(min=self.log_p_floor)

    def weights(self, strategy: Strategy, form: UpdateForm, groups: RolloutGroups) -> Tensor:
        """The strategy's weight, capped."""
        return strategy.update_weight(self.log_probability(groups), form).clamp(max=self.cap)


@dataclass(frozen=True)
class SmoothedSuccess(ProbabilityEstimate, name="smoothed_success"):
    """p is the prompt's success rate, Laplace-smoothed (majority); w has mean 1 over the batch.

    The k of a majority vote is replaced, prompt by prompt, by :func:`dynamic_threshold`: a right
    answer needs more votes where the wrong ones agree.

    Attributes:
        cap: Largest weight before the division by the mean.

    """

    formula: ClassVar[str] = r"A \, w(\frac{c+1}{M+2}) / \bar w"
    needs_answers: ClassVar[bool] = True

    cap: float = 10.0

    def log_probability(self, groups: RolloutGroups) -> Tensor:
        """``log((successes + 1) / (M + 2))``, the same for all rollouts of a prompt."""
        successes = given(groups.correct, "correct").sum(dim=1, keepdim=True)
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


class RewardQuantile(ProbabilityEstimate):
    """p is the quantile q of the rollout's reward (Best-of-N); w has mean 1 over the batch."""

    def weights(self, strategy: Strategy, form: UpdateForm, groups: RolloutGroups) -> Tensor:
        """The strategy's weight at q, divided by the batch mean."""
        return _with_mean_one(strategy.update_weight(self.log_probability(groups), form))


@dataclass(frozen=True)
class GroupQuantile(RewardQuantile, name="group_quantile"):
    """The quantile among the prompt's own rollouts (Best-of-N, conditional task)."""

    formula: ClassVar[str] = r"A \, w(q_\mathrm{group}) / \bar w"

    def log_probability(self, groups: RolloutGroups) -> Tensor:
        """``log((strictly smaller rewards of the group + 1) / (M + 1))``."""
        rewards = groups.rewards
        smaller = (rewards.unsqueeze(1) < rewards.unsqueeze(2)).sum(dim=2)
        return ((smaller + 1).to(rewards.dtype) / (rewards.shape[1] + 1)).log()


@dataclass(frozen=True)
class HistoryQuantile(RewardQuantile, name="history_quantile"):
    """The quantile among the rewards before this batch (Best-of-N, unconditional task).

    Attributes:
        lowest: Lower bound of q.
        highest: Upper bound of q.

    """

    formula: ClassVar[str] = r"A \, w(q_\mathrm{past}) / \bar w"

    lowest: float = 0.001
    highest: float = 0.999

    def log_probability(self, groups: RolloutGroups) -> Tensor:
        """``log((strictly smaller past rewards + 1) / (past rewards + 2))``, within bounds."""
        past = given(groups.past_rewards, "past_rewards").sort().values
        smaller = torch.searchsorted(past, groups.rewards.to(past.dtype).contiguous())
        q = (smaller + 1).to(groups.rewards.dtype) / (len(past) + 2)
        return q.clamp(self.lowest, self.highest).log()


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
    answers = given(groups.answers, "answers")
    correct = given(groups.correct, "correct").tolist()
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


def given(value: Given | None, name: str) -> Given:
    """A part of the groups that an estimate is made from; a ValueError where it is None."""
    if value is None:
        raise ValueError(f"this estimate is made from the groups' {name}, which are not given")
    return value
