import random
import shutil
from pathlib import Path

import pytest
import torch
from models.damage import Damage, changed, cut, edited, lost, overwritten, without
from support import adapted, tiny

from compute_aligned.files.errors import InputError
from compute_aligned.models import loading
from compute_aligned.models.log_probs import suppress

WEIGHTS = "model.safetensors"


def test_pieces_of_prompts_are_suppressed_in_the_saved_model_too(tmp_path: Path) -> None:
    model, tokenizer = loading.build(tiny.PROTEINS, 0, torch.float32)
    loading.save(model, tokenizer, tmp_path)

    loaded, _ = loading.load(tmp_path, torch.float32)

    wanted = tokenizer.convert_tokens_to_ids(list(tiny.PROTEINS.prompt_only))
    assert loaded.generation_config.suppress_tokens == wanted
    logits = suppress(loaded, torch.zeros(2, len(tokenizer)))
    assert logits.isneginf().nonzero()[:, 1].tolist() == wanted * 2


@pytest.mark.parametrize("of", ["scratch", "an adapter"])
def test_a_new_model_is_a_function_of_its_seed(model_folder: Path, of: str) -> None:
    settings = tiny.SHAPE if of == "scratch" else adapted.settings(model_folder)
    first, again, other = (
        dict(loading.build(settings, seed, torch.float32)[0].named_parameters())
        for seed in (3, 3, 4)
    )

    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@torch.no_grad()
def test_a_saved_model_loads_with_the_same_logits_and_tokens_and_draws_no_bar(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model, tokenizer = tiny.build(dtype=torch.float32)
    ids = torch.tensor([tiny.encode_prompt(tokenizer, "12*3=")])

    loading.save(model, tokenizer, tmp_path)
    capfd.readouterr()
    loaded, read = loading.load(tmp_path, torch.float32)

    assert capfd.readouterr().err == ""
    assert torch.equal(loaded(ids).logits, model(ids).logits)
    assert tiny.encode_prompt(read, "12*3=") == ids[0].tolist()
    assert read.pad_token_id == tokenizer.pad_token_id
    assert read.eos_token_id == tokenizer.eos_token_id


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lost("config.json"), "no model in this folder"),
        (lost(WEIGHTS), "no file named model.safetensors"),
        (overwritten("config.json", "{"), "not a valid JSON"),
        (overwritten("tokenizer.json", "{"), "cannot be loaded"),
        (cut(WEIGHTS), "cannot be loaded"),
        (overwritten(WEIGHTS, random.Random(0).randbytes(5000)), "cannot be loaded"),
        (
            changed(WEIGHTS, lambda w: without(w, "model.layers.1.mlp.down_proj.weight")),
            "lacks the weights model.layers.1.mlp.down_proj.weight",
        ),
        (edited("config.json", intermediate_size=32), "cannot be loaded"),
    ],
)
def test_a_damaged_model_is_named_with_a_remedy(
    model_folder: Path, tmp_path: Path, damage: Damage, words: str
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
