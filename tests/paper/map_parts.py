"""A small map, what its cells have left, and its numbers by brute force."""

from pathlib import Path
from typing import Any

import numpy as np

from compute_aligned.config.reading import CONFIG
from compute_aligned.config.study import Study, read_study
from compute_aligned.files.records import (
    OUTCOMES,
    PROTEIN_SCORES,
    RL_STEPS,
    SCORES,
    STEPS,
    write_table,
)
from compute_aligned.paper.cells import measure

MAP = """
like: smoke
families:
  sft_passn:
    branches: [ce, passn_n4, passn_n16]
    cells: {sft.decay: [2 epochs, 8 epochs]}
  protein_unconditional:
    branches: [standard, bon_n2]
    cells: {rl.gradient_temperature: [plain, sampling], rl.steps: [3]}
  sft_to_rl:
    branches: [ce, passn_n16, ce_warmup, passn_n16_warmup]
    cells: {sft.decay: [2 epochs]}
"""
SHORT, LONG = (f"sft_passn__decay_{epochs}_epochs" for epochs in (2, 8))
POOL = "protein_unconditional__gradient_temperature_plain__steps_3"
CHAIN = "sft_to_rl__decay_2_epochs"
LEVELS = ("05", "25", "50", "75", "95")
PROBLEMS = [f"p{i:02d}" for i in range(20)]


def study_in(folder: Path) -> Study:
    """The project's configuration with the map as another scale."""
    config = folder / "config"
    (config / "scales").mkdir(parents=True)
    for file in (*CONFIG.glob("*.tsv"), CONFIG / "scales" / "smoke.yaml"):
        (config / file.relative_to(CONFIG)).symlink_to(file)
    (config / "scales" / "map.yaml").write_text(MAP)
    return read_study("map", config)


class Left:
    """What a cell has left: outcomes, scores, and records of steps, from random numbers."""

    def __init__(self, study: Study, run: str, folder: Path, seeds: int = 2) -> None:
        self.study, self.run, self.experiment = study, run, study.experiment(run)
        self.folder = folder / run
        rng = np.random.default_rng(len(run))
        self.values = {  # of each model and seed a row of problems; of each problem its metrics
            (model, seed): rng.random(len(PROBLEMS)).round(3)
            for model in self.experiment.models
            for seed in range(seeds)
        }
        self.quantiles = {  # of the weights, step by step
            (branch, seed): np.sort(rng.random((4 + 3 * place, 5)))
            for place, branch in enumerate(self.experiment.branches)
            for seed in range(seeds)
        }
        self.outcomes = [self._outcomes(seed) for seed in range(seeds)]
        self.scores = [self._scores(seed) for seed in range(seeds)]
        self.steps = [(b, self._steps(b, seed)) for b, seed in self.quantiles]

    def measured(self) -> list[dict]:
        return measure(self.study, self.run, self.outcomes, self.scores, self.steps)

    def _outcomes(self, seed: int) -> Path:
        metrics, budgets = self.experiment.settings.metrics, (1, 2, 4, 8, 16)
        rows = [
            {"branch": model, "problem": problem, "metric": metric, "k": k, "value": value / k}
            for model in self.experiment.models
            for problem, value in zip(PROBLEMS, self.values[model, seed], strict=True)
            for metric in metrics
            for k in budgets
        ]
        return self._written(f"{seed}.outcomes", rows, OUTCOMES)

    def _scores(self, seed: int) -> Path:
        counts = {"num_samples": 20, "num_invalid": 0, "num_unfinished": 0, "mean_tokens": 2.0}
        key = {"problem": "p00"} | counts
        if not self.experiment.is_pool:
            graded = {"num_correct": 0, "votes": [], "correct": []}
            rows = [{"branch": m} | key | graded for m in self.experiment.models]
            return self._written(f"{seed}.scores", rows, SCORES)
        shares = {"input_share": None, "shares": [0.5] * 20, "residues": [9] * 20}
        rows = [
            {"branch": m, "rewards": (10 * self.values[m, seed]).tolist()} | key | shares
            for m in self.experiment.models
        ]
        return self._written(f"{seed}.scores", rows, PROTEIN_SCORES)

    def _steps(self, branch: str, seed: int) -> Path:
        fine_tuned = self.experiment.branch(branch).row.fine_tuned
        schema = STEPS if fine_tuned else RL_STEPS
        rows: list[dict[str, Any]] = []
        for step, quantiles in enumerate(self.quantiles[branch, seed]):
            row = dict.fromkeys(schema.names, 0.5) | {"step": step, "tokens": 9, "clipped": True}
            row["mean_p" if fine_tuned else "success_share"] = (step + seed) / 100
            if self.experiment.is_pool:
                row["success_share"] = None
            weights = {f"weight_q{q}": w for q, w in zip(LEVELS, quantiles, strict=True)}
            rows.append(row | weights)
        return self._written(f"{branch}.{seed}", rows, schema)

    def _written(self, name: str, rows: list[dict], schema: Any) -> Path:
        path = self.folder / name
        write_table(path, rows, schema)
        return path
