import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support import jobs

from compute_aligned.describe import predict, predict_tables
from compute_aligned.describe.predict import Outlook, outlooks
from compute_aligned.describe.success import Success
from compute_aligned.files.errors import InputError
from compute_aligned.method.strategies import BestOfN, MajorityVote, PassAtN, SingleSample

RNG = np.random.default_rng(0)
P = RNG.beta(0.5, 1.5, 400)


def share_by_hand(weights: np.ndarray) -> float:
    """Of so many points on the lines between the quantiles, those that are active."""
    levels = [0.05, 0.25, 0.5, 0.75, 0.95]
    quantiles = np.quantile(weights, levels)
    line = np.interp(np.linspace(0.05, 0.95, 1_000_001), levels, quantiles)
    return float(np.mean((line > 0.1 * quantiles[-1]) & (line < 0.9 * quantiles[-1])))


def test_shares_and_means_are_those_of_the_weights_worked_out() -> None:
    found = outlooks(Success.known(np.log(P), ""), [PassAtN(n=8), MajorityVote(n=8, k=3)])

    tail = stats.binom.sf(2, 8, P)
    expected = {
        ("Pass@8", "sft"): (8 * P * (1 - P) ** 7 / (1 - (1 - P) ** 8), 1),
        ("Pass@8", "log"): (8 * P * (1 - P) ** 7 / (1 - (1 - P) ** 8), 1),
        ("Pass@8", "raw"): (8 * (1 - P) ** 7, 8),
        ("Majority 3 of 8", "sft"): (3 * stats.binom.pmf(3, 8, P) / tail, 3),
        ("Majority 3 of 8", "log"): (3 * stats.binom.pmf(3, 8, P) / tail, 3),
        ("Majority 3 of 8", "raw"): (stats.beta.pdf(P, 3, 6), stats.beta.pdf(2 / 7, 3, 6)),
    }
    assert [(each.strategy.label, each.kind) for each in found] == list(expected)
    for each, (weights, largest) in zip(found, expected.values(), strict=True):
        assert each.share_active == pytest.approx(share_by_hand(weights), abs=1e-4)
        assert each.mean_weight == pytest.approx(weights.mean())
        assert each.largest_weight == pytest.approx(largest, rel=1e-4)


def test_counts_stand_for_their_posteriors_however_often_they_come() -> None:
    counts = [(0, 4), (3, 4), (0, 4), (4, 4)]
    (found,) = outlooks(Success.counted(counts), [BestOfN(n=4)])

    drawn = np.concatenate([RNG.beta(c + 0.5, m - c + 0.5, 100_000) for c, m in counts])
    weights = 4 * drawn * (1 - drawn) ** 3 / (1 - (1 - drawn) ** 4)
    assert found.mean_weight == pytest.approx(weights.mean(), abs=2e-3)
    assert found.share_active == pytest.approx(share_by_hand(weights), abs=5e-3)


@pytest.mark.parametrize(
    ("log_p", "share", "mean"),
    [
        ([-40.0] * 9, 0.0, 26),
        # quantiles of 0, 0, 26, 26, 26: active on 80% of the way between the second and the third
        ([-40.0] * 14 + [-1e-3] * 7, 0.8 * 0.25 / 0.9, 26 * 14 / 21),
    ],
)
def test_a_weight_that_is_the_same_on_all_problems_is_not_active_and_one_that_turns_off_some_is(
    log_p: list[float], share: float, mean: float
) -> None:
    (sft, *_) = outlooks(Success.known(log_p, ""), [MajorityVote(n=64, k=26)])

    assert sft.share_active == pytest.approx(share, abs=1e-3)
    assert sft.mean_weight == pytest.approx(mean, rel=1e-3)


def test_by_default_strategies_are_those_of_the_sheet_that_can_act() -> None:
    found = predict.strategies_of_branches()

    assert {PassAtN(n=16), MajorityVote(n=64, k=26), BestOfN(n=2)} <= set(found)
    assert SingleSample() not in found
    assert len(found) == len(set(found))


# --- the map -----------------------------------------------------------------------------------


def effect(**cells: object) -> dict[str, object]:
    """A row of the map."""
    usual = {"claim": "C1a", "family": "sft_passn", "cell": "sft.decay=480 steps", "run": "a"}
    usual |= {"branch": "passn_n16", "label": "Pass@16", "against": "ce", "metric": "pass@k"}
    usual |= {"strategy": "PassAtN(n=16)", "k": 64, "share_active": 0.4, "gain": 5.0}
    return usual | {"low": 3.0, "high": 7.0, "seeds": 5} | cells


RL = {"family": "rl_passn", "against": "standard", "branch": "passn_n16_log", "run": "rl"}
VOTE = {"family": "sft_majority", "branch": "majority_n8_k3", "metric": "maj@k", "run": "vote"}
VOTE |= {"strategy": "MajorityVote(n=8, k=3)", "label": "Majority, 3 of 8"}
EFFECTS = [
    effect(k=1, gain=-1.0),  # not at the largest k
    effect(),
    effect(claim="C1c"),  # the same gain, for another claim
    effect(run="b", share_active=0.1, gain=1.0, low=np.nan, high=np.nan),
    effect(run="c", branch="passn_n64", strategy="PassAtN(n=64)", share_active=0.1, gain=0.5),
    effect(against="passn_n4", run="d"),  # over another branch
    effect(claim="-", run="e"),
    effect(run="f", gain=np.nan),  # not run
    effect(branch="of_another_sheet", run="g"),
    effect(**RL, share_active=0.7, gain=9.0),
    effect(**VOTE, share_active=0.0, gain=-2.0),
]


@pytest.fixture
def regime_map(tmp_path: Path) -> Path:
    path = tmp_path / predict.MAPS[0]
    path.parent.mkdir(parents=True)
    pd.DataFrame(EFFECTS).to_csv(path, index=False)
    return path


def test_a_training_is_a_branch_in_a_cell_with_its_gain_over_the_baseline(
    regime_map: Path,
) -> None:
    found = predict.read_map(regime_map)

    rows = found[["run", "branch", "k", "gain", "kind"]].to_numpy().tolist()
    assert rows == [
        ["a", "passn_n16", 64, 5.0, "sft"],
        ["b", "passn_n16", 64, 1.0, "sft"],
        ["c", "passn_n64", 64, 0.5, "sft"],
        ["rl", "passn_n16_log", 64, 9.0, "log"],
        ["vote", "majority_n8_k3", 64, -2.0, "sft"],
    ]


@pytest.mark.parametrize(
    ("strategy", "kind", "share", "run"),
    [
        (PassAtN(n=4), "sft", 0.3, "a"),
        (PassAtN(n=16), "sft", 0.2, "b"),
        (PassAtN(n=64), "sft", 0.2, "c"),  # as near as b, and its own strategy
        (PassAtN(n=4), "log", 0.0, "rl"),
        (PassAtN(n=4), "raw", 0.7, None),
        (MajorityVote(n=64, k=26), "sft", 0.7, "vote"),
        (BestOfN(n=2), "sft", 0.4, None),
    ],
)
def test_the_nearest_training_has_the_same_kind_of_strategy_and_weight(
    regime_map: Path, strategy, kind, share: float, run: str | None
) -> None:
    found = predict.nearest(Outlook(strategy, kind, share, 0.5, 1.0), predict.read_map(regime_map))

    assert (None if found is None else found["run"]) == run


def test_the_correlation_is_spearman_s_over_all_trainings(regime_map: Path) -> None:
    trainings = predict.read_map(regime_map)
    expected = stats.spearmanr(trainings["share_active"], trainings["gain"]).statistic

    assert predict.correlation(trainings).estimate == pytest.approx(expected)
    assert "over the map (5 trainings in 5 cells" in predict_tables.correlation_words(trainings)
    assert len(predict.in_points(trainings[:0])) == 0
    alone = predict_tables.correlation_words(trainings[:1])
    assert alone.startswith("Whether the share foretells the gain cannot be said: 1 training in")


@pytest.mark.parametrize("change", ["missing", "other columns"])
def test_a_file_that_is_no_map_is_refused(tmp_path: Path, change: str) -> None:
    path = tmp_path / "map.csv"
    if change == "other columns":
        path.write_text("claim,gain\nC1a,1\n")

    with pytest.raises(InputError, match=r"map.csv: (the file is missing|it is no map of regimes)"):
        predict.read_map(path)


# --- the verb ------------------------------------------------------------------------------------


@pytest.fixture
def records(tmp_path: Path) -> Path:
    path = tmp_path / "records.jsonl"
    path.write_text("".join(json.dumps({"log_p": float(x)}) + "\n" for x in np.log(P)))
    return path


def test_the_verb_prints_shares_and_the_map_and_writes_csv(
    records: Path, regime_map: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.csv"
    chosen = [f"--strategy={s}" for s in ("PassAtN(n=16)", "BestOfN(n=4)")]

    jobs.run("predict", records, *chosen, "--map", regime_map, "--csv", out)

    text = capsys.readouterr().out
    assert text.startswith("400 problems, log p as given.\n")
    with out.open() as lines:
        rows = {(row["label"], row["kind"]): row for row in csv.DictReader(lines)}
    assert set(rows) == {("Pass@16", k) for k in ("sft", "log", "raw")} | {("Best-of-4", "sft")}
    share = {key: f"{100 * float(row['share_active']):.0f}%" for key, row in rows.items()}
    assert float(rows["Pass@16", "sft"]["log_p_q50"]) == pytest.approx(
        np.median(np.log(P)), rel=1e-4
    )
    lines_of = [line.split() for line in text.splitlines()]
    (first,) = [line for line in lines_of if line[:1] == ["Pass@16"] and "SFT" not in line][:1]
    assert first[1] == share["Pass@16", "sft"]
    assert first[5] == share["Pass@16", "raw"]
    sft, rl = [line for line in text.splitlines() if ", sft.decay=480 steps" in line]
    assert sft.startswith("SFT")
    assert "Pass@16, sft_passn" in sft
    assert "pass@64 +5.0 [3.0, 7.0] points" in sft
    assert sft.endswith(f"Pass@16 ({share['Pass@16', 'sft']})")
    assert rl.startswith("RL, log")
    assert "The map has no training of: PassAtN by RL, raw; BestOfN by SFT." in text
    assert "Best-of-N weighs a rollout by the rank" in text
    assert "Counts leave p open" not in text


def test_without_a_map_nothing_is_said_of_gains(
    records: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = outlooks(Success.counted([(1, 4)]), [PassAtN(n=4)])

    predict_tables.show(Success.counted([(1, 4)]), found, tmp_path, None)

    text = " ".join(capsys.readouterr().out.split())
    assert text.endswith(predict_tables.NO_MAP)
    assert predict_tables.COUNTED in text


def test_the_map_of_a_run_comes_before_the_committed_one(regime_map: Path, tmp_path: Path) -> None:
    assert predict.find_map(tmp_path) == regime_map
    committed = tmp_path / predict.MAPS[1]
    committed.parent.mkdir(parents=True)
    regime_map.rename(committed)
    assert predict.find_map(tmp_path) == committed


def test_a_model_and_its_problems_take_the_place_of_records(
    warmup: Path, splits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--model", warmup / "model", "--problems", splits / "test.jsonl"]

    jobs.run("predict", *given, "--strategy", "PassAtN(n=16)")

    assert capsys.readouterr().out.startswith("20 problems, log p of the target under ")


@pytest.mark.parametrize(
    "given", [[], ["--model", "a"], ["--problems", "b"], ["r", "--model", "a", "--problems", "b"]]
)
def test_records_or_a_model_are_wanted_and_not_both(given: list[str]) -> None:
    with pytest.raises(InputError, match="it needs records, or a model and its problems"):
        jobs.run("predict", *given)
