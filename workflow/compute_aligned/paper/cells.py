"""What is measured in the cells of a map, and how active the strategies were there.

A cell is a family with a few settings varied. :func:`measure` makes its record, a row an effect;
:func:`read_cells` puts those of many cells side by side for tables and figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from compute_aligned.config.experiments import Experiment
from compute_aligned.config.regimes import NO_CLAIM, Effect, effects_of
from compute_aligned.config.sheets import WARMUP
from compute_aligned.config.study import Study
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import CELLS, read_table
from compute_aligned.method.activity import active_share
from compute_aligned.paper.activity import SHARE, steps_of
from compute_aligned.paper.summary import read_outcomes, summarise, summarise_pool
from compute_aligned.score.proteins import read_scores

WEIGHTS = [f"weight_q{level}" for level in ("05", "25", "50", "75", "95")]
FEWEST_SEEDS = 2  # for an interval: one seed says nothing of how trainings differ
COLUMNS = (
    *("claim", "family", "cell", "run", "branch", "label", "against", "strategy", "metric", "k"),
    *("share_active", "train_p", "gain", "low", "high", "seeds", "problems"),
)


def measure(
    study: Study,
    run: str,
    outcomes: Sequence[Path],
    scores: Sequence[Path],
    steps: Sequence[tuple[str, Path]],
) -> list[dict]:
    """The rows of a cell's record (schema ``records.CELLS``).

    Args:
        study: A scale that is a map.
        run: The family that the cell is.
        outcomes: Files of ``records.OUTCOMES``, one a seed.
        scores: Files of the scores of samples, one a seed; read where the family has one prompt.
        steps: Branch, and the record of its training steps, a file a branch and seed.

    Raises:
        InputError: A file is missing or of another kind, or branches cannot be compared.

    """
    experiment = study.experiment(run)
    for kind, files in {"outcomes": outcomes, "scores": scores, "steps": steps}.items():
        if not files:
            raise InputError(run, f"it is made from {kind}, and none are given", "name the files")
    trained = steps_of(experiment, steps)
    shares, train_p = active_shares(experiment, trained), training_p(experiment, trained)
    data = read_scores(scores) if experiment.is_pool else read_outcomes(outcomes)
    rows = []
    for effect in effects_of(study, run):
        found = _effect(data, effect, experiment.is_pool)
        if len(outcomes) < FEWEST_SEEDS:
            found |= {"low": None, "high": None}
        active = {"share_active": shares[effect.branch], "train_p": train_p}
        rows.append(asdict(effect) | active | found)
    return rows


def _effect(data: pd.DataFrame, effect: Effect, is_pool: bool) -> dict[str, float | None]:
    """The difference with its interval, in percentage points or reward; seeds, problems."""
    level = float(effect.against) if effect.against[0].isdigit() else None
    against = effect.branch if level is not None else effect.against
    if is_pool:
        summary = summarise_pool(data, [effect.branch], [effect.k], against)
    else:
        summary = summarise(data, [effect.branch], effect.metric, [effect.k], against)
    row = summary.iloc[0]
    name, less = ("gain", 0.0) if level is None else ("value", level)
    ends = {"gain": row[name], "low": row[f"{name}_low"], "high": row[f"{name}_high"]}
    found: dict[str, float | None] = {key: float(value) - less for key, value in ends.items()}
    return found | {"seeds": int(row["seeds"]), "problems": int(row["problems"])}


def active_shares(experiment: Experiment, steps: pd.DataFrame) -> dict[str, float]:
    """How active each branch's weight was: a share of training, by branch.

    It is :func:`~compute_aligned.method.activity.active_share` averaged over the steps of the
    branch and of the branches that it starts from, then over seeds.

    Args:
        experiment: A family.
        steps: Of all of its branches, as ``activity.read_steps`` gives them.

    """
    steps = steps.assign(
        share=active_share(steps[WEIGHTS].to_numpy()),
        seed=steps.groupby("branch")["run"].rank(method="dense"),
    )
    shares = {}
    for branch in experiment.branches:
        line = [branch]
        while (start := experiment.start_of(line[-1])) != WARMUP:
            line.append(start)
        mine = steps[steps["branch"].isin(line)]
        shares[branch] = float(mine.groupby("seed")["share"].mean().mean())
    return shares


def training_p(experiment: Experiment, steps: pd.DataFrame) -> float | None:
    """How far training came: the baseline's p over the last tenth of its steps, mean over seeds.

    It is the mean p of the targets, or in reinforcement learning the share of right rollouts; None
    where rewards are measured.
    """
    fine_tuned = experiment.branch(experiment.baseline).row.fine_tuned
    mine = steps[steps["branch"] == experiment.baseline]
    total = mine.groupby("run")["step"].transform("size")
    ending = mine[mine["step"] >= total - np.ceil(SHARE * total)]
    column = ending["mean_p" if fine_tuned else "success_share"].astype(float)
    return None if column.isna().all() else float(column.groupby(ending["run"]).mean().mean())


def read_cells(study: Study, runs: Sequence[str], files: Mapping[str, Path]) -> pd.DataFrame:
    """What was measured in some cells of a map, in their order.

    Args:
        study: A scale that is a map.
        runs: The families that the cells are.
        files: The record of each; a cell without one was not run, and its numbers are missing.

    Returns:
        :data:`COLUMNS`; an effect that several claims compare stands there once for each. ``cell``
        says which settings are varied, ``family`` what the cell is like, ``run`` its own name.

    """
    frames = []
    for run in runs:
        cell, labels = study.cells[run], study.experiment(run).labels
        if run in files:
            frame = read_table(files[run], CELLS).to_pandas()
        else:
            wanted = [asdict(effect) for effect in effects_of(study, run)]
            measured = dict.fromkeys(CELLS.names[5:], float)
            frame = pd.DataFrame(wanted, columns=CELLS.names).astype(measured)
        strategies = {b: each.row.strategy for b, each in study.experiment(run).branches.items()}
        frames.append(
            frame.assign(
                family=cell.like,
                cell=cell.text,
                run=run,
                label=frame["branch"].map(labels),
                strategy=frame["branch"].map(strategies),
            )
        )
    return pd.concat(frames, ignore_index=True)[[*COLUMNS]]


def headline(cells: pd.DataFrame, study: Study) -> pd.DataFrame:
    """One gain over the baseline a cell and branch, of the cells that were run.

    It is that at the largest k at which a claim compares the branch with the baseline; of several
    claims, by the first of the sheet.

    Args:
        cells: As :func:`read_cells` gives them.
        study: The map.

    """
    baselines = cells["run"].map({run: study.experiment(run).baseline for run in study.cells})
    gains = cells[
        (cells["against"] == baselines) & (cells["claim"] != NO_CLAIM) & cells["gain"].notna()
    ]
    largest = gains.sort_values("k", ascending=False, kind="stable")
    return largest.drop_duplicates(["run", "branch"]).sort_index()
