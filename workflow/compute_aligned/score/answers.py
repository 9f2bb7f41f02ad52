"""Answers to mathematics problems: reading them, grading them, grouping votes.

A grader is one pair of equalities, used for correctness and for votes alike: ``paper`` is the
paper's rule (:mod:`compute_aligned.score.answer_rule`), ``symbolic`` adds equality by math-verify
(:mod:`compute_aligned.score.symbolic`).
"""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compute_aligned.files.errors import InputError
from compute_aligned.score.answer_rule import extract_answer, normalise_answer, paper_match
from compute_aligned.score.symbolic import SymbolicMatch

__all__ = [
    "GRADERS",
    "answers_match",
    "extract_answer",
    "graded_votes",
    "group_votes",
    "normalise_answer",
]

Equality = Callable[[str, str], bool]
"""A reflexive, symmetric relation on normalised texts; transitive only for equality as text."""


@dataclass(frozen=True)
class Grader:
    """Two relations on normalised texts.

    Attributes:
        matches: Whether a prediction is the gold answer.
        same_vote: Whether two predictions vote for the same answer.
    """

    matches: Equality
    same_vote: Equality


_SYMBOLIC_MATCH = SymbolicMatch()

GRADERS: dict[str, Grader] = {
    "paper": Grader(matches=paper_match, same_vote=operator.eq),
    "symbolic": Grader(matches=_SYMBOLIC_MATCH, same_vote=_SYMBOLIC_MATCH),
}
"""The graders by name: the paper's rule, and equality by math-verify, which includes it."""


def _grader(name: str) -> Grader:
    if name not in GRADERS:
        raise InputError(
            "grader", f"there is no grader {name!r}", f"use one of: {', '.join(GRADERS)}"
        )
    return GRADERS[name]


def answers_match(prediction: str | None, gold: str, grader: str = "paper") -> bool:
    """Tell whether an extracted answer is the gold answer; symmetric between two texts.

    Args:
        prediction: An extracted answer; None matches nothing.
        gold: The gold answer, without a box.
        grader: A key of `GRADERS`.

    Raises:
        InputError: The grader is unknown, or its package is not installed.
    """
    matches = _grader(grader).matches
    return prediction is not None and matches(normalise_answer(prediction), normalise_answer(gold))


def group_votes(answers: Sequence[str | None], grader: str = "paper") -> list[str | None]:
    """Replace each answer by the one that stands for its group of equal answers.

    A group is represented by its first member. Symbolic equality is not transitive (``50`` and
    ``0.5`` both equal ``50%``): an answer joins the earliest group whose representative it equals.

    Args:
        answers: The m extracted answers to one problem; None stays None.
        grader: A key of `GRADERS`.

    Returns:
        m normalised texts or Nones, in the order of the answers.

    Raises:
        InputError: The grader is unknown, or its package is not installed.
    """
    same_vote = _grader(grader).same_vote
    normalised = {text: normalise_answer(text) for text in answers if text is not None}
    if same_vote is operator.eq:  # normal forms: each is its own group
        return [None if text is None else normalised[text] for text in answers]
    representatives: list[str] = []
    group: dict[str, str] = {}
    for text in dict.fromkeys(normalised.values()):
        group[text] = next((known for known in representatives if same_vote(text, known)), text)
        if group[text] == text:
            representatives.append(text)
    return [None if text is None else group[normalised[text]] for text in answers]


def graded_votes(
    answers: Sequence[str | None], gold: str, grader: str = "paper"
) -> tuple[list[str | None], list[bool]]:
    """Group the answers to one problem, and grade each by the representative of its vote.

    So equal votes are equally correct, and maj@1 is the share of correct answers. Each distinct
    vote is compared with the gold answer once.

    Args:
        answers: The m extracted answers; None is not correct.
        gold: The gold answer, without a box.
        grader: A key of `GRADERS`.

    Returns:
        m votes, as `group_votes` has them, and m verdicts, in the order of the answers.

    Raises:
        InputError: The grader is unknown, or its package is not installed.
    """
    votes = group_votes(answers, grader)
    verdicts = {vote: answers_match(vote, gold, grader) for vote in dict.fromkeys(votes)}
    return votes, [verdicts[vote] for vote in votes]
