"""Gains from a group's own rollouts, seen as draws of the strategy: what the paper's rivals do.

The paper puts an estimate of p into the weight dS/dp, which is biased wherever the weight is not
linear in p. A group of M rollouts also holds every smaller group, and means over those are unbiased
as far as S is a polynomial in p of a degree that the group reaches. Here c is the number of right
rollouts, r a reward, and a gain multiplies the gradient of a rollout's log-probability in the mean
over the group. Tests check every formula against its definition, a sum over all subsets.

An estimate of your own goes to the end of this file.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from compute_aligned.files.errors import InputError
from compute_aligned.method.groups import Gains, RolloutGroups
from compute_aligned.method.strategies import BinomialStrategy, Strategy, UpdateForm
from compute_aligned.method.update_weights import (
    AdvantageScale,
    ProbabilityEstimate,
    SuccessEstimate,
    given,
)


@dataclass(frozen=True)
class GroupRate(ProbabilityEstimate, name="group_rate"):
    """p is the group's own success rate c/M; w is neither capped nor normalised.

    The plain plug-in estimate, biased where w is not constant. A majority vote keeps its row's k.

    Attributes:
        log_p_floor: Stands for log p where no rollout is right.

    """

    formula: ClassVar[str] = r"A \, w(c/M)"
    needs_answers: ClassVar[bool] = True

    log_p_floor: float = -50.0

    def log_probability(self, groups: RolloutGroups) -> Tensor:
        """``log(c / M)``, floored, the same for all rollouts of a prompt."""
        rate = given(groups.correct, "correct").to(groups.log_p.dtype).mean(dim=1, keepdim=True)
        return rate.log().clamp(min=self.log_p_floor).expand_as(groups.log_p)

    def weights(self, strategy: Strategy, form: UpdateForm, groups: RolloutGroups) -> Tensor:
        """The strategy's weight at the rate."""
        return strategy.update_weight(self.log_probability(groups), form)


@functools.lru_cache(maxsize=256)
def unbiased_slopes(strategy: Strategy, group_size: int) -> tuple[float, ...]:
    """Estimates of dS/dp for c = 0 ... M right rollouts, each from all but one right and one wrong.

    With m rollouts, ``(m+1) (E(m+1, c+1) - E(m+1, c))`` is an unbiased estimate of dS/dp, where E
    is that of S: the derivative in p of an expectation over m+1 draws. Taken from the M-2 rollouts
    beside a right and a wrong one, it is independent of both, so with advantages r - mean the
    expected update is ``(M-1)/M grad S``, exactly. Where all are right, or none is, there is no
    such pair, and no advantage either: the nearest estimate stands there.

    Raises:
        ValueError: The strategy has no estimate from M-1 rollouts.

    """
    others = group_size - 1
    estimates = [strategy.estimate(others, c) for c in range(group_size)]
    known = [estimate for estimate in estimates if estimate is not None]
    if len(known) < group_size:
        raise ValueError(f"{strategy!r} has no estimate from {others} rollouts")
    between = [others * (more - less) for less, more in pairwise(known)]
    return (between[0], *between, between[-1])


@dataclass(frozen=True)
class LeaveTwoOut(SuccessEstimate, name="leave_two_out"):
    """w is an unbiased estimate of dS/dp, see :func:`unbiased_slopes`; nothing is put in for p.

    For Pass@k it is ``k C(M-1-c, k-1) / C(M-2, k-1)``: the centred credits of :class:`MaxAtK` with
    rewards 0 and 1. For any strategy with an unbiased estimate of S it optimises S itself.
    """

    formula: ClassVar[str] = r"A \, \hat w_{M-2}(c-1)"
    needs_answers: ClassVar[bool] = True

    def weights(self, strategy: Strategy, form: UpdateForm, groups: RolloutGroups) -> Tensor:
        """The estimate of the slope, the same for all rollouts of a prompt."""
        num_correct = given(groups.correct, "correct").sum(dim=1, keepdim=True)
        slopes = groups.rewards.new_tensor(unbiased_slopes(strategy, groups.rewards.shape[1]))
        return slopes[num_correct].expand_as(groups.rewards)

    def check(self, strategy: Strategy, form: UpdateForm, group_size: int) -> None:
        """Refuse the log form, and strategies without an unbiased estimate from M-1 rollouts."""
        super().check(strategy, form, group_size)
        _check_raw(self, form)
        if strategy.estimate(group_size - 1, 0) is None:
            raise InputError(
                f"success_estimate {self.name}",
                f"{strategy.label} has no unbiased estimate from {group_size - 1} rollouts, all "
                f"but one of a group of {group_size}",
                "raise group_size, lower the strategy's budget, or take another success_estimate",
            )

    def scale_if_unbiased(self, strategy: Strategy, group_size: int) -> float | None:
        """For every strategy."""
        return (group_size - 1) / group_size


class MaximumOfDraws(SuccessEstimate):
    """For strategies whose outcome is the highest of n rewards: credits from the n-subsets.

    The weight that is recorded, ``n C(s, n-1) / C(M-1, n-1)`` with s strictly smaller rewards in
    the group, is what a rollout's credit gains as its reward grows: the chance that n-1 others all
    lie below it, times n. It is the unbiased counterpart of Best-of-N's ``n q^(n-1)``. With right
    and wrong answers it is that of :class:`LeaveTwoOut`, what being right gains a rollout.
    """

    def weights(self, strategy: Strategy, form: UpdateForm, groups: RolloutGroups) -> Tensor:
        """The credit's slope in the reward, between right and wrong where there is no other."""
        if groups.correct is not None:
            return LeaveTwoOut().weights(strategy, form, groups)
        rewards = groups.rewards
        smaller = (rewards.unsqueeze(1) < rewards.unsqueeze(2)).sum(dim=2)
        n, size = _draws(strategy), rewards.shape[1]
        return rewards.new_tensor(_shares_below(size, size - 1, n))[smaller]

    def check(self, strategy: Strategy, form: UpdateForm, group_size: int) -> None:
        """Refuse the log form, other strategies, and budgets that the group does not exceed."""
        super().check(strategy, form, group_size)
        _check_raw(self, form)
        where = f"success_estimate {self.name}"
        if not isinstance(strategy, BinomialStrategy) or strategy.tail.k != 1:
            problem = f"{strategy.label} is not the best of n draws"
            raise InputError(where, problem, "use it with PassAtN or BestOfN")
        n = strategy.tail.n
        if n >= group_size:
            problem = f"the budget n={n} is not below group_size={group_size}"
            raise InputError(where, problem, "raise group_size or lower n")


@dataclass(frozen=True)
class MaxAtK(MaximumOfDraws, name="max_at_k"):
    """max@k (arXiv 2510.23393, 2508.01174; PKPO, 2505.15201): credits in the place of rewards.

    The credit of a rollout is the sum over the k-subsets that hold it of their highest reward, over
    C(M, k). Sorted, neighbours' credits differ by their rewards' difference times
    ``C(j-1, k-1) / C(M, k)``, j the number of rewards up to the lower one: a subset with only one
    of the two, and else lower ones, tells them apart. Advantages are taken of the credits as of any
    rewards; their mean as a baseline is chosen here. Credits minus their mean have an expected
    update of ``(1 - k/M) grad E[max]``; they are scaled, to ``k C(j-1, k-1) / C(M-2, k-1)``, so
    that it is ``(M-1)/M grad E[max]`` for every k, as for plain rewards, which k = 1 gives.
    """

    formula: ClassVar[str] = r"A(s)"
    scales: ClassVar[tuple[AdvantageScale, ...]] = ("std", "none")

    def gains(
        self,
        strategy: Strategy,
        form: UpdateForm,
        groups: RolloutGroups,
        advantages: Callable[[Tensor], Tensor],
    ) -> Gains:
        """The advantages of the credits."""
        size = groups.rewards.shape[1]
        steps = _shares_below(size - 1, size - 2, _draws(strategy))
        of_subsets = _climbed(groups.rewards, steps)
        return Gains(self.weights(strategy, form, groups), advantages(of_subsets))

    def scale_if_unbiased(self, strategy: Strategy, group_size: int) -> float | None:
        """For every budget below the group's size, and every distribution of rewards."""
        return (group_size - 1) / group_size


@dataclass(frozen=True)
class Pkpo(MaximumOfDraws, name="pkpo"):
    """PKPO's credits s^(loo-1), which it recommends for their low variance (arXiv 2505.15201).

    What a rollout adds to others: k times the mean, over all k-1 of the other rollouts, of how far
    it exceeds their highest reward. The paper subtracts nothing further, so no credit is below 0,
    their mean is not 0, and the expected update is ``grad E[max]``. With rewards 0 and 1 a right
    rollout has ``k C(M-c, k-1) / C(M-1, k-1)`` and a wrong one 0. The paper's sum over the group is
    here a mean, hence a factor M.
    """

    formula: ClassVar[str] = r"k \, \overline{(r - \max_{k-1})_+}"
    scales: ClassVar[tuple[AdvantageScale, ...]] = ("none",)

    def gains(
        self,
        strategy: Strategy,
        form: UpdateForm,
        groups: RolloutGroups,
        advantages: Callable[[Tensor], Tensor],
    ) -> Gains:
        """The credits as they are."""
        size = groups.rewards.shape[1]
        steps = _shares_below(size, size - 1, _draws(strategy))[1:]
        return Gains(self.weights(strategy, form, groups), _climbed(groups.rewards, steps))

    def check(self, strategy: Strategy, form: UpdateForm, group_size: int) -> None:
        """Refuse one draw too: it has no others that it could exceed."""
        super().check(strategy, form, group_size)
        if _draws(strategy) < 2:
            problem = "with one draw there are no others to compare it with"
            raise InputError(f"success_estimate {self.name}", problem, "give n = 2, 3, 4 ...")

    def scale_if_unbiased(self, strategy: Strategy, group_size: int) -> float | None:
        """Exactly, since what a rollout is compared with does not depend on it."""
        return 1.0


# --- parts ----------------------------------------------------------------------------------


def _draws(strategy: Strategy) -> int:
    if not isinstance(strategy, BinomialStrategy):
        raise ValueError(f"{strategy!r} is not the best of n draws")
    return strategy.tail.n


def _check_raw(estimate: SuccessEstimate, form: UpdateForm) -> None:
    if form != "raw":
        problem = "it is an estimate of dS/dp, and has no log form"
        raise InputError(f"success_estimate {estimate.name}", problem, "use the form raw")


@functools.lru_cache(maxsize=256)
def _shares_below(count: int, others: int, n: int) -> tuple[float, ...]:
    """``n C(s, n-1) / C(others, n-1)`` for s = 0 ... count-1: n-1 of the others are among s."""
    subsets = math.comb(others, n - 1)
    return tuple(n * (math.comb(s, n - 1) / subsets) for s in range(count))


def _climbed(rewards: Tensor, shares: tuple[float, ...]) -> Tensor:
    """Credits that grow from 0 along the sorted rewards of a group, each step times its share."""
    ordered, places = rewards.sort(dim=1)
    steps = ordered.diff(dim=1) * rewards.new_tensor(shares)
    climbed = torch.nn.functional.pad(steps.cumsum(dim=1), (1, 0))
    return torch.empty_like(rewards).scatter_(1, places, climbed)
