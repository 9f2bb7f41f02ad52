from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from support import claim_parts
from support.claim_parts import PROTEINS
from support.graded import Answers, votes, write_answers, write_proteins

from compute_aligned.claims import evidence
from compute_aligned.config import claims
from compute_aligned.config.claim_rows import ContrastRow
from compute_aligned.config.study import Study, read_study
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import OUTCOMES, SWEPT_OUTCOMES, write_table
from compute_aligned.method.diagonal import vote_ratio
from compute_aligned.method.intervals import Interval, paired_interval
from compute_aligned.paper.summary import read_outcomes

SHAPE = (3, 4)
# of branch, metric and k: the values of seeds by problems, or one of them all
Levels = Mapping[tuple[str, str, int], np.ndarray | float]


def study_of(*families: str) -> Study:
    study = read_study("smoke")
    return replace(study, experiments={family: study.experiment(family) for family in families})


def write_outcomes(folder: Path, levels: Levels) -> list[Path]:
    paths = [folder / f"outcomes{seed}" for seed in range(SHAPE[0])]
    for seed, path in enumerate(paths):
        rows = [
            {"branch": branch, "problem": f"p{p}", "metric": metric, "k": k, "value": value}
            for (branch, metric, k), values in levels.items()
            for p, value in enumerate(np.broadcast_to(values, SHAPE)[seed])
        ]
        write_table(path, rows, OUTCOMES)
    return paths


def assert_t(interval: Interval, of_seeds: np.ndarray) -> None:
    """Check an interval against that of Student's t for these values of seeds."""
    ends = stats.t.interval(0.95, 2, of_seeds.mean(), stats.sem(of_seeds))
    found = (interval.estimate, interval.low, interval.high)
    assert found == pytest.approx((of_seeds.mean(), *ends))


def test_an_effect_is_paired_by_seed_and_in_percentage_points(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(0, 0.5, SHAPE)
    gains = np.array([0.02, 0.05, 0.11])  # of three seeds, the same on every problem
    levels = {("ce", "pass@k", 64): noise, ("passn_n4", "pass@k", 64): noise + gains[:, None]}
    outcomes = read_outcomes(write_outcomes(tmp_path, levels))

    interval = evidence.paired_effect(outcomes, claim_parts.row()).interval()

    assert_t(interval, 100 * gains)
    assert (interval.num_seeds, interval.num_problems) == SHAPE


REFERENCE = claim_parts.row(role="control", against="warmup", rival="less over-fitting")
REWARD = claim_parts.row(against="4.5", budget=1, **PROTEINS)
VOTING = claim_parts.row(branch="pairwise", metric="aggregation_gain@k")
GAIN = ("aggregation_gain@k", 64)


@pytest.mark.parametrize(
    ("row", "levels", "effect"),
    [
        (REFERENCE, {(b, "pass@k", 64): p for b, p in (("warmup", 0.1), ("passn_n4", 0.16))}, 6.0),
        # a fixed level is in the unit of the metric
        (REWARD, {("bon_n2", "expected_max@k", 1): 7.06}, 2.56),
        (VOTING, {("ce", *GAIN): 0.033, ("pairwise", *GAIN): 0.057}, 5.7 - 3.3),
    ],
)
def test_what_is_subtracted_is_another_model_or_a_level(
    tmp_path: Path, row: ContrastRow, levels: Levels, effect: float
) -> None:
    outcomes = read_outcomes(write_outcomes(tmp_path, levels))
    assert evidence.paired_effect(outcomes, row).estimate == pytest.approx(effect)


def test_branches_of_other_problems_are_not_compared(tmp_path: Path) -> None:
    levels = {(branch, "pass@k", 64): 0.1 for branch in ("ce", "passn_n4")}
    outcomes = read_outcomes(write_outcomes(tmp_path, levels))
    outcomes = outcomes[(outcomes["branch"] != "ce") | (outcomes["problem"] != "p3")]
    with pytest.raises(InputError, match="its seeds and problems are not those of ce"):
        evidence.paired_effect(outcomes, claim_parts.row())


# --- of a scale -----------------------------------------------------------------------------


def test_every_contrast_that_the_scale_runs_has_its_effect(tmp_path: Path) -> None:
    study = study_of("sft_passn")
    rows = [row for row in claims.rows_at(study) if not row.of_temperatures]
    assert rows
    models = study.experiment("sft_passn").models
    levels = {
        (model, row.metric, row.budget): 0.1 * place
        for place, model in enumerate(models)
        for row in rows
    }

    found = evidence.effects(study, {"sft_passn": write_outcomes(tmp_path, levels)}, {})

    assert list(found) == rows
    for row, each in found.items():
        places = [models.index(model) for model in row.models]
        assert each.estimate == pytest.approx(10 * (places[0] - places[1]))
    with pytest.raises(InputError, match="family sft_passn: its claims need outcomes"):
        evidence.effects(study, {}, {})


def test_models_are_compared_at_their_best_temperatures_and_at_the_usual_one(
    tmp_path: Path,
) -> None:
    study = study_of("protein_conditional")
    rows = [row for row in claims.rows_at(study) if row.of_temperatures]
    noise = np.random.default_rng(2).normal(0, 0.1, SHAPE)
    # the baseline is best when it is sampled cold, the others as usual
    levels = {1.0: {"standard": 7.0}, 1.3: {"standard": 5.0, "bon_n2": 8.0}}
    paths = [tmp_path / f"{seed}" for seed in range(SHAPE[0])]
    for seed, path in enumerate(paths):
        values = [
            {"split": split, "temperature": t, "branch": model, "problem": f"{split}{p}"}
            | {"metric": "expected_max@k", "k": 4}
            | {"value": levels[t].get(model, 6.0) + (model == "bon_n2") * noise[seed, p]}
            for split in ("validation", "test")
            for t in levels
            for model in study.experiment("protein_conditional").models
            for p in range(SHAPE[1])
        ]
        write_table(path, values, SWEPT_OUTCOMES)

    found = evidence.at_temperatures(study, {"protein_conditional": paths})

    assert list(found) == rows
    (bon_n2,) = (each for row, each in found.items() if row.branch == "bon_n2")
    expected = paired_interval(8.0 + noise - 7.0)
    at_best = bon_n2.at_best.interval()
    assert (at_best.estimate, at_best.low, at_best.high) == pytest.approx(
        (expected.estimate, expected.low, expected.high)
    )
    assert bon_n2.at_usual == pytest.approx(8.0 + noise.mean() - 5.0)
    with pytest.raises(InputError, match="family protein_conditional: its claims need temperature"):
        evidence.at_temperatures(study, {})
    assert evidence.at_temperatures(study_of("token_margin"), {}) == {}


def test_a_family_with_one_prompt_is_compared_seed_by_seed(tmp_path: Path) -> None:
    study = study_of("protein_unconditional")
    models = study.experiment("protein_unconditional").models
    pools = np.random.default_rng(1).normal(size=(len(models), 3, 40))
    pools += 3 + np.arange(len(models))[:, None, None]
    paths = [
        write_proteins(
            tmp_path / f"{seed}",
            {(m, "p"): {"rewards": pools[i, seed].tolist()} for i, m in enumerate(models)},
        )
        for seed in range(3)
    ]

    found = evidence.effects(study, {}, {"protein_unconditional": paths})

    means = dict(zip(models, pools.mean(axis=2), strict=True))
    assert {row.level for row in found} == {None, 4.0}
    for row, each in found.items():
        reference = means[row.against] if row.level is None else row.level
        assert_t(each.interval(), means[row.branch] - reference)


# --- rho ------------------------------------------------------------------------------------

PROBLEMS: dict[str, Answers] = {
    "p0": [("1", True), ("1", True), ("2", False), (None, False)],
    "p1": votes("7", "7", "7", "7"),
    "p2": votes("7", "5", "6", "8"),
}


@pytest.mark.parametrize("problems", [["p0", "p1", "p2"], ["p1", "p1b"]])
def test_rho_is_averaged_where_it_is_defined_and_the_rest_is_counted(
    tmp_path: Path, problems: list[str]
) -> None:
    answers = {("ce", name): PROBLEMS[name[:2]] for name in problems}
    scores = [write_answers(tmp_path / f"{seed}", answers) for seed in range(2)]

    study = study_of("sft_majority")
    ((row, found),) = evidence.ratios(study, {"sft_majority": scores}).items()

    assert (row.claim, row.branch) == ("C11", "ce")
    ratios = [vote_ratio(*zip(*given, strict=True), 8) for given in answers.values()]
    defined = [ratio for ratio in ratios if ratio is not None]
    assert found.undefined == pytest.approx(1 - len(defined) / len(problems))
    if defined:
        assert found.mean.estimate == pytest.approx(np.mean(defined))
        assert found.median == pytest.approx(np.median(defined))
    else:
        assert (found.mean, found.median) == (None, None)
    with pytest.raises(InputError, match="family sft_majority: its claims need scores"):
        evidence.ratios(study, {})
