"""Pass@K at a random budget K: the strategies that rivals of Pass@N optimise without saying so.

With K drawn once from fixed shares, ``S(p) = sum over k of share_k (1 - (1-p)^k)``. Every term is
positive and S is a probability, so its weight dS/dp integrates to 1 over p like that of Pass@N.
"""

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from compute_aligned.files.errors import InputError
from compute_aligned.method.estimators import k_of_n
from compute_aligned.method.logmath import LOG_HALF, in_float64, log_beta_density, log_binomial_tail
from compute_aligned.method.strategies import Strategy


class BudgetMixture(Strategy):
    """At least one of K samples is right, where K is drawn from :attr:`shares`."""

    @property
    @abstractmethod
    def shares(self) -> Mapping[int, float]:
        """Budget to its probability; positive, they sum to 1."""

    def log_success(self, log_p: Tensor) -> Tensor:
        """``log sum over k of share_k P[Bin(k, p) >= 1]``, accurate where it is near 0 too."""
        log_shares = log_p.new_tensor([*self.shares.values()]).log()
        tails = torch.stack([log_binomial_tail(log_p, k, 1) for k in self.shares], dim=-1)
        log_sum = torch.logsumexp(tails + log_shares, dim=-1)
        likely = log_sum > LOG_HALF
        # 1 minus the failures, where those are few; elsewhere 0 keeps its gradient finite
        failures = torch.expm1(torch.where(likely.unsqueeze(-1), tails, 0.0))
        return torch.where(likely, torch.log1p((log_shares.exp() * failures).sum(-1)), log_sum)

    def estimate(self, num_samples: int, num_correct: int) -> float | None:
        """The mean of the unbiased estimates of pass@k; None if the largest k is not sampled."""
        if max(self.shares) > num_samples:
            return None
        return math.fsum(
            share * k_of_n(num_samples, num_correct, k, 1) for k, share in self.shares.items()
        )

    @torch.no_grad()
    @in_float64
    def log_rl_weight(self, log_p: Tensor) -> Tensor:
        """``log sum over k of share_k k (1-p)^(k-1)``, also at p = 0."""
        terms = [math.log(s) + log_beta_density(log_p, k, 1) for k, s in self.shares.items()]
        return torch.logsumexp(torch.stack(terms, dim=-1), dim=-1)


@dataclass(frozen=True)
class MaxRL(BudgetMixture):
    """Maximum likelihood, its series cut after ``t`` terms (arXiv 2602.02710).

    ``log p = -sum over k of (1-p)^k / k``, so S is the sum over k <= t of pass@k / k, here divided
    by its value at p = 1, the harmonic number H_t, which makes it a probability: K has probability
    proportional to 1/k. The paper's weight, ``(1 - (1-p)^t) / p``, is H_t times ``rl_weight``.

    Raises:
        InputError: On construction, unless t is a whole number >= 1.

    """

    t: int

    def __post_init__(self) -> None:
        if type(self.t) is not int or self.t < 1:
            problem = f"the number of terms, t={self.t!r}, is not a whole number >= 1"
            raise InputError(repr(self), problem, "write it as MaxRL(t=16)")

    @property
    def label(self) -> str:
        """Short name for legends."""
        return f"MaxRL, {self.t} terms"

    @property
    def scale(self) -> float:
        """H_t, the paper's weight over ours."""
        return math.fsum(1 / k for k in range(1, self.t + 1))

    @property
    def shares(self) -> Mapping[int, float]:
        """The budgets up to t, each with 1/k."""
        return {k: 1 / k / self.scale for k in range(1, self.t + 1)}


@dataclass(frozen=True)
class Mixture(BudgetMixture):
    """Pass@``n`` with probability ``a``, else one sample: ``S = (1-a) p + a (1 - (1-p)^n)``.

    Raises:
        InputError: On construction, unless n is a whole number >= 2 and 0 < a < 1.

    """

    n: int
    a: float

    def __post_init__(self) -> None:
        if type(self.n) is not int or self.n < 2 or not 0 < self.a < 1:
            problem = "n is not a whole number >= 2, or a is not between 0 and 1"
            raise InputError(repr(self), problem, "write it as Mixture(n=16, a=0.5)")

    @property
    def label(self) -> str:
        """Short name for legends."""
        return f"Pass@1 and Pass@{self.n}, {1 - self.a:g} to {self.a:g}"

    @property
    def shares(self) -> Mapping[int, float]:
        """One sample, or n."""
        return {1: 1 - self.a, self.n: self.a}
