"""Test-time strategies as functions of one sample's success probability (paper, section 1).

A strategy turns the probability p that one sample succeeds into the probability S(p) that the
strategy does. It defines one primitive, ``log_success``; its loss and the scalars that multiply
the ordinary gradients follow from it. To add one, write one class:

    @dataclass(frozen=True)
    class TwoRounds(Strategy):
        n: int

        def log_success(self, log_p: Tensor) -> Tensor:
            return ...

Its repr, ``TwoRounds(n=4)``, is then what a row of the branch sheet may hold.
"""

import inspect
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from compute_aligned.files.errors import InputError
from compute_aligned.method.estimators import k_of_n
from compute_aligned.method.logmath import (
    elementwise_slope,
    in_float64,
    log_beta_density,
    log_binomial_hazard,
    log_binomial_tail,
)

UpdateForm = Literal["log", "raw"]

# Every subclass of Strategy by name, abstract ones too; Strategy.__init_subclass__ fills it.
_REGISTRY: dict[str, type["Strategy"]] = {}


@dataclass(frozen=True)
class Strategy(ABC):
    """A test-time strategy: its success S(p), and all that follows from S.

    Methods take natural logarithms of probabilities, any shape, float32 or float64, from ``-inf``
    to 0, and return the same shape and dtype. Weights are constants: they carry no graph, as the
    paper's stop-gradient asks. What float64 cannot represent is 0.

    Subclasses are frozen dataclasses whose S does not decrease in p. The RL weights derived here
    divide S by p: a subclass that is asked for them at p = 0 gives ``log_rl_weight`` its limit.
    ``update_forms`` names the forms of the RL weight that the strategy has.
    """

    update_forms: ClassVar[tuple[UpdateForm, ...]] = ("log", "raw")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        known = _REGISTRY.setdefault(cls.__name__, cls)
        if (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise TypeError(f"{known.__module__} already defines a strategy named {cls.__name__}")
        _REGISTRY[cls.__name__] = cls
        # Put here and not left to each primitive, which could forget it.
        for name in {"log_success", "log_rl_success"} & vars(cls).keys():
            setattr(cls, name, in_float64(vars(cls)[name]))

    @property
    def label(self) -> str:
        """Short name for legends."""
        return repr(self)

    @abstractmethod
    def log_success(self, log_p: Tensor) -> Tensor:
        """``log S(p)``, made of differentiable operations on ``log p``.

        A subclass writes it for float64 and for valid arguments: the base class checks and casts.
        """

    def log_rl_success(self, log_p: Tensor) -> Tensor:
        """``log S`` as reinforcement learning sees it: ``log_success``, unless RL has its own."""
        return self.log_success(log_p)

    def sft_loss(self, log_p: Tensor) -> Tensor:
        """``-log S(p)``, one loss an element; gradients flow to ``log_p``."""
        return -self.log_success(log_p)

    @torch.no_grad()
    @in_float64
    def sft_weight(self, log_p: Tensor) -> Tensor:
        """``d log S / d log p``, the factor on the gradient of ``-log p``."""
        return elementwise_slope(self.log_success, log_p)

    @torch.no_grad()
    @in_float64
    def log_sft_weight(self, log_p: Tensor) -> Tensor:
        """Natural logarithm of ``sft_weight``."""
        return torch.log(elementwise_slope(self.log_success, log_p))

    @torch.no_grad()
    @in_float64
    def rl_weight(self, log_p: Tensor) -> Tensor:
        """``dS/dp``, the factor on the advantage (the paper's raw form)."""
        return torch.exp(self.log_rl_weight(log_p))

    @torch.no_grad()
    @in_float64
    def log_rl_weight(self, log_p: Tensor) -> Tensor:
        """Natural logarithm of ``rl_weight``: by the chain rule, ``S/p * dlog S/dlog p``."""
        log_slope = torch.log(elementwise_slope(self.log_rl_success, log_p))
        return self.log_rl_success(log_p) - log_p + log_slope

    def estimate(self, num_samples: int, num_correct: int) -> float | None:
        """Unbiased estimate of S(p) from ``num_correct`` right of a problem's ``num_samples``.

        There is one where S is a polynomial in p of a degree that the samples reach. A subclass may
        give it; without it the strategy can be trained for, and not be evaluated as itself.

        Returns:
            The estimate; None where there is none, or too few samples for it.
        """
        return None

    def check_form(self, form: UpdateForm) -> None:
        """Refuse a form of the RL weight that the strategy does not have.

        Raises:
            InputError: It has no such form.
        """
        if form not in self.update_forms:
            raise InputError(
                repr(self),
                f"{self.label} has no {form} form of the RL weight",
                f"use the form {' or '.join(self.update_forms)}",
            )

    def update_weight(self, log_p: Tensor, form: UpdateForm) -> Tensor:
        """The factor on the advantage in either of the paper's forms.

        Args:
            log_p: Natural logarithms of probabilities, any shape.
            form: ``log`` for ``d log S / d log p``, ``raw`` for ``dS/dp``.

        Raises:
            InputError: If the strategy has no such form.
        """
        self.check_form(form)
        return self.sft_weight(log_p) if form == "log" else self.rl_weight(log_p)


class Tail(NamedTuple):
    """The event that at least ``k`` of ``n`` independent draws succeed."""

    n: int
    k: int


class BinomialStrategy(Strategy):
    """A strategy that succeeds when at least k of n draws do: ``S(p) = P[Bin(n, p) >= k]``.

    The log weights override the derived ones where autograd loses digits: ``log_sft_weight`` where
    the weight underflows, ``log_rl_weight`` where ``log S`` and ``log p`` cancel or p = 0.

    Raises:
        InputError: On construction, unless ``1 <= k <= n`` are whole numbers.
    """

    @property
    @abstractmethod
    def tail(self) -> Tail:
        """The event that S is the probability of."""

    @property
    def rl_tail(self) -> Tail:
        """The event that S is the probability of in reinforcement learning."""
        return self.tail

    def __post_init__(self) -> None:
        n, k = self.tail
        if type(n) is not int or n < 1:
            raise InputError(
                repr(self), f"the budget n={n!r} is not a whole number >= 1", "give n = 1, 2, 3 ..."
            )
        if type(k) is not int or not 1 <= k <= n:
            raise InputError(
                repr(self),
                f"the votes needed, k={k!r}, are not a whole number from 1 to n={n}",
                f"give a k from 1 to {n}, or a larger n",
            )

    def log_success(self, log_p: Tensor) -> Tensor:
        """``log P[Bin(n, p) >= k]``."""
        return log_binomial_tail(log_p, *self.tail)

    def log_rl_success(self, log_p: Tensor) -> Tensor:
        """``log P[Bin(n, p) >= k]`` with the n and k of reinforcement learning."""
        return log_binomial_tail(log_p, *self.rl_tail)

    def estimate(self, num_samples: int, num_correct: int) -> float | None:
        """The share of n-subsets of the samples that hold k correct ones or more."""
        n, k = self.tail
        return k_of_n(num_samples, num_correct, n, k) if n <= num_samples else None

    @torch.no_grad()
    @in_float64
    def log_sft_weight(self, log_p: Tensor) -> Tensor:
        """``log k + log(P[Bin = k] / P[Bin >= k])``."""
        return math.log(self.tail.k) + log_binomial_hazard(log_p, *self.tail)

    @torch.no_grad()
    @in_float64
    def log_rl_weight(self, log_p: Tensor) -> Tensor:
        """Log density of Beta(k, n-k+1) at p."""
        return log_beta_density(log_p, *self.rl_tail)


@dataclass(frozen=True)
class SingleSample(BinomialStrategy):
    """One sample: S = p, the baseline. Loss ``-log p``, both weights 1."""

    @property
    def label(self) -> str:
        """Short name for legends."""
        return "Single sample"

    @property
    def tail(self) -> Tail:
        """One success in one draw."""
        return Tail(1, 1)


@dataclass(frozen=True)
class PassAtN(BinomialStrategy):
    """At least one of ``n`` samples is right: ``S = 1 - (1-p)^n``.

    Its SFT loss is that of Direct Coverage Optimization (arXiv 2502.07154).
    """

    n: int

    @property
    def label(self) -> str:
        """Short name for legends."""
        return f"Pass@{self.n}"

    @property
    def tail(self) -> Tail:
        """At least one success in n draws."""
        return Tail(self.n, 1)


@dataclass(frozen=True)
class MajorityVote(BinomialStrategy):
    """At least ``k`` of ``n`` samples vote for the answer: ``S = P[Bin(n, p) >= k]``."""

    n: int
    k: int

    @property
    def label(self) -> str:
        """Short name for legends."""
        return f"Majority {self.k} of {self.n}"

    @property
    def tail(self) -> Tail:
        """At least k successes in n draws."""
        return Tail(self.n, self.k)


@dataclass(frozen=True)
class BestOfN(BinomialStrategy):
    """The sample with the highest reward of ``n``.

    In SFT it is Pass@N on the best target. In RL its argument is ``log q``, q = P[R' < R]: the
    sample wins if the n draws all fall below it, S = q^n, so the weight is ``n q^(n-1)``. That
    weight has no log form.
    """

    update_forms: ClassVar[tuple[UpdateForm, ...]] = ("raw",)

    n: int

    @property
    def label(self) -> str:
        """Short name for legends."""
        return f"Best-of-{self.n}"

    @property
    def tail(self) -> Tail:
        """At least one success in n draws."""
        return Tail(self.n, 1)

    @property
    def rl_tail(self) -> Tail:
        """All of n draws fall below the sample's reward."""
        return Tail(self.n, self.n)


def known_strategies() -> dict[str, type[Strategy]]:
    """The concrete strategies defined so far, by class name."""
    return {name: cls for name, cls in _REGISTRY.items() if not inspect.isabstract(cls)}
