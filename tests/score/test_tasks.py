import pytest

from compute_aligned.files.records import Problem
from compute_aligned.method.rewards import (
    INVALID_REWARD,
    conditional_landscape,
    unconditional_landscape,
)
from compute_aligned.score.tasks import TASKS, Grades

SUM = Problem(id="sum", group="sum", prompt="1/4+1/4=", answer="1/2")
# 3 of 4 residues are hydrophobic
PROTEIN = Problem(id="pair", group="AAAD", prompt="?", answer="DDDA", input_sequence="AAAD")


def test_answers_are_worth_one_where_they_are_right() -> None:
    grades = TASKS["answer"].grade(SUM, ["0.5", "so 3", "", r"\boxed{\frac{1}{2}}"], "symbolic")

    assert grades.answers is not None
    assert grades.answers[0] == grades.answers[3]  # equal answers have one name
    assert grades.answers[2] is None
    right = [True, False, False, True]
    assert grades == Grades([1.0, 0.0, 0.0, 1.0], [True, True, False, True], right, grades.answers)
    assert TASKS["answer"].columns(SUM, [""] * 4, grades) == {
        "num_correct": 2,
        "votes": grades.answers,
        "correct": right,
    }


@pytest.mark.parametrize(
    ("name", "problem", "landscape", "input_share", "shares"),
    [
        (
            "protein_unconditional",
            SUM,
            unconditional_landscape,
            None,
            # too short, white space and lower case, a letter outside of the 20
            {"AAAADDDDDD": 0.4, "AAAADDDDD": None, "aaaaa\n ddddd": 0.5, "AAAADDDDDB": None},
        ),
        (
            "protein_conditional",
            PROTEIN,
            lambda share: conditional_landscape(share, 0.75),
            0.75,
            # no hydrophobic residue is a share, and not a gap
            {"DDDAA": 0.4, "ADDD": None, "AAAAA": 1.0, "DDDDDD": 0.0},
        ),
    ],
)
def test_proteins_are_worth_their_place_in_the_landscape_and_have_no_answers(
    name: str, problem: Problem, landscape: object, input_share: float | None, shares: dict
) -> None:
    task, texts, found = TASKS[name], list(shares), list(shares.values())
    worth = [INVALID_REWARD if share is None else landscape(share) for share in found]

    grades = task.grade(problem, texts, "paper")

    assert grades == Grades(worth, [share is not None for share in found])
    assert task.columns(problem, texts, grades) == {
        "input_share": input_share,
        "rewards": worth,
        "shares": found,
        "residues": [
            None if share is None else len("".join(text.split())) for text, share in shares.items()
        ],
    }


def test_without_an_input_there_is_nothing_to_measure_a_protein_by() -> None:
    with pytest.raises(ValueError, match="the problem has no input sequence"):
        TASKS["protein_conditional"].grade(SUM, ["AADDD"], "paper")
