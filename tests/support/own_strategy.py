"""A strategy such as a user adds: one class, of a kind that the paper does not have."""

from dataclasses import dataclass

import torch
from torch import Tensor

from compute_aligned.method.strategies import Strategy


@dataclass(frozen=True)
class SecondTry(Strategy):
    """One sample and, with some chance, a second one if it fails: S = p + chance p (1-p)."""

    chance: float

    def log_success(self, log_p: Tensor) -> Tensor:
        return log_p + torch.log1p(-self.chance * torch.expm1(log_p))
