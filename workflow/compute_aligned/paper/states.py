"""Seeds in two states: which trainings leave the low hill of the unconditional reward, and when.

A branch leaves it in a seed, or stays: the mean over seeds is then a mixture of two levels, and a t
interval of it covers too little (``method/intervals.py``). A count of seeds has an exact interval.
"""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from compute_aligned.config.sheets import WARMUP
from compute_aligned.config.study import Item
from compute_aligned.files.errors import InputError
from compute_aligned.method.intervals import FloatArray
from compute_aligned.method.rewards import LOW_HILL
from compute_aligned.paper import style
from compute_aligned.paper.captions import count
from compute_aligned.paper.sheets import Entry, Grid, Rendered, Sheet, missing, rendered, words
from compute_aligned.paper.summary import pools_of
from compute_aligned.score.proteins import read_scores

TOP = f"{LOW_HILL:g}, the top of the low hill"
DEFINITION = (
    f"A seed has left where the mean reward of the model's samples is above {TOP}. The step is the "
    "first (counted from 0) from which on the mean reward of every training batch is above it."
)
COLUMNS = (
    *("Model", "Seeds that left", "Share [95%]", "Step: median (range)"),
    *("Reward where it left", "Reward where it stayed"),
)


def leaving_step(rewards: FloatArray) -> int | None:
    """The first step from which on every batch's mean reward is above the low hill.

    Args:
        rewards: Mean reward of the batch of each step, in order, shape (T,).

    Returns:
        Its number, counted from 0; None where the last batch is not above.

    """
    low = np.flatnonzero(rewards <= LOW_HILL)
    first = int(low[-1]) + 1 if len(low) else 0
    return first if first < len(rewards) else None


def counted(item: Item, samples: pd.DataFrame, steps: pd.DataFrame) -> pd.DataFrame:
    """How many seeds each model has left the low hill in, and when; a row a model.

    Args:
        item: The item.
        samples: As :func:`~compute_aligned.score.proteins.read_scores` gives them.
        steps: As :func:`~compute_aligned.paper.activity.read_steps` gives them, with the same seeds
            in the same order.

    Returns:
        Columns item, family, branch, label, seeds, left (how many), share with its exact binomial
        (Clopper-Pearson) 95% interval share_low, share_high; of those that left step_median,
        step_first, step_last and steps (how many have such a step); reward_left and reward_stayed,
        means over the seeds of either state. What there is nothing of is NaN.

    Raises:
        InputError: A model has no samples, or records of training and samples differ in seeds.

    """
    rows = []
    for model in item.models:
        of_seed = pools_of(samples, model).mean(axis=1)
        left = of_seed > LOW_HILL
        interval = stats.binomtest(int(left.sum()), len(left)).proportion_ci(0.95, method="exact")
        when = _leaving_steps(steps[steps["branch"] == model], left)
        rows.append(
            {"item": item.row.item, "family": item.row.family, "branch": model}
            | {"label": item.experiment.labels[model], "seeds": len(left), "left": left.sum()}
            | {"share": left.mean(), "share_low": interval.low, "share_high": interval.high}
            | {"step_median": _of(np.median, when), "step_first": _of(np.min, when)}
            | {"step_last": _of(np.max, when), "steps": len(when)}
            | {"reward_left": _of(np.mean, of_seed[left])}
            | {"reward_stayed": _of(np.mean, of_seed[~left])}
        )
    return pd.DataFrame(rows)


def _leaving_steps(steps: pd.DataFrame, left: NDArray[np.bool_]) -> FloatArray:
    """The steps at which a model's training leaves the low hill, of the seeds that left.

    Seeds whose last batch is not above have none; the warm-up has no such training.
    """
    paths = [path.sort_values("step")["mean_reward"] for _, path in steps.groupby("run")]
    if not paths:
        return np.empty(0)
    if len(paths) != len(left):
        problem = f"there are {len(paths)} records of training and samples of {len(left)} seeds"
        raise InputError("--steps", problem, "give one of both a seed, in the same order")
    found = [leaving_step(paths[seed].to_numpy()) for seed in np.flatnonzero(left)]
    return np.array([step for step in found if step is not None], dtype=np.float64)


def _of(statistic: Any, values: FloatArray) -> float:
    return float(statistic(values)) if len(values) else np.nan


def table(item: Item, scores: Sequence[Path], steps: pd.DataFrame) -> Rendered:
    """In how many seeds each model has left the low hill, and at which step of its training.

    Args:
        item: The item.
        scores: Files of ``records.PROTEIN_SCORES``, one a seed.
        steps: As :func:`counted` takes them.

    """
    frame = counted(item, read_scores(scores), steps)
    rows = [_row(row) for row in frame.to_dict("records")]
    sheet = Sheet(
        name=item.row.item,
        title=item.row.title,
        caption=f"Scale {item.experiment.scale}, {count(len(scores), 'seed')}. {DEFINITION} "
        "Intervals are exact binomial ones (Clopper-Pearson).",
        grids=[Grid("Seeds in two states", [words(column) for column in COLUMNS], rows)],
        note="Where a model is in one state in some seeds and in the other in the rest, its mean "
        "reward describes neither, and the interval of that mean covers too little.",
    )
    return rendered(frame, sheet)


def _row(row: Mapping[Hashable, Any]) -> list[Entry]:
    share = "one seed says nothing of others"
    if row["seeds"] > 1:
        low, high = (100 * row[name] for name in ("share_low", "share_high"))
        share = f"{100 * row['share']:.0f}% [{low:.0f}, {high:.0f}]"
    levels = [row["reward_left"], row["reward_stayed"]]
    return [
        words(row["label"]),
        words(f"{row['left']} of {row['seeds']}"),
        words(share),
        missing() if row["branch"] == WARMUP else words(_when(row)),
        *(missing() if np.isnan(level) else words(f"{level:.2f}") for level in levels),
    ]


def _when(row: Mapping[Hashable, Any]) -> str:
    """The step at which a branch leaves, of the seeds in which it does."""
    if not row["left"]:
        return "none left"
    lacking = row["left"] - row["steps"]
    some = f"{lacking} not above in the last batch" if lacking else ""
    if not row["steps"]:
        return some
    spread = f" ({row['step_first']:.0f} to {row['step_last']:.0f})" if row["steps"] > 1 else ""
    return f"{row['step_median']:g}{spread}" + (f"; {some}" if some else "")


def figure(item: Item, steps: pd.DataFrame) -> Figure:
    """Mean reward of every training batch against the step: a panel a branch, a line a seed.

    Args:
        item: The item.
        steps: As :func:`~compute_aligned.paper.activity.read_steps` gives them.

    """
    branches = item.row.branches
    labels, looks = item.experiment.labels, style.level_looks_of(item.experiment)
    drawn = Figure(figsize=(style.WIDTH, 2.3), layout="constrained")
    row = drawn.subplots(1, len(branches), sharex=True, sharey=True, squeeze=False)[0]
    for axes, branch in zip(row, branches, strict=True):
        _draw_paths(axes, steps[steps["branch"] == branch], looks[branch].colour)
        axes.set_title(labels[branch])
    row[0].set_ylabel("Mean reward of a batch")
    row[len(row) // 2].set_xlabel("Training step")
    seeds = steps.groupby("branch")["run"].nunique().max()
    style.title(drawn, f"{item.row.title} (scale {item.experiment.scale}, {count(seeds, 'seed')})")
    drawn.legend(handles=row[0].get_lines()[-1:], loc="outside lower center")
    return drawn


def _draw_paths(axes: Axes, steps: pd.DataFrame, colour: str) -> None:
    for _, path in steps.groupby("run"):
        axes.plot(path["step"], path["mean_reward"], color=colour, linewidth=0.7, alpha=0.8)
    axes.axhline(
        LOW_HILL,
        color=style.BASELINE_COLOUR,
        linewidth=0.8,
        linestyle="--",
        label=f"Reward of {TOP}",
    )
