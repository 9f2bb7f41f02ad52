"""Models and tokenizers: built from scratch or loaded, and saved.

A saved model is a folder in the Hugging Face format with its tokenizer, so that transformers and
vLLM read the same files: whole weights, or an adapter that names its base. Imported only by the
verbs that need torch and transformers.
"""

import copy
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
)
from transformers.utils.logging import disable_progress_bar

from compute_aligned.configuration.model_settings import PretrainedModel, ScratchModel
from compute_aligned.errors import InputError
from compute_aligned.networks import adapters, checkpoints, scratch

# one bar a job, not one a file
disable_progress_bar()

# --- building, loading, saving ----------------------------------------------------------------


def build(
    settings: ScratchModel | PretrainedModel, seed: int, dtype: torch.dtype, device: str = "cpu"
) -> tuple[Any, Any]:
    """The model and tokenizer that a family's warm-up starts from, on a device.

    Args:
        settings: What it is, and whether it is trained whole or by an adapter.
        seed: Draws the weights of a model from scratch, or of an adapter.
        dtype: Of the weights, see :func:`compute_aligned.networks.precision.weights_dtype`.
        device: ``cpu`` or ``cuda``.

    Raises:
        InputError: The pretrained model cannot be loaded, or has no layer that an adapter is for.

    """
    if isinstance(settings, ScratchModel):
        model, tokenizer = scratch.build(settings, seed, dtype)
        return model.to(device), tokenizer
    model, tokenizer = _load_checkpoint(settings, dtype, device)
    if settings.lora is not None:
        model = adapters.new(model, settings, settings.lora, seed)
    return model, tokenizer


def load(
    folder: Path,
    dtype: torch.dtype,
    settings: ScratchModel | PretrainedModel | None = None,
    device: str = "cpu",
) -> tuple[Any, Any]:
    """Load a model that was saved, whole or an adapter on its base, and its tokenizer.

    Args:
        folder: Where it was saved.
        dtype: What the weights become, those of an adapter's base if it is one.
        settings: The family's, to go on training; without, an adapter's base is loaded as the
            checkpoint has it, not quantised.
        device: ``cpu`` or ``cuda``.

    Raises:
        InputError: It is not there, is no whole model that transformers can read, or an adapter for
            another base.

    """
    pretrained = settings if isinstance(settings, PretrainedModel) else None
    _check_folder(folder)
    if pretrained is not None and pretrained.lora is not None:
        adapters.check_base(folder, pretrained)
    if not adapters.is_adapter(folder):
        model, tokenizer = _load_whole(folder, dtype), load_tokenizer(folder)
        return adapters.prepared(model, pretrained).to(device), tokenizer
    base, _ = _load_checkpoint(pretrained or base_of(folder), dtype, device)
    return adapters.put_on(base, folder), load_tokenizer(folder)


def base_of(folder: Path) -> PretrainedModel:
    """The checkpoint that an adapter is for, as it is sampled from."""
    adapter = adapters.describe(folder)
    return PretrainedModel(pretrained=adapter.base_model_name_or_path, revision=adapter.revision)


def _load_checkpoint(settings: PretrainedModel, dtype: torch.dtype, device: str) -> tuple[Any, Any]:
    folder = checkpoints.local_folder(settings)
    model = _load_whole(folder, dtype, **adapters.quantized(settings, dtype, device))
    tokenizer = load_tokenizer(folder)
    return adapters.prepared(model, settings).to(device), tokenizer


def _load_whole(folder: Path, dtype: torch.dtype, **quantized: Any) -> Any:
    """All weights of a model; what is not in its folder is looked for nowhere else."""
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, output_loading_info=True, local_files_only=True, **quantized
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise _unreadable(folder, error) from None
    if report["missing_keys"]:  # transformers would draw them at random and only warn
        lacking = ", ".join(sorted(report["missing_keys"]))
        raise _unreadable(folder, f"it lacks the weights {lacking}")
    return model


def load_tokenizer(folder: Path) -> Any:
    """Load a tokenizer alone.

    Raises:
        InputError: It is not there, or cannot be read.

    """
    _check_folder(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise _unreadable(folder, error) from None
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _check_folder(folder: Path) -> None:
    if not (folder / "config.json").is_file() and not adapters.is_adapter(folder):
        raise InputError(folder, "there is no model in this folder", "run the rule that trains it")


def _unreadable(folder: Path, problem: object) -> InputError:
    return InputError(
        folder,
        f"the model cannot be loaded: {str(problem).strip().splitlines()[0]}",
        "delete the folder and run the rule again that made it; mend or replace one of your own",
    )


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Save a model and its tokenizer in the Hugging Face format; of adapters, they alone."""
    if adapters.wears_adapter(model):
        adapters.save(model, folder)
    else:
        model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def reference(model: Any, start: Path) -> Any:
    """What a model is held to in reinforcement learning: frozen, and as the model is at its start.

    Args:
        model: Loaded from ``start``, before its first step.
        start: A model's folder; an adapter is put on the same base a second time.

    """
    if adapters.wears_adapter(model):
        return adapters.Reference.of(model, start)
    return copy.deepcopy(model).requires_grad_(False)


def count_parameters(model: Any) -> tuple[int, int]:
    """How many parameters are trained, and how many there are; those of 4 bits one by one."""
    if adapters.wears_adapter(model):
        return model.get_nb_trainable_parameters()
    counts = [(p.numel() * p.requires_grad, p.numel()) for p in model.parameters()]
    return sum(trained for trained, _ in counts), sum(all_ for _, all_ in counts)
