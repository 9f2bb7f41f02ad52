"""What samples are worth, and what is kept of them: a task for each reward that settings may name.

A new one is a class here, an entry in :data:`TASKS`, and its name in ``settings.RewardName``.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from compute_aligned.config.settings import RewardName
from compute_aligned.files.records import PROTEIN_SCORES, SCORES, Problem
from compute_aligned.method.rewards import (
    INVALID_REWARD,
    conditional_reward,
    hydrophobic_share,
    read_residues,
    unconditional_reward,
)
from compute_aligned.score.answers import extract_answer, graded_votes


@dataclass(frozen=True)
class Grades:
    """The worth of M samples of one problem.

    Attributes:
        rewards: One number a sample.
        valid: Which samples are of the form that the task asks for.
        correct: Which are right; None where a task has no answers.
        answers: The extracted answers, equal ones under one name and None where there is none to
            extract; None where a task has no answers.

    """

    rewards: list[float]
    valid: list[bool]
    correct: list[bool] | None = None
    answers: list[str | None] | None = None


class Task(ABC):
    """What the completions of a problem are measured by.

    Attributes:
        schema: Of the scores: a row a model and problem.

    """

    schema: ClassVar[pa.Schema]

    @abstractmethod
    def grade(self, problem: Problem, texts: Sequence[str], grader: str) -> Grades:
        """The worth of samples.

        Args:
            problem: What was asked.
            texts: The completions.
            grader: ``paper`` or ``symbolic``, see :mod:`compute_aligned.score.answers`.

        """

    @abstractmethod
    def columns(self, problem: Problem, texts: Sequence[str], grades: Grades) -> dict[str, Any]:
        """What a row of its scores has beside counts and lengths, which those of all tasks have."""


class Answers(Task):
    """1 for a completion whose answer equals the reference, else 0 (PAPER section 2)."""

    schema = SCORES

    def grade(self, problem: Problem, texts: Sequence[str], grader: str) -> Grades:
        """One grader decides which answers are right, and which of them are the same answer."""
        found = [extract_answer(text) for text in texts]
        answers, correct = graded_votes(found, problem.answer, grader)
        return Grades(
            rewards=[float(right) for right in correct],
            valid=[answer is not None for answer in answers],
            correct=correct,
            answers=answers,
        )

    def columns(self, problem: Problem, texts: Sequence[str], grades: Grades) -> dict[str, Any]:
        """The votes, and which of them are right."""
        correct = grades.correct or []
        return {"num_correct": sum(correct), "votes": grades.answers, "correct": correct}


@dataclass(frozen=True)
class Proteins(Task):
    """A reward for the hydrophobic share of a protein (PAPER section 4).

    Attributes:
        reward: Of a completion, and of the protein in the prompt (None where it has none).

    """

    reward: Callable[[str, str | None], float]
    schema: ClassVar[pa.Schema] = PROTEIN_SCORES

    def grade(self, problem: Problem, texts: Sequence[str], grader: str) -> Grades:
        """The rewards; no landscape goes down to that of what is no protein."""
        rewards = [self.reward(text, problem.input_sequence) for text in texts]
        return Grades(rewards=rewards, valid=[reward != INVALID_REWARD for reward in rewards])

    def columns(self, problem: Problem, texts: Sequence[str], grades: Grades) -> dict[str, Any]:
        """The rewards, and what they are rewards of: hydrophobic shares, of the input's too."""
        proteins = [
            read_residues(text) if valid else None
            for text, valid in zip(texts, grades.valid, strict=True)
        ]
        asked = problem.input_sequence
        return {
            "input_share": None if asked is None else hydrophobic_share(asked),
            "rewards": grades.rewards,
            "shares": [p and hydrophobic_share(p) for p in proteins],
            "residues": [p and len(p) for p in proteins],
        }


def _conditional(text: str, asked: str | None) -> float:
    if asked is None:
        raise ValueError("the problem has no input sequence to reward a completion by")
    return conditional_reward(text, asked)


TASKS: dict[RewardName, Task] = {
    "answer": Answers(),
    "protein_unconditional": Proteins(lambda text, _: unconditional_reward(text)),
    "protein_conditional": Proteins(_conditional),
}
