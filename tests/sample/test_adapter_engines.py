"""Sampling from adapters: several on one base in one engine, real vLLM and transformers."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import adapted
import numpy as np
import pytest
import tiny
import torch

from compute_aligned.config.settings import Sampling
from compute_aligned.models import loading
from compute_aligned.models.log_probs import token_log_probs
from compute_aligned.models.tokens import collate
from compute_aligned.sample.engines import ENGINES, TransformersEngine, VllmEngine
from compute_aligned.sample.store import Engine, Request
from compute_aligned.sample.vllm_options import lora_options, weights_of

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


def requests(count: int = 6) -> list[Request]:
    _, tokenizer = tiny.build()
    return [
        Request(tiny.encode_prompt(tokenizer, p.prompt), 1000 * i)
        for i, p in enumerate(tiny.problems(count))
    ]


@torch.no_grad()
def largest_difference(engine: VllmEngine, model: Any) -> float:
    """Between the chosen tokens' log-probabilities in vLLM and those of a model in transformers."""
    asked = requests()
    differences = []
    with torch.compiler.set_stance("force_eager"):  # vLLM would compile how it ranks them
        outputs = engine.generate(asked, logprobs=0)
    for request, output in zip(asked, outputs, strict=True):
        completions = [list(sample.token_ids) for sample in output.outputs]
        batch = collate([request.prompt] * len(completions), completions, pad=0)
        ours = token_log_probs(model, batch)
        for row, sample in enumerate(output.outputs):
            theirs = [
                at[t].logprob for t, at in zip(sample.token_ids, sample.logprobs, strict=True)
            ]
            differences.append(np.abs(ours[row, : len(theirs)].numpy() - theirs).max())
    return float(max(differences))


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
    fresh = []
    for folder in folders:
        alone = start(TransformersEngine, folder)
        fresh.append(alone.sample(requests()))
    assert fresh[0] != fresh[1] != fresh[2]
    drawn = []

    for turn in (1, 0, 2, 1, 0):
        engine.use(folders[turn])
        drawn.append((turn, engine.sample(requests())))

    for (turn, first), (other, second) in itertools.combinations(drawn, 2):
        assert (first == second) == (turn == other)
    if isinstance(engine, TransformersEngine):
        assert all(samples == fresh[turn] for turn, samples in drawn)


def test_samples_of_an_adapter_do_not_depend_on_what_else_is_in_the_batch(
    engine: Engine, folders: list[Path]
) -> None:
    batch = requests(8)
    engine.use(folders[2])

    together = engine.sample(batch)

    assert [engine.sample([request])[0] for request in batch] == together


def test_whole_models_and_adapters_do_not_share_an_engine(
    engine: Engine, folders: list[Path], model_folder: Path
) -> None:
    with pytest.raises(ValueError, match="adapters, not from both"):
        engine.use(model_folder)
    with pytest.raises(ValueError, match="adapters, not from both"):
        start(TransformersEngine, model_folder).use(folders[0])


def test_vllm_starts_with_the_base_and_room_for_one_adapter(
    folders: list[Path], model_folder: Path
) -> None:
    assert weights_of(folders[0]) == model_folder
    assert lora_options(folders[0]) == {"enable_lora": True, "max_loras": 1, "max_lora_rank": 8}
    assert weights_of(model_folder) == model_folder
    assert lora_options(model_folder) == {}
