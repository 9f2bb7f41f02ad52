"""Sampling from adapters: several on one base in one engine, real vLLM and transformers."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from sample.drawing import largest_difference, requests
from support import adapted

from compute_aligned.config.settings import Sampling
from compute_aligned.models import loading
from compute_aligned.sample.engines import ENGINES, TransformersEngine, VllmEngine
from compute_aligned.sample.store import Engine

SETTINGS = Sampling(num_samples=16, temperature=0.8, top_p=0.9, top_k=8, max_new_tokens=4)


@pytest.fixture(scope="module")
def folders(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three adapters of the tiny model."""
    return [
        adapted.trained(model_folder, tmp_path_factory.mktemp("adapter"), seed) for seed in range(3)
    ]


def start(kind: Callable[..., Engine], folder: Path) -> Any:
    return kind(folder, loading.load_tokenizer(folder), SETTINGS, "float32", "cpu", 24)


@pytest.fixture(scope="module")
def vllm(folders: list[Path]) -> VllmEngine:
    return start(VllmEngine, folders[0])


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest, folders: list[Path]) -> Engine:
    if request.param == "vllm":
        return request.getfixturevalue("vllm")
    return start(TransformersEngine, folders[0])


def test_vllm_agrees_with_each_adapter_merged_into_its_base(
    vllm: VllmEngine, folders: list[Path]
) -> None:
    merged = [loading.load(folder, torch.float32)[0].merge_and_unload() for folder in folders]

    for turn in (0, 1, 2, 0):
        vllm.use(folders[turn])
        found = [largest_difference(vllm, model.eval()) for model in merged]
        assert found[turn] < 2e-5
        assert min(found[:turn] + found[turn + 1 :]) > 0.1  # and the others are not like it


def test_adapters_take_turns_on_one_base(engine: Engine, folders: list[Path]) -> None:
    fresh = [start(TransformersEngine, folder).sample(requests(6)) for folder in folders]
    assert fresh[0] != fresh[1] != fresh[2]
    drawn = []

    for turn in (1, 0, 2, 1, 0):
        engine.use(folders[turn])
        drawn.append((turn, engine.sample(requests(6))))

    # a request's samples depend neither on the turn nor on what else is in the batch
    assert [engine.sample([request])[0] for request in requests(6)] == drawn[-1][1]
    for (turn, first), (other, second) in itertools.combinations(drawn, 2):
        assert (first == second) == (turn == other)
    if isinstance(engine, TransformersEngine):
        assert all(samples == fresh[turn] for turn, samples in drawn)


def test_whole_models_and_adapters_do_not_share_an_engine(
    engine: Engine, folders: list[Path], model_folder: Path
) -> None:
    with pytest.raises(ValueError, match="adapters, not from both"):
        engine.use(model_folder)
    with pytest.raises(ValueError, match="adapters, not from both"):
        start(TransformersEngine, model_folder).use(folders[0])
