from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.graded import votes, write_answers

from compute_aligned.files.errors import InputError
from compute_aligned.method.intervals import mean_interval
from compute_aligned.paper.mechanism import EDGES, FEWEST, changes, read_halves, subset_interval


def changes_of(
    ce: np.ndarray, majority: np.ndarray, sorting: np.ndarray | None = None
) -> pd.DataFrame:
    """Changes between given p, (seeds, problems); votes are right where p > .5."""
    sorted_by = ce if sorting is None else sorting
    rows = [
        {"seed": seed, "branch": branch, "problem": f"{problem:04d}"}
        | {"p_sorting": sorted_by[seed, problem], "p": p, "vote": float(p > 0.5)}
        for branch, values in {"ce": ce, "majority": majority}.items()
        for (seed, problem), p in np.ndenumerate(values)
    ]
    return changes(pd.DataFrame(rows), ["majority"], "ce")


def test_one_half_of_the_samples_sorts_and_the_other_is_measured(tmp_path: Path) -> None:
    #                  even, odd, even, odd, even, odd
    first = {("ce", "a"): votes("7", "3", "7", "7", "7", "3")}
    second = {("ce", "b"): votes("1", "7", None, "7", "7", None)}

    paths = [write_answers(tmp_path / "0", first | second)]
    paths.append(write_answers(tmp_path / "1", second | first))

    halves = read_halves(paths)

    assert halves["seed"].tolist() == [0, 0, 1, 1]
    assert halves["problem"].tolist() == ["a", "b", "b", "a"]
    values = halves[halves["seed"] == 0].set_index("problem")
    assert values.loc["a", ["p_sorting", "p", "vote"]].tolist() == pytest.approx([1, 1 / 3, 0])
    assert values.loc["b", ["p_sorting", "p", "vote"]].tolist() == pytest.approx([1 / 3, 2 / 3, 1])


def test_changes_are_means_over_the_problems_of_a_bin() -> None:
    kinds = np.array([[0.05, 0.45, 0.85], [0.15, 0.65, 0.8]])  # p of ce, and of the other
    found = changes_of(*np.repeat(kinds, 40, axis=1)[:, None])

    p, voted = (found[found["measure"] == measure] for measure in ("p", "vote"))
    assert p["bin"].tolist() == [0, 4, 8]
    assert p["change"].tolist() == pytest.approx([0.1, 0.2, -0.05])
    assert p["baseline_p"].tolist() == pytest.approx([0.05, 0.45, 0.85])
    assert p["pairs"].tolist() == [40, 40, 40]
    assert voted["change"].tolist() == pytest.approx([0, 1, 0])  # .45 -> .65 wins, .85 stays


def test_a_bin_of_few_problems_is_left_out() -> None:
    ce = np.array([[0.05] * FEWEST + [0.95] * (FEWEST - 1)])
    assert changes_of(ce, ce)["bin"].unique().tolist() == [0]


def test_every_p_from_zero_to_one_is_in_a_bin() -> None:
    ce = np.repeat([[*EDGES[:-1], 1.0]], FEWEST, axis=1)
    found = changes_of(ce, ce)
    assert found[found["measure"] == "p"]["pairs"].sum() == ce.size


def test_chance_in_the_samples_does_not_look_like_a_change() -> None:
    sorting, ce, majority = np.random.default_rng(0).binomial(8, 0.5, (3, 4, 1000)) / 8

    def size(sorted_by: np.ndarray) -> float:
        found = changes_of(ce, majority, sorted_by)
        p = found[found["measure"] == "p"]
        return float(np.average(p["change"].abs(), weights=p["pairs"]))

    assert size(sorting) < 0.01  # the branches are alike
    assert size(ce) > 0.1  # what sorting by the measured half would show


def test_a_branch_without_scores_is_named() -> None:
    with pytest.raises(InputError, match="majority"):
        changes_of(np.full((1, 30), 0.5), np.empty((0, 0)))


def test_with_every_value_inside_the_interval_is_that_of_the_mean() -> None:
    values = np.random.default_rng(1).normal(size=(3, 50))

    found, plain = subset_interval(values, np.ones((3, 50), dtype=bool)), mean_interval(values)

    assert (found.estimate, found.low, found.high) == pytest.approx(
        (plain.estimate, plain.low, plain.high)
    )


def test_the_interval_of_a_subset_covers_its_mean() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    trials = 120
    for _ in range(trials):
        seeds, problems = rng.normal(0, 0.5, (5, 1)), rng.normal(0, 1, (1, 80))
        inside = rng.random((5, 80)) < 0.2 + 0.6 * rng.random((1, 80))
        interval = subset_interval(0.3 + seeds + problems + rng.normal(0, 1, (5, 80)), inside)
        covered += interval.low <= 0.3 <= interval.high

    # nominal 95%; a binomial standard error is 2%
    assert 0.91 <= covered / trials <= 0.99


def test_an_empty_subset_has_no_mean() -> None:
    with pytest.raises(ValueError, match="no value is inside"):
        subset_interval(np.zeros((2, 3)), np.zeros((2, 3), dtype=bool))
