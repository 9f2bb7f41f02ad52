"""How active a strategy was: the distribution of log p and of its weight, early and late.

A weight that hardly varies within a batch is a constant factor, which AdamW with clipping takes
away again: such a branch is the baseline under another name (PAPER section 5, the regime note).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from compute_aligned.records import read_table

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
        for phase, chosen in parts.items():
            by_run = steps[mine & chosen].groupby("run")[[*QUANTILES, "clipped"]].mean()
            rows.append(
                {"branch": branch, "phase": phase}
                | by_run.mean().to_dict()
                | {"steps": int(steps.loc[mine, "step"].max()) + 1, "seeds": len(by_run)}
            )
    return pd.DataFrame(rows)
