from pathlib import Path

import claim_parts
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from compute_aligned.claims import evidence
from compute_aligned.config import claims as claim_sheets
from compute_aligned.config.claims import Claim
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import OUTCOMES, PROTEIN_SCORES, SCORES, write_table
from compute_aligned.method.diagonal import vote_ratio
from compute_aligned.paper import diagonal

GAINS = np.array([[0.02], [0.05], [0.11]])  # of three seeds, the same on every problem


def outcomes_of(branch: str, matrix: np.ndarray, metric: str = "pass@k", k: int = 64) -> list[dict]:
    return [
        {"seed": seed, "branch": branch, "problem": f"p{p}", "metric": metric, "k": k, "value": v}
        for seed, values in enumerate(matrix)
        for p, v in enumerate(values)
    ]


def frame(*parts: list[dict]) -> pd.DataFrame:
    return pd.DataFrame([row for part in parts for row in part])


def flat(level: float, gains: np.ndarray = GAINS) -> np.ndarray:
    return level + np.repeat(gains, 4, axis=1)


def test_an_effect_is_paired_by_seed_and_in_percentage_points() -> None:
    noise = np.random.default_rng(0).uniform(0, 0.5, (3, 4))
    outcomes = frame(outcomes_of("ce", noise), outcomes_of("passn_n4", noise + flat(0.0)))

    interval = evidence.paired_effect(outcomes, claim_parts.row()).interval()

    points = 100 * GAINS[:, 0]
    low, high = stats.t.interval(0.95, 2, points.mean(), stats.sem(points))
    assert interval.estimate == pytest.approx(6.0)
    assert (interval.low, interval.high) == pytest.approx((low, high))
    assert (interval.num_seeds, interval.num_problems) == (3, 4)


def test_the_warm_up_can_stand_in_for_the_baseline() -> None:
    outcomes = frame(
        outcomes_of("warmup", np.full((3, 4), 0.1)),
        outcomes_of("ce", np.full((3, 4), 0.9)),
        outcomes_of("passn_n4", flat(0.1)),
    )
    row = claim_parts.row(role="control", against="warmup", rival="less over-fitting")
    assert evidence.paired_effect(outcomes, row).estimate == pytest.approx(6.0)


def test_an_effect_over_a_fixed_level_is_in_the_unit_of_the_metric() -> None:
    rewards = outcomes_of("bon_n2", flat(7.0), "expected_max@k", 1)
    cells = {"branch": "bon_n2", "metric": "expected_max@k", "budget": 1}
    row = claim_parts.row(family="protein_conditional", against="4.5", **cells)
    assert evidence.paired_effect(frame(rewards), row).estimate == pytest.approx(2.56)


def test_the_gain_of_voting_is_what_votes_add_to_one_sample() -> None:
    outcomes = frame(
        outcomes_of("ce", np.full((3, 4), 0.129), "pass@k", 1),
        outcomes_of("ce", np.full((3, 4), 0.162), "maj@k"),
        outcomes_of("pairwise", np.full((3, 4), 0.125), "pass@k", 1),
        outcomes_of("pairwise", np.full((3, 4), 0.182), "maj@k"),
    )
    row = claim_parts.row(branch="pairwise", metric="aggregation_gain@k")
    assert evidence.paired_effect(outcomes, row).estimate == pytest.approx(5.7 - 3.3)


def test_branches_of_other_problems_are_not_compared() -> None:
    outcomes = frame(
        outcomes_of("ce", np.full((3, 3), 0.1)), outcomes_of("passn_n4", np.full((3, 4), 0.1))
    )
    with pytest.raises(InputError, match="its seeds and problems are not those of ce"):
        evidence.paired_effect(outcomes, claim_parts.row())


# --- pools ----------------------------------------------------------------------------------

POOLS = np.random.default_rng(1).normal([[[3.0]], [[8.0]]], 1, size=(2, 3, 40))


def samples_of(seeds: int = 3) -> pd.DataFrame:
    return pd.DataFrame(
        {"seed": seed, "branch": branch, "problem": "p", "sample": i, "reward": reward}
        for branch, pools in zip(("standard", "bon_n2"), POOLS, strict=True)
        for seed, pool in enumerate(pools[:seeds])
        for i, reward in enumerate(pool)
    )


@pytest.mark.parametrize(("against", "reference"), [("standard", POOLS[0].mean(1)), ("4", 4.0)])
def test_a_family_with_one_prompt_is_compared_seed_by_seed(
    against: str, reference: np.ndarray | float
) -> None:
    cells = {"family": "protein_unconditional", "branch": "bon_n2", "metric": "expected_max@k"}
    row = claim_parts.row(against=against, budget=1, **cells)

    interval = evidence.pool_effect(samples_of(), row).interval()

    means = POOLS[1].mean(1) - reference
    low, high = stats.t.interval(0.95, 2, means.mean(), stats.sem(means))
    assert interval.estimate == pytest.approx(means.mean())
    assert (interval.low, interval.high) == pytest.approx((low, high))


# --- rho ------------------------------------------------------------------------------------

VOTES = {  # votes, correctness
    "p0": (["1", "1", "2", None], [True, True, False, False]),
    "p1": (["3", "3", "3", "3"], [True] * 4),
    "p2": (["5", "6", "7", "8"], [True, False, False, False]),
}


def write_scores(path: Path, branch: str = "ce") -> Path:
    rows = [
        {"branch": branch, "problem": problem, "num_samples": 4, "num_correct": sum(correct)}
        | {"num_invalid": votes.count(None), "num_unfinished": 0, "mean_tokens": 1.0}
        | {"votes": votes, "correct": correct}
        for problem, (votes, correct) in VOTES.items()
    ]
    write_table(path, rows, SCORES)
    return path


def test_rho_is_averaged_where_it_is_defined_and_the_rest_is_counted(tmp_path: Path) -> None:
    paths = [write_scores(tmp_path / f"seed{seed}.parquet") for seed in (0, 1)]

    found = evidence.summarise(diagonal.of_votes(paths, ["ce"], 8), "ce")

    defined = [vote_ratio(*VOTES[problem], 8) for problem in ("p0", "p2")]
    assert found.mean is not None
    assert found.mean.estimate == pytest.approx(np.mean(defined))
    assert found.median == pytest.approx(np.median(defined))
    assert found.undefined == pytest.approx(1 / 3)


def test_where_no_problem_has_a_rho_all_are_undefined() -> None:
    values = pd.DataFrame(
        {"seed": 0, "branch": "ce", "problem": ["a", "b"], "ratio": [np.nan, np.nan]}
    )
    assert evidence.summarise(values, "ce") == evidence.Ratios(None, None, 1.0)


# --- files ----------------------------------------------------------------------------------


def claims_about(monkeypatch: pytest.MonkeyPatch, *claims: Claim) -> None:
    by_id = {claim.row.claim: claim for claim in claims}
    monkeypatch.setattr(claim_sheets, "read_claims", lambda: by_id)


def test_files_are_read_of_the_families_that_the_scale_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, absent = claim_parts.row(budget=8), claim_parts.row(budget=64)  # smoke samples 8
    rho = claim_parts.row(
        claim="C11", role="algebra", family="sft_majority", branch="ce", against="-", metric="rho",
        budget=8, direction="-",
    )  # fmt: skip
    claims_about(monkeypatch, claim_parts.claim(run, absent), claim_parts.claim(rho))
    rows = [*outcomes_of("ce", flat(0.1), k=8), *outcomes_of("passn_n4", flat(0.2), k=8)]
    paths = []
    for seed in range(3):
        paths.append(tmp_path / f"seed{seed}.outcomes.parquet")
        mine = [
            {k: v for k, v in row.items() if k != "seed"} for row in rows if row["seed"] == seed
        ]
        write_table(paths[-1], mine, OUTCOMES)
    scores = {"sft_majority": [write_scores(tmp_path / "scores.parquet")]}

    effects = evidence.effects("smoke", {"sft_passn": paths}, scores)

    assert list(effects) == [run]
    assert effects[run].estimate == pytest.approx(10.0)
    ratios = evidence.ratios("smoke", scores)
    assert list(ratios) == [rho]
    assert ratios[rho].undefined == pytest.approx(1 / 3)
    with pytest.raises(InputError, match="family sft_passn: its claims need outcomes"):
        evidence.effects("smoke", {}, scores)


def test_one_prompt_is_judged_on_its_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = {"family": "protein_unconditional", "branch": "bon_n2", "metric": "expected_max@k"}
    row = claim_parts.row(against="standard", budget=1, **cells)
    claims_about(monkeypatch, claim_parts.claim(row))
    paths = []
    for seed in range(2):
        paths.append(tmp_path / f"seed{seed}.parquet")
        write_table(
            paths[-1],
            [
                {"branch": branch, "problem": "p", "num_samples": 40, "num_invalid": 0}
                | {"num_unfinished": 0, "mean_tokens": 1.0, "input_share": None}
                | {"rewards": pools[seed].tolist(), "shares": [0.5] * 40, "residues": [9] * 40}
                for branch, pools in zip(("standard", "bon_n2"), POOLS, strict=True)
            ],
            PROTEIN_SCORES,
        )
    effects = evidence.effects("smoke", {}, {"protein_unconditional": paths})
    assert effects[row].estimate == pytest.approx((POOLS[1] - POOLS[0])[:2].mean())
