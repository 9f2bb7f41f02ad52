import itertools
from fractions import Fraction
from math import comb
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute_aligned.files import records
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import SAMPLES, Problem
from compute_aligned.score import scoring
from compute_aligned.score.scoring import Drawn, by_problem, complete

PROBLEMS = [
    Problem(id="half", group="half", prompt="1/2", answer="1/2"),
    Problem(id="six", group="six", prompt="2*3", answer="6"),
]


def samples(*groups: tuple[str, str, list[tuple[str, int, bool]]]) -> list[Drawn]:
    """What there is in the rows of (branch, problem, [(text, tokens, finished) ...]) groups."""
    rows = [
        {
            "branch": branch,
            "problem": problem,
            "sample": index,
            "text": text,
            "num_tokens": tokens,
            "finished": finished,
        }
        for branch, problem, drawn in groups
        for index, (text, tokens, finished) in enumerate(drawn)
    ]
    return list(by_problem(pa.Table.from_pylist(rows, SAMPLES).to_batches()))


BY_HAND = samples(
    ("ce", "half", [("0.5", 3, True), (r"so \boxed{\frac12}", 9, True), ("none", 2, False)]),
    ("ce", "six", [("6", 1, True), ("7", 1, True), ("7", 1, True), ("", 0, False)]),
    ("passn", "six", [("8", 1, True), ("6.0", 3, True), ("6", 1, True), ("9", 1, True)]),
)


# --- scores -----------------------------------------------------------------------------------


def test_scores_worked_by_hand() -> None:
    half, six, other = scoring.score(BY_HAND, PROBLEMS, "paper")

    assert six == {
        "branch": "ce",
        "problem": "six",
        "num_samples": 4,
        "num_correct": 1,
        "num_invalid": 1,
        "num_unfinished": 1,
        "mean_tokens": 0.75,
        "votes": ["6", "7", "7", None],
        "correct": [True, False, False, False],
    }
    assert (half["num_samples"], half["num_invalid"], half["num_unfinished"]) == (3, 1, 1)
    assert half["mean_tokens"] == pytest.approx(14 / 3)
    assert half["votes"][2] is None
    # equal as numbers, so both are correct; but the paper's votes are texts
    assert other["correct"] == [False, True, True, False]
    assert other["votes"] == ["8", "6.0", "6", "9"]


def test_the_symbolic_grader_puts_equal_answers_into_one_vote() -> None:
    table = samples(("ce", "half", [(r"\boxed{0.5}", 1, True), (r"\boxed{\frac{2}{4}}", 1, True)]))

    [paper] = scoring.score(table, PROBLEMS, "paper")
    [symbolic] = scoring.score(table, PROBLEMS, "symbolic")

    assert len(set(paper["votes"])) == 2
    assert len(set(symbolic["votes"])) == 1
    assert symbolic["correct"] == [True, True]


def test_one_grader_decides_votes_and_correctness() -> None:
    table = samples(("ce", "half", [(r"\boxed{50\%}", 1, True)]))

    [paper] = scoring.score(table, PROBLEMS, "paper")
    [symbolic] = scoring.score(table, PROBLEMS, "symbolic")

    assert (paper["num_correct"], symbolic["num_correct"]) == (0, 1)


def test_scores_and_outcomes_fit_their_schemas() -> None:
    rows = list(scoring.score(BY_HAND, PROBLEMS, "paper"))
    points = list(scoring.outcomes(rows, ("pass@k", "maj@k")))

    assert pa.Table.from_pylist(rows, records.SCORES).to_pylist() == rows
    assert pa.Table.from_pylist(points, records.OUTCOMES).num_rows == len(points)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_samples_do_not_depend_on_how_their_rows_are_cut_into_batches(size: int) -> None:
    rows = [
        {"branch": drawn.branch, "problem": drawn.problem, "sample": index, "text": text}
        | {"num_tokens": num_tokens, "finished": finished}
        for drawn in BY_HAND
        for index, (text, num_tokens, finished) in enumerate(
            zip(drawn.texts, drawn.num_tokens, drawn.finished, strict=True)
        )
    ]

    cut = by_problem(pa.Table.from_pylist(rows, SAMPLES).to_batches(max_chunksize=size))

    assert list(cut) == BY_HAND


def test_a_grader_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="no grader 'papre'"):
        list(scoring.score(BY_HAND, PROBLEMS, "papre"))


# --- samples that are not whole -----------------------------------------------------------------

TWO = [("6", 1, True), ("7", 1, True)]
WHOLE = [(branch, problem, TWO) for branch in ("ce", "passn") for problem in ("half", "six")]


def checked(groups: list[tuple[str, str, list]]) -> list[Drawn]:
    return list(complete(samples(*groups), ["half", "six"], 2, Path("samples.parquet")))


def test_whole_samples_pass_as_they_are() -> None:
    assert checked(WHOLE) == samples(*WHOLE)


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        ([*WHOLE, ("ce", "seven", TWO)], "samples of seven, which is not among the problems"),
        (WHOLE[:3], "passn has no samples of 1 of 2 problems, first of six"),
        ([WHOLE[0], WHOLE[2]], "ce has no samples of 1 of 2 problems, first of six"),
        ([*WHOLE[:3], ("passn", "six", TWO[:1])], "passn has 1 samples of six, not 2"),
        ([*WHOLE[:3], ("passn", "six", TWO * 2)], "passn has 4 samples of six, not 2"),
        ([*WHOLE, WHOLE[0]], "ce has samples of half in two places"),
        ([], "there are no samples"),
    ],
)
def test_samples_that_are_not_whole_are_refused(
    groups: list[tuple[str, str, list]], words: str
) -> None:
    with pytest.raises(InputError, match=words) as caught:
        checked(groups)

    assert caught.value.where == "samples.parquet"
    assert "--forcerun sample" in caught.value.remedy


# --- outcomes ---------------------------------------------------------------------------------


def outcomes_of(texts: list[str], *metrics: str) -> dict[str, dict[int, float]]:
    table = samples(("ce", "six", [(text, 1, True) for text in texts]))
    rows = scoring.score(table, PROBLEMS, "paper")
    found: dict[str, dict[int, float]] = {}
    for point in scoring.outcomes(rows, metrics):
        assert (point["branch"], point["problem"]) == ("ce", "six")
        found.setdefault(point["metric"], {})[point["k"]] = point["value"]
    return found


def test_outcomes_worked_by_hand() -> None:
    found = outcomes_of(["6", "7", "7", ""], "pass@k", "maj@k")

    assert found["pass@k"] == pytest.approx({1: 1 / 4, 2: 1 / 2, 4: 1})
    # a draw of one is right in one of four; of four, 7 always wins
    assert found["maj@k"][1] == pytest.approx(1 / 4, abs=0.06)
    assert found["maj@k"][4] == 0
    assert found["plurality"] == {4: 0}


def test_budgets_are_powers_of_two_and_the_number_of_samples() -> None:
    found = outcomes_of(["6"] * 12, "pass@k")

    assert found == {"pass@k": {1: 1, 2: 1, 4: 1, 8: 1, 12: 1}}


def test_without_a_valid_answer_every_metric_is_0() -> None:
    found = outcomes_of(["", "none", "x"], "pass@k", "maj@k")

    assert {value for points in found.values() for value in points.values()} == {0.0}


def test_only_the_metrics_asked_for_are_computed() -> None:
    assert set(outcomes_of(["6", "7"], "pass@k")) == {"pass@k"}
    assert set(outcomes_of(["6", "7"], "maj@k")) == {"maj@k", "plurality"}


@given(st.lists(st.sampled_from(["6", "7", "8", ""]), min_size=1, max_size=7))
def test_outcomes_are_means_over_all_draws(texts: list[str]) -> None:
    found = outcomes_of(texts, "pass@k", "maj@k")

    for k, value in found["pass@k"].items():
        draws = list(itertools.combinations(texts, k))
        assert len(draws) == comb(len(texts), k)
        assert value == pytest.approx(sum("6" in draw for draw in draws) / len(draws))
    wins = [first_leader(order) == "6" for order in itertools.permutations(texts)]
    exact = float(Fraction(sum(wins), len(wins)))
    assert found["plurality"][len(texts)] == pytest.approx(exact)
    assert found["maj@k"][len(texts)] == pytest.approx(exact, abs=0.12)


def first_leader(order: tuple[str, ...]) -> str | None:
    """The most frequent valid answer of a draw, the first drawn of those that tie."""
    valid = [text for text in order if text]
    return max(valid, key=lambda text: (valid.count(text), -valid.index(text)), default=None)
