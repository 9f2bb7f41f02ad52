"""The scores of proteins, sample by sample."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from compute_aligned.files.records import PROTEIN_SCORES, read_table


def read_scores(paths: Sequence[Path]) -> pd.DataFrame:
    """The samples of several seeds, one row each.

    Args:
        paths: Files of ``records.PROTEIN_SCORES``, one a seed.

    Returns:
        Columns seed (a file's number in ``paths``), branch, problem, sample, reward, share,
        residues, input_share. What is no protein has neither share nor residues, a prompt without a
        protein no ``input_share``: they are NaN.

    """
    names = {"rewards": "reward", "shares": "share"}
    frames = [
        read_table(path, PROTEIN_SCORES)
        .to_pandas()
        .assign(seed=seed)
        .rename(columns=names)
        .explode(["reward", "share", "residues"], ignore_index=True)
        for seed, path in enumerate(paths)
    ]
    frame = pd.concat(frames, ignore_index=True)
    frame["sample"] = frame.groupby(["seed", "branch", "problem"], sort=False).cumcount()
    numbers = ["reward", "share", "residues", "input_share"]
    return frame.astype(dict.fromkeys(numbers, float))[
        ["seed", "branch", "problem", "sample", *numbers]
    ]
