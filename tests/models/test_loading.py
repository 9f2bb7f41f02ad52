import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from compute_aligned.config.models import PretrainedModel, ScratchModel
from compute_aligned.files.errors import InputError
from compute_aligned.models import loading
from compute_aligned.models.log_probs import suppress


def test_pieces_of_prompts_are_suppressed_in_the_saved_model_too(tmp_path: Path) -> None:
    model, tokenizer = loading.build(tiny.PROTEINS, 0, torch.float32)
    loading.save(model, tokenizer, tmp_path)

    loaded, _ = loading.load(tmp_path, torch.float32)

    wanted = tokenizer.convert_tokens_to_ids(list(tiny.PROTEINS.prompt_only))
    assert loaded.generation_config.suppress_tokens == wanted
    logits = suppress(loaded, torch.zeros(2, len(tokenizer)))
    assert logits.isneginf().nonzero()[:, 1].tolist() == wanted * 2


def test_a_model_from_scratch_is_a_function_of_its_seed() -> None:
    first, again, other = (
        loading.build(tiny.SHAPE, seed, torch.float32)[0].state_dict() for seed in (3, 3, 4)
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

    model, tokenizer = loading.build(shape, 0, torch.float32)

    embeddings, attention, mlp, norms = 2 * 15 * 8, 4 * 8 * 32, 3 * 8 * 16, 3 * 8
    assert len(tokenizer) == 15
    assert sum(p.numel() for p in model.parameters()) == embeddings + attention + mlp + norms


@torch.no_grad()
def test_a_saved_model_loads_with_the_same_logits_and_tokens(tmp_path: Path) -> None:
    model, tokenizer = tiny.build(dtype=torch.float32)
    ids = torch.tensor([tiny.encode_prompt(tokenizer, "12*3=")])

    loading.save(model, tokenizer, tmp_path)
    loaded, read = loading.load(tmp_path, torch.float32)

    assert torch.equal(loaded(ids).logits, model(ids).logits)
    assert tiny.encode_prompt(read, "12*3=") == ids[0].tolist()
    assert read.pad_token_id == tokenizer.pad_token_id
    assert read.eos_token_id == tokenizer.eos_token_id


def test_loading_draws_no_progress_bar(
    model_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    loading.load(model_folder, torch.float32)

    assert capfd.readouterr().err == ""


def test_a_pretrained_folder_is_what_a_warm_up_can_start_from(model_folder: Path) -> None:
    model, _ = loading.build(PretrainedModel(pretrained=str(model_folder)), 9, torch.float32)

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
        loading.load(folder, torch.float32)

    assert caught.value.where == str(folder)
    assert caught.value.remedy


def test_a_missing_folder_is_not_looked_for_on_the_hub(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model in this folder"):
        loading.load(tmp_path.relative_to(tmp_path.anchor) / "model", torch.float32)
    with pytest.raises(InputError, match="no model in this folder"):
        loading.load_tokenizer(tmp_path / "model")
