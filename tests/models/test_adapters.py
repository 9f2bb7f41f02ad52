import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from models.damage import Damage, changed, cut, edited, lost, overwritten, without
from safetensors.torch import load_file
from support import adapted, jobs, tiny

from compute_aligned.files.errors import InputError
from compute_aligned.models import adapter_files, adapters, loading
from compute_aligned.models.loading import passes_in, weights_dtype
from compute_aligned.models.log_probs import completion_logits, token_log_probs

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# layers, targets and rank, from the hidden size of 16 to the head's 32 and back
TRAINED = 2 * 4 * 4 * (16 + 32)


@pytest.fixture(scope="module")
def adapter(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapted.trained(model_folder, tmp_path_factory.mktemp("adapter"))


@torch.no_grad()
def log_probs(model: Any, tokenizer: Any) -> torch.Tensor:
    return token_log_probs(model.eval(), adapted.batch(tokenizer))


# --- a fresh adapter --------------------------------------------------------------------------


def test_a_fresh_adapter_changes_nothing_and_is_all_that_is_trained(model_folder: Path) -> None:
    whole, tokenizer = loading.load(model_folder, torch.float32)

    model, _ = adapted.build(model_folder)

    assert torch.equal(log_probs(model, tokenizer), log_probs(whole, tokenizer))
    names = list(adapted.adapter_of(model))
    assert len(names) == 2 * 4 * 2  # layers, targets, factors
    assert all("lora_" in name for name in names)
    assert loading.count_parameters(model)[0] == TRAINED


def test_a_misspelt_layer_is_named_even_if_others_are_right(model_folder: Path) -> None:
    lora = adapted.LORA.model_copy(update={"targets": ("q_proj", "vproj")})

    with pytest.raises(InputError, match=r"vproj: .*did you mean 'v_proj'"):
        adapted.build(model_folder, lora=lora)


# --- saved and put on again -------------------------------------------------------------------


def test_a_saved_adapter_is_small_and_says_what_it_is_for(
    model_folder: Path, adapter: Path
) -> None:
    described = json.loads((adapter / CONFIG).read_text())

    assert sum(t.numel() for t in load_file(adapter / WEIGHTS).values()) == TRAINED
    assert not (adapter / "model.safetensors").exists()
    assert described["base_model_name_or_path"] == str(model_folder)
    assert described["revision"] is None
    assert described["target_modules"] == sorted(adapted.TARGETS)
    base = loading.base_of(adapter)
    assert (base.pretrained, base.lora, base.quantization) == (str(model_folder), None, None)


def test_the_revision_of_the_base_is_recorded(model_folder: Path, tmp_path: Path) -> None:
    base, tokenizer = loading.load(model_folder, torch.float32)
    settings = adapted.settings(model_folder).model_copy(
        update={"pretrained": "some/model", "revision": "abc"}
    )

    loading.save(adapters.new(base, settings, adapted.LORA, 0), tokenizer, tmp_path)

    assert adapter_files.describe(tmp_path).base == "some/model at revision abc"
    adapter_files.check_base(tmp_path, settings)


SAVE = """
import sys
from support import adapted
from pathlib import Path
adapted.trained(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_the_bytes_of_a_saved_adapter_repeat(
    model_folder: Path, adapter: Path, tmp_path: Path
) -> None:
    tests, package = Path(adapted.__file__).parents[1], jobs.ENVIRONMENT["PYTHONPATH"]
    search = os.pathsep.join([str(tests), package])
    done = jobs.start("-c", SAVE, model_folder, tmp_path, PYTHONPATH=search, PYTHONHASHSEED="7")

    assert done.returncode == 0, done.stderr
    files = [{p.name: p.read_bytes() for p in folder.iterdir()} for folder in (adapter, tmp_path)]
    assert files[0] == files[1]
    assert len(files[0]) > 3


@pytest.mark.parametrize("with_settings", [True, False])
def test_an_adapter_loads_as_it_was_saved(
    model_folder: Path, adapter: Path, with_settings: bool
) -> None:
    settings = adapted.settings(model_folder) if with_settings else None

    model, tokenizer = loading.load(adapter, torch.float32, settings)

    wanted = load_file(adapter / WEIGHTS)
    found = {name.replace(".default", ""): p for name, p in adapted.adapter_of(model).items()}
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert tokenizer.pad_token_id == loading.load_tokenizer(model_folder).pad_token_id
    merged = model.merge_and_unload()
    whole, _ = loading.load(model_folder, torch.float32)
    assert (log_probs(merged, tokenizer) - log_probs(whole, tokenizer)).abs().max() > 0.1


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (
            edited(CONFIG, base_model_name_or_path="another/model"),
            "this adapter is for another/model, and the family's model is /",
        ),
        (  # as on a base of another shape
            changed(WEIGHTS, lambda w: w | {min(w): torch.zeros(4, 99)}),
            r"does not fit its base: .*lora_A.weight is \(4, 99\) in the file and \(4, 16\)",
        ),
        (
            changed(WEIGHTS, lambda w: without(w, max(w))),
            r"lora_B.weight is missing in the file and \(32, 4\) on the base",
        ),
        (cut(WEIGHTS), "weights cannot be read"),
        (cut(CONFIG), "not valid JSON"),
        (lost(WEIGHTS), "weights cannot be read"),
        (lost(CONFIG), "no model in this folder"),
        (overwritten(CONFIG, "{}"), "is missing"),
        (
            lambda folder: (folder / CONFIG).rename(folder / "config.json"),
            "whole weights, and the family trains adapters",
        ),
    ],
)
def test_an_adapter_that_is_damaged_or_for_another_base_is_named(
    model_folder: Path, adapter: Path, tmp_path: Path, damage: Damage, words: str
) -> None:
    folder = shutil.copytree(adapter, tmp_path / "adapter")
    damage(folder)

    with pytest.raises(InputError, match=words) as caught:
        loading.load(folder, torch.float32, adapted.settings(model_folder))

    assert str(folder) in caught.value.where
    assert caught.value.remedy


# --- the reference ----------------------------------------------------------------------------


def test_the_reference_stays_what_the_model_was_and_shares_its_base(
    model_folder: Path, adapter: Path
) -> None:
    model, tokenizer = loading.load(adapter, torch.float32, adapted.settings(model_folder))
    trained = list(adapted.adapter_of(model))
    whole = sum("lora_" not in name for name, _ in model.named_parameters())
    batch, before = adapted.batch(tokenizer), log_probs(model, tokenizer)

    reference = loading.reference(model, adapter)

    assert list(adapted.adapter_of(model)) == trained
    assert sum("lora_" not in name for name, _ in model.named_parameters()) == whole
    with torch.no_grad():
        assert torch.equal(token_log_probs(reference, batch), before)
        for parameter in adapted.adapter_of(model).values():
            parameter *= 1.5
        after = log_probs(model, tokenizer)
        assert (after - before).abs().max() > 0.01
        assert torch.equal(token_log_probs(reference, batch), before)
        assert torch.equal(log_probs(model, tokenizer), after)


def test_only_the_adapter_in_training_is_saved(
    model_folder: Path, adapter: Path, tmp_path: Path
) -> None:
    model, tokenizer = loading.load(adapter, torch.float32, adapted.settings(model_folder))
    loading.reference(model, adapter)

    loading.save(model, tokenizer, tmp_path)

    assert [p for p in tmp_path.iterdir() if p.is_dir()] == []
    for name in (WEIGHTS, CONFIG):
        assert (tmp_path / name).read_bytes() == (adapter / name).read_bytes()


@torch.no_grad()
def test_suppressed_tokens_of_the_base_are_suppressed_through_an_adapter(
    model_folder: Path, adapter: Path
) -> None:
    model, tokenizer = loading.load(adapter, torch.float32, adapted.settings(model_folder))
    reference = loading.reference(model, adapter)
    model.generation_config.suppress_tokens = [3, 14]

    for each in (model.eval(), reference):
        logits = completion_logits(each, adapted.batch(tokenizer))
        assert logits.isneginf().any((0, 1)).nonzero().flatten().tolist() == [3, 14]


# --- memory -----------------------------------------------------------------------------------


def gradient_of(model: Any) -> tuple[torch.Tensor, int]:
    """The gradient of one pass in evaluation mode, and the passes through the first layer."""
    _, tokenizer = tiny.build()
    passes = []
    hook = model.transformer.h[0].attn.register_forward_hook(lambda *_: passes.append(1))
    with adapters.recomputing(model):
        loss = token_log_probs(model, adapted.batch(tokenizer)).sum()
    loss.backward()
    hook.remove()
    return torch.cat([p.grad.flatten() for p in model.parameters()]), len(passes)


def test_recomputing_gives_the_same_gradient_with_dropout_off() -> None:
    plain, light = tiny.gpt2(dropout=0.5), tiny.gpt2(dropout=0.5)
    light.gradient_checkpointing_enable(gradient_checkpointing_kwargs=adapters.CHECKPOINTING)

    expected, once = gradient_of(plain)
    found, twice = gradient_of(light)

    assert (once, twice) == (1, 2)
    assert torch.allclose(found, expected, rtol=1e-6, atol=1e-7)
    assert not any(module.training for module in light.modules())


@pytest.mark.parametrize("quantization", [None, "nf4"])
@pytest.mark.parametrize("wanted", [True, False])
def test_gradient_checkpointing_reaches_the_layers_where_it_is_wanted(
    model_folder: Path, quantization: str | None, wanted: bool
) -> None:
    if quantization:
        adapted.needs_4_bits()

    model, _ = adapted.build(model_folder, gradient_checkpointing=wanted, quantization=quantization)

    layers = model.base_model.model.model.layers
    assert [layer.gradient_checkpointing for layer in layers] == [wanted, wanted]


# --- precision --------------------------------------------------------------------------------


def test_small_steps_are_not_lost_in_a_scale_of_few_digits(model_folder: Path) -> None:
    settings = adapted.settings(model_folder, lora=None)
    model, tokenizer = loading.build(settings, 0, weights_dtype(settings, torch.bfloat16))
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, weight_decay=0.0)
    batch = adapted.batch(tokenizer)

    with passes_in(torch.bfloat16, "cpu"):
        assert model(batch.input_ids).logits.dtype == torch.bfloat16
        (-token_log_probs(model, batch).sum()).backward()
        optimizer.step()

    moved = [(p - before[name]).abs().max().item() for name, p in model.named_parameters()]
    assert min(moved) > 1e-7
    assert weights_dtype(adapted.settings(model_folder), torch.bfloat16) == torch.bfloat16
    assert weights_dtype(tiny.SHAPE, torch.bfloat16) == torch.float32


def test_passes_of_few_digits_see_the_weights_of_their_step(model_folder: Path) -> None:
    model, tokenizer = loading.load(model_folder, torch.float32)
    batch = adapted.batch(tokenizer)

    with passes_in(torch.bfloat16, "cpu"):
        before = token_log_probs(model, batch).detach()
        with torch.no_grad():
            model.lm_head.weight *= 0.5
        after = token_log_probs(model, batch).detach()

    assert (after - before).abs().max() > 0.1


def test_adapters_of_a_base_of_few_digits_are_float32(model_folder: Path) -> None:
    model, _ = loading.build(adapted.settings(model_folder), 0, torch.bfloat16)

    kinds = {("lora_" in name, p.dtype) for name, p in model.named_parameters()}
    assert kinds == {(True, torch.float32), (False, torch.bfloat16)}
