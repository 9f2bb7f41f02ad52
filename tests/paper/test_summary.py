import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from compute_aligned.files.errors import InputError
from compute_aligned.files.records import OUTCOMES, write_table
from compute_aligned.paper.summary import read_outcomes, seeds_by_problems, summarise

# two seeds x three problems of pass@4, worked by hand:
# ce: seed means .2 and .4, level 30 %; passn: .5 and .7, level 60 %
CE = [[0.1, 0.2, 0.3], [0.3, 0.4, 0.5]]
PASSN = [[0.4, 0.5, 0.6], [0.6, 0.7, 0.8]]


def outcomes_of(
    branch: str,
    matrix: list[list[float]],
    metric: str = "pass@k",
    k: int = 4,
    problems: str = "abcdefgh",
) -> pd.DataFrame:
    """``matrix`` is (seeds, problems)."""
    return pd.DataFrame(
        [
            {"branch": branch, "problem": problems[p], "metric": metric, "k": k, "value": value}
            | {"seed": seed}
            for seed, row in enumerate(matrix)
            for p, value in enumerate(row)
        ]
    )


def both_branches() -> pd.DataFrame:
    return pd.concat([outcomes_of("ce", CE), outcomes_of("passn", PASSN)])


def one_row(frame: pd.DataFrame, branch: str, k: int = 4) -> pd.Series:
    found = frame[(frame["branch"] == branch) & (frame["k"] == k)]
    assert len(found) == 1
    return found.iloc[0]


def test_levels_and_gains_are_means_over_seeds_and_problems_in_percent() -> None:
    summary = summarise(both_branches(), ["ce", "passn"], "pass@k", [4], "ce")

    assert one_row(summary, "ce")["value"] == pytest.approx(30)
    assert one_row(summary, "passn")["value"] == pytest.approx(60)
    assert one_row(summary, "passn")["gain"] == pytest.approx(30)
    assert summary["seeds"].tolist() == [2, 2]
    assert summary["problems"].tolist() == [3, 3]


def test_a_gain_that_is_the_same_everywhere_has_no_width_however_wide_the_levels_are() -> None:
    # every pair differs by .3 exactly: only an unpaired interval could be wide
    row = one_row(summarise(both_branches(), ["passn"], "pass@k", [4], "ce"), "passn")

    assert (row["gain_low"], row["gain_high"]) == pytest.approx((30, 30))
    assert row["value_high"] - row["value_low"] > 100


def test_with_equal_problems_the_interval_is_the_t_interval_of_the_seed_means() -> None:
    gains = np.array([0.02, 0.05, 0.11])
    outcomes = pd.concat(
        [
            outcomes_of("ce", [[0.5] * 4] * 3),
            outcomes_of("passn", [[0.5 + gain] * 4 for gain in gains]),
        ]
    )
    row = one_row(summarise(outcomes, ["passn"], "pass@k", [4], "ce"), "passn")

    half_width = stats.t.ppf(0.975, df=2) * gains.std(ddof=1) / math.sqrt(3)
    assert row["gain_low"] == pytest.approx(100 * (gains.mean() - half_width))
    assert row["gain_high"] == pytest.approx(100 * (gains.mean() + half_width))


def test_the_baseline_gains_nothing_and_has_no_interval_of_it() -> None:
    row = one_row(summarise(both_branches(), ["ce"], "pass@k", [4], "ce"), "ce")

    assert row["gain"] == 0
    assert np.isnan([row["gain_low"], row["gain_high"]]).all()
    assert row["value_low"] < 30 < row["value_high"]


def test_rewards_stay_in_their_own_unit() -> None:
    outcomes = pd.concat(
        [
            outcomes_of("standard", [[8.0, 9.0]], metric="expected_max@k"),
            outcomes_of("bon", [[9.0, 11.0]], metric="expected_max@k"),
        ]
    )
    row = one_row(summarise(outcomes, ["bon"], "expected_max@k", [4], "standard"), "bon")

    assert (row["value"], row["gain"]) == pytest.approx((10, 1.5))


def test_rows_come_in_the_order_of_the_branches_and_then_of_k() -> None:
    outcomes = pd.concat(
        [outcomes_of(b, CE, k=k) for k in (16, 4) for b in ("ce", "warmup", "passn")]
    )
    summary = summarise(outcomes, ["warmup", "passn", "ce"], "pass@k", [4, 16], "ce")

    assert list(zip(summary["branch"], summary["k"], strict=True)) == [
        ("warmup", 4),
        ("warmup", 16),
        ("passn", 4),
        ("passn", 16),
        ("ce", 4),
        ("ce", 16),
    ]


def test_only_the_metric_asked_for_counts() -> None:
    others = outcomes_of("passn", [[0.0] * 3] * 2, metric="maj@k")
    outcomes = pd.concat([both_branches(), others])

    summary = summarise(outcomes, ["passn"], "pass@k", [4], "ce")

    assert one_row(summary, "passn")["value"] == pytest.approx(60)


def test_budgets_that_were_not_sampled_are_left_out() -> None:
    summary = summarise(both_branches(), ["ce", "passn"], "pass@k", [4, 64], "ce")

    assert summary["k"].tolist() == [4, 4]


def test_no_sampled_budget_at_all_is_an_error_that_names_them() -> None:
    with pytest.raises(InputError, match="none of the budgets 32, 64 was scored"):
        summarise(both_branches(), ["ce", "passn"], "pass@k", [32, 64], "ce")


def test_a_branch_without_outcomes_is_named() -> None:
    with pytest.raises(InputError, match="branch warmup: it has no outcomes"):
        summarise(both_branches(), ["warmup", "ce"], "pass@k", [4], "ce")


@pytest.mark.parametrize(
    "passn",
    [
        pytest.param(outcomes_of("passn", PASSN[:1]), id="a seed is missing"),
        pytest.param(outcomes_of("passn", [row[:2] for row in PASSN]), id="a problem is missing"),
        pytest.param(outcomes_of("passn", PASSN, problems="abz"), id="as many, but others"),
    ],
)
def test_gains_are_never_paired_across_different_problems_or_seeds(passn: pd.DataFrame) -> None:
    outcomes = pd.concat([outcomes_of("ce", CE), passn])

    with pytest.raises(InputError, match="branch passn: its seeds and problems are not those of"):
        summarise(outcomes, ["passn"], "pass@k", [4], "ce")


def test_seeds_with_different_problems_are_an_error() -> None:
    ragged = pd.concat(
        [
            outcomes_of("ce", [[0.1, 0.2]], problems="ab"),
            outcomes_of("ce", [[0.3, 0.4]], problems="ac").assign(seed=1),
        ]
    )
    with pytest.raises(InputError, match="branch ce: its seeds have different problems"):
        seeds_by_problems(ragged, "ce")


def test_pairing_does_not_depend_on_the_order_of_the_rows() -> None:
    shuffled = both_branches().sample(frac=1, random_state=3)
    wanted = summarise(both_branches(), ["ce", "passn"], "pass@k", [4], "ce")

    pd.testing.assert_frame_equal(summarise(shuffled, ["ce", "passn"], "pass@k", [4], "ce"), wanted)


def test_files_are_numbered_as_seeds_in_the_order_given(tmp_path: Path) -> None:
    paths = [tmp_path / "seed7.parquet", tmp_path / "seed3.parquet"]
    for path, value in zip(paths, (0.25, 0.75), strict=True):
        row = {"branch": "ce", "problem": "a", "metric": "pass@k", "k": 1, "value": value}
        write_table(path, [row], OUTCOMES)

    outcomes = read_outcomes(paths)

    assert outcomes[["seed", "value"]].to_numpy().tolist() == [[0, 0.25], [1, 0.75]]
