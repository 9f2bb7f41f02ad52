from pathlib import Path

import numpy as np
import pandas as pd

from compute_aligned.files.records import PROTEIN_SCORES, write_table
from compute_aligned.score.proteins import read_scores

ROW = {"branch": "bon_n2", "problem": "free", "num_invalid": 0, "num_unfinished": 0}
ROW |= {"num_samples": 2, "mean_tokens": 9.0, "input_share": None}


def test_samples_come_back_one_a_row_with_gaps_where_there_is_no_protein(tmp_path: Path) -> None:
    paths = [tmp_path / f"seed{seed}.parquet" for seed in (0, 1)]
    drawn = [
        {"rewards": [3.0, -1.0], "shares": [0.4, None], "residues": [10, None]},
        {"rewards": [4.0, 5.0], "shares": [0.5, 0.6], "residues": [10, 11], "input_share": 0.75},
    ]
    for path, of_seed in zip(paths, drawn, strict=True):
        write_table(path, [ROW | of_seed], PROTEIN_SCORES)

    expected = pd.DataFrame(
        {
            "seed": [0, 0, 1, 1],
            "branch": ["bon_n2"] * 4,
            "problem": ["free"] * 4,
            "sample": [0, 1, 0, 1],
            "reward": [3.0, -1.0, 4.0, 5.0],
            "share": [0.4, np.nan, 0.5, 0.6],
            "residues": [10, np.nan, 10, 11],
            "input_share": [np.nan, np.nan, 0.75, 0.75],
        }
    )
    pd.testing.assert_frame_equal(read_scores(paths), expected)
