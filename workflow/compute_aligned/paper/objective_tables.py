"""The table of reinforcement learning's objectives: formulas, sources, bias, variance."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from compute_aligned.config.sheets import PaperItem
from compute_aligned.config.study import Branch
from compute_aligned.method.objectives import SCALES
from compute_aligned.paper.alignment import ToyPolicy
from compute_aligned.paper.objective_bias import (
    ANSWERED,
    BUDGETS,
    GROUP_SIZE,
    OF_ANSWERS,
    OF_REWARDS,
    RATED,
    Bias,
    Named,
    bias_of,
    further,
)
from compute_aligned.paper.sheets import (
    Entry,
    Grid,
    Rendered,
    Sheet,
    formula,
    missing,
    number,
    rendered,
    words,
)

BELOW = 1e-9  # what counts as rounding: sums over thousands of groups, in float64
COLUMNS = ("Objective", "Source", "Strategy", "A", "Gain", "Unbiased for", "Bias", "Variance")


def bias(row: PaperItem, branches: Sequence[Branch]) -> Rendered:
    """What each objective's update is unbiased for, and its bias and variance on toy policies.

    Args:
        row: The item's row.
        branches: Those of reinforcement learning, whose objectives join the published ones.

    """
    of_answers = [*OF_ANSWERS, *further(branches, OF_ANSWERS, of_answers=True)]
    of_rewards = [*OF_REWARDS, *further(branches, OF_REWARDS, of_answers=False)]
    answers, rewards = _measured(of_answers, ANSWERED), _measured(of_rewards, RATED)
    sheet = Sheet(
        name=row.item,
        title=row.title,
        caption=(
            "A rollout's gain multiplies the gradient of its log-probability. A: the advantage; "
            "w: the strategy's weight, at what is taken for p; c: right rollouts of M; s: credits "
            f"by k-subsets. The numbers: groups of M = {GROUP_SIZE} rollouts of each of three "
            "prompts, softmax policies over four answers, two of them right, with probability "
            ".05, .30 and .80 in all; sums over every group, exact. Bias: the part of the "
            "expected update at right angles to the gradient of the objective's own strategy, or "
            "of what it is unbiased for, over its length. Variance: of the update of a group a "
            "prompt, over the squared length of its mean. k: cosine of the expected update with "
            "the gradient of the best of k."
        ),
        grids=[
            _grid("Right and wrong answers", of_answers, answers),
            _grid("Rewards of 10, 7, 2 and 1", of_rewards, rewards),
        ],
        note=(
            "Unbiased: on every policy the expected update is that gradient, times the number; "
            "the group's mean as a baseline makes it (M-1)/M. Biased for its own strategy, an "
            "objective may still serve another. The numbers belong to these policies: they show "
            "what can happen, not what a model does. A dash: no source, no advantage, unbiased "
            "for nothing, or groups too small for the objective."
        ),
    )
    records = [
        _record(kind, each, found)
        for kind, named, measured in (
            ("answers", of_answers, answers),
            ("rewards", of_rewards, rewards),
        )
        for each, found in zip(named, measured, strict=True)
    ]
    return rendered(pd.DataFrame(records), sheet)


def _measured(named: Sequence[Named], policy: ToyPolicy) -> list[Bias | None]:
    return [bias_of(each.objective, policy, GROUP_SIZE) for each in named]


def _record(rewards: str, named: Named, found: Bias | None) -> dict[str, Any]:
    """One row of the tidy values."""
    objective = named.objective
    record: dict[str, Any] = {
        "rewards": rewards,
        "objective": named.name,
        "source": named.source,
        "strategy": repr(objective.strategy),
        "form": objective.form,
        "success_estimate": objective.estimate.name,
        "advantage_scale": objective.scale,
    }
    if found is None:
        return record
    return (
        record
        | {"unbiased_for": found.unbiased_for and repr(found.unbiased_for), "scale": found.scale}
        | {
            "bias": found.bias if found.bias > BELOW else 0.0,
            "variance": found.variance,
            "group_size": GROUP_SIZE,
        }
        | {f"cosine_{k}": value for k, value in zip(BUDGETS, found.cosines, strict=True)}
    )


def _grid(heading: str, named: Sequence[Named], measured: Sequence[Bias | None]) -> Grid:
    columns = [*map(words, COLUMNS), *(formula(f"k={k}") for k in BUDGETS)]
    rows = [_row(each, found) for each, found in zip(named, measured, strict=True)]
    return Grid(heading, columns, rows, left=6)


def _row(named: Named, found: Bias | None) -> list[Entry]:
    objective, estimate = named.objective, named.objective.estimate
    described = [
        words(named.name),
        words(named.source) if named.source else missing(),
        words(f"{objective.strategy.label}, {objective.form}"),
        missing() if estimate.scales == ("none",) else formula(SCALES[objective.scale]),
        formula(estimate.formula),
    ]
    if found is None:
        return [*described, *[missing()] * (3 + len(BUDGETS))]
    exact = missing()
    if found.unbiased_for is not None:
        exact = words(f"{found.unbiased_for.label} × {found.scale:.3g}")
    return [
        *described,
        exact,
        words("0") if found.bias < BELOW else number(found.bias),
        number(found.variance),
        *(words(f"{value:z.3f}") for value in found.cosines),
    ]
