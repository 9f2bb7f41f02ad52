"""From the files of a run to the effect of every contrast that claims need, with its error.

Effects are in percentage points, those of rewards in reward. They are paired by problem and seed; a
family with one prompt has nothing to pair but its seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from compute_aligned.config import claims
from compute_aligned.config.claim_rows import ContrastRow
from compute_aligned.config.study import Study
from compute_aligned.files.errors import InputError
from compute_aligned.method.confidence import (
    Confidence,
    FloatArray,
    mean_confidence,
    pool_confidences,
)
from compute_aligned.method.estimators import expected_max
from compute_aligned.method.intervals import Interval
from compute_aligned.method.metrics import metric_of
from compute_aligned.paper import diagonal, temperatures
from compute_aligned.paper.summary import check_pairs, equal_pools, read_outcomes, seeds_by_problems
from compute_aligned.score.proteins import read_scores

Files = Mapping[str, Sequence[Path]]  # of each family, one a seed


@dataclass(frozen=True)
class Ratios:
    """The diagonal diagnostic rho of a branch (PAPER section 7).

    Attributes:
        mean: Its mean over the problems where it is defined; None where it is nowhere, or where
            there is only one problem.
        median: Their median, which a few problems do not move; None where rho is defined nowhere.
        undefined: The share of problems where it is not: all samples win there, or none does.

    """

    mean: Interval | None
    median: float | None
    undefined: float


@dataclass(frozen=True)
class AtTemperatures:
    """A contrast on test problems that were sampled at several temperatures.

    Attributes:
        at_best: Each model at its own best one, which was chosen on validation problems.
        at_usual: Both at the family's own: the effect alone.

    """

    at_best: Confidence
    at_usual: float


def effects(study: Study, outcomes: Files, scores: Files) -> dict[ContrastRow, Confidence]:
    """The effect of every contrast that the scale runs, at its family's own temperature.

    Args:
        study: The scale that was run.
        outcomes: Files of ``records.OUTCOMES`` of each family, one a seed.
        scores: Files of scores of the families of ``config.claims.families_by_sample``.

    Raises:
        InputError: A family's files are missing, or its branches cannot be compared.

    """
    rows = [row for row in claims.rows_at(study) if row.metrics and not row.of_temperatures]
    found: dict[ContrastRow, Confidence] = {}
    for family in dict.fromkeys(row.family for row in rows):
        mine = [row for row in rows if row.family == family]
        if study.experiment(family).is_pool:
            samples = read_scores(_given(scores, family, "scores"))
            found |= {row: pool_effect(samples, row) for row in mine}
        else:
            measured = read_outcomes(_given(outcomes, family, "outcomes"))
            found |= {row: paired_effect(measured, row) for row in mine}
    return found


def at_temperatures(study: Study, sweeps: Files) -> dict[ContrastRow, AtTemperatures]:
    """The effect of every contrast that the scale runs with models at their best temperatures.

    Args:
        study: The scale that was run.
        sweeps: Files of ``records.SWEPT_OUTCOMES`` of the families of
            ``config.claims.families_at_temperatures``, one a seed.

    Raises:
        InputError: A family's files are missing, or its branches cannot be compared.

    """
    found = {}
    for family in claims.families_at_temperatures(study):
        sweep = temperatures.read_sweeps(_given(sweeps, family, "temperatures"))
        usual = study.experiment(family).settings.sampling.temperature
        for row in claims.rows_at(study):
            if row.of_temperatures and row.family == family:
                found[row] = swept_effect(sweep, row, usual)
    return found


def ratios(study: Study, scores: Files) -> dict[ContrastRow, Ratios]:
    """What is measured of every claim that holds by algebra."""
    found = {}
    for row in claims.rows_at(study):
        if row.role != "algebra":
            continue
        paths = _given(scores, row.family, "scores")
        experiment = study.experiment(row.family)
        values = diagonal.of_scores(experiment, paths, [row.branch], row.budget)
        found[row] = summarise(values, row.branch)
    return found


def _given(files: Files, family: str, kind: str) -> Sequence[Path]:
    if not files.get(family):
        remedy = f"name them: --{kind} {family}=FILE, once a seed"
        raise InputError(f"family {family}", f"its claims need {kind}, and none are given", remedy)
    return files[family]


# --- effects --------------------------------------------------------------------------------


def paired_effect(outcomes: pd.DataFrame, row: ContrastRow) -> Confidence:
    """The effect of a contrast, paired by problem and seed.

    Args:
        outcomes: As ``summary.read_outcomes`` gives them.
        row: The contrast.

    Raises:
        InputError: A branch has no outcomes, or not on the seeds and problems of the other.

    """
    values = _measured(outcomes, row, row.branch)
    if row.level is not None:
        return mean_confidence((values - row.level).to_numpy())
    reference = _measured(outcomes, row, row.against)
    check_pairs(row.branch, values, row.against, reference)
    return mean_confidence((values - reference).to_numpy())


def _measured(outcomes: pd.DataFrame, row: ContrastRow, branch: str) -> pd.DataFrame:
    """The metric of a contrast for one branch, in its unit: a row a seed, a column a problem."""
    at = outcomes[(outcomes["metric"] == row.metric) & (outcomes["k"] == row.budget)]
    return seeds_by_problems(at, branch) * metric_of(row.metric).factor


def swept_effect(sweep: pd.DataFrame, row: ContrastRow, usual: float) -> AtTemperatures:
    """The effect of a contrast with each model at its best temperature, and with both as usual.

    Args:
        sweep: As ``temperatures.read_sweeps`` gives it.
        row: The contrast, of two models.
        usual: The family's own temperature.

    Raises:
        InputError: A branch has no outcomes, or not on the seeds and problems of the other.

    """
    at = (row.metric, row.budget)
    best = [temperatures.chosen(sweep, model, *at, usual) for model in row.models]

    def difference(own: float, other: float) -> FloatArray:
        pair = (own, other)
        return temperatures.differences(sweep, row.branch, row.against, *at, pair).to_numpy()

    as_usual = float(difference(usual, usual).mean())
    return AtTemperatures(mean_confidence(difference(best[0], best[1])), as_usual)


def pool_effect(samples: pd.DataFrame, row: ContrastRow) -> Confidence:
    """The effect of a contrast in a family with one prompt, from a pool of samples a seed.

    Args:
        samples: As ``score.proteins.read_scores`` gives them.
        row: The contrast, of the metric ``expected_max@k``.

    Raises:
        InputError: A branch has no samples, or pools differ in size.

    """

    def maximum(pool: FloatArray) -> FloatArray:
        return expected_max(pool, [row.budget])

    pools = equal_pools(samples, row.models)
    if row.level is not None:
        (level,) = pool_confidences(maximum, pools[row.branch])
        return level.shifted(-row.level)
    (effect,) = pool_confidences(maximum, pools[row.branch], pools[row.against])
    return effect


# --- rho ------------------------------------------------------------------------------------


def summarise(values: pd.DataFrame, branch: str) -> Ratios:
    """The mean of the ratios of one branch, and the share of undefined ones.

    Args:
        values: As :func:`diagonal.of_votes` gives them.
        branch: The branch.

    Raises:
        InputError: There are none, or the seeds have different problems.

    """
    filled, inside = diagonal.matrices(values, branch)
    return Ratios(
        diagonal.mean_ratio(filled, inside),
        float(np.median(filled[inside])) if inside.any() else None,
        float(1 - np.mean(inside)),
    )
