"""How active a strategy was: the distribution of log p and of its weight, early and late.

A weight that hardly varies within a batch is a constant factor, which AdamW with clipping takes
away again: such a branch is the baseline under another name (PAPER section 5, the regime note).
"""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from compute_aligned.config.experiments import Experiment
from compute_aligned.config.study import Item
from compute_aligned.files.records import RL_STEPS, STEPS, read_table
from compute_aligned.paper.captions import count
from compute_aligned.paper.sheets import Entry, Grid, Rendered, Sheet, rendered, words

SHARE = 0.1  # of the steps that count as the start, and as the end
QUANTILES = [f"{name}_q{level}" for name in ("log_p", "weight") for level in ("05", "50", "95")]
PHASES = ("start", "end")


def read_steps(files: Sequence[tuple[str, Path]], schemas: Mapping[str, pa.Schema]) -> pd.DataFrame:
    """The training records of several branches and seeds, with columns ``branch`` and ``run``.

    Args:
        files: A branch and its record, once a seed, in the same order of seeds for each branch.
        schemas: Branch to ``records.STEPS`` or ``records.RL_STEPS``, as it was trained.

    Returns:
        The columns of the schemas, empty for a branch whose schema lacks them, and ``branch`` and
        ``run``, the number of a file in ``files``.

    """
    return pd.concat(
        [
            read_table(path, schemas[branch]).to_pandas().assign(branch=branch, run=run)
            for run, (branch, path) in enumerate(files)
        ],
        ignore_index=True,
    )


def steps_of(experiment: Experiment, files: Sequence[tuple[str, Path]]) -> pd.DataFrame:
    """As :func:`read_steps`, of branches of an experiment, whichever way each was trained."""
    schemas = {
        name: STEPS if branch.row.fine_tuned else RL_STEPS
        for name, branch in experiment.branches.items()
    }
    return read_steps(files, schemas)


def phases(steps: pd.DataFrame) -> pd.DataFrame:
    """The first and the last tenth of training, a row a branch and phase.

    Quantiles are those of each batch, averaged over the steps of the phase and over seeds.

    Args:
        steps: As :func:`read_steps` gives them.

    Returns:
        Columns branch, phase (``start``, ``end``), ``log_p_q05`` to ``weight_q95`` (5, 50 and 95%),
        ``clipped`` (share of the phase's steps whose gradient was clipped), steps, seeds; in the
        order of the branches in ``steps``.

    """
    total = steps.groupby("run")["step"].transform("size")
    counted = np.ceil(SHARE * total)  # one step at least
    parts = {"start": steps["step"] < counted, "end": steps["step"] >= total - counted}
    rows = []
    for branch in steps["branch"].unique():
        mine = steps["branch"] == branch
        for phase, within in parts.items():
            by_run = steps[mine & within].groupby("run")[[*QUANTILES, "clipped"]].mean()
            rows.append(
                {"branch": branch, "phase": phase}
                | by_run.mean().to_dict()
                | {"steps": int(steps.loc[mine, "step"].max()) + 1, "seeds": len(by_run)}
            )
    return pd.DataFrame(rows)


# --- the table -------------------------------------------------------------------------------


def table(item: Item, steps: pd.DataFrame) -> Rendered:
    """Where each branch's weight was active: log p and weight at the start and at the end.

    Args:
        item: The item.
        steps: As :func:`read_steps` gives them, of the item's branches.

    """
    labels = item.experiment.labels
    found = phases(steps)
    frame = found.assign(
        item=item.row.item, family=item.row.family, label=found["branch"].map(labels)
    )
    first = ["item", "family", "branch", "label"]
    frame = frame[[*first, *(name for name in frame if name not in first)]]
    columns = [words(text) for text in ("Branch", "log p, start", "log p, end")]
    columns += [words(text) for text in ("Weight, start", "Weight, end", "Clipped")]
    rows = [
        [words(labels[str(branch)]), *_cells(rows.set_index("phase"))]
        for branch, rows in frame.groupby("branch", sort=False)
    ]
    seeds = count(int(frame["seeds"].max()), "seed")
    sheet = Sheet(
        name=item.row.item,
        title=item.row.title,
        caption=f"Scale {item.experiment.scale}, means over {seeds}: the median of a batch, and "
        "from its 5 to its 95% quantile, over the first and the last tenth of the steps.",
        grids=[Grid("Sequence log-probability and weight in training", columns, rows)],
        note="A weight that is the same throughout a batch is a constant factor, which AdamW with "
        "a clipped gradient takes away again. Clipped: the share of steps with a gradient above "
        "the limit.",
    )
    return rendered(frame, sheet)


def _cells(by_phase: pd.DataFrame) -> list[Entry]:
    """Log p at start and end, the weight at start and end, the share of clipped gradients."""
    phases_of = by_phase.to_dict("index")
    spreads = [_spread(phases_of[phase], name) for name in ("log_p", "weight") for phase in PHASES]
    return [*spreads, words(f"{100 * by_phase['clipped'].mean():.0f}%")]


def _spread(row: Mapping[Hashable, Any], name: str) -> Entry:
    low, median, high = (significant(row[f"{name}_q{level}"]) for level in ("05", "50", "95"))
    return words(f"{median} ({low} to {high})")


def significant(value: float) -> str:
    """Two decimals; what they would show as 0 with one digit and its power of ten."""
    return f"{value:z.2f}" if abs(value) >= 0.005 or value == 0 else f"{value:.0e}"
