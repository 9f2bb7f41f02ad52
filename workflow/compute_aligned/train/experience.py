"""The experience of one optimiser batch: rollouts, what they are worth, how the strategy weighs.

Everything here is without gradients; :mod:`compute_aligned.train.rl` learns from it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

import torch
from torch import Tensor

from compute_aligned.config.objectives import group_objective
from compute_aligned.config.settings import ANSWER, Rl
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import Problem
from compute_aligned.method.groups import Gains, RolloutGroups
from compute_aligned.method.objectives import GroupObjective
from compute_aligned.method.strategies import Strategy, UpdateForm
from compute_aligned.models.rollouts import Rollouts, draw, rollout_noise
from compute_aligned.models.tokens import Task, decode_completions
from compute_aligned.score.tasks import TASKS, Grades
from compute_aligned.train.optimisation import quantiles


@dataclass(frozen=True)
class Objective:
    """What a branch optimises.

    Attributes:
        strategy: The strategy whose weight is put on the advantages.
        form: Which of the paper's two forms of the weight.
        settings: Everything else about the update.
        grader: ``paper`` or ``symbolic``, see :mod:`compute_aligned.score.answers`.

    """

    strategy: Strategy
    form: UpdateForm
    settings: Rl
    grader: str

    @property
    def of_groups(self) -> GroupObjective:
        """What becomes of a group's rewards."""
        return group_objective(self.strategy, self.form, self.settings)

    def check(self) -> None:
        """Refuse what does not go together; raises an InputError that names the key."""
        self.of_groups.check(self.settings.group_size, self.settings.reward == ANSWER)


# --- rollouts and rewards ---------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Experience:
    """The graded rollouts of an optimiser batch, P prompts x M rollouts.

    Attributes:
        prompts: Token ids of P prompts.
        rollouts: M completions of each.
        grades: P grades.

    """

    prompts: list[list[int]]
    rollouts: Rollouts
    grades: list[Grades]

    @property
    def rewards(self) -> Tensor:
        """Float64, shape (P, M)."""
        return torch.tensor([grades.rewards for grades in self.grades], dtype=torch.float64)

    @property
    def valid(self) -> Tensor:
        """Which rollouts are of the form that the task asks for, bool, shape (P, M)."""
        return torch.tensor([grades.valid for grades in self.grades])

    @property
    def correct(self) -> Tensor | None:
        """Which rollouts are right, bool, shape (P, M); None where a task has no answers."""
        correct = [grades.correct for grades in self.grades if grades.correct is not None]
        return torch.tensor(correct) if correct else None

    @property
    def answers(self) -> list[list[str | None]] | None:
        """Extracted answers, P lists of M; None where a task has no answers."""
        return [grades.answers for grades in self.grades if grades.answers is not None] or None


def collect(
    model: Any, tokenizer: Any, tasks: Sequence[Task], objective: Objective, seed: int, step: int
) -> Experience:
    """Draw and grade the rollouts of one step, which depend on the weights, seed and step alone.

    Raises:
        InputError: A reward is not a finite number; names the problem.

    """
    settings = objective.settings
    prompts = [prompt for _, prompt in tasks]
    noise = rollout_noise(
        seed, step, len(tasks), settings.group_size, settings.rollout.max_new_tokens
    )
    rollouts = draw(
        model, prompts, noise, settings.rollout, tokenizer.eos_token_id, tokenizer.pad_token_id
    )
    decoded = iter(decode_completions(tokenizer, list(chain.from_iterable(rollouts.completions))))
    grades = []
    for problem, _ in tasks:
        texts = list(islice(decoded, settings.group_size))
        grades.append(TASKS[settings.reward].grade(problem, texts, objective.grader))
        _check_finite(problem, texts, grades[-1].rewards)
    return Experience(prompts, rollouts, grades)


def _check_finite(problem: Problem, texts: list[str], rewards: list[float]) -> None:
    for text, reward in zip(texts, rewards, strict=True):
        if not math.isfinite(reward):
            raise InputError(
                f"problem {problem.id}",
                f"the reward of completion {text[:60]!r} is {reward}",
                "have the reward function return a finite number for every completion",
            )


# --- the strategy's weights -------------------------------------------------------------------


def weigh(experience: Experience, objective: Objective, past_rewards: Tensor) -> Gains:
    """How hard each rollout of a batch pushes, float64 (PAPER section 2).

    Args:
        experience: The whole optimiser batch.
        objective: What becomes of its rewards.
        past_rewards: The rewards before this batch, shape (H,).

    Raises:
        InputError: A weight or gain is not a finite number.

    """
    groups = RolloutGroups(
        log_p=experience.rollouts.log_p,
        rewards=experience.rewards,
        correct=experience.correct,
        answers=experience.answers,
        past_rewards=past_rewards,
    )
    return objective.of_groups.gains(groups)


@dataclass(frozen=True)
class Row:
    """A distinct completion of a prompt: what a forward pass sees of its rollouts.

    Attributes:
        prompt: Its token ids.
        completion: Its token ids.
        gain: Sum of A * w over the rollouts that wrote this completion.
        count: How many did.

    """

    prompt: list[int]
    completion: list[int]
    gain: float
    count: int


def distinct_rows(experience: Experience, gains: Tensor) -> list[Row]:
    """The batch with equal rollouts put together, which halves the cost of short answers.

    The loss is linear in A * w for a given completion, so its value and gradient stay the same.

    Args:
        experience: The rollouts.
        gains: A * w, shape (P, M).

    """
    rows = []
    for prompt, completions, of_prompt in zip(
        experience.prompts, experience.rollouts.completions, gains.tolist(), strict=True
    ):
        together: dict[tuple[int, ...], list[float]] = {}
        for completion, gain in zip(completions, of_prompt, strict=True):
            together.setdefault(tuple(completion), []).append(gain)
        rows += [Row(prompt, list(c), sum(g), len(g)) for c, g in together.items()]
    return rows


# --- records ----------------------------------------------------------------------------------


def record(experience: Experience, gains: Gains) -> dict:
    """The part of a step's record that tells what was drawn and how it was weighed."""
    rollouts, correct = experience.rollouts, experience.correct
    lengths = rollouts.lengths
    return {
        "tokens": int(lengths.sum()),
        "mean_tokens": lengths.double().mean().item(),
        "mean_reward": experience.rewards.mean().item(),
        "success_share": None if correct is None else correct.double().mean().item(),
        "invalid_share": (~experience.valid).double().mean().item(),
        "unfinished_share": (~rollouts.finished).double().mean().item(),
        "all_wrong_share": None if correct is None else all_wrong_share(gains.gains, correct),
        "entropy": (rollouts.entropy.sum() / lengths.sum()).item(),
        **quantiles("log_p", rollouts.log_p),
        **quantiles("weight", gains.weights),
        **quantiles("gain", gains.gains),
    }


def all_wrong_share(gains: Tensor, correct: Tensor) -> float | None:
    """The share of the sum of |A * w| that falls on prompts none of whose rollouts are right.

    Args:
        gains: A * w, shape (P, M).
        correct: Which rollouts are right, bool, shape (P, M).

    Returns:
        A share, or None where the sum is 0.

    """
    sizes = gains.abs().sum(1)
    total = sizes.sum().item()
    return sizes[~correct.any(1)].sum().item() / total if total else None
