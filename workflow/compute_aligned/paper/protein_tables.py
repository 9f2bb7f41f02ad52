"""Tables of the proteins that models write: what their hydrophobic shares h tell.

Shapes: P prompts and M samples of each, with NaN for the share of what is no protein.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from compute_aligned.config.objectives import objective_of
from compute_aligned.config.settings import Rl
from compute_aligned.config.sheets import WARMUP
from compute_aligned.config.study import Item
from compute_aligned.method.groups import RolloutGroups
from compute_aligned.method.intervals import FloatArray, mean_interval
from compute_aligned.method.objectives import GroupObjective
from compute_aligned.paper.captions import count
from compute_aligned.paper.sheets import Entry, Grid, Rendered, Sheet, missing, rendered, words
from compute_aligned.score.proteins import read_scores


def within_prompt_sd(samples: pd.DataFrame) -> float:
    """Sample standard deviation of the hydrophobic share within a prompt, mean over prompts."""
    return float(samples.groupby("problem")["share"].std(ddof=1).mean())


def input_correlation(samples: pd.DataFrame) -> float:
    """Correlation of the input's and the output's hydrophobic share, over all samples."""
    return float(samples["input_share"].corr(samples["share"]))


def invalid_share(samples: pd.DataFrame) -> float:
    """The share of samples that are no protein of the least length."""
    return float(samples["share"].isna().mean())


def push_on_share(rewards: FloatArray, shares: FloatArray, objective: GroupObjective) -> float:
    """Covariance of A * w with the hydrophobic share h, in standard deviations of h.

    To first order an update moves the mean of h in proportion to it: the model whose samples these
    are leaves the low hill of the unconditional task where it is positive, and climbs back where it
    is negative. Quantiles among past rewards are taken among the given ones.

    Args:
        rewards: Of the samples, shape (P, M).
        shares: h, shape (P, M).
        objective: What the branch is trained with.

    """
    groups = torch.from_numpy(rewards)
    found = objective.gains(
        RolloutGroups(log_p=torch.zeros_like(groups), rewards=groups, past_rewards=groups.flatten())
    )
    valid = ~np.isnan(shares)
    gains = found.gains.numpy()[valid]
    return float(np.cov(gains, shares[valid], ddof=0)[0, 1] / shares[valid].std())


def in_groups(samples: pd.DataFrame, column: str, size: int) -> FloatArray:
    """The samples of one model and seed as groups like those of training, shape (P, ``size``).

    Each prompt's samples are cut into as many whole groups as there are; the rest is left out.
    """
    drawn = samples.pivot(index="problem", columns="sample", values=column).to_numpy()
    whole = drawn.shape[1] // size * size
    return drawn[:, :whole].reshape(-1, size)


# --- the tables ------------------------------------------------------------------------------


class Measure(NamedTuple):
    """A column of a table.

    Attributes:
        heading: What a reader sees.
        decimals: How many are printed.
        value: From one seed's samples of all models, and a model's id; NaN where there is none.

    """

    heading: str
    decimals: int
    value: Callable[[pd.DataFrame, str], float]


def share_spread(item: Item, scores: Sequence[Path]) -> Rendered:
    """How much a model's answers to one prompt differ, and how they follow the prompt.

    Args:
        item: The item.
        scores: Files of ``records.PROTEIN_SCORES``, one a seed.

    """
    measures = (
        *LEVELS,
        Measure("sd of h within a prompt", 3, _own(within_prompt_sd)),
        Measure("Correlation with the input's h", 2, _own(input_correlation)),
        Measure("Residues", 1, _own(lambda samples: samples["residues"].mean())),
        Measure("Invalid", 3, _own(invalid_share)),
    )
    note = (
        "More samples of a prompt find a better one only as far as they differ. Invalid: the share "
        "that is no protein of the least length; it has a reward, but no h."
    )
    return _rendered(item, read_scores(scores), measures, note)


def share_push(item: Item, scores: Sequence[Path]) -> Rendered:
    """Where each branch's update pushes h at the start of training, and where h ends up.

    Args:
        item: The item.
        scores: Files of ``records.PROTEIN_SCORES``, one a seed.

    """

    def push(of_seed: pd.DataFrame, branch: str) -> float:
        of_branch = item.experiment.branch(branch)
        settings, objective = of_branch.training, objective_of(of_branch)
        if not isinstance(settings, Rl):
            raise ValueError(f"{branch} is not trained by reinforcement learning")
        start = of_seed[of_seed["branch"] == WARMUP]
        rewards, shares = (
            in_groups(start, column, settings.group_size) for column in ("reward", "share")
        )
        return push_on_share(rewards, shares, objective)

    at_start = Measure("cov(A w, h) / sd(h) at the start", 2, _of_branches(push))
    note = (
        "A is the advantage and w the weight that the branch would put on the samples of the "
        "warm-up, in groups as in training. Above 0 the first updates raise h, below 0 they lower "
        "it, so it foretells who leaves the low hill of the reward."
    )
    return _rendered(item, read_scores(scores), (at_start, *LEVELS), note)


def _own(measure: Callable[[pd.DataFrame], float]) -> Callable[[pd.DataFrame, str], float]:
    """A measure of the model's own samples."""
    return lambda of_seed, model: float(measure(of_seed[of_seed["branch"] == model]))


def _of_branches(
    measure: Callable[[pd.DataFrame, str], float],
) -> Callable[[pd.DataFrame, str], float]:
    """A measure that the warm-up has not."""
    return lambda of_seed, model: np.nan if model == WARMUP else measure(of_seed, model)


LEVELS = (
    Measure("Reward", 2, _own(lambda samples: samples["reward"].mean())),
    Measure("Mean h", 3, _own(lambda samples: samples["share"].mean())),
)


# --- parts ----------------------------------------------------------------------------------


def _rendered(
    item: Item, samples: pd.DataFrame, measures: Sequence[Measure], note: str
) -> Rendered:
    frame = _measured(item, samples, measures)
    seeds = samples["seed"].nunique()
    interval = f"; brackets are 95% intervals (t, {seeds - 1} degrees of freedom)"
    labels = item.experiment.labels
    columns = [words("Model"), *(words(measure.heading) for measure in measures)]
    rows = [
        [words(labels[str(model)]), *map(_entry, values.to_dict("records"), measures)]
        for model, values in frame.groupby("branch", sort=False)
    ]
    sheet = Sheet(
        name=item.row.item,
        title=item.row.title,
        caption=f"Means over {count(seeds, 'seed')}{interval if seeds > 1 else ''}.",
        grids=[Grid(f"This run (scale {item.experiment.scale})", columns, rows)],
        note=note,
    )
    return rendered(frame, sheet)


def _measured(item: Item, samples: pd.DataFrame, measures: Sequence[Measure]) -> pd.DataFrame:
    """One row a model and measure: item, family, branch, measure, value, its interval, seeds."""
    by_seed = [of_seed for _, of_seed in samples.groupby("seed")]
    rows = []
    for model in item.models:
        for measure in measures:
            values = np.array([[measure.value(of_seed, model)] for of_seed in by_seed])
            low, high = _ends(values)
            rows.append(
                {"item": item.row.item, "family": item.row.family, "branch": model}
                | {"measure": measure.heading, "value": values.mean(), "value_low": low}
                | {"value_high": high, "seeds": len(by_seed)}
            )
    return pd.DataFrame(rows)


def _ends(values: np.ndarray) -> tuple[float, float]:
    """The interval of the mean over seeds; there is none where a seed has no value."""
    if len(values) < 2 or np.isnan(values).any():
        return np.nan, np.nan
    interval = mean_interval(values)
    return interval.low, interval.high


def _entry(row: Mapping[Hashable, Any], measure: Measure) -> Entry:
    """A mean, with its interval where it has one."""
    value, low, high = (
        f"{row[column]:z.{measure.decimals}f}" for column in ("value", "value_low", "value_high")
    )
    if np.isnan(row["value"]):
        return missing()
    return words(value if np.isnan(row["value_low"]) else f"{value} [{low}, {high}]")
