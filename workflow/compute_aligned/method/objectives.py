"""What reinforcement learning optimises: from a group's rewards to the gains of its rollouts.

An objective is a strategy, a form of its weight, where its success is taken from, and what the
advantages are divided by. Rivals of the paper are combinations of these:

- GRPO: ``SingleSample()``, std. With many rollouts it ascends ``2 asin sqrt p`` (arXiv 2510.23049).
- Dr. GRPO (2503.20783): ``SingleSample()``, none.
- the paper: a strategy at an estimate of p, std.
- PKPO (2505.15201) and max@k: ``PassAtN`` or ``BestOfN``, none, by ``pkpo`` or ``max_at_k``.
- Pass@k Training (2508.10751): ``PassAtN``, success_std, ``leave_two_out``. The paper's advantage,
  a mean over k-subsets standardised by pass@k, is ``(M-k) / (k(M-1))`` times this one.
- MaxRL (2602.02710): ``SingleSample()``, mean, which is exactly the gradient of M-1 terms of log p;
  or :class:`~compute_aligned.method.budget_mixtures.MaxRL` by ``leave_two_out``, none.
- a mixture of pass@1 and pass@n: ``Mixture`` by ``leave_two_out``, none.

One of your own is another strategy or another estimate, hence a class and a row.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from compute_aligned.files.errors import InputError
from compute_aligned.method import subsets  # noqa: F401 - its estimates become known
from compute_aligned.method.budget_mixtures import MaxRL
from compute_aligned.method.groups import Gains, RolloutGroups
from compute_aligned.method.policy import group_advantages, penalise_all_wrong, reward_std
from compute_aligned.method.strategies import SingleSample, Strategy, UpdateForm
from compute_aligned.method.update_weights import AdvantageScale, SuccessEstimate

SCALES: dict[AdvantageScale, str] = {  # LaTeX of the advantage
    "std": r"\frac{r - \bar r}{\sigma_r}",
    "mean": r"\frac{r - \bar r}{\bar r}",
    "success_std": r"\frac{r - \bar r}{\sqrt{\hat S (1 - \hat S)}}",
    "none": r"r - \bar r",
}
OF_ANSWERS: tuple[AdvantageScale, ...] = ("mean", "success_std")


class Target(NamedTuple):
    """What an expected update is exact for: ``scale`` times the gradient of the strategy's S."""

    strategy: Strategy
    scale: float


@dataclass(frozen=True)
class GroupObjective:
    """From the rewards of groups to gains.

    Attributes:
        strategy: The strategy of the branch.
        form: Which of the paper's two forms of its weight.
        estimate: Where its success is taken from.
        scale: What advantages are divided by: ``std`` of the rewards, their ``mean``,
            ``success_std``, the standard deviation of the strategy's own success as it is estimated
            from the group, or ``none``.
        limit: Advantages are clipped at plus and minus this.
        penalty: Minus the advantage of a group without a right rollout.

    """

    strategy: Strategy
    form: UpdateForm
    estimate: SuccessEstimate
    scale: AdvantageScale = "std"
    limit: float | None = None
    penalty: float = 0.0

    def check(self, group_size: int, of_answers: bool) -> None:
        """Refuse what does not go together, before anything is trained.

        Args:
            group_size: Rollouts of a prompt, M.
            of_answers: Whether rewards are 1 for right and 0 for wrong answers.

        Raises:
            InputError: Something does not; names the key.

        """
        name, scale = self.estimate.name, f"advantage_scale {self.scale}"
        if group_size < 2:
            problem = "a group of one rollout has no advantage"
            raise InputError("group_size", problem, "give at least 2")
        if self.estimate.needs_answers and not of_answers:
            raise _needs_answers(f"success_estimate {name}")
        if self.scale in OF_ANSWERS and not of_answers:
            raise _needs_answers(scale)
        if self.scale not in self.estimate.scales:
            allowed = " or ".join(self.estimate.scales)
            problem = f"it does not go with success_estimate {name}"
            raise InputError(scale, problem, f"set advantage_scale to {allowed}")
        if self.estimate.scales == ("none",) and (self.limit or self.penalty):
            problem = f"success_estimate {name} has no advantages to clip or to replace"
            remedy = "set advantage_limit to null and all_wrong_penalty to 0"
            raise InputError("advantage_limit, all_wrong_penalty", problem, remedy)
        self.estimate.check(self.strategy, self.form, group_size)
        if self.scale == "success_std" and self.strategy.estimate(group_size, 0) is None:
            problem = f"{self.strategy.label} has no unbiased estimate from {group_size} rollouts"
            raise InputError(scale, problem, "raise group_size or lower the strategy's budget")

    def gains(self, groups: RolloutGroups) -> Gains:
        """What each rollout of a batch pushes with.

        Raises:
            InputError: A reward, weight or gain is not a finite number; or the strategy has no such
                form.
            ValueError: The groups lack what the estimate is made from.

        """
        found = self.estimate.gains(
            self.strategy, self.form, groups, lambda rewards: self._advantages(rewards, groups)
        )
        for what, values in (("weight", found.weights), ("gain", found.gains)):
            wrong = values[~values.isfinite()]
            if len(wrong):
                raise InputError(
                    f"{self.strategy!r}, form {self.form}, success_estimate {self.estimate.name}",
                    f"the {what} of a rollout is {wrong[0].item()}",
                    "take another success_estimate, advantage_scale or weight_form for this branch",
                )
        return found

    def target(self, group_size: int) -> Target | None:
        """What the expected update is exact for, see :class:`Target`; None where it is biased.

        Advantages over the mean leave ``(1 - (1-p)^(M-1)) / p`` of the gradient of p: groups
        without a right rollout, whose advantage is 0, cost the last of M terms.
        """
        if self.limit or self.penalty:
            return None
        if self.scale == "mean" and self.strategy == SingleSample():
            of_log_p = MaxRL(t=group_size - 1)
            return Target(of_log_p, of_log_p.scale)
        scale = self.estimate.scale_if_unbiased(self.strategy, group_size)
        return None if scale is None or self.scale != "none" else Target(self.strategy, scale)

    def _advantages(self, rewards: Tensor, groups: RolloutGroups) -> Tensor:
        divisors: dict[AdvantageScale, Callable[[Tensor], Tensor] | None] = {
            "std": reward_std,
            "mean": _reward_mean,
            "success_std": self._success_std,
            "none": None,
        }
        advantages = group_advantages(rewards, self.limit, divisors[self.scale])
        if groups.correct is None:
            return advantages
        return penalise_all_wrong(advantages, groups.correct, self.penalty)

    def _success_std(self, rewards: Tensor) -> Tensor:
        """``sqrt(E (1 - E))``, E the estimate of S from the group; 1 where it is 0 or 1."""
        size = rewards.shape[1]
        estimates = [self.strategy.estimate(size, c) for c in range(size + 1)]
        success = rewards.new_tensor(estimates)[rewards.sum(dim=1, keepdim=True).long()]
        variance = success * (1 - success)
        return torch.where(variance > 0, variance, torch.ones_like(variance)).sqrt()


def _reward_mean(rewards: Tensor) -> Tensor:
    """The mean of each prompt's rewards; 1 where it is 0, and every advantage too."""
    mean = rewards.mean(dim=1, keepdim=True)
    return torch.where(mean > 0, mean, torch.ones_like(mean))


def _needs_answers(where: str) -> InputError:
    problem = "it counts right answers, and with these rewards there are none"
    return InputError(where, problem, "use reward: answer, or another value")
