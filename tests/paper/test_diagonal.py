from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from compute_aligned.files.errors import InputError
from compute_aligned.files.records import SCORES, write_table
from compute_aligned.method.diagonal import diagonal_ratio
from compute_aligned.paper.diagonal import BUDGET, of_rewards, of_votes, summarise

Answers = list[tuple[str | None, bool]]

MIXED: Answers = [("7", True), ("07", True), ("7", True), ("1", False), ("2", False), ("1", False)]
UNPARSED: Answers = [("7", True), (None, False), ("1", False), (None, True)]
NEVER: Answers = [("1", False), (None, False)]
ALWAYS: Answers = [("7", True), ("7", True)]


def write_scores(path: Path, answers: dict[tuple[str, str], Answers]) -> Path:
    """A file of scores with these answers of (branch, problem)."""
    rows = [
        {"branch": branch, "problem": problem, "num_samples": len(given), "num_correct": 0}
        | {"num_invalid": 0, "num_unfinished": 0, "mean_tokens": 2.0}
        | {"votes": [vote for vote, _ in given], "correct": [right for _, right in given]}
        for (branch, problem), given in answers.items()
    ]
    write_table(path, rows, SCORES)
    return path


def ratios_of(matrix: list[list[float]], p: list[list[float]], branch: str = "ce") -> pd.DataFrame:
    """The ratios and p of one model: a row a seed, a column a problem."""
    return pd.DataFrame(
        [
            {"seed": seed, "branch": branch, "problem": f"{problem}"}
            | {"p": p[seed][problem], "ratio": ratio}
            for seed, row in enumerate(matrix)
            for problem, ratio in enumerate(row)
        ]
    )


def test_votes_give_the_ratio_of_the_frequencies_with_the_right_answer_as_the_target(
    tmp_path: Path,
) -> None:
    path = write_scores(tmp_path / "scores", {("ce", "a"): MIXED, ("ce", "b"): UNPARSED})

    found = of_votes([path], ["ce"]).set_index("problem")

    assert found.loc["a", "ratio"] == pytest.approx(diagonal_ratio([3 / 6, 2 / 6, 1 / 6], 0, 8))
    expected = diagonal_ratio([1 / 4, 1 / 4], 0, 8, no_answer=2 / 4)
    assert found.loc["b", "ratio"] == pytest.approx(expected)
    assert found["p"].tolist() == [0.5, 0.25]  # a flag of a sample without an answer counts for 0


def test_problems_that_are_never_or_always_right_are_kept_without_a_ratio(tmp_path: Path) -> None:
    answers = {("ce", "a"): NEVER, ("ce", "b"): ALWAYS, ("ce", "c"): MIXED}
    found = of_votes([write_scores(tmp_path / "scores", answers)], ["ce"])

    assert found["p"].tolist() == [0, 1, 0.5]
    assert found["ratio"].isna().tolist() == [True, True, False]


def test_every_seed_is_read_and_only_the_models_wanted(tmp_path: Path) -> None:
    answers = {(branch, "a"): MIXED for branch in ("warmup", "ce", "passn_n4")}
    paths = [write_scores(tmp_path / f"{seed}", answers) for seed in range(2)]

    found = of_votes(paths, ["warmup", "passn_n4"])

    assert found["seed"].tolist() == [0, 0, 1, 1]
    assert found["branch"].tolist() == ["warmup", "passn_n4"] * 2


def test_rewards_give_the_ratio_of_the_best_of_each_pool() -> None:
    pools = {"a": [1.0, 2.0, 5.0, 3.0], "b": [5.0, 5.0, 1.0, 1.0], "c": [2.0] * 4}
    samples = pd.DataFrame(
        [
            {"seed": 0, "branch": "standard", "problem": problem, "reward": reward}
            for problem, rewards in pools.items()
            for reward in rewards
        ]
    )

    found = of_rewards(pd.concat([samples, samples.assign(branch="bon_n2")]), ["standard"])

    assert found["branch"].unique().tolist() == ["standard"]
    assert found["p"].tolist() == [0.25, 0.5, 1]
    # against lower rewards only, S(p) = 1 - (1-p)^n and rho = (1-p)^(1-n)
    one_of_four, two_of_four, _ = found["ratio"]
    assert one_of_four == pytest.approx((4 / 3) ** (BUDGET - 1))
    assert two_of_four == pytest.approx(2 ** (BUDGET - 1))
    assert np.isnan(found["ratio"].iloc[2])


def test_what_is_undefined_is_counted_by_its_cause_and_left_out_of_the_rest() -> None:
    nan = np.nan
    ratios = ratios_of([[1.0, 3.0, nan, nan, nan, 8.0]], [[0.1, 0.5, 0.0, 1.0, 1.0, 0.9]])

    (row,) = summarise(ratios, ["ce"]).to_dict("records")

    assert (row["mean"], row["median"], row["largest"]) == (4, 3, 8)
    assert (row["undefined"], row["never"], row["always"]) == (1 / 2, 1 / 6, 1 / 3)
    assert (row["n"], row["pairs"], row["seeds"], row["problems"]) == (BUDGET, 6, 1, 6)


def test_a_ratio_that_vanishes_inside_counts_as_undefined_without_a_cause() -> None:
    (row,) = summarise(ratios_of([[2.0, np.nan]], [[0.5, 0.5]]), ["ce"]).to_dict("records")

    assert (row["undefined"], row["never"], row["always"]) == (0.5, 0, 0)


def test_the_mean_of_seeds_that_differ_has_the_t_interval() -> None:
    means = [2.0, 3.0, 7.0]
    ratios = ratios_of([[mean] * 5 for mean in means], [[0.5] * 5] * 3)

    (row,) = summarise(ratios, ["ce"]).to_dict("records")

    low, high = stats.t.interval(0.95, 2, np.mean(means), stats.sem(means))
    assert row["mean"] == 4
    assert (row["mean_low"], row["mean_high"]) == (pytest.approx(low), pytest.approx(high))


def test_undefined_ratios_do_not_move_the_interval_of_problems_that_all_agree() -> None:
    ratios = ratios_of([[2.0, np.nan, 2.0], [2.0, 2.0, np.nan]], [[0.5, 0, 0.5], [0.5, 0.5, 1]])

    (row,) = summarise(ratios, ["ce"]).to_dict("records")

    assert (row["mean"], row["mean_low"], row["mean_high"]) == (2, 2, 2)


@pytest.mark.parametrize(("ratio", "p"), [(np.nan, 0.0), (1.5, 0.2)])
def test_one_problem_of_one_seed_has_no_interval(ratio: float, p: float) -> None:
    (row,) = summarise(ratios_of([[ratio]], [[p]]), ["ce"]).to_dict("records")

    assert row["mean"] == pytest.approx(ratio, nan_ok=True)
    assert np.isnan([row["mean_low"], row["mean_high"]]).all()


def test_where_nothing_is_defined_there_are_shares_and_no_numbers() -> None:
    (row,) = summarise(ratios_of([[np.nan] * 3], [[0.0, 0.0, 1.0]]), ["ce"]).to_dict("records")

    assert np.isnan([row[name] for name in ("mean", "mean_low", "median", "largest")]).all()
    assert row["undefined"] == 1
    assert row["never"] == pytest.approx(2 / 3)


def test_models_come_in_the_order_asked_for_and_a_missing_one_is_named() -> None:
    ratios = pd.concat([ratios_of([[2.0, 3.0]], [[0.5, 0.5]], name) for name in ("ce", "warmup")])

    assert summarise(ratios, ["warmup", "ce"])["branch"].tolist() == ["warmup", "ce"]
    with pytest.raises(InputError, match="passn_n4"):
        summarise(ratios, ["warmup", "passn_n4"])
