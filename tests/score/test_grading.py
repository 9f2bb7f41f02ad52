import pytest

from compute_aligned.files.records import Problem
from compute_aligned.method.rewards import (
    INVALID_REWARD,
    conditional_landscape,
    unconditional_landscape,
)
from compute_aligned.score.grading import REWARDS, Grades

SUM = Problem(id="sum", group="sum", prompt="1/4+1/4=", answer="1/2")
PROTEIN = Problem(id="pair", group="AADD", prompt="?", answer="AADDD", input_sequence="AADD")


def test_answers_are_worth_one_where_they_are_right() -> None:
    grades = REWARDS["answer"](SUM, ["0.5", "so 3", "none", r"\boxed{\frac{1}{2}}"], "symbolic")

    assert grades.rewards == [1.0, 0.0, 0.0, 1.0]
    assert grades.correct == [True, False, False, True]
    assert grades.valid == [True, True, False, True]
    assert grades.answers is not None
    assert grades.answers[0] == grades.answers[3]  # equal answers have one name
    assert grades.answers[2] is None


def test_proteins_are_worth_their_place_in_the_landscape_and_have_no_answers() -> None:
    texts = ["AADDDDDDDD", "AADDDDDDD", "AADDDDDDDX"]

    grades = REWARDS["protein_unconditional"](SUM, texts, "paper")

    assert grades == Grades(
        rewards=[unconditional_landscape(0.2), INVALID_REWARD, INVALID_REWARD],
        valid=[True, False, False],
    )


@pytest.mark.parametrize(
    ("text", "share"), [("AADDD", 0.4), ("AAAAA", 1.0), ("DDDDDD", 0.0), ("AADD", None)]
)
def test_a_protein_for_an_input_is_measured_by_that_input(text: str, share: float | None) -> None:
    grades = REWARDS["protein_conditional"](PROTEIN, [text], "paper")

    worth = INVALID_REWARD if share is None else conditional_landscape(share, 0.5)
    assert (grades.rewards, grades.valid) == ([worth], [share is not None])


def test_without_an_input_there_is_nothing_to_measure_a_protein_by() -> None:
    with pytest.raises(ValueError, match="problem sum has no input sequence"):
        REWARDS["protein_conditional"](SUM, ["AADDD"], "paper")
