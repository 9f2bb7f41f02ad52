"""Gains with each model at its own best temperature, beside those at the family's.

A model may gain over another only because the other is sampled too cold, or too hot. So all models
are sampled at several temperatures; for each, at each metric and k, the best is chosen on
validation problems, and gains are measured on test problems, as every other gain is. Intervals take
the choice as given.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from compute_aligned.config.study import Item
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import SWEPT_OUTCOMES, read_table
from compute_aligned.method.intervals import mean_interval, paired_interval
from compute_aligned.method.metrics import metric_of
from compute_aligned.paper.summary import check_pairs, interval_columns, seeds_by_problems

DIGITS = 12  # what agrees to so many differs by rounding alone


def read_sweeps(paths: Sequence[Path]) -> pd.DataFrame:
    """The sweeps of several seeds: the columns of ``records.SWEPT_OUTCOMES``, and ``seed``.

    Args:
        paths: One file a seed, in the order that numbers the column ``seed``.

    """
    frames = [read_table(p, SWEPT_OUTCOMES).to_pandas().assign(seed=i) for i, p in enumerate(paths)]
    return pd.concat(frames, ignore_index=True)


def best(means: Mapping[float, float], usual: float) -> float:
    """The temperature of the highest mean; of equal ones that nearest the usual, the lower first.

    Args:
        means: Temperature to mean outcome on validation problems.
        usual: The family's own temperature.

    """
    return min(means, key=lambda t: (-round(means[t], DIGITS), round(abs(t - usual), DIGITS), t))


def chosen(sweep: pd.DataFrame, branch: str, metric: str, k: int, usual: float) -> float:
    """A model's best temperature for a metric at a budget, over seeds and validation problems.

    Args:
        sweep: As :func:`read_sweeps` gives it.
        branch: The model.
        metric: The metric.
        k: The budget.
        usual: The family's own temperature.

    Raises:
        InputError: The model has no outcomes on validation problems.

    """
    mine = _at(sweep, metric, k)
    mine = mine[(mine["split"] == "validation") & (mine["branch"] == branch)]
    if mine.empty:
        problem = "it has no outcomes on validation problems"
        raise InputError(f"branch {branch}", problem, "sample and score it at all temperatures")
    means = mine.groupby("temperature")["value"].mean()
    return best(dict(zip(means.index, means, strict=True)), usual)


def tested(
    sweep: pd.DataFrame, branch: str, metric: str, k: int, temperature: float
) -> pd.DataFrame:
    """A model's outcomes on the test problems at a temperature, in the metric's unit.

    Args:
        sweep: As :func:`read_sweeps` gives it.
        branch: The model.
        metric: The metric.
        k: The budget.
        temperature: The temperature.

    Returns:
        A row a seed, a column a problem.

    Raises:
        InputError: There are none, or the seeds have different problems.

    """
    at_k = _at(sweep, metric, k)
    at = at_k[(at_k["split"] == "test") & (at_k["temperature"] == temperature)]
    return seeds_by_problems(at, branch) * metric_of(metric).factor


def differences(
    sweep: pd.DataFrame,
    branch: str,
    against: str,
    metric: str,
    k: int,
    temperatures: tuple[float, float],
) -> pd.DataFrame:
    """What one model has more than another on the test problems, each at its temperature.

    Args:
        sweep: As :func:`read_sweeps` gives it.
        branch: The one.
        against: The other.
        metric: The metric.
        k: The budget.
        temperatures: That of the one, and that of the other.

    Returns:
        A row a seed, a column a problem.

    Raises:
        InputError: They have no outcomes, or not on the same seeds and problems.

    """
    mine, theirs = (
        tested(sweep, model, metric, k, temperature)
        for model, temperature in zip((branch, against), temperatures, strict=True)
    )
    check_pairs(branch, mine, against, theirs)
    return mine - theirs


def _at(sweep: pd.DataFrame, metric: str, k: int) -> pd.DataFrame:
    return sweep[(sweep["metric"] == metric) & (sweep["k"] == k)]


# --- items ----------------------------------------------------------------------------------


def gains_of(item: Item, sweep: pd.DataFrame) -> pd.DataFrame:
    """The gains of an item's models over the baseline, at the family's temperature and at the best.

    Args:
        item: The item.
        sweep: As :func:`read_sweeps` gives it.

    Returns:
        Columns branch, metric, k, temperature (the family's own), gain, gain_low, gain_high,
        best_temperature, best_gain, best_gain_low, best_gain_high, seeds, problems; a row a model
        and budget. The baseline's own gains are 0 with no interval.

    Raises:
        InputError: A model has no outcomes, or not on the baseline's seeds and problems.

    """
    row, baseline = item.row, item.experiment.baseline
    usual = item.experiment.settings.sampling.temperature
    rows = []
    for branch in item.models:
        for k in shown(item, sweep):
            own = [chosen(sweep, m, row.metric, k, usual) for m in (branch, baseline)]
            at_usual, at_best = (
                differences(sweep, branch, baseline, row.metric, k, at).to_numpy()
                for at in ((usual, usual), (own[0], own[1]))
            )
            is_baseline = branch == baseline
            rows.append(
                {"branch": branch, "metric": row.metric, "k": k, "temperature": usual}
                | interval_columns("gain", None if is_baseline else paired_interval(at_usual))
                | {"best_temperature": own[0]}
                | interval_columns("best_gain", None if is_baseline else paired_interval(at_best))
                | dict(zip(("seeds", "problems"), at_best.shape, strict=True))
            )
    return pd.DataFrame(rows)


def levels_of(item: Item, sweep: pd.DataFrame) -> pd.DataFrame:
    """The level of an item's models at every temperature, on test problems, at its largest budget.

    Args:
        item: The item.
        sweep: As :func:`read_sweeps` gives it.

    Returns:
        Columns branch, k, temperature, value, value_low, value_high, seeds, problems.

    Raises:
        InputError: A model has no outcomes, or seeds have different problems.

    """
    k = shown(item, sweep)[-1]
    rows = []
    for branch in item.models:
        for temperature in sorted(set(sweep["temperature"])):
            values = tested(sweep, branch, item.row.metric, k, temperature).to_numpy()
            rows.append(
                {"branch": branch, "k": k, "temperature": temperature}
                | interval_columns("value", mean_interval(values))
                | dict(zip(("seeds", "problems"), values.shape, strict=True))
            )
    return pd.DataFrame(rows)


def shown(item: Item, sweep: pd.DataFrame) -> list[int]:
    """The budgets of an item that were scored, in order."""
    scored = sweep.loc[sweep["metric"] == item.row.metric, "k"]
    return sorted(set(item.row.budgets) & set(scored))
