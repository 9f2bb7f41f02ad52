"""Metrics as objects: what samples of a problem amount to under a strategy, and how that is shown.

A metric is known by its name in sheets and files: ``pass@k``, ``maj@k``, ``expected_max@k``, or a
strategy as it is spelt there, ``MajorityVote(n=16, k=4)``, which is then evaluated as itself. To
add one, write a class and enter it in :data:`METRICS`.

Importing this module imports neither torch nor numpy: the configuration is read without them.
"""

import dataclasses
import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from compute_aligned.files.errors import InputError

if TYPE_CHECKING:
    from compute_aligned.method.strategies import Strategy

Needs = Literal["answers", "rewards"]
Points = list[tuple[int, float]]  # budgets k and values
PERCENT = 100.0


@dataclass(frozen=True)
class Metric(ABC):
    """A number that the samples of one problem have at each of several budgets k.

    Attributes:
        name: In sheets and files.
        needs: What of the samples it is made from: graded answers, or rewards.
        least: The smallest budget that it has a value at.

    """

    name: str
    needs: ClassVar[Needs] = "answers"
    least: ClassVar[int] = 1

    @abstractmethod
    def points(self, scores: Mapping[str, Any], budgets: Sequence[int]) -> Points:
        """Its values for one problem.

        Args:
            scores: A row of the scores: ``num_samples``, ``num_correct``, ``votes``, ``correct``
                and ``problem``; or ``num_samples`` and ``rewards``.
            budgets: Budgets k, none above ``num_samples``.

        """

    @property
    def title(self) -> str:
        """What a reader sees."""
        return self.name

    def at(self, k: int) -> str:
        """What a reader sees of it at one budget."""
        return self.title.replace("@k", f"@{k}")

    @property
    def is_share(self) -> bool:
        """Whether it is a share of problems, shown in percent; rewards are shown as they are."""
        return self.needs == "answers"

    @property
    def factor(self) -> float:
        """What values are multiplied by to be shown."""
        return PERCENT if self.is_share else 1.0

    @property
    def equal_within(self) -> float:
        """The largest difference that counts as none: 2 points, or .2 of a reward of about 10."""
        return 2.0 if self.is_share else 0.2

    @property
    def unit(self) -> str:
        """Of a level."""
        return "percent" if self.is_share else "reward"

    @property
    def gain_unit(self) -> str:
        """Of a difference of two levels."""
        return "percentage points" if self.is_share else "reward"

    @property
    def decimals(self) -> int:
        """As the paper prints it."""
        return 1 if self.is_share else 2


class PassAtK(Metric):
    """The chance that one of k samples is right, unbiased (PAPER section 3)."""

    def points(self, scores: Mapping[str, Any], budgets: Sequence[int]) -> Points:
        """See :func:`~compute_aligned.method.estimators.pass_at_k`."""
        from compute_aligned.method.estimators import pass_at_k

        values = pass_at_k(scores["num_samples"], scores["num_correct"], list(budgets))
        return list(zip(budgets, values.tolist(), strict=True))


class MajAtK(Metric):
    """The chance that a vote of k samples is right, over random orders (PAPER section 3)."""

    def points(self, scores: Mapping[str, Any], budgets: Sequence[int]) -> Points:
        """See :func:`~compute_aligned.method.votes.maj_at_ks`."""
        from compute_aligned.method.seeds import problem_seed
        from compute_aligned.method.votes import maj_at_ks

        # orders of drawing of its own for every problem: errors of their sampling average out
        seed = problem_seed(scores["problem"], seed=0, num_samples=1)
        values = maj_at_ks(scores["votes"], scores["correct"], list(budgets), seed=seed)
        return list(zip(budgets, values.tolist(), strict=True))


class Plurality(Metric):
    """The vote of all samples, exact; it comes with maj@k and is in no sheet."""

    def points(self, scores: Mapping[str, Any], budgets: Sequence[int]) -> Points:
        """See :func:`~compute_aligned.method.votes.plurality_correct`."""
        from compute_aligned.method.votes import plurality_correct

        return [(scores["num_samples"], plurality_correct(scores["votes"], scores["correct"]))]


class AggregationGain(Metric):
    """What a vote of k samples adds to a single one (PAPER section 5, Table A.7)."""

    least = 2

    def points(self, scores: Mapping[str, Any], budgets: Sequence[int]) -> Points:
        """maj@k minus pass@1, at each k above 1."""
        alone = scores["num_correct"] / scores["num_samples"]
        larger = [k for k in budgets if k >= self.least]
        voted = METRICS["maj@k"].points(scores, larger) if larger else []
        return [(k, value - alone) for k, value in voted]

    @property
    def title(self) -> str:
        """What a reader sees."""
        return "maj@k − pass@1"

    @property
    def unit(self) -> str:
        """Of a level."""
        return self.gain_unit


class ExpectedMaxAtK(Metric):
    """The expected largest of k rewards (PAPER section 4)."""

    needs = "rewards"

    def points(self, scores: Mapping[str, Any], budgets: Sequence[int]) -> Points:
        """See :func:`~compute_aligned.method.estimators.expected_max`."""
        from compute_aligned.method.estimators import expected_max

        return list(
            zip(budgets, expected_max(scores["rewards"], list(budgets)).tolist(), strict=True)
        )

    @property
    def title(self) -> str:
        """What a reader sees."""
        return "expected max@k"


class UnderStrategy(Metric):
    """The success S(p) of a strategy, unbiased: at the n that it is spelt with, and at other n.

    A budget k takes the place of the strategy's n; budgets at which the strategy makes no sense, or
    has no estimate, have no value. Without an n its one value stands at k = 1.
    """

    @functools.cached_property
    def strategy(self) -> "Strategy":
        """The strategy; reading it imports torch.

        Raises:
            InputError: There is no such strategy.

        """
        from compute_aligned.method.strategy_text import parse_strategy

        return parse_strategy(self.name)

    def points(self, scores: Mapping[str, Any], budgets: Sequence[int]) -> Points:
        """See :meth:`~compute_aligned.method.strategies.Strategy.estimate`."""
        found = []
        for k, strategy in _by_budget(self.strategy, tuple(budgets)):
            value = strategy.estimate(scores["num_samples"], scores["num_correct"])
            if value is not None:
                found.append((k, value))
        return found

    @property
    def title(self) -> str:
        """What a reader sees."""
        return f"success of {self.name}"

    def at(self, k: int) -> str:
        """What a reader sees of the strategy with n = k."""
        at_k = dict(_by_budget(self.strategy, (k,))).get(k)
        return f"{self.title}, n = {k}" if at_k is None else at_k.label


@functools.lru_cache
def _by_budget(strategy: "Strategy", budgets: tuple[int, ...]) -> "list[tuple[int, Strategy]]":
    """The strategy at its own n and at others, as far as it makes sense there."""
    own = getattr(strategy, "n", None)
    if own is None:
        return [(1, strategy)]
    found = []
    for k in sorted({*budgets, own}):
        try:
            found.append((k, dataclasses.replace(strategy, **{"n": k})))
        except InputError:
            continue  # fewer samples than it needs votes
    return found


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        PassAtK("pass@k"),
        MajAtK("maj@k"),
        AggregationGain("aggregation_gain@k"),
        ExpectedMaxAtK("expected_max@k"),
    )
}
PLURALITY = Plurality("plurality")
WITH: dict[str, tuple[Metric, ...]] = {"maj@k": (PLURALITY,)}  # what comes along with a metric


def metric_of(name: str) -> Metric:
    """The metric of a name; what is no name of a metric is read as a strategy."""
    known = METRICS | {PLURALITY.name: PLURALITY}
    return known.get(name) or UnderStrategy(name)
