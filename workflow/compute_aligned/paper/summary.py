"""From outcomes per problem and seed to levels and gains with intervals, for tables and figures.

Levels are means over problems and seeds; gains are paired by problem and seed with the family's
baseline branch (DESIGN: both in percentage points for pass@k and maj@k).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from compute_aligned.files.errors import InputError
from compute_aligned.files.records import OUTCOMES, read_table
from compute_aligned.method.estimators import expected_max
from compute_aligned.method.intervals import (
    FloatArray,
    Interval,
    mean_interval,
    paired_interval,
    pool_interval,
)
from compute_aligned.method.metrics import metric_of


def read_outcomes(paths: Sequence[Path]) -> pd.DataFrame:
    """The outcomes of several seeds: the columns of ``records.OUTCOMES``, and ``seed``.

    Args:
        paths: One file a seed, in the order that numbers the column ``seed``.
    """
    frames = [read_table(p, OUTCOMES).to_pandas().assign(seed=i) for i, p in enumerate(paths)]
    return pd.concat(frames, ignore_index=True)


def summarise(
    outcomes: pd.DataFrame,
    branches: Sequence[str],
    metric: str,
    budgets: Sequence[int],
    baseline: str,
) -> pd.DataFrame:
    """One row a branch and budget: the level, the gain over the baseline, and their intervals.

    Args:
        outcomes: As :func:`read_outcomes` gives them, values as probabilities or rewards.
        branches: The rows wanted, in order.
        metric: Which metric; shares come out in percent, rewards as they are.
        budgets: The k wanted; those above what was sampled are left out.
        baseline: The branch that gains are taken against.

    Returns:
        Columns branch, metric, k, value, value_low, value_high, gain, gain_low, gain_high, seeds,
        problems. The baseline's own gain is 0 with no interval.

    Raises:
        InputError: None of the budgets was scored for this metric; a branch has no outcomes, or not
            on the baseline's seeds and problems.
    """
    chosen = outcomes[outcomes["metric"] == metric]
    scale = metric_of(metric).factor
    shown = sorted(set(budgets) & set(chosen["k"]))
    if not shown:
        raise InputError(
            f"metric {metric}",
            f"none of the budgets {', '.join(map(str, budgets))} was scored",
            "add the metric to the family, or raise its num_samples",
        )
    rows = []
    for k in shown:
        at_k = chosen[chosen["k"] == k]
        reference = seeds_by_problems(at_k, baseline) * scale
        for branch in branches:
            values = seeds_by_problems(at_k, branch) * scale
            check_pairs(branch, values, baseline, reference)
            level = mean_interval(values.to_numpy())
            gain = paired_interval((values - reference).to_numpy()) if branch != baseline else None
            rows.append(
                {"branch": branch, "metric": metric, "k": k}
                | interval_columns("value", level)
                | interval_columns("gain", gain)
                | {"seeds": level.num_seeds, "problems": level.num_problems}
            )
    order = {branch: i for i, branch in enumerate(branches)}
    return (
        pd.DataFrame(rows)
        .sort_values(["branch", "k"], key=lambda c: c.map(order) if c.name == "branch" else c)
        .reset_index(drop=True)
    )


def plurality(outcomes: pd.DataFrame, branches: Sequence[str], baseline: str) -> pd.DataFrame:
    """As :func:`summarise`, for the vote over all samples; no rows where nobody voted."""
    budgets = outcomes.loc[outcomes["metric"] == "plurality", "k"].unique().tolist()
    if not budgets:
        return pd.DataFrame()
    return summarise(outcomes, branches, "plurality", budgets, baseline)


def seeds_by_problems(outcomes: pd.DataFrame, branch: str) -> pd.DataFrame:
    """One branch's outcomes at one budget: a row a seed, a column a problem, both in order."""
    mine = outcomes[outcomes["branch"] == branch]
    if mine.empty:
        raise InputError(f"branch {branch}", "it has no outcomes", "sample and score it first")
    matrix = mine.pivot(index="seed", columns="problem", values="value")
    if matrix.isna().to_numpy().any():
        raise InputError(
            f"branch {branch}", "its seeds have different problems", "prepare all seeds anew"
        )
    return matrix


def check_pairs(branch: str, values: pd.DataFrame, baseline: str, reference: pd.DataFrame) -> None:
    """Check that two branches, as :func:`seeds_by_problems` gives them, can be paired.

    Raises:
        InputError: Their seeds or problems differ.

    """
    if not (values.index.equals(reference.index) and values.columns.equals(reference.columns)):
        raise InputError(
            f"branch {branch}",
            f"its seeds and problems are not those of {baseline} (seeds x problems: "
            f"{values.shape} against {reference.shape})",
            "run again with every seed sampled and scored",
        )


def interval_columns(name: str, interval: Interval | None) -> dict[str, float]:
    """``name``, ``name_low`` and ``name_high``; without an interval 0 between nothing."""
    if interval is None:
        return {name: 0.0, f"{name}_low": np.nan, f"{name}_high": np.nan}
    return {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}


# --- pools: families with one prompt ---------------------------------------------------------


def summarise_pool(
    scores: pd.DataFrame, branches: Sequence[str], budgets: Sequence[int], baseline: str
) -> pd.DataFrame:
    """One row a branch and budget: expected maximum and gain over the baseline, with intervals.

    Args:
        scores: What :func:`~compute_aligned.score.proteins.read_scores` gives of one problem.
        branches: The rows wanted, in order.
        budgets: The k wanted; those above the size of the pools are left out.
        baseline: The branch that gains are taken against.

    Returns:
        As :func:`compute_aligned.paper.summary.summarise`; ``problems`` is 1.

    Raises:
        InputError: A branch has no samples, or pools differ in size.

    """
    pools = equal_pools(scores, [*branches, baseline])
    num_seeds, size = pools[baseline].shape
    shown = sorted(k for k in set(budgets) if k <= size)

    def maxima(samples: FloatArray) -> FloatArray:
        return np.asarray(expected_max(samples, shown))

    rows = []
    for branch in branches:
        levels = pool_interval(maxima, pools[branch])
        gains = (
            [None] * len(shown)
            if branch == baseline
            else pool_interval(maxima, pools[branch], pools[baseline])
        )
        rows += [
            {"branch": branch, "metric": "expected_max@k", "k": k}
            | interval_columns("value", level)
            | interval_columns("gain", gain)
            | {"seeds": num_seeds, "problems": 1}
            for k, level, gain in zip(shown, levels, gains, strict=True)
        ]
    return pd.DataFrame(rows)


def equal_pools(scores: pd.DataFrame, branches: Sequence[str]) -> dict[str, FloatArray]:
    """The rewards of every branch, a row a seed, as many of each.

    Raises:
        InputError: A branch has no samples, or pools differ in size.

    """
    pools = {branch: pools_of(scores, branch) for branch in branches}
    sizes = {pool.shape for pool in pools.values()}
    if len(sizes) > 1:
        raise InputError(
            "pools of samples",
            f"they differ in seeds or samples: {', '.join(map(str, sorted(sizes)))}",
            "run again with every seed sampled and scored",
        )
    return pools


def pools_of(scores: pd.DataFrame, branch: str) -> FloatArray:
    """The rewards of one branch, a row a seed.

    Raises:
        InputError: It has no samples, or not equally many in every seed.

    """
    mine = scores[scores["branch"] == branch]
    if mine.empty:
        raise InputError(f"branch {branch}", "it has no samples", "sample and score it first")
    matrix = mine.pivot(index="seed", columns="sample", values="reward").to_numpy()
    if np.isnan(matrix).any():
        raise InputError(
            f"branch {branch}", "its seeds have pools of different sizes", "sample all seeds anew"
        )
    return matrix
