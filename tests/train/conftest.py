from pathlib import Path

import pytest
import torch
from support import jobs
from train import training
from train.verbs import FAMILY

from compute_aligned.score.tasks import TASKS

torch.set_num_threads(1)  # as every verb does; models this small are no faster with more


@pytest.fixture
def easy_reward(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "answer", training.FirstDigitIsOdd())


@pytest.fixture(scope="package")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Problems and a warm-up model of a family that is trained by reinforcement learning."""
    folder = tmp_path_factory.mktemp("inputs")
    raw, steps = folder / "raw.jsonl", folder / "steps.parquet"
    jobs.run("fetch", "--scale", "smoke", "--source", "multiplication", "--out", raw)
    jobs.run("prepare", *FAMILY, "--raw", raw, "--out", folder)
    train = ["--problems", folder / "train.jsonl", "--model", folder / "model", "--steps", steps]
    jobs.run("train", *FAMILY, "--branch", "warmup", *train)
    return folder
