"""A whole run of a map of two cells, like the smoke scale."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from support import runs

TWO_CELLS = """
like: smoke
engine: transformers
families:
  sft_passn:
    branches: [ce, passn_n16]
    cells: {sft.decay: [1 epochs, 4 epochs]}
    seeds: [0]
    metrics: [pass@k]
"""
CELLS = ["sft_passn__decay_1_epochs", "sft_passn__decay_4_epochs"]


def test_a_map_is_run_from_raw_data_to_its_items_and_without_verdicts(fresh: Path) -> None:
    (fresh / "config" / "scales" / "two_cells.yaml").write_text(TWO_CELLS)
    done = runs.snakemake(fresh, "--cores", "2", "--config", "scale=two_cells")
    assert done.returncode == 0, done.stdout + done.stderr

    results, figures = fresh / "results" / "two_cells", fresh / "paper_figures" / "two_cells"
    found = {path.name for folder in (results, figures) for path in folder.glob("*.*")}
    assert {"settings.html", "timings.html", "figure_map_c1.pdf"} <= found
    assert not {name for name in found if "claims" in name}
    frame = pd.read_csv(results / "tables" / "regime_map.csv")
    gains = frame[(frame["branch"] == "passn_n16") & (frame["k"] == 1)]
    assert gains["run"].tolist() == CELLS
    assert gains["seeds"].tolist() == [1, 1]
    assert gains[["low", "high"]].isna().all().all()
    for run, gain in zip(CELLS, gains["gain"], strict=True):
        outcomes = pq.read_table(results / "scores" / run / "seed0.outcomes.parquet").to_pandas()
        means = outcomes[outcomes["k"] == 1].groupby("branch")["value"].mean()
        np.testing.assert_allclose(gain, 100 * (means["passn_n16"] - means["ce"]), atol=1e-4)
    steps = [
        pq.read_metadata(p).num_rows for p in sorted(results.glob("branches/*/ce/*/*.parquet"))
    ]
    assert steps == [5, 20]
