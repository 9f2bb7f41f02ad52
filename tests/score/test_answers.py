import pytest
from hypothesis import given
from hypothesis import strategies as st
from score.answer_texts import latex_like, numbers, without_deadline

from compute_aligned.files.errors import InputError
from compute_aligned.score.answers import (
    GRADERS,
    answers_match,
    graded_votes,
    group_votes,
    normalise_answer,
)


def test_votes_group_by_normalised_text_under_the_papers_grader() -> None:
    answers = [r"\dfrac{1}{2}", "0.5", None, r"$\frac{1}{2}$", "1/2", " 0.5"]
    assert group_votes(answers) == [r"\frac{1}{2}", "0.5", None, r"\frac{1}{2}", "1/2", "0.5"]
    assert graded_votes(answers, "0.5")[1] == [True, True, False, True, True, True]


def test_votes_group_by_symbolic_equality_under_the_symbolic_grader() -> None:
    answers = ["x=11", "(x+1)^2", None, "11", r"11\text{ cm}", "x^2+2x+1", "12", "11.00001"]
    votes = group_votes(answers, "symbolic")
    square = "(x+1)^2"
    assert votes == ["x=11", square, None, "x=11", "x=11", square, "12", "11.00001"]
    assert group_votes(answers[3:], "symbolic")[-1] == "11"
    _, grades = graded_votes(answers, "11", "symbolic")
    assert [i for i, right in enumerate(grades) if right] == [0, 3, 4, 7]


def test_where_symbolic_equality_is_not_transitive_equal_votes_are_graded_alike() -> None:
    first_percent = [r"50\%", "50", "0.5"]
    first_number = ["50", r"50\%", "0.5"]
    assert group_votes(first_percent, "symbolic") == [r"50\%"] * 3
    assert group_votes(first_number, "symbolic") == ["50", "50", "0.5"]
    assert graded_votes(first_percent, "0.5", "symbolic")[1] == [True] * 3
    assert graded_votes(first_number, "0.5", "symbolic")[1] == [False, False, True]


@without_deadline
@given(st.lists(st.none() | latex_like | numbers, max_size=12), latex_like | numbers)
def test_the_papers_votes_are_normal_forms_and_its_grades_are_those_of_each_answer(
    answers: list[str | None], gold: str
) -> None:
    votes, grades = graded_votes(answers, gold)
    assert votes == [None if answer is None else normalise_answer(answer) for answer in answers]
    assert group_votes(votes) == votes
    assert grades == [answers_match(answer, gold) for answer in answers]
    assert graded_votes(votes, gold) == (votes, grades)


def test_an_unknown_grader_is_an_input_error_that_lists_the_known_ones() -> None:
    calls = [
        lambda: answers_match(None, "1", "exact"),
        lambda: graded_votes([], "1", "exact"),
        lambda: group_votes([], "exact"),
    ]
    for call in calls:
        with pytest.raises(InputError, match=r"(?s)'exact'.*paper, symbolic"):
            call()
    assert list(GRADERS) == ["paper", "symbolic"]
