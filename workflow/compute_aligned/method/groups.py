"""What rollouts tell of probabilities of success: the groups of a batch, and rewards before it.

Shapes: P prompts and M rollouts of each (a group), all of one optimiser batch.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from compute_aligned.method.policy import check_rewards


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


@dataclass(frozen=True, eq=False)
class Gains:
    """How hard each rollout pushes, shape (P, M).

    Attributes:
        weights: The strategy's factor w.
        gains: What multiplies the gradient of each rollout's log-probability: mostly A * w, the
            advantage times the factor.

    """

    weights: Tensor
    gains: Tensor


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
