"""The choice of a temperature against brute force, and the table and figure of a made-up sweep."""

import itertools
import random
from dataclasses import replace
from io import StringIO

import numpy as np
import pandas as pd
import pytest
from paper.paper_parts import grids_of, item_of

from compute_aligned.config.study import Item
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import SWEPT_OUTCOMES, write_table
from compute_aligned.method.intervals import paired_interval
from compute_aligned.paper import temperature_items, temperatures
from compute_aligned.paper.temperatures import best, chosen, read_sweeps

VALUES = (0.8, 1.0, 1.6)
USUAL = 0.8
# of each model the chance of a right answer at each temperature: the baseline's best is the hottest
LEVELS = {"warmup": (0.4, 0.4, 0.4), "ce": (0.3, 0.4, 0.6), "passn_n64": (0.5, 0.7, 0.2)}
BEST = {"warmup": 0.8, "ce": 1.6, "passn_n64": 1.0}


def sweep_of(seeds: int = 3, problems: int = 20) -> pd.DataFrame:
    """Outcomes that differ by seed and problem, on validation and test problems."""
    rng = np.random.default_rng(0)
    rows = [
        {"split": split, "temperature": t, "branch": branch, "problem": f"{split}{p}"}
        | {"metric": "pass@k", "k": k, "value": level + 0.01 * k, "seed": seed}
        for branch, levels in LEVELS.items()
        for t, level in zip(VALUES, levels, strict=True)
        for split, k, seed in itertools.product(("validation", "test"), (1, 64), range(seeds))
        for p in range(problems)
    ]
    frame = pd.DataFrame(rows)
    noise = rng.normal(0, 0.02, len(frame))
    noise[frame["branch"] == "warmup"] = 0
    return frame.assign(value=frame["value"] + noise)


@pytest.fixture(scope="module")
def sweep() -> pd.DataFrame:
    return sweep_of()


@pytest.fixture
def item() -> Item:
    shown = item_of("table_temperatures_sft_passn", branches=("ce", "passn_n64"), budgets=(1, 64))
    block = shown.experiment.sweep.model_copy(update={"values": VALUES})
    settings = shown.experiment.settings.model_copy(update={"temperatures": block})
    return replace(shown, experiment=replace(shown.experiment, settings=settings))


# --- the choice ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ({0.6: 0.1, 0.8: 0.2, 1.6: 0.3}, 1.6),
        ({0.6: 0.3, 0.8: 0.3, 1.6: 0.3}, 0.8),
        ({0.6: 0.2, 0.8: 0.1, 1.0: 0.2, 1.6: 0.2}, 0.6),  # as near as 1.0, and the lower
        ({0.6: 0.1 + 0.2, 0.8: 0.3}, 0.8),  # equal but for rounding
    ],
)
def test_the_highest_mean_wins_and_of_equal_ones_the_nearest_to_the_usual(
    means: dict[float, float], expected: float
) -> None:
    order = random.sample(list(means), len(means))

    assert best({t: means[t] for t in order}, USUAL) == expected


@pytest.mark.parametrize("seed", range(5))
def test_the_choice_is_that_of_brute_force_on_validation_problems_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    frame = sweep_of(seeds=2, problems=3)
    frame = frame.assign(value=rng.integers(0, 3, len(frame)) / 2)

    for branch, k in itertools.product(LEVELS, (1, 64)):
        sums = dict.fromkeys(VALUES, 0.0)
        for row in frame.itertuples():
            if (row.split, row.branch, row.k) == ("validation", branch, k):
                sums[row.temperature] += row.value
        highest = [t for t in VALUES if sums[t] == max(sums.values())]
        assert chosen(frame, branch, "pass@k", k, USUAL) == min(highest)


# --- items --------------------------------------------------------------------------------------


def test_gains_are_paired_on_test_problems_at_the_usual_and_at_each_model_s_best(
    item: Item, sweep: pd.DataFrame
) -> None:
    found = temperatures.gains_of(item, sweep).set_index(["branch", "k"])

    assert found["best_temperature"].xs(64, level="k").to_dict() == BEST
    test = sweep[(sweep["split"] == "test") & (sweep["k"] == 64)]
    values = test.pivot(index=["seed", "problem"], columns=["branch", "temperature"])["value"]
    for column, own, theirs in (("gain", USUAL, USUAL), ("best_gain", 1.0, 1.6)):
        by_hand = 100 * (values["passn_n64", own] - values["ce", theirs])
        interval = paired_interval(by_hand.unstack().to_numpy())
        row = found.loc[("passn_n64", 64)]
        assert row[column] == pytest.approx(interval.estimate)
        assert row[[f"{column}_low", f"{column}_high"]].tolist() == pytest.approx(
            [interval.low, interval.high]
        )
    assert found.loc[("ce", 64), ["gain", "best_gain"]].tolist() == [0, 0]


def test_the_table_has_both_gains_and_the_temperatures(item: Item, sweep: pd.DataFrame) -> None:
    made = temperature_items.table(item, sweep)

    usual, at_best, chosen_ones = grids_of(made.md).values()
    assert [row[0] for row in usual[1:]] == ["Warm-up", "Pass@64"]
    assert usual[2][2].startswith("**+2")
    assert at_best[2][2].startswith("**+")
    assert chosen_ones[1:] == [
        ["Warm-up", "0.8", "0.8"],
        ["Cross-entropy", "1.6", "1.6"],
        ["Pass@64", "1", "1"],
    ]
    frame = pd.read_csv(StringIO(made.csv))
    assert {"temperature", "best_temperature", "best_gain_low"} < set(frame.columns)
    assert len(frame) == 3 * 2


def test_the_figure_has_a_line_of_test_levels_for_each_model(
    item: Item, sweep: pd.DataFrame
) -> None:
    axes = temperature_items.figure(item, sweep).axes[0]

    lines = {line.get_label(): line for line in axes.get_lines()}
    test = sweep[(sweep["split"] == "test") & (sweep["k"] == 64) & (sweep["branch"] == "ce")]
    means = 100 * test.groupby("temperature")["value"].mean()
    assert list(lines["Cross-entropy"].get_xdata()) == list(VALUES)
    assert list(lines["Cross-entropy"].get_ydata()) == pytest.approx(means.tolist())
    assert {"Warm-up", "Pass@64"} < set(lines)
    assert "pass@64" in axes.get_ylabel()


def test_sweeps_of_several_seeds_are_read_and_what_is_missing_is_named(
    sweep: pd.DataFrame, item: Item, tmp_path: object
) -> None:
    paths = [tmp_path / f"{seed}.parquet" for seed in range(3)]  # type: ignore[operator]
    for seed, path in enumerate(paths):
        mine = sweep[sweep["seed"] == seed].drop(columns="seed")
        write_table(path, mine.to_dict("records"), SWEPT_OUTCOMES)

    pd.testing.assert_frame_equal(
        temperatures.gains_of(item, read_sweeps(paths)), temperatures.gains_of(item, sweep)
    )
    with pytest.raises(InputError, match="branch passn_n64"):
        temperatures.gains_of(item, sweep[sweep["branch"] != "passn_n64"])
