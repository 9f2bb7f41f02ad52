"""The ratio rho of every problem of a run, from its samples: Figures 9, 10 (PAPER sections 6, 7).

The samples of a problem, model and seed are one answer distribution; for it rho is exact, see
``method.diagonal``. The target is the right answer under a vote, the highest reward under
Best-of-N, and p the share of samples that hit it. Where p is 0 or 1 rho is undefined; such problems
are kept here, with NaN, and counted.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from compute_aligned.config.experiments import Experiment
from compute_aligned.files.progress import track
from compute_aligned.files.records import SCORES, read_table
from compute_aligned.method.confidence import FloatArray, Interval
from compute_aligned.method.diagonal import reward_ratio, vote_ratio
from compute_aligned.paper.mechanism import subset_interval
from compute_aligned.paper.summary import interval_columns, seeds_by_problems
from compute_aligned.score.proteins import read_scores

BUDGET = 8  # N of the paper's Figures 9 and 10
COLUMNS = ["seed", "branch", "problem", "p", "ratio"]


def of_scores(
    experiment: Experiment, paths: Sequence[Path], models: Sequence[str], n: int = BUDGET
) -> pd.DataFrame:
    """The ratio of what an experiment's samples are worth: right answers, or the best reward.

    Args:
        experiment: Which says what its samples give.
        paths: The scores, a file a seed.
        models: Ids of the models wanted: ``warmup``, branches.
        n: Samples that a vote is taken over, or the best is taken of.

    Returns:
        As :func:`of_votes`.

    """
    if experiment.settings.gives == "answers":
        return of_votes(paths, models, n)
    return of_rewards(read_scores(paths), models, n)


def of_votes(paths: Sequence[Path], models: Sequence[str], n: int = BUDGET) -> pd.DataFrame:
    """The ratio of the right answer in a strict plurality of n samples (Figure 9).

    Args:
        paths: Files of ``records.SCORES``, one a seed.
        models: Ids of the models wanted: ``warmup``, branches.
        n: Samples that a vote is taken over.

    Returns:
        Columns seed (a file's number in ``paths``), branch, problem, p, ratio (NaN where
        undefined); a row a problem, model and seed.

    """
    scored = [
        (seed, row)
        for seed, path in enumerate(paths)
        for row in read_table(path, SCORES).to_pylist()
        if row["branch"] in models
    ]
    rows = []
    for seed, row in track(scored, "rho", len(scored), unit="problem"):
        pairs = list(zip(row["votes"], row["correct"], strict=True))
        p = np.mean([vote is not None and right for vote, right in pairs])
        ratio = vote_ratio(row["votes"], row["correct"], n)
        rows.append((seed, row["branch"], row["problem"], p, ratio))
    return _frame(rows)


def of_rewards(samples: pd.DataFrame, models: Sequence[str], n: int = BUDGET) -> pd.DataFrame:
    """The ratio of a prompt's highest reward under Best-of-n (Figure 10).

    Args:
        samples: As ``score.proteins.read_scores`` gives them.
        models: Ids of the models wanted.
        n: Samples that the best is taken of.

    Returns:
        As :func:`of_votes`.

    """
    wanted = samples[samples["branch"].isin(models)]
    rows = []
    for (seed, branch, problem), pool in wanted.groupby(["seed", "branch", "problem"], sort=False):
        rewards = pool["reward"].to_numpy()
        p = np.mean(rewards == rewards.max())
        rows.append((seed, branch, problem, p, reward_ratio(rewards, n)))
    return _frame(rows)


def summarise(ratios: pd.DataFrame, models: Sequence[str]) -> pd.DataFrame:
    """What the ratios of each model amount to, a row a model.

    Args:
        ratios: As :func:`of_votes` gives them.
        models: The models wanted, in order.

    Returns:
        Columns branch, n, mean, mean_low, mean_high, median, largest (of the defined ratios, NaN if
        there is none), undefined (share), never, always (shares of p = 0 and of p = 1), pairs
        (problems, counted once a seed), seeds, problems.

    Raises:
        InputError: A model is not there, or its seeds have different problems.

    """
    rows = []
    for model in models:
        values, defined = matrices(ratios, model)
        p = seeds_by_problems(ratios.assign(value=ratios["p"]), model).to_numpy()
        inside = values[defined]
        rows.append(
            {"branch": model, "n": BUDGET}
            | _mean_columns(values, defined)
            | {"median": np.median(inside) if inside.size else np.nan}
            | {"largest": inside.max() if inside.size else np.nan}
            | {"undefined": 1 - defined.mean()}
            | {"never": np.mean(p == 0), "always": np.mean(p == 1)}
            | {"pairs": p.size, "seeds": len(p), "problems": p.shape[1]}
        )
    return pd.DataFrame(rows)


def matrices(ratios: pd.DataFrame, model: str) -> tuple[FloatArray, NDArray[np.bool_]]:
    """The ratios of one model, shape (S, P), 1 where undefined; and where they are defined.

    Args:
        ratios: As :func:`of_votes` gives them.
        model: The model.

    Raises:
        InputError: It is not there, or its seeds have different problems.

    """
    # the matrices may hold no NaN
    values, defined = (
        seeds_by_problems(ratios.assign(value=column), model).to_numpy()
        for column in (ratios["ratio"].fillna(1.0), ratios["ratio"].notna())
    )
    return values, defined.astype(bool)


def mean_ratio(values: FloatArray, defined: NDArray[np.bool_]) -> Interval | None:
    """Interval of the mean of the defined ratios; None if there is none, or one seed and problem.

    Args:
        values: As :func:`matrices` gives them.
        defined: Likewise.

    """
    return subset_interval(values, defined) if defined.any() and values.size > 1 else None


def _mean_columns(values: FloatArray, defined: NDArray[np.bool_]) -> dict[str, float]:
    interval = mean_ratio(values, defined)
    if interval is not None:
        return interval_columns("mean", interval)
    mean = values[defined].mean() if defined.any() else np.nan
    return {"mean": float(mean), "mean_low": np.nan, "mean_high": np.nan}


def _frame(rows: Sequence[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=COLUMNS).astype({"p": float, "ratio": float})
