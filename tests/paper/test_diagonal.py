from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.graded import Answers, votes, write_answers, write_proteins

from compute_aligned.config.study import read_study
from compute_aligned.files.errors import InputError
from compute_aligned.method.diagonal import diagonal_ratio
from compute_aligned.paper.diagonal import BUDGET, of_scores, summarise

STUDY = read_study("smoke")
VOTES, REWARDS = STUDY.experiment("sft_majority"), STUDY.experiment("protein_conditional")
NAN = np.nan

MIXED: Answers = [("07", True), *votes("7", "7", "1", "2", "1")]
UNPARSED: Answers = [*votes("7", None, "1"), (None, True)]


def summary_of(matrix: list[list[float]], p: list[list[float]]) -> dict[str, float]:
    """What the ratios of a model amount to, given with p: a row a seed, a column a problem."""
    ratios = [
        {"seed": seed, "branch": "ce", "problem": f"{i}", "p": p[seed][i], "ratio": ratio}
        for seed, row in enumerate(matrix)
        for i, ratio in enumerate(row)
    ]
    (row,) = summarise(pd.DataFrame(ratios), ["ce"]).to_dict("records")
    return row


def test_votes_give_the_ratio_of_the_frequencies_with_the_right_answer_as_the_target(
    tmp_path: Path,
) -> None:
    problems = {"a": MIXED, "b": UNPARSED, "c": votes("1", None), "d": votes("7", "7")}
    answers = {("ce", problem): given for problem, given in problems.items()}

    found = of_scores(VOTES, [write_answers(tmp_path / "scores", answers)], ["ce"], n=5)

    assert found["problem"].tolist() == list(problems)
    expected = [diagonal_ratio([3 / 6, 2 / 6, 1 / 6], 0, 5)]
    expected.append(diagonal_ratio([1 / 4, 1 / 4], 0, 5, no_answer=2 / 4))
    # what is never or always right is kept without a ratio
    assert found["ratio"].tolist() == pytest.approx([*expected, NAN, NAN], nan_ok=True)
    # a flag of a sample without an answer counts for 0
    assert found["p"].tolist() == [0.5, 0.25, 0, 1]


def test_every_seed_is_read_and_only_the_models_wanted(tmp_path: Path) -> None:
    answers = {(branch, "a"): MIXED for branch in ("warmup", "ce", "passn_n4")}
    paths = [write_answers(tmp_path / f"{seed}", answers) for seed in range(2)]

    found = of_scores(VOTES, paths, ["warmup", "passn_n4"])

    assert found["seed"].tolist() == [0, 0, 1, 1]
    assert found["branch"].tolist() == ["warmup", "passn_n4"] * 2


def test_rewards_give_the_ratio_of_the_best_of_each_pool(tmp_path: Path) -> None:
    pools = {"a": [1.0, 2.0, 5.0, 3.0], "b": [5.0, 5.0, 1.0, 1.0], "c": [2.0] * 4}
    samples = {
        (branch, problem): {"rewards": pool}
        for branch in ("standard", "bon_n2")
        for problem, pool in pools.items()
    }

    found = of_scores(REWARDS, [write_proteins(tmp_path / "scores", samples)], ["standard"])

    assert found["branch"].unique().tolist() == ["standard"]
    assert found["p"].tolist() == [0.25, 0.5, 1]
    # against lower rewards only, S(p) = 1 - (1-p)^n and rho = (1-p)^(1-n)
    expected = [(4 / 3) ** (BUDGET - 1), 2 ** (BUDGET - 1), NAN]
    assert found["ratio"].tolist() == pytest.approx(expected, nan_ok=True)


def test_what_is_undefined_is_counted_by_its_cause_and_left_out_of_the_rest() -> None:
    # the last ratio vanishes inside, without a cause
    row = summary_of([[1, 3, NAN, NAN, NAN, 8, NAN, 8]], [[0.1, 0.5, 0, 1, 1, 0.9, 0.5, 0.8]])

    assert (row["mean"], row["median"], row["largest"]) == (5, 5.5, 8)
    assert (row["undefined"], row["never"], row["always"]) == (1 / 2, 1 / 8, 1 / 4)
    assert (row["n"], row["pairs"], row["seeds"], row["problems"]) == (BUDGET, 8, 1, 8)


def test_the_mean_of_seeds_that_differ_has_the_t_interval() -> None:
    means = [2.0, 3.0, 7.0]

    row = summary_of([[mean] * 5 for mean in means], [[0.5] * 5] * 3)

    interval = stats.t.interval(0.95, 2, np.mean(means), stats.sem(means))
    assert row["mean"] == 4
    assert (row["mean_low"], row["mean_high"]) == pytest.approx(interval)


def test_undefined_ratios_do_not_move_the_interval_of_problems_that_all_agree() -> None:
    row = summary_of([[2.0, NAN, 2.0], [2.0, 2.0, NAN]], [[0.5, 0, 0.5], [0.5, 0.5, 1]])

    assert (row["mean"], row["mean_low"], row["mean_high"]) == (2, 2, 2)


@pytest.mark.parametrize(
    ("ratios", "p", "never"),
    [([NAN], [0.0], 1), ([1.5], [0.2], 0), ([NAN] * 3, [0.0, 0.0, 1.0], 2 / 3)],
)
def test_one_problem_of_one_seed_or_none_that_is_defined_has_no_interval(
    ratios: list[float], p: list[float], never: float
) -> None:
    row = summary_of([ratios], [p])

    for name in ("mean", "median", "largest"):
        assert row[name] == pytest.approx(ratios[0], nan_ok=True)
    assert np.isnan([row["mean_low"], row["mean_high"]]).all()
    assert row["undefined"] == np.isnan(ratios[0])
    assert row["never"] == pytest.approx(never)


def test_models_come_in_the_order_asked_for_and_a_missing_one_is_named() -> None:
    rows = {"seed": 0, "problem": ["a", "b"], "p": 0.5, "ratio": 2.0}
    ratios = pd.concat([pd.DataFrame(rows | {"branch": name}) for name in ("ce", "warmup")])

    assert summarise(ratios, ["warmup", "ce"])["branch"].tolist() == ["warmup", "ce"]
    with pytest.raises(InputError, match="passn_n4"):
        summarise(ratios, ["warmup", "passn_n4"])
