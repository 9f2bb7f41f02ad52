import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import adapted
import jobs
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel

from compute_aligned.files.errors import InputError
from compute_aligned.models import adapter_files, adapters, loading
from compute_aligned.models.loading import passes_in, weights_dtype
from compute_aligned.models.log_probs import completion_logits, token_log_probs


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
    # hidden 16 to the head's 32 and back, twice two factors of rank 4
    assert loading.count_parameters(model)[0] == 2 * 4 * 4 * (16 + 32)


def test_a_fresh_adapter_is_a_function_of_its_seed(model_folder: Path) -> None:
    first, again, other = (
        adapted.adapter_of(adapted.build(model_folder, seed)[0]) for seed in (3, 3, 4)
    )

    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_a_misspelt_layer_is_named_even_if_others_are_right(model_folder: Path) -> None:
    lora = adapted.LORA.model_copy(update={"targets": ("q_proj", "vproj")})

    with pytest.raises(InputError, match=r"vproj: .*did you mean 'v_proj'"):
        adapted.build(model_folder, lora=lora)


# --- saved and put on again -------------------------------------------------------------------


def test_a_saved_adapter_is_small_and_says_what_it_is_for(
    model_folder: Path, adapter: Path
) -> None:
    weights = load_file(adapter / "adapter_model.safetensors")
    described = json.loads((adapter / "adapter_config.json").read_text())

    assert sum(t.numel() for t in weights.values()) == 2 * 4 * 4 * (16 + 32)
    assert not (adapter / "model.safetensors").exists()
    assert described["base_model_name_or_path"] == str(model_folder)
    assert described["revision"] is None
    assert described["target_modules"] == sorted(adapted.TARGETS)
    assert loading.base_of(adapter) == loading.base_of(adapter).model_copy(
        update={"pretrained": str(model_folder), "lora": None, "quantization": None}
    )


def test_the_revision_of_the_base_is_recorded(model_folder: Path, tmp_path: Path) -> None:
    base, tokenizer = loading.load(model_folder, torch.float32)
    settings = adapted.settings(model_folder).model_copy(
        update={"pretrained": "some/model", "revision": "abc"}
    )

    loading.save(adapters.new(base, settings, adapted.LORA, 0), tokenizer, tmp_path)

    assert adapter_files.describe(tmp_path).base == "some/model at revision abc"
    adapter_files.check_base(tmp_path, settings)


SAVE = """
import sys, adapted
from pathlib import Path
adapted.trained(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_the_bytes_of_a_saved_adapter_repeat(
    model_folder: Path, adapter: Path, tmp_path: Path
) -> None:
    search = os.pathsep.join([str(Path(adapted.__file__).parent), jobs.ENVIRONMENT["PYTHONPATH"]])
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

    wanted = load_file(adapter / "adapter_model.safetensors")
    found = {name.replace(".default", ""): p for name, p in adapted.adapter_of(model).items()}
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert tokenizer.pad_token_id == loading.load_tokenizer(model_folder).pad_token_id
    merged = model.merge_and_unload()
    whole, _ = loading.load(model_folder, torch.float32)
    assert (log_probs(merged, tokenizer) - log_probs(whole, tokenizer)).abs().max() > 0.1


def rename_the_base(folder: Path) -> None:
    path = folder / "adapter_config.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"base_model_name_or_path": "another/model"}))


def change_a_shape(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    weights = load_file(path)
    name = min(weights)
    save_file(weights | {name: torch.zeros(4, 99)}, path)


def drop_a_factor(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    weights = load_file(path)
    weights.pop(max(weights))
    save_file(weights, path)


def cut(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return damage


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (rename_the_base, "this adapter is for another/model, and the family's model is /"),
        (change_a_shape, r"does not fit its base: .*lora_A.weight is \(4, 99\) in the file and"),
        (drop_a_factor, r"lora_B.weight is missing in the file and \(32, 4\) on the base"),
        (cut("adapter_model.safetensors"), "weights cannot be read"),
        (cut("adapter_config.json"), "not valid JSON"),
        (lambda folder: (folder / "adapter_model.safetensors").unlink(), "weights cannot be read"),
        (lambda folder: (folder / "adapter_config.json").unlink(), "no model in this folder"),
        (lambda folder: (folder / "adapter_config.json").write_text("{}"), "is missing"),
    ],
)
def test_an_adapter_that_is_damaged_or_for_another_base_is_named(
    model_folder: Path,
    adapter: Path,
    tmp_path: Path,
    damage: Callable[[Path], None],
    words: str,
) -> None:
    folder = shutil.copytree(adapter, tmp_path / "adapter")
    damage(folder)

    with pytest.raises(InputError, match=words) as caught:
        loading.load(folder, torch.float32, adapted.settings(model_folder))

    assert str(folder) in caught.value.where
    assert caught.value.remedy


def test_an_adapter_for_a_base_of_another_shape_is_refused(
    model_folder: Path, adapter: Path, tmp_path: Path
) -> None:
    shape = tiny.SHAPE.model_copy(update={"hidden_size": 32})
    loading.save(*loading.build(shape, 0, torch.float32), tmp_path / "base")
    moved = shutil.copytree(adapter, tmp_path / "adapter")
    described = json.loads((moved / "adapter_config.json").read_text())
    described["base_model_name_or_path"] = str(tmp_path / "base")
    (moved / "adapter_config.json").write_text(json.dumps(described))

    with pytest.raises(InputError, match=r"lora_A.weight is \(4, 16\) in the file and \(4, 32\)"):
        loading.load(moved, torch.float32, adapted.settings(tmp_path / "base"))


def test_whole_weights_are_not_taken_for_an_adapter(model_folder: Path) -> None:
    with pytest.raises(InputError, match="whole weights, and the family trains adapters"):
        loading.load(model_folder, torch.float32, adapted.settings(model_folder))


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
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (tmp_path / name).read_bytes() == (adapter / name).read_bytes()


def test_suppressed_tokens_of_the_base_are_suppressed_through_an_adapter(
    model_folder: Path, adapter: Path
) -> None:
    model, tokenizer = loading.load(adapter, torch.float32, adapted.settings(model_folder))
    reference = loading.reference(model, adapter)
    model.generation_config.suppress_tokens = [3, 14]
    batch = adapted.batch(tokenizer)

    for each in (model.eval(), reference):
        with torch.no_grad():
            logits = completion_logits(each, batch)
        assert logits.isneginf().any((0, 1)).nonzero().flatten().tolist() == [3, 14]


# --- memory -----------------------------------------------------------------------------------


def with_dropout() -> Any:
    """A model of two layers that leaves out a part of its activations in training mode."""
    torch.manual_seed(0)
    shape = GPT2Config(
        vocab_size=15, n_positions=24, n_embd=16, n_layer=2, n_head=2, attn_pdrop=0.5
    )
    return GPT2LMHeadModel(shape).eval()


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
    plain, light = with_dropout(), with_dropout()
    light.gradient_checkpointing_enable(gradient_checkpointing_kwargs=adapters.CHECKPOINTING)

    expected, once = gradient_of(plain)
    found, twice = gradient_of(light)

    assert (once, twice) == (1, 2)
    assert torch.allclose(found, expected, rtol=1e-6, atol=1e-7)
    assert not any(module.training for module in light.modules())


@pytest.mark.parametrize("quantization", [None, "nf4"])
def test_gradient_checkpointing_reaches_the_layers(
    model_folder: Path, quantization: str | None
) -> None:
    if quantization:
        adapted.needs_4_bits()
    changes = {"gradient_checkpointing": True, "quantization": quantization}

    model, _ = adapted.build(model_folder, **changes)
    plain, _ = adapted.build(model_folder, quantization=quantization)

    assert [layer.gradient_checkpointing for layer in model.base_model.model.model.layers] == [
        True,
        True,
    ]
    assert not any(layer.gradient_checkpointing for layer in plain.base_model.model.model.layers)


# --- precision --------------------------------------------------------------------------------


def test_small_steps_are_not_lost_in_a_scale_of_few_digits(model_folder: Path) -> None:
    settings = adapted.settings(model_folder, lora=None)
    dtype = weights_dtype(settings, torch.bfloat16)
    model, tokenizer = loading.build(settings, 0, dtype)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, weight_decay=0.0)

    with passes_in(torch.bfloat16, "cpu"):
        logits = model(adapted.batch(tokenizer).input_ids).logits
        loss = -token_log_probs(model, adapted.batch(tokenizer)).sum()
        loss.backward()
        optimizer.step()

    assert logits.dtype == torch.bfloat16
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

    kinds = {"lora_" in name: set() for name, _ in model.named_parameters()}
    for name, parameter in model.named_parameters():
        kinds["lora_" in name].add(parameter.dtype)
    assert kinds == {True: {torch.float32}, False: {torch.bfloat16}}
