"""Where a branch gains and where it loses: changes against the baseline, by the baseline's p.

A problem's samples are cut in two. One half says which problems are alike, by the baseline's share
of right samples; the other half measures the change. With the same samples in both places, chance
would put problems into a bin and then take the same chance out of it again, which looks like an
effect: the extremes would all seem to move to the middle.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from compute_aligned.files.records import SCORES, read_table
from compute_aligned.method.intervals import FloatArray, Interval, mean_interval
from compute_aligned.method.votes import plurality_correct
from compute_aligned.paper.summary import interval_columns, seeds_by_problems

EDGES = np.linspace(0, 1, 11)
FEWEST = 20  # problems of all seeds together; a bin of fewer is left out
MEASURES = ("p", "vote")
COLUMNS = ["branch", "measure", "bin", "baseline_p", "pairs", "change", "change_low", "change_high"]


def read_halves(paths: Sequence[Path]) -> pd.DataFrame:
    """What the two halves of every problem's samples say.

    Args:
        paths: Files of ``records.SCORES``, one a seed.

    Returns:
        Columns seed (a file's number in ``paths``), branch, problem; ``p_sorting``, the share of
        right ones among the samples with an even number; ``p`` and ``vote``, among the others the
        share of right ones, and the probability that the most frequent answer is right.

    """
    rows = []
    for seed, path in enumerate(paths):
        for row in read_table(path, SCORES).to_pylist():
            votes, correct = row["votes"], row["correct"]
            rows.append(
                {"seed": seed, "branch": row["branch"], "problem": row["problem"]}
                | {"p_sorting": np.mean(correct[::2]), "p": np.mean(correct[1::2])}
                | {"vote": plurality_correct(votes[1::2], correct[1::2])}
            )
    return pd.DataFrame(rows)


def changes(halves: pd.DataFrame, branches: Sequence[str], baseline: str) -> pd.DataFrame:
    """Mean changes of p and of the vote, a row a branch, measure and bin of the baseline's p.

    Args:
        halves: As :func:`read_halves` gives them.
        branches: The branches wanted, in order.
        baseline: What they are compared with, on the same problem and seed.

    Returns:
        Columns branch, measure (``p``, ``vote``), ``bin`` (its number), ``baseline_p`` (mean of the
        baseline's p in the bin), pairs (problems in it, counted once a seed), and change,
        change_low, change_high, all shares. Bins of fewer than ``FEWEST`` pairs are left out.

    Raises:
        InputError: A branch is not there, or its seeds have different problems.

    """
    reference = {name: _matrix(halves, baseline, name) for name in ("p_sorting", *MEASURES)}
    bins = np.digitize(reference["p_sorting"], EDGES[1:-1])
    rows = []
    for branch in branches:
        for measure in MEASURES:
            change = _matrix(halves, branch, measure) - reference[measure]
            for number in range(len(EDGES) - 1):
                inside = bins == number
                if inside.sum() < FEWEST:
                    continue
                rows.append(
                    {"branch": branch, "measure": measure, "bin": number}
                    | {"baseline_p": reference["p"][inside].mean(), "pairs": inside.sum()}
                    | interval_columns("change", subset_interval(change, inside))
                )
    return pd.DataFrame(rows, columns=COLUMNS)


def subset_interval(values: FloatArray, inside: NDArray[np.bool_]) -> Interval:
    """Interval of the mean of those values that are inside, which may differ from seed to seed.

    The mean is a ratio of two means over seeds and problems, linearised at its estimate: to first
    order its error is the mean of (value - ratio) * inside / mean(inside), whose interval
    :func:`compute_aligned.method.intervals.mean_interval` gives.

    Args:
        values: Shape (S, P): a row a seed, a column a problem.
        inside: Which of them count, same shape.

    Raises:
        ValueError: None is inside.

    """
    if not inside.any():
        raise ValueError("no value is inside")
    ratio = float(values[inside].mean())
    errors = mean_interval(np.where(inside, values - ratio, 0.0) / inside.mean())
    return replace(errors, estimate=ratio, low=ratio + errors.low, high=ratio + errors.high)


def _matrix(halves: pd.DataFrame, branch: str, column: str) -> FloatArray:
    """One branch's values, (S, P)."""
    return seeds_by_problems(halves.assign(value=halves[column]), branch).to_numpy()
