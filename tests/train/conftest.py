import pytest
import torch
from train import training

from compute_aligned.score.tasks import TASKS

torch.set_num_threads(1)  # as every verb does; models this small are no faster with more


@pytest.fixture
def easy_reward(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TASKS, "answer", training.FirstDigitIsOdd())
