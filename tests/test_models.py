import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel

from compute_aligned import models
from compute_aligned.configuration.model_settings import PretrainedModel, ScratchModel
from compute_aligned.errors import InputError

Ids = list[list[int]]


def ragged(seed: int, rows: int = 6) -> tuple[Ids, Ids]:
    """Prompts and completions of many lengths, as token ids."""
    rng = random.Random(seed)
    ids = [[rng.randrange(3, 15) for _ in range(rng.randint(1, 7))] for _ in range(2 * rows)]
    return ids[:rows], ids[rows:]


def by_hand(model: Any, prompt: list[int], completion: list[int], temperature: float) -> list:
    """Each token from its own prefix alone: no batch, no padding, no mask, no cache."""
    found = []
    for position, token in enumerate(completion):
        prefix = torch.tensor([prompt + completion[:position]])
        logits = model(prefix).logits[0, -1] / temperature
        found.append((logits[token] - logits.logsumexp(0)).item())
    return found


# --- log-probabilities ------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@torch.no_grad()
def test_token_log_probs_are_those_of_one_prefix_at_a_time(temperature: float) -> None:
    model, tokenizer = tiny.build()
    prompts, completions = ragged(seed=1)

    batch = models.collate(prompts, completions, tokenizer.pad_token_id)
    found = models.token_log_probs(model, batch, temperature)

    for row, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        expected = by_hand(model, prompt, completion, temperature)
        assert found[row, : len(completion)].tolist() == pytest.approx(expected, abs=1e-5)
        assert not found[row, len(completion) :].any()


def tokens_in_each_pass(model: Any) -> list[tuple[int, ...]]:
    """Filled as the model is called."""
    shapes: list[tuple[int, ...]] = []
    model.register_forward_pre_hook(
        lambda _, args, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    return shapes


@pytest.mark.parametrize("longest", [1, 7])
def test_prompts_that_rows_share_are_read_once_and_nothing_else_changes(longest: int) -> None:
    model, tokenizer = tiny.build(dtype=torch.float64)
    model.generation_config.suppress_tokens = [3]
    prompts, completions = ragged(seed=5, rows=12)
    prompts = [prompts[row % 3] for row in range(12)]
    completions = [[token for token in c[:longest] if token != 3] or [4] for c in completions]
    batch = models.collate(prompts, completions, tokenizer.pad_token_id)
    shapes = tokens_in_each_pass(model)

    def gradient_of(found: torch.Tensor) -> list[torch.Tensor]:
        found.square().sum().backward()
        gradient = [p.grad for p in model.parameters()]
        model.zero_grad()
        return gradient

    found = models.token_log_probs(model, batch, 0.7)
    gradient = gradient_of(found)
    passes = shapes[:]
    alone = torch.zeros_like(found)
    for row in range(12):
        single = models.collate(prompts[row : row + 1], completions[row : row + 1], 0)
        alone[row, : len(completions[row])] = models.token_log_probs(model, single, 0.7)[0]

    width = max(map(len, completions))
    assert passes == [(3, max(map(len, prompts))), (12, width - 1)][: 1 if longest == 1 else 2]
    assert torch.allclose(found, alone, rtol=0, atol=1e-6)  # the softmax runs in float32
    for shared, single in zip(gradient, gradient_of(alone), strict=True):
        assert torch.allclose(shared, single, rtol=1e-5, atol=1e-5 * single.abs().max().item())


def test_prompts_are_not_shared_where_layers_are_computed_again_for_their_gradient() -> None:
    model, tokenizer = tiny.build()
    batch = models.collate([[3, 4]] * 4, [[5, 6]] * 4, tokenizer.pad_token_id)
    model.gradient_checkpointing_enable()
    shapes = tokens_in_each_pass(model)

    models.token_log_probs(model, batch)
    with torch.no_grad():
        models.token_log_probs(model, batch)

    assert shapes == [(4, 4), (1, 2), (4, 1)]


@torch.no_grad()
def test_a_sequence_log_prob_is_the_sum_over_its_tokens_and_its_end() -> None:
    model, tokenizer = tiny.build()
    prompt = tiny.encode_prompt(tokenizer, "12*3=")
    completion = tiny.encode_completion(tokenizer, "36")
    assert completion[-1] == tokenizer.eos_token_id

    batch = models.collate([prompt], [completion], tokenizer.pad_token_id)

    expected = sum(by_hand(model, prompt, completion, 1.0))
    assert models.token_log_probs(model, batch).sum(-1).item() == pytest.approx(expected, abs=1e-5)


@torch.no_grad()
def test_positions_count_from_the_first_real_token() -> None:
    torch.manual_seed(0)
    shape = GPT2Config(vocab_size=15, n_positions=24, n_embd=16, n_layer=2, n_head=2)
    model = GPT2LMHeadModel(shape).double().eval()  # its positions are absolute
    prompts, completions = ragged(seed=3)

    found = models.token_log_probs(model, models.collate(prompts, completions, 0)).sum(-1)

    for row, pair in enumerate(zip(prompts, completions, strict=True)):
        assert found[row].item() == pytest.approx(sum(by_hand(model, *pair, 1.0)), abs=1e-5)


@given(st.integers(0, 2**20))
@torch.no_grad()
def test_a_row_does_not_depend_on_the_padding_that_others_bring(seed: int) -> None:
    model, tokenizer = tiny.build(dtype=torch.float32)
    prompts, completions = ragged(seed, rows=3)
    pad = tokenizer.pad_token_id

    together = models.token_log_probs(model, models.collate(prompts, completions, pad)).sum(-1)

    for row in range(3):
        alone = models.collate(prompts[row : row + 1], completions[row : row + 1], pad)
        assert torch.allclose(
            models.token_log_probs(model, alone).sum(-1), together[row], atol=1e-5
        )


def test_what_the_padding_token_means_to_the_model_changes_nothing() -> None:
    model, tokenizer = tiny.build()
    prompts, completions = ragged(seed=2)
    batch = models.collate(prompts, completions, tokenizer.pad_token_id)

    with torch.no_grad():
        before = models.token_log_probs(model, batch)
        model.get_input_embeddings().weight[tokenizer.pad_token_id] = 100.0
        after = models.token_log_probs(model, batch)

    assert torch.equal(before, after)


@torch.no_grad()
def test_suppressed_tokens_have_no_probability_and_the_others_share_it() -> None:
    model, tokenizer = tiny.build()
    prompt = tiny.encode_prompt(tokenizer, "12*3=")
    everything = models.collate([prompt] * 15, [[token] for token in range(15)], 0)
    before = models.token_log_probs(model, everything).exp()[:, 0]

    model.generation_config.suppress_tokens = [3, 14]
    after = models.token_log_probs(model, everything).exp()[:, 0]

    assert before.sum().item() == pytest.approx(1, abs=1e-5)
    expected = before.clone()
    expected[[3, 14]] = 0
    assert torch.allclose(after, expected / expected.sum(), atol=1e-6)


# --- building, loading, saving ----------------------------------------------------------------


def test_pieces_of_prompts_are_suppressed_in_the_saved_model_too(tmp_path: Path) -> None:
    model, tokenizer = models.build(tiny.PROTEINS, 0, torch.float32)
    models.save(model, tokenizer, tmp_path)

    loaded, _ = models.load(tmp_path, torch.float32)

    wanted = tokenizer.convert_tokens_to_ids(list(tiny.PROTEINS.prompt_only))
    assert loaded.generation_config.suppress_tokens == wanted
    logits = models.suppress(loaded, torch.zeros(2, len(tokenizer)))
    assert logits.isneginf().nonzero()[:, 1].tolist() == wanted * 2


def test_a_model_from_scratch_is_a_function_of_its_seed() -> None:
    first, again, other = (
        models.build(tiny.SHAPE, seed, torch.float32)[0].state_dict() for seed in (3, 3, 4)
    )

    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_the_number_of_parameters_follows_from_the_settings() -> None:
    shape = ScratchModel(
        vocabulary="0 1 2 3 4 5 6 7 8 9 * =",
        hidden_size=8,
        intermediate_size=16,
        layers=1,
        heads=1,
        head_dim=32,
        max_length=16,
    )

    model, tokenizer = models.build(shape, 0, torch.float32)

    embeddings, attention, mlp, norms = 2 * 15 * 8, 4 * 8 * 32, 3 * 8 * 16, 3 * 8
    assert len(tokenizer) == 15
    assert sum(p.numel() for p in model.parameters()) == embeddings + attention + mlp + norms


@torch.no_grad()
def test_a_saved_model_loads_with_the_same_logits_and_tokens(tmp_path: Path) -> None:
    model, tokenizer = tiny.build(dtype=torch.float32)
    ids = torch.tensor([tiny.encode_prompt(tokenizer, "12*3=")])

    models.save(model, tokenizer, tmp_path)
    loaded, read = models.load(tmp_path, torch.float32)

    assert torch.equal(loaded(ids).logits, model(ids).logits)
    assert tiny.encode_prompt(read, "12*3=") == ids[0].tolist()
    assert read.pad_token_id == tokenizer.pad_token_id
    assert read.eos_token_id == tokenizer.eos_token_id


def test_loading_draws_no_progress_bar(
    model_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    models.load(model_folder, torch.float32)

    assert capfd.readouterr().err == ""


def test_a_pretrained_folder_is_what_a_warm_up_can_start_from(model_folder: Path) -> None:
    model, _ = models.build(PretrainedModel(pretrained=str(model_folder)), 9, torch.float32)

    expected = load_file(model_folder / "model.safetensors")
    assert all(torch.equal(model.state_dict()[name], expected[name]) for name in expected)


def cut_in_half(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def fill_with_noise(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(random.Random(0).randbytes(5000))


def drop_a_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights.pop("model.layers.1.mlp.down_proj.weight")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def change_the_shape(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 32}))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no model in this folder"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no file named model.safetensors"),
        (lambda folder: (folder / "config.json").write_text("{"), "not a valid JSON"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "cannot be loaded"),
        (cut_in_half, "cannot be loaded"),
        (fill_with_noise, "cannot be loaded"),
        (drop_a_weight, "lacks the weights model.layers.1.mlp.down_proj.weight"),
        (change_the_shape, "cannot be loaded"),
    ],
)
def test_a_damaged_model_is_named_with_a_remedy(
    model_folder: Path, tmp_path: Path, damage: Callable[[Path], None], words: str
) -> None:
    folder = shutil.copytree(model_folder, tmp_path / "model")
    damage(folder)

    with pytest.raises(InputError, match=words) as caught:
        models.load(folder, torch.float32)

    assert caught.value.where == str(folder)
    assert caught.value.remedy


def test_a_missing_folder_is_not_looked_for_on_the_hub(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model in this folder"):
        models.load(tmp_path.relative_to(tmp_path.anchor) / "model", torch.float32)
    with pytest.raises(InputError, match="no model in this folder"):
        models.load_tokenizer(tmp_path / "model")
