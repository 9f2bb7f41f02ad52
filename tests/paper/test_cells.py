from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from paper.map_parts import CHAIN, LONG, POOL, PROBLEMS, SHORT, Left, study_in

from compute_aligned.config.study import Study
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import CELLS, write_table
from compute_aligned.method.intervals import paired_interval
from compute_aligned.paper.cells import COLUMNS, headline, read_cells

Make = Callable[..., Left]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return study_in(tmp_path)


@pytest.fixture
def make(study: Study, tmp_path: Path) -> Make:
    return lambda run, **options: Left(study, run, tmp_path, **options)


def of(rows: list[dict], **wanted: Any) -> dict:
    """The one row that has these values."""
    (found,) = [row for row in rows if wanted.items() <= row.items()]
    return found


def brute_share(left: Left, branches: list[str]) -> float:
    """The share of active weights: at each of many levels, is the weight between the bounds?"""
    levels = np.linspace(0.05, 0.95, 20001)
    by_seed = []
    for seed in range(len(left.outcomes)):
        steps = [q for branch in branches for q in left.quantiles[branch, seed]]
        shares = []
        for quantiles in steps:
            weights = np.interp(levels, [0.05, 0.25, 0.5, 0.75, 0.95], quantiles)
            inside = (weights > 0.1 * quantiles[-1]) & (weights < 0.9 * quantiles[-1])
            shares.append(inside.mean())
        by_seed.append(np.mean(shares))
    return float(np.mean(by_seed))


def test_a_cell_has_the_effect_of_every_contrast_and_how_active_its_weights_were(
    make: Make,
) -> None:
    left = make(SHORT)
    rows = left.measured()
    found = of(rows, claim="C1b", branch="passn_n16")

    gains = 100 * np.array([left.values["passn_n16", s] - left.values["ce", s] for s in range(2)])
    interval = paired_interval(gains)
    assert found["gain"] == pytest.approx(gains.mean())
    assert (found["low"], found["high"]) == pytest.approx((interval.low, interval.high))
    assert (found["against"], found["metric"], found["k"]) == ("ce", "pass@k", 1)
    assert (found["seeds"], found["problems"]) == (2, len(PROBLEMS))
    assert found["share_active"] == pytest.approx(brute_share(left, ["passn_n16"]), abs=1e-4)
    assert found["train_p"] == pytest.approx(np.mean([0.03, 0.04]))  # the last of 4 steps
    assert of(rows, claim="C12a", branch="passn_n4", against="passn_n16")["k"] == 4
    assert {row["claim"] for row in rows} == {"C1b", "C12a"}


def test_a_branch_that_starts_from_another_was_active_where_that_one_was_too(make: Make) -> None:
    left = make(CHAIN)
    found = of(left.measured(), claim="C10", branch="passn_n16_warmup", k=1)

    line = ["passn_n16", "passn_n16_warmup"]
    assert found["share_active"] == pytest.approx(brute_share(left, line), abs=1e-4)
    assert found["train_p"] == pytest.approx(0.095)  # RL's right rollouts


def test_a_pool_is_compared_by_its_samples_with_another_and_with_a_level(make: Make) -> None:
    left = make(POOL)
    rows = left.measured()
    means = {m: 10 * np.mean([left.values[m, s] for s in range(2)]) for m in ("standard", "bon_n2")}

    gain = of(rows, claim="C5a", branch="bon_n2")
    assert gain["gain"] == pytest.approx(means["bon_n2"] - means["standard"])
    above = of(rows, claim="C5b", branch="bon_n2")
    assert (above["against"], above["gain"]) == ("4", pytest.approx(means["bon_n2"] - 4))
    assert above["low"] < above["gain"] < above["high"]
    assert gain["train_p"] is None


def test_one_seed_has_no_interval(make: Make) -> None:
    for run in (SHORT, POOL):
        rows = make(run, seeds=1).measured()
        assert {(row["low"], row["high"], row["seeds"]) for row in rows} == {(None, None, 1)}
        assert all(np.isfinite(row["gain"]) for row in rows)


def test_what_a_cell_is_made_from_is_named_where_it_is_missing(make: Make) -> None:
    left = make(SHORT)
    left.steps = []
    with pytest.raises(InputError, match="made from steps, and none are given"):
        left.measured()


# --- many cells -------------------------------------------------------------------------------


def test_cells_stand_side_by_side_and_one_that_was_not_run_has_no_numbers(
    study: Study, make: Make, tmp_path: Path
) -> None:
    rows = make(SHORT).measured()
    write_table(tmp_path / "short", rows, CELLS)
    found = read_cells(study, [SHORT, LONG], {SHORT: tmp_path / "short"})

    assert found.columns.tolist() == [*COLUMNS]
    assert found.groupby("run", sort=False).size().to_dict() == dict.fromkeys(
        [SHORT, LONG], len(rows)
    )
    ran, missing = (found[found["run"] == run] for run in (SHORT, LONG))
    assert ran["gain"].tolist() == [row["gain"] for row in rows]
    assert missing[["gain", "low", "high", "share_active", "train_p", "seeds"]].isna().all().all()
    assert missing["cell"].unique().tolist() == ["sft.decay=8 epochs"]
    assert missing["claim"].tolist() == ran["claim"].tolist()
    first = ran.iloc[0]
    assert (first["family"], first["label"]) == ("sft_passn", "Pass@4")
    assert first["strategy"] == "PassAtN(n=4)"
    assert headline(found, study)["run"].unique().tolist() == [SHORT]


def test_the_headline_is_the_largest_budget_that_a_claim_compares_with_the_baseline(
    study: Study,
) -> None:
    row = {"run": SHORT, "branch": "passn_n4", "against": "ce", "metric": "pass@k", "low": 0.0}
    rows = [
        *(("C1b", 1, 1.0), ("C12a", 4, 2.0), ("C1c", 4, 3.0), ("-", 8, 4.0)),
    ]
    cells = pd.DataFrame([row | {"claim": c, "k": k, "gain": g} for c, k, g in rows])
    other = row | {"claim": "C1c", "k": 8, "gain": 5.0, "against": "passn_n16"}
    found = headline(pd.concat([cells, pd.DataFrame([other])], ignore_index=True), study)

    assert found[["claim", "gain"]].to_numpy().tolist() == [["C12a", 2.0]]
