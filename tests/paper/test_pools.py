import numpy as np
import pandas as pd
import pytest
from scipy import stats

from compute_aligned.files.errors import InputError
from compute_aligned.paper import summary as pools

SIZE = 40
RNG = np.random.default_rng(0)
REWARDS = {  # seeds x samples
    "warmup": RNG.normal(3, 1, (3, SIZE)),
    "standard": RNG.normal(3, 1, (3, SIZE)),
    "bon_n2": RNG.normal(8, 2, (3, SIZE)),
}


def scores_of(seeds: int = 3) -> pd.DataFrame:
    return pd.DataFrame(
        {"seed": seed, "branch": branch, "problem": "p", "sample": sample, "reward": reward}
        for branch, of_seeds in REWARDS.items()
        for seed, pool in enumerate(of_seeds[:seeds])
        for sample, reward in enumerate(pool)
    )


def at(summary: pd.DataFrame, branch: str, k: int) -> pd.Series:
    return summary[(summary["branch"] == branch) & (summary["k"] == k)].iloc[0]


def maximum_of_pairs(pool: np.ndarray) -> float:
    return float(np.maximum(pool[:, None], pool[None, :]).mean())


def test_levels_and_gains_are_means_of_the_seeds_with_t_intervals() -> None:
    summary = pools.summarise_pool(
        scores_of(), ["warmup", "standard", "bon_n2"], [1, 2], "standard"
    )

    row = at(summary, "bon_n2", 2)
    levels = np.array([maximum_of_pairs(pool) for pool in REWARDS["bon_n2"]])
    gains = levels - [maximum_of_pairs(pool) for pool in REWARDS["standard"]]
    for name, values in (("value", levels), ("gain", gains)):
        low, high = stats.t.interval(0.95, 2, values.mean(), stats.sem(values))
        assert row[name] == pytest.approx(values.mean())
        assert [row[f"{name}_low"], row[f"{name}_high"]] == pytest.approx([low, high])
    assert (row["metric"], row["seeds"], row["problems"]) == ("expected_max@k", 3, 1)


def test_rows_come_in_the_order_asked_for_and_the_baseline_has_no_gain() -> None:
    summary = pools.summarise_pool(scores_of(), ["bon_n2", "standard"], [2, 1], "standard")

    assert list(zip(summary["branch"], summary["k"], strict=True)) == [
        ("bon_n2", 1),
        ("bon_n2", 2),
        ("standard", 1),
        ("standard", 2),
    ]
    baseline = summary[summary["branch"] == "standard"]
    assert (baseline["gain"] == 0).all()
    assert baseline[["gain_low", "gain_high"]].isna().all(axis=None)


def test_one_seed_has_intervals_from_its_samples() -> None:
    row = at(pools.summarise_pool(scores_of(seeds=1), ["bon_n2"], [1], "standard"), "bon_n2", 1)

    pool = REWARDS["bon_n2"][0]
    half_width = 1.96 * pool.std(ddof=1) / np.sqrt(SIZE)
    assert row["value"] == pytest.approx(pool.mean())
    assert row["value_high"] - row["value"] == pytest.approx(half_width, rel=0.1)


def test_budgets_above_the_pool_are_left_out() -> None:
    summary = pools.summarise_pool(scores_of(), ["bon_n2"], [1, SIZE, 2 * SIZE], "standard")

    assert list(summary["k"]) == [1, SIZE]


@pytest.mark.parametrize(
    ("dropped", "words"),
    [
        ("branch == 'bon_n2'", "branch bon_n2: it has no samples"),
        ("branch == 'bon_n2' and seed == 1 and sample > 3", "pools of different sizes"),
        ("branch == 'bon_n2' and sample > 3", "differ in seeds or samples"),
        ("branch == 'bon_n2' and seed == 2", "differ in seeds or samples"),
    ],
)
def test_missing_samples_are_an_error_that_says_so(dropped: str, words: str) -> None:
    scores = scores_of()
    with pytest.raises(InputError, match=words):
        pools.summarise_pool(
            scores.drop(scores.query(dropped).index), ["standard", "bon_n2"], [1], "standard"
        )
