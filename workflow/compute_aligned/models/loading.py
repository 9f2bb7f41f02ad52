"""Models and tokenizers: built from scratch or loaded, and saved.

A saved model is a folder in the Hugging Face format with its tokenizer, so that transformers and
vLLM read the same files: whole weights, or an adapter that names its base. Imported only by the
verbs that need torch and transformers.
"""

import copy
import re
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
)
from transformers.utils.logging import disable_progress_bar

from compute_aligned.config.models import PretrainedModel, ScratchModel
from compute_aligned.files.errors import InputError
from compute_aligned.models import adapter_files, adapters, checkpoints

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
        dtype: Of the weights, see :func:`compute_aligned.models.loading.weights_dtype`.
        device: ``cpu`` or ``cuda``.

    Raises:
        InputError: The pretrained model cannot be loaded, or has no layer that an adapter is for.

    """
    if isinstance(settings, ScratchModel):
        model, tokenizer = build_from_scratch(settings, seed, dtype)
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
        adapter_files.check_base(folder, pretrained)
    if not adapter_files.is_adapter(folder):
        model, tokenizer = _load_whole(folder, dtype), load_tokenizer(folder)
        return adapters.prepared(model, pretrained).to(device), tokenizer
    base, _ = _load_checkpoint(pretrained or base_of(folder), dtype, device)
    return adapters.put_on(base, folder), load_tokenizer(folder)


def base_of(folder: Path) -> PretrainedModel:
    """The checkpoint that an adapter is for, as it is sampled from."""
    adapter = adapter_files.describe(folder)
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
    if not (folder / "config.json").is_file() and not adapter_files.is_adapter(folder):
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


# --- from scratch ----------------------------------------------------------------------------

PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"


def build_from_scratch(settings: ScratchModel, seed: int, dtype: torch.dtype) -> tuple[Any, Any]:
    """The model, its weights drawn with ``seed``, and its tokenizer."""
    tokenizer = build_tokenizer(settings)
    torch.manual_seed(seed)
    model = MistralForCausalLM(
        MistralConfig(
            vocab_size=len(tokenizer),
            hidden_size=settings.hidden_size,
            intermediate_size=settings.intermediate_size,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            num_key_value_heads=settings.heads,
            head_dim=settings.head_dim,
            max_position_embeddings=settings.max_length,
            sliding_window=None,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    if settings.prompt_only:
        suppressed = tokenizer.convert_tokens_to_ids(list(settings.prompt_only))
        model.generation_config.suppress_tokens = suppressed
    return model.to(dtype), tokenizer


def build_tokenizer(settings: ScratchModel) -> PreTrainedTokenizerFast:
    """A tokenizer with one token for each entry of the vocabulary, cutting characters or words.

    As in GPT-2, the token that ends a text stands for its beginning too, see
    :func:`tokens.encode_prompts`.
    """
    characters = settings.split == "characters"
    words = [PAD, EOS, UNKNOWN, *settings.tokens]
    tokenizer = Tokenizer(WordLevel({w: i for i, w in enumerate(words)}, unk_token=UNKNOWN))
    pieces = "|".join([*map(re.escape, settings.prompt_only), "."])
    tokenizer.pre_tokenizer = (
        pre_tokenizers.Split(Regex(pieces), "isolated")
        if characters
        else pre_tokenizers.WhitespaceSplit()
    )
    if characters:
        tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=EOS,
        eos_token=EOS,
        unk_token=UNKNOWN,
        model_max_length=settings.max_length,
        clean_up_tokenization_spaces=False,
    )


# --- precision -------------------------------------------------------------------------------


def weights_dtype(settings: ScratchModel | PretrainedModel, dtype: torch.dtype) -> torch.dtype:
    """What weights are loaded in for training: a base that stays as it is, in the scale's dtype.

    Weights that are trained are float32, adapters always so: with the few digits of bfloat16 most
    steps at the paper's learning rates would round to nothing.
    """
    frozen = isinstance(settings, PretrainedModel) and settings.lora is not None
    return dtype if frozen else torch.float32


def passes_in(dtype: torch.dtype, device: str) -> AbstractContextManager:
    """Where passes multiply in the scale's dtype, whatever the weights are kept in.

    No cast weight is kept for the next pass: in between, the optimiser changes weights.
    """
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device, dtype, cache_enabled=False)
