import pytest
import torch

from compute_aligned.sample.engines import TransformersEngine

torch.set_num_threads(1)  # as every verb does; models this small are no faster with more


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many requests each call of the transformers engine had, in this process."""
    calls: list[int] = []
    sample = TransformersEngine.sample

    def counted(engine: TransformersEngine, requests: list) -> list:
        calls.append(len(requests))
        return sample(engine, requests)

    monkeypatch.setattr(TransformersEngine, "sample", counted)
    return calls
