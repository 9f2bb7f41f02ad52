"""What rollouts are worth: the reward functions that a family's settings may name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compute_aligned.answers import extract_answer, grade, group_votes
from compute_aligned.records import Problem


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
    answers = group_votes([extract_answer(text) for text in texts], grader)
    correct = grade(answers, problem.answer, grader)
    return Grades(
        rewards=[float(right) for right in correct],
        valid=[answer is not None for answer in answers],
        correct=correct,
        answers=answers,
    )


REWARDS: dict[str, Reward] = {"answer": answer_reward}
