import itertools
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute_aligned.files import records
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import SAMPLES, Problem
from compute_aligned.score.scoring import Drawn, by_problem, complete, outcomes, score
from compute_aligned.score.tasks import TASKS

HALF = Problem(id="half", group="half", prompt="1/2", answer="1/2")
SIX = Problem(id="six", group="six", prompt="2*3", answer="6")


def drawn(branch: str, problem: str, *texts: str) -> Drawn:
    """Samples, each as long as its text and its end, of which the empty have not ended."""
    lengths = tuple(len(text) + 1 for text in texts)
    return Drawn(branch, problem, texts, lengths, tuple(text != "" for text in texts))


def scored(*samples: Drawn, grader: str = "paper") -> list[dict]:
    return list(score(samples, [HALF, SIX], TASKS["answer"], grader))


BY_HAND = [
    drawn("ce", "half", "0.5", r"so \boxed{\frac12}", "none"),
    drawn("ce", "six", "6", "7", "7", ""),
    drawn("passn", "six", "8", "6.0", "6", "9"),
]


def test_scores_worked_by_hand() -> None:
    half, six, other = scored(*BY_HAND)

    assert six == {
        "branch": "ce",
        "problem": "six",
        "num_samples": 4,
        "num_correct": 1,
        "num_invalid": 1,
        "num_unfinished": 1,
        "mean_tokens": 1.75,
        "votes": ["6", "7", "7", None],
        "correct": [True, False, False, False],
    }
    assert (half["num_samples"], half["num_invalid"], half["num_unfinished"]) == (3, 1, 0)
    assert half["mean_tokens"] == pytest.approx((4 + 19 + 5) / 3)
    assert half["votes"][2] is None
    # equal as numbers, so both are correct; but the paper's votes are texts
    assert other["correct"] == [False, True, True, False]
    assert other["votes"] == ["8", "6.0", "6", "9"]


@pytest.mark.parametrize(
    ("texts", "grader", "votes", "correct"),
    [
        ((r"\boxed{0.5}", r"\boxed{\frac{2}{4}}"), "paper", 2, [True, True]),
        ((r"\boxed{0.5}", r"\boxed{\frac{2}{4}}"), "symbolic", 1, [True, True]),
        ((r"\boxed{50\%}",), "paper", 1, [False]),
        ((r"\boxed{50\%}",), "symbolic", 1, [True]),
    ],
)
def test_one_grader_decides_votes_and_correctness(
    texts: tuple[str, ...], grader: str, votes: int, correct: list[bool]
) -> None:
    (row,) = scored(drawn("ce", "half", *texts), grader=grader)

    assert len(set(row["votes"])) == votes
    assert row["correct"] == correct


def test_a_grader_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="no grader 'papre'"):
        scored(*BY_HAND, grader="papre")


@pytest.mark.parametrize("name", TASKS)
def test_scores_and_outcomes_fit_their_schemas(name: str) -> None:
    task = TASKS[name]
    problems = [p.model_copy(update={"input_sequence": "AAAD"}) for p in (HALF, SIX)]
    rows = list(score(BY_HAND, problems, task, "paper"))
    metrics = ("pass@k", "maj@k") if name == "answer" else ("expected_max@k",)
    points = list(outcomes(rows, metrics))

    assert pa.Table.from_pylist(rows, task.schema).to_pylist() == rows
    assert pa.Table.from_pylist(points, records.OUTCOMES).num_rows == len(points) > 0


WHOLE = [drawn(branch, problem, "6", "7") for branch in ("ce", "passn") for problem in ("a", "b")]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_samples_do_not_depend_on_how_their_rows_are_cut_into_batches(size: int) -> None:
    rows = [
        {"branch": each.branch, "problem": each.problem, "sample": index, "text": text}
        | {"num_tokens": num_tokens, "finished": finished}
        for each in BY_HAND
        for index, (text, num_tokens, finished) in enumerate(
            zip(each.texts, each.num_tokens, each.finished, strict=True)
        )
    ]

    assert list(by_problem(pa.Table.from_pylist(rows, SAMPLES).to_batches(size))) == BY_HAND


def checked(samples: list[Drawn]) -> list[Drawn]:
    return list(complete(samples, ["a", "b"], 2, Path("samples.parquet")))


def test_whole_samples_pass_as_they_are() -> None:
    assert checked(WHOLE) == WHOLE


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ([*WHOLE, drawn("ce", "c", "6", "7")], "samples of c, which is not among the problems"),
        (WHOLE[:3], "passn has no samples of 1 of 2 problems, first of b"),
        ([WHOLE[0], WHOLE[2]], "ce has no samples of 1 of 2 problems, first of b"),
        ([*WHOLE[:3], drawn("passn", "b", "6")], "passn has 1 samples of b, not 2"),
        ([*WHOLE[:3], drawn("passn", "b", *"6776")], "passn has 4 samples of b, not 2"),
        ([*WHOLE, WHOLE[0]], "ce has samples of a in two places"),
        ([], "there are no samples"),
    ],
)
def test_samples_that_are_not_whole_are_refused(samples: list[Drawn], words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        checked(samples)

    assert caught.value.where == "samples.parquet"
    assert "--forcerun sample" in caught.value.remedy


def points_of(rows: list[dict], *metrics: str) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = {}
    for point in outcomes(rows, metrics):
        assert (point["branch"], point["problem"]) == ("ce", "six")
        found.setdefault(point["metric"], {})[point["k"]] = point["value"]
    return found


def outcomes_of(texts: list[str], *metrics: str) -> dict[str, dict[int, float]]:
    return points_of(scored(drawn("ce", "six", *texts)), *metrics)


def test_only_the_metrics_asked_for_are_computed_at_powers_of_two_and_all_samples() -> None:
    assert outcomes_of(["6"] * 12, "pass@k") == {"pass@k": {1: 1, 2: 1, 4: 1, 8: 1, 12: 1}}
    assert set(outcomes_of(["6", "7"], "maj@k")) == {"maj@k", "plurality"}


@given(st.lists(st.sampled_from(["6", "7", "8", ""]), min_size=1, max_size=7))
def test_outcomes_are_means_over_all_draws(texts: list[str]) -> None:
    found = outcomes_of(texts, "pass@k", "maj@k")

    for k, value in found["pass@k"].items():
        draws = list(itertools.combinations(texts, k))
        assert value == pytest.approx(sum("6" in draw for draw in draws) / len(draws))
    wins = [first_leader(order) == "6" for order in itertools.permutations(texts)]
    exact = float(Fraction(sum(wins), len(wins)))
    assert found["plurality"] == {len(texts): pytest.approx(exact)}
    assert found["maj@k"][1] == pytest.approx(found["pass@k"][1], abs=0.12)
    assert found["maj@k"][len(texts)] == pytest.approx(exact, abs=0.12)
    if "6" not in texts:
        assert {value for points in found.values() for value in points.values()} == {0.0}


def first_leader(order: tuple[str, ...]) -> str | None:
    """The most frequent valid answer of a draw, the first drawn of those that tie."""
    valid = [text for text in order if text]
    return max(valid, key=lambda text: (valid.count(text), -valid.index(text)), default=None)


@given(st.lists(st.floats(-1, 10), min_size=1, max_size=4))
def test_rewards_are_means_of_the_largest_over_all_draws(rewards: list[float]) -> None:
    row = {"branch": "ce", "problem": "six", "num_samples": len(rewards), "rewards": rewards}

    for k, value in points_of([row], "expected_max@k")["expected_max@k"].items():
        draws = list(itertools.product(rewards, repeat=k))  # the empirical distribution
        assert value == pytest.approx(sum(map(max, draws)) / len(draws), abs=1e-9)
