"""A tiny checkpoint with adapters for tests, and bitsandbytes where this machine can run it."""

import functools
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from compute_aligned.config.models import Lora, PretrainedModel
from compute_aligned.models import loading
from compute_aligned.models.tokens import Batch, collate
from support import tiny

TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj")
LORA = Lora(rank=4, alpha=8, targets=TARGETS)


def settings(folder: Path, **changes: Any) -> PretrainedModel:
    """The tiny checkpoint of a folder with adapters on its attention."""
    return PretrainedModel(**{"pretrained": str(folder), "lora": LORA, **changes})


def build(folder: Path, seed: int = 0, **changes: Any) -> tuple[Any, Any]:
    """A base with a fresh adapter on it, and the tokenizer."""
    return loading.build(settings(folder, **changes), seed, torch.float32)


def trained(base: Path, folder: Path, seed: int = 1, scale: float = 0.3) -> Path:
    """The folder of an adapter whose factors are all far from 0, as after training."""
    model, tokenizer = build(base)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in adapter_of(model).values():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
    loading.save(model, tokenizer, folder)
    return folder


def adapter_of(model: Any) -> dict[str, torch.Tensor]:
    """What of a model is trained, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def batch(tokenizer: Any, count: int = 6) -> Batch:
    """Some problems with their answers."""
    problems = tiny.problems(count)
    return collate(
        [tiny.encode_prompt(tokenizer, p.prompt) for p in problems],
        [tiny.encode_completion(tokenizer, p.answer) for p in problems],
        tokenizer.pad_token_id,
    )


@functools.cache
def why_not_4_bits() -> str | None:
    """Why bitsandbytes cannot quantise on this machine; None where it can."""
    try:
        from bitsandbytes.nn import Linear4bit

        Linear4bit(64, 64, bias=False, quant_type="nf4").to("cpu")(torch.ones(1, 64)).sum()
    except Exception as error:  # whatever a missing or foreign library leads to
        return f"bitsandbytes cannot quantise here: {error!r:.200}"
    return None


def needs_4_bits() -> None:
    """Skip a test where bitsandbytes cannot quantise on this machine; in CI that is a failure."""
    reason = why_not_4_bits()
    if reason is not None and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason is not None:
        pytest.skip(reason)
