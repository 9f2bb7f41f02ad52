import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from compute_aligned.files.errors import InputError
from compute_aligned.files.records import OUTCOMES, write_table
from compute_aligned.paper.summary import read_outcomes, summarise, summarise_pool

# two seeds x three problems, worked by hand: seed means .2 and .4, level 30 %
CE = [[0.1, 0.2, 0.3], [0.3, 0.4, 0.5]]
PASSN = [[0.4, 0.5, 0.6], [0.6, 0.7, 0.8]]
Matrix = Sequence[Sequence[float]]


def outcomes_of(
    metric: str = "pass@k", k: int = 4, problems: str = "abc", **branches: Matrix
) -> pd.DataFrame:
    """The outcomes of a matrix (seeds, problems) a branch."""
    return pd.DataFrame(
        [
            {"branch": branch, "problem": problems[p], "metric": metric, "k": k}
            | {"value": value, "seed": seed}
            for branch, matrix in branches.items()
            for seed, row in enumerate(matrix)
            for p, value in enumerate(row)
        ]
    )


BOTH = outcomes_of(ce=CE, passn=PASSN)


def row_of(
    outcomes: pd.DataFrame, branch: str = "passn", metric: str = "pass@k", baseline: str = "ce"
) -> pd.Series:
    """The only row: k = 64 was not sampled."""
    (row,) = summarise(outcomes, [branch], metric, [4, 64], baseline).iloc
    return row


def test_levels_and_paired_gains_are_means_over_seeds_and_problems_in_percent() -> None:
    others = outcomes_of("maj@k", passn=[[0.0] * 3] * 2)
    row = row_of(pd.concat([others, BOTH]).sample(frac=1, random_state=3))

    assert [row["value"], row["gain"]] == pytest.approx([60, 30])
    assert (row["k"], row["metric"], row["seeds"], row["problems"]) == (4, "pass@k", 2, 3)
    # every pair differs by .3 exactly: only an unpaired interval could be wide
    assert [row["gain_low"], row["gain_high"]] == pytest.approx([30, 30])
    assert row["value_high"] - row["value_low"] > 100


def test_the_baseline_gains_nothing_and_has_no_interval_of_it() -> None:
    row = row_of(BOTH, "ce")

    assert row["gain"] == 0
    assert np.isnan([row["gain_low"], row["gain_high"]]).all()
    assert row["value"] == pytest.approx(30)
    assert row["value_low"] < 30 < row["value_high"]


def test_with_equal_problems_the_interval_is_the_t_interval_of_the_seed_means() -> None:
    gains = np.array([0.02, 0.05, 0.11])
    row = row_of(outcomes_of(ce=[[0.5] * 3] * 3, passn=[[0.5 + gain] * 3 for gain in gains]))

    bounds = stats.t.interval(0.95, 2, 100 * gains.mean(), 100 * stats.sem(gains))
    assert [row["gain_low"], row["gain_high"]] == pytest.approx(bounds)


def test_rewards_stay_in_their_own_unit() -> None:
    outcomes = outcomes_of("expected_max@k", standard=[[8.0, 9.0]], bon=[[9.0, 11.0]])
    row = row_of(outcomes, "bon", "expected_max@k", "standard")

    assert [row["value"], row["gain"]] == pytest.approx([10, 1.5])


def test_rows_come_in_the_order_of_the_branches_and_then_of_k() -> None:
    branches = ["warmup", "passn", "ce"]
    outcomes = pd.concat([outcomes_of(k=k, ce=CE, warmup=CE, passn=CE) for k in (16, 4)])
    summary = summarise(outcomes, branches, "pass@k", [4, 16], "ce")

    found = zip(summary["branch"], summary["k"], strict=True)
    assert list(found) == list(itertools.product(branches, (4, 16)))


UNPAIRED = "branch passn: its seeds and problems are not those of"


@pytest.mark.parametrize(
    ("outcomes", "budget", "problem"),
    [
        (BOTH, 32, "none of the budgets 32 was scored"),
        (outcomes_of(ce=CE), 4, "branch passn: it has no outcomes"),
        (BOTH.query("branch == 'ce' or seed == 0"), 4, UNPAIRED),
        (BOTH.query("branch == 'ce' or problem != 'c'"), 4, UNPAIRED),
        # as many problems, but others
        (pd.concat([outcomes_of(ce=CE), outcomes_of(problems="abz", passn=PASSN)]), 4, UNPAIRED),
        (BOTH.drop(0), 4, "branch ce: its seeds have different problems"),
    ],
)
def test_what_cannot_be_compared_is_named(
    outcomes: pd.DataFrame, budget: int, problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        summarise(outcomes, ["passn"], "pass@k", [budget], "ce")


def test_files_are_numbered_as_seeds_in_the_order_given(tmp_path: Path) -> None:
    paths = [tmp_path / "seed7.parquet", tmp_path / "seed3.parquet"]
    for path, value in zip(paths, (0.25, 0.75), strict=True):
        row = {"branch": "ce", "problem": "a", "metric": "pass@k", "k": 1, "value": value}
        write_table(path, [row], OUTCOMES)

    assert read_outcomes(paths)[["seed", "value"]].to_numpy().tolist() == [[0, 0.25], [1, 0.75]]


# --- pools ------------------------------------------------------------------------------------

SIZE = 40
RNG = np.random.default_rng(0)
POOLS = {"standard": RNG.normal(3, 1, (3, SIZE)), "bon_n2": RNG.normal(8, 2, (3, SIZE))}
SCORES = pd.DataFrame(
    {"seed": seed, "branch": branch, "sample": sample, "reward": reward}
    for branch, of_seeds in POOLS.items()
    for seed, pool in enumerate(of_seeds)
    for sample, reward in enumerate(pool)
)


def pool_rows(scores: pd.DataFrame, *budgets: int) -> pd.DataFrame:
    rows = summarise_pool(scores, ["bon_n2", "standard"], budgets, "standard")
    return rows.set_index(["branch", "k"])


def test_levels_and_gains_of_pools_are_means_of_the_seeds_with_t_intervals() -> None:
    def maxima_of_pairs(branch: str) -> np.ndarray:
        return np.array([np.maximum.outer(pool, pool).mean() for pool in POOLS[branch]])

    rows = pool_rows(SCORES, 2, 1, SIZE, 2 * SIZE)

    row, levels = rows.loc[("bon_n2", 2)], maxima_of_pairs("bon_n2")
    for name, values in (("value", levels), ("gain", levels - maxima_of_pairs("standard"))):
        bounds = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
        found = [row[name], row[f"{name}_low"], row[f"{name}_high"]]
        assert found == pytest.approx([values.mean(), *bounds])
    assert (row["metric"], row["seeds"], row["problems"]) == ("expected_max@k", 3, 1)
    assert rows.index.tolist() == [*itertools.product(["bon_n2", "standard"], [1, 2, SIZE])]
    assert (rows.loc["standard", "gain"] == 0).all()
    assert rows.loc["standard", ["gain_low", "gain_high"]].isna().all(axis=None)


def test_one_seed_has_intervals_from_its_samples() -> None:
    row = pool_rows(SCORES.query("seed == 0"), 1).loc[("bon_n2", 1)]

    pool = POOLS["bon_n2"][0]
    assert row["value"] == pytest.approx(pool.mean())
    half_width = 1.96 * pool.std(ddof=1) / np.sqrt(SIZE)
    assert row["value_high"] - row["value"] == pytest.approx(half_width, rel=0.1)


@pytest.mark.parametrize(
    ("dropped", "problem"),
    [
        ("", "branch bon_n2: it has no samples"),
        ("and seed == 1 and sample > 3", "branch bon_n2: its seeds have pools of different sizes"),
        ("and sample > 3", "differ in seeds or samples"),
        ("and seed == 2", "differ in seeds or samples"),
    ],
)
def test_missing_samples_are_an_error_that_says_so(dropped: str, problem: str) -> None:
    gone = SCORES.query(f"branch == 'bon_n2' {dropped}").index
    with pytest.raises(InputError, match=problem):
        pool_rows(SCORES.drop(gone), 1)
