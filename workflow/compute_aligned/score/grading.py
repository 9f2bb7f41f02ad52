"""What rollouts are worth: the reward functions that a family's settings may name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compute_aligned.config.settings import RewardName
from compute_aligned.files.records import Problem
from compute_aligned.method.rewards import INVALID_REWARD, conditional_reward, unconditional_reward
from compute_aligned.score.answers import extract_answer, graded_votes


@dataclass(frozen=True)
class Grades:
    """The worth of one problem's M rollouts.

    Attributes:
        rewards: One number a rollout.
        valid: Which rollouts are of the form that the task asks for.
        correct: Which are right; None where a task has no answers.
        answers: The extracted answers, equal ones under one name and None where there is none to
            extract; None where a task has no answers.

    """

    rewards: list[float]
    valid: list[bool]
    correct: list[bool] | None = None
    answers: list[str | None] | None = None


Reward = Callable[[Problem, Sequence[str], str], Grades]


def answer_reward(problem: Problem, texts: Sequence[str], grader: str) -> Grades:
    """1 where the answer equals the reference, else 0 (PAPER section 2)."""
    answers, correct = graded_votes(
        [extract_answer(text) for text in texts], problem.answer, grader
    )
    return Grades(
        rewards=[float(right) for right in correct],
        valid=[answer is not None for answer in answers],
        correct=correct,
        answers=answers,
    )


def protein_unconditional_reward(problem: Problem, texts: Sequence[str], grader: str) -> Grades:
    """The landscape of the unconditional protein task (PAPER section 4), whatever the problem."""
    return _protein_grades([unconditional_reward(text) for text in texts])


def protein_conditional_reward(problem: Problem, texts: Sequence[str], grader: str) -> Grades:
    """The landscape of the conditional protein task (PAPER section 4).

    Raises:
        ValueError: The problem has no input sequence.

    """
    if problem.input_sequence is None:
        raise ValueError(f"problem {problem.id} has no input sequence to reward a completion by")
    return _protein_grades([conditional_reward(text, problem.input_sequence) for text in texts])


def _protein_grades(rewards: list[float]) -> Grades:
    """No landscape goes down to the reward of what is no protein."""
    return Grades(rewards=rewards, valid=[reward != INVALID_REWARD for reward in rewards])


REWARDS: dict[RewardName, Reward] = {
    "answer": answer_reward,
    "protein_unconditional": protein_unconditional_reward,
    "protein_conditional": protein_conditional_reward,
}
