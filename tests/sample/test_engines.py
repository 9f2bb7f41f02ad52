import contextlib
import itertools
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from sample.drawing import largest_difference, requests
from scipy import stats
from support import jobs, tiny

from compute_aligned.config.settings import Sampling
from compute_aligned.models import loading
from compute_aligned.models.log_probs import suppress
from compute_aligned.sample.engines import ENGINES, TransformersEngine, VllmEngine
from compute_aligned.sample.store import Completion, Engine, Request, sample_family
from compute_aligned.sample.vllm_options import allowed_tokens

SETTINGS = Sampling(num_samples=32, temperature=0.8, top_p=0.9, top_k=8, max_new_tokens=2)
# what a checkpoint may bring along, and what must not reach the draws
CHECKPOINT_S_OWN = {
    "do_sample": True,
    "temperature": 0.1,
    "top_k": 2,
    "repetition_penalty": 3.0,
    "max_new_tokens": 1,
    "eos_token_id": [1, 4, 5, 6],
}

Distribution = dict[Completion, float]


@pytest.fixture(scope="module")
def folder(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = shutil.copytree(model_folder, tmp_path_factory.mktemp("engines") / "model")
    (copy / "generation_config.json").write_text(json.dumps(CHECKPOINT_S_OWN))
    return copy


@contextlib.contextmanager
def output_to(file: Any) -> Iterator[None]:
    """Send what is written to the process's own descriptors to a file, C++ libraries included."""
    saved = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
    try:
        for descriptor in saved:
            os.dup2(file.fileno(), descriptor)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, original in saved.items():
            os.dup2(original, descriptor)
            os.close(original)


@pytest.fixture(scope="module")
def started(folder: Path) -> tuple[VllmEngine, list[str]]:
    """The one vLLM engine of these tests, and the lines it printed as it started."""
    tokenizer = loading.load_tokenizer(folder)
    with tempfile.TemporaryFile() as file:
        with output_to(file):
            engine = VllmEngine(folder, tokenizer, SETTINGS, "float32", "cpu", 24)
        file.seek(0)
        return engine, file.read().decode().splitlines()


@pytest.fixture(scope="module")
def vllm(started: tuple[VllmEngine, list[str]]) -> VllmEngine:
    return started[0]


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest, folder: Path) -> Engine:
    if request.param == "vllm":
        engine = request.getfixturevalue("vllm")
        engine.use(folder)
        return engine
    return in_transformers(folder)


def in_transformers(folder: Path) -> TransformersEngine:
    tokenizer = loading.load_tokenizer(folder)
    return TransformersEngine(folder, tokenizer, SETTINGS, "float32", "cpu", 24)


# --- the distribution -------------------------------------------------------------------------


def cut(logits: np.ndarray, temperature: float) -> dict[int, float]:
    """Token to probability: temperature, then the likeliest 8, then the likeliest 90% of those."""
    order = np.argsort(-logits)[: SETTINGS.top_k]
    p = np.exp(logits[order] / temperature)
    p /= p.sum()
    kept = int(np.searchsorted(p.cumsum(), SETTINGS.top_p)) + 1
    return {int(t): float(q) for t, q in zip(order[:kept], p[:kept] / p[:kept].sum(), strict=True)}


@torch.no_grad()
def exact_distribution(
    model: Any, tokenizer: Any, prompt: list[int], temperature: float = SETTINGS.temperature
) -> Distribution:
    """Every completion of at most two tokens with its probability, by going through them all."""
    total: Counter[Completion] = Counter()

    def go_on(ids: list[int], probability: float) -> None:
        finished = ids[-1:] == [tokenizer.eos_token_id]
        if finished or len(ids) == SETTINGS.max_new_tokens:
            text = tokenizer.decode(ids, skip_special_tokens=True)
            total[Completion(text, len(ids), finished)] += probability
            return
        logits = model(torch.tensor([prompt + ids])).logits[0, -1]
        logits = suppress(model, logits).double().numpy()
        for token, share in cut(logits, temperature).items():
            go_on([*ids, token], probability * share)

    go_on([], 1.0)
    return dict(total)


def p_value(drawn: Counter[Completion], expected: Distribution) -> float:
    """Chi-squared test of the counts; 0 where something impossible was drawn."""
    if drawn.keys() - expected.keys():
        return 0.0
    wanted = [p * drawn.total() for p in expected.values()]
    assert min(wanted) > 5  # the test's own condition
    return float(stats.chisquare([drawn[c] for c in expected], wanted).pvalue)


def test_samples_have_exactly_the_distribution_that_the_settings_describe(engine: Engine) -> None:
    model, tokenizer = tiny.build(dtype=torch.float32)
    prompt = tiny.encode_prompt(tokenizer, "12*3=")
    seeds = [Request(prompt, SETTINGS.num_samples * i) for i in range(100)]

    drawn = Counter(itertools.chain(*engine.sample(seeds)))

    expected = exact_distribution(model, tokenizer, prompt)
    assert sum(expected.values()) == pytest.approx(1)
    # an end of sequence counts as a token, as the last one allowed too, and is not in the text
    assert {(c.num_tokens, c.finished) for c in drawn} == {(1, True), (2, True), (2, False)}
    assert p_value(drawn, expected) > 1e-3
    # and the test can tell: at another temperature it would not have passed
    assert p_value(drawn, exact_distribution(model, tokenizer, prompt, temperature=1.2)) < 1e-6


def test_suppressed_tokens_are_never_drawn(
    engine: Engine, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = tiny.build(dtype=torch.float32)
    prompt = tiny.encode_prompt(tokenizer, "12*3=")
    model.generation_config.suppress_tokens = tokenizer.convert_tokens_to_ids(["3", "="])
    loading.save(model, tokenizer, tmp_path)
    if isinstance(engine, VllmEngine):  # which reads them as it starts
        monkeypatch.setattr(engine, "_allowed", allowed_tokens(tmp_path))
    else:
        engine.use(tmp_path)

    drawn = Counter(itertools.chain(*engine.sample([Request(prompt, 32 * i) for i in range(100)])))

    assert p_value(drawn, exact_distribution(model, tokenizer, prompt)) > 1e-3
    assert not any(token in completion.text for completion in drawn for token in "3=")


# --- a problem's samples depend on it alone ----------------------------------------------------


def test_samples_depend_on_the_request_alone_and_on_its_seed(engine: Engine) -> None:
    batch = requests(12)

    together = engine.sample(batch)

    assert [engine.sample([request])[0] for request in batch] == together
    assert engine.sample(batch[::-1])[::-1] == together
    assert engine.sample(batch[3:7]) == together[3:7]
    assert engine.sample([Request(batch[0].prompt, 777)]) != together[:1]


def test_a_prompt_without_room_for_a_whole_answer_is_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match="a prompt of 23 tokens leaves too little room"):
        engine.sample([Request([4] * 23, 0)])
    assert len(engine.sample([Request([4] * 22, 0)])[0]) == SETTINGS.num_samples


class PowerCutError(Exception):
    pass


class Fragile:
    """An engine that fails after some blocks."""

    def __init__(self, engine: Engine, blocks: int) -> None:
        self.use, self.engine, self.left = engine.use, engine, blocks

    def sample(self, batch: list[Request]) -> list[list[Completion]]:
        if not self.left:
            raise PowerCutError
        self.left -= 1
        return self.engine.sample(batch)


@pytest.mark.parametrize("blocks", [1, 5])  # in the first model, in the second
def test_an_interrupted_run_gives_the_same_samples_as_a_plain_one(
    engine: Engine, folder: Path, other_folder: Path, tmp_path: Path, blocks: int
) -> None:
    models = {"warmup": folder, "ce": other_folder}
    prompts = {f"p{i}": request.prompt for i, request in enumerate(requests(9))}
    how = SETTINGS.model_copy(update={"block_size": 3})

    def draw(drawing: Engine, store: str) -> Any:
        place = tmp_path / store
        return pa.concat_tables(
            sample_family(lambda _: drawing, models, prompts, how, 4, place, "float32")
        )

    with pytest.raises(PowerCutError):
        draw(Fragile(engine, blocks), "interrupted")

    assert draw(engine, "interrupted").equals(draw(engine, "plain"))


# --- weights ----------------------------------------------------------------------------------


def test_vllm_draws_from_the_weights_it_was_told_to_use_with_the_probabilities_of_training(
    vllm: VllmEngine, folder: Path, other_folder: Path
) -> None:
    first, second = (loading.load(f, torch.float32)[0] for f in (folder, other_folder))
    vllm.use(folder)
    assert largest_difference(vllm, first) < 1e-4

    vllm.use(other_folder)
    assert largest_difference(vllm, second) < 1e-4
    assert largest_difference(vllm, first) > 0.1

    vllm.use(folder)
    assert largest_difference(vllm, first) < 1e-4


def test_transformers_draws_from_the_weights_it_was_told_to_use(
    folder: Path, other_folder: Path
) -> None:
    swapped, fresh = in_transformers(folder), in_transformers(other_folder)
    before = swapped.sample(requests(3))

    swapped.use(other_folder)
    assert swapped.sample(requests(3)) == fresh.sample(requests(3)) != before

    swapped.use(folder)
    assert swapped.sample(requests(3)) == before


# --- starting ---------------------------------------------------------------------------------


def test_vllm_says_little_as_it_starts(started: tuple[VllmEngine, list[str]]) -> None:
    assert len(started[1]) <= 4, started[1]


def test_vllm_leaves_the_number_of_threads_to_be_set(vllm: VllmEngine) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before + 1)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)


def test_without_vllm_the_engine_is_not_silently_another(
    splits: Path, warmup: Path, tmp_path: Path
) -> None:
    stub, out = tmp_path / "stub" / "vllm.py", tmp_path / "samples.parquet"
    stub.parent.mkdir()
    stub.write_text("raise ImportError('no such library here')\n")
    search = os.pathsep.join([str(stub.parent), jobs.ENVIRONMENT["PYTHONPATH"]])
    arguments = jobs.sample(splits / "test.jsonl", {"warmup": warmup / "model"}, out, "vllm")

    done = jobs.start(*jobs.VERB, *arguments, PYTHONPATH=search)

    assert done.returncode == 2
    assert "vLLM cannot be imported (no such library here)\n  remedy: install it" in done.stderr
    assert "engine=transformers" in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()
