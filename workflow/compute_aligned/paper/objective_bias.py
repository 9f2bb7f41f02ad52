"""Bias and variance of the updates of reinforcement learning's objectives, exact on toy policies.

An objective's update estimates a gradient from groups of rollouts. On softmax policies over a few
answers its expectation and variance are finite sums over all groups, through the code that trains.
The numbers belong to the toy policies given: they show what can happen, not what a model does.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from compute_aligned.config.objectives import objective_of
from compute_aligned.config.settings import ANSWER, Rl
from compute_aligned.config.study import Branch
from compute_aligned.files.errors import InputError
from compute_aligned.method.budget_mixtures import Mixture
from compute_aligned.method.objectives import GroupObjective
from compute_aligned.method.strategies import BestOfN, PassAtN, SingleSample, Strategy, UpdateForm
from compute_aligned.method.update_weights import AdvantageScale, estimate_named
from compute_aligned.paper.alignment import ToyPolicy, cosine, every_group, toy, true_gradient

GROUP_SIZE = 16  # M, rollouts of a prompt
BUDGETS = (1, 4, 16)  # of the gradients that every update is compared with


@dataclass(frozen=True)
class Named:
    """An objective with what a table calls it, and where it is from."""

    name: str
    source: str
    objective: GroupObjective


@dataclass(frozen=True)
class Bias:
    """One row of the result.

    Attributes:
        unbiased_for: What the expected update is exact for, whatever the policy; None where it is
            biased.
        scale: What multiple of that gradient it is; None where it is biased.
        bias: Sine of the angle between the expected update and the gradient of its own strategy's
            expected reward, or of what it is exact for.
        variance: Of the update of one group a prompt, over the squared length of its mean.
        cosines: Of the expected update with the gradient of the best of k, k in :data:`BUDGETS`.

    """

    unbiased_for: Strategy | None
    scale: float | None
    bias: float
    variance: float
    cosines: tuple[float, ...]


# Two of four answers are right; the prompts are solved with p = .05, .30 and .80.
ANSWERED = toy(
    "answers",
    [[0.04, 0.01, 0.65, 0.30], [0.20, 0.10, 0.40, 0.30], [0.50, 0.30, 0.15, 0.05]],
    [1.0, 1.0, 0.0, 0.0],
)
RATED = toy("rewards", ANSWERED.probabilities.tolist(), [10.0, 7.0, 2.0, 1.0])


def _named(
    name: str,
    source: str,
    strategy: Strategy,
    success_estimate: str,
    scale: AdvantageScale = "std",
    form: UpdateForm = "raw",
) -> Named:
    estimate = estimate_named(success_estimate)
    return Named(name, source, GroupObjective(strategy, form, estimate, scale))


_OWN, _GROUP, _PAIR = "sequence_probability", "group_rate", "leave_two_out"
OF_ANSWERS = (
    _named("GRPO", "2402.03300", SingleSample(), _OWN),
    _named("Dr. GRPO", "2503.20783", SingleSample(), _OWN, "none"),
    _named("CAT Pass@4, log, own p", "2604.24957", PassAtN(n=4), _OWN, form="log"),
    _named("CAT Pass@4, raw, own p", "2604.24957", PassAtN(n=4), _OWN),
    _named("Pass@4, log, group's p", "", PassAtN(n=4), _GROUP, form="log"),
    _named("Pass@4, raw, group's p", "", PassAtN(n=4), _GROUP),
    _named("Pass@4, raw, group's p, no std", "", PassAtN(n=4), _GROUP, "none"),
    _named("Pass@4, leave two out", "", PassAtN(n=4), _PAIR, "none"),
    _named("PKPO, k = 4", "2505.15201", PassAtN(n=4), "pkpo", "none"),
    _named("PKPO, k = 8", "2505.15201", PassAtN(n=8), "pkpo", "none"),
    _named("PKPO, k = 8, centred", "2505.15201", PassAtN(n=8), "max_at_k", "none"),
    _named("Pass@k Training, k = 4", "2508.10751", PassAtN(n=4), _PAIR, "success_std"),
    _named("MaxRL", "2602.02710", SingleSample(), _OWN, "mean"),
    _named("Pass@1 and Pass@8", "", Mixture(n=8, a=0.5), _PAIR, "none"),
)
OF_REWARDS = (
    _named("GRPO", "2402.03300", SingleSample(), _OWN),
    _named("Dr. GRPO", "2503.20783", SingleSample(), _OWN, "none"),
    _named("CAT Best-of-4", "2604.24957", BestOfN(n=4), "group_quantile"),
    _named("max@4", "2510.23393", BestOfN(n=4), "max_at_k", "none"),
    _named("max@4 over std", "", BestOfN(n=4), "max_at_k"),
    _named("PKPO, k = 4", "2505.15201", BestOfN(n=4), "pkpo", "none"),
)


def further(branches: Iterable[Branch], known: Sequence[Named], of_answers: bool) -> list[Named]:
    """The objectives of branches that are not known yet, each once, under the branch's label.

    Args:
        branches: Branches of reinforcement learning.
        known: Those that need not come again.
        of_answers: Whether to take those of right and wrong answers, or those of other rewards.

    Raises:
        InputError: The parts of an objective do not go together.

    """
    found: dict[Hashable, Named] = {}
    for branch in branches:
        settings = branch.training
        if isinstance(settings, Rl) and (settings.reward == ANSWER) == of_answers:
            objective = objective_of(branch)
            found.setdefault(_key(objective), Named(branch.row.label, "", objective))
    present = {_key(each.objective) for each in known}
    return [each for key, each in found.items() if key not in present]


def _key(objective: GroupObjective) -> Hashable:
    """What tells objectives apart: the weight of a single sample is 1, whatever p is taken from."""
    alone = objective.strategy == SingleSample()
    return replace(objective, form="raw", estimate=estimate_named(_OWN)) if alone else objective


def bias_of(objective: GroupObjective, policy: ToyPolicy, group_size: int) -> Bias | None:
    """Bias and variance of an objective's update on a toy policy.

    Args:
        objective: The objective.
        policy: The toy policy, of answers or of rewards as the objective needs.
        group_size: Rollouts a prompt, M.

    Returns:
        None where groups of that size are too small for the objective.

    """
    try:
        objective.check(group_size, of_answers=True)
    except InputError:
        return None
    groups = every_group(policy, group_size)
    updates, probability = groups.updates(objective), groups.probability.unsqueeze(2)
    mean = (probability * updates).sum(dim=1)
    squared = float((probability * (updates - mean.unsqueeze(1)) ** 2).sum())
    target = objective.target(group_size)
    own = true_gradient(policy, objective.strategy if target is None else target.strategy)
    cosines = [cosine(mean, true_gradient(policy, BestOfN(n=k))) for k in BUDGETS]
    return Bias(
        None if target is None else target.strategy,
        None if target is None else target.scale,
        _sine(mean, own),
        squared / float((mean**2).sum()),
        tuple(cosines),
    )


def _sine(first: Tensor, second: Tensor) -> float:
    """Sine of the angle between two tensors: what the first has beside the second's direction."""
    along = (first * second).sum() / (second**2).sum() * second
    return float((first - along).norm() / first.norm())
