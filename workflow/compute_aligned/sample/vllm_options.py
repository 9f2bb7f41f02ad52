"""How vLLM is imported and told of a model: adapters, allowed tokens, memory on a CPU."""

import contextlib
import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, GenerationConfig

from compute_aligned.files.errors import InputError
from compute_aligned.models import adapter_files
from compute_aligned.models.checkpoints import local_folder
from compute_aligned.models.loading import base_of

MAX_SEQUENCES = 512  # completions that vLLM works on at the same time
CPU_BLOCK = 128  # tokens; vLLM hands out its cache in such blocks on CPU
CPU_CACHE_LIMIT = 2**30  # bytes
LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # that vLLM can be told to make room for


@contextlib.contextmanager
def threads_still_settable() -> Iterator[None]:
    """Put back ``torch.set_num_threads``, which vLLM on a CPU replaces by nothing for good."""
    before = torch.set_num_threads
    try:
        yield
    finally:
        torch.set_num_threads = before


def import_vllm(device: str) -> tuple[Any, Any, Any]:
    """What is used of vLLM: its engine, its sampling parameters, its requests for adapters.

    Raises:
        InputError: It cannot be imported.

    """
    # its warnings are about choices made here on purpose
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"  # a process more costs its start again
    if device == "cpu":
        os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    try:
        from vllm import LLM, SamplingParams
        from vllm.lora.request import LoRARequest
    except ImportError as error:
        raise InputError(
            "engine: vllm",
            f"vLLM cannot be imported ({error})",
            "install it (`make` does, on Linux), or choose the other engine: "
            "snakemake --config engine=transformers",
        ) from None
    gc.freeze()  # vLLM collects garbage five times as it starts, through all that imports made
    return LLM, SamplingParams, LoRARequest


def weights_of(model: Path) -> Path:
    """The folder that the whole weights of a model are in: its own, or that of an adapter's base.

    Raises:
        InputError: The base is not on this machine, or is incomplete.

    """
    return local_folder(base_of(model)) if adapter_files.is_adapter(model) else model


def lora_options(model: Path) -> dict[str, Any]:
    """What vLLM is told so that it takes adapters like this one; nothing if the model is whole."""
    if not adapter_files.is_adapter(model):
        return {}
    rank = adapter_files.describe(model).r
    # one at a time: models are drawn from one after the other
    return {
        "enable_lora": True,
        "max_loras": 1,
        "max_lora_rank": next((r for r in LORA_RANKS if r >= rank), rank),
    }


def allowed_tokens(model: Path) -> list[int] | None:
    """Every token but those that the model suppresses; None where it suppresses none."""
    folder = weights_of(model)
    config = AutoConfig.from_pretrained(folder)
    try:
        generation = GenerationConfig.from_pretrained(folder, local_files_only=True)
    except OSError:  # not every checkpoint has one; this is what transformers then loads it with
        generation = GenerationConfig.from_model_config(config)
    if not generation.suppress_tokens:
        return None
    return sorted(set(range(config.vocab_size)) - set(generation.suppress_tokens))


def cpu_cache_bytes(model: Path, max_length: int, dtype: str) -> int:
    """Bytes of keys and values of as many sequences as vLLM runs at a time, within a limit.

    Every byte is written when the engine starts, so a small model gets no more than it can use.
    """
    config = AutoConfig.from_pretrained(weights_of(model))
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    per_token = 2 * config.num_hidden_layers * heads * head_dim * getattr(torch, dtype).itemsize
    per_sequence = -(-max_length // CPU_BLOCK) * CPU_BLOCK * per_token
    return min((MAX_SEQUENCES + 1) * per_sequence, CPU_CACHE_LIMIT)
