"""A tiny multiplier for tests: its model, its tokenizer, its problems."""

from typing import Any

import torch
from transformers import AutoModelForCausalLM, GPT2Config, Mamba2Config

from compute_aligned.config.models import ScratchModel
from compute_aligned.config.settings import Decoding, Rl
from compute_aligned.files.records import Problem
from compute_aligned.models import loading, tokens

SHAPE = ScratchModel(
    vocabulary="0 1 2 3 4 5 6 7 8 9 * =",
    hidden_size=16,
    intermediate_size=24,
    layers=2,
    heads=1,
    max_length=24,
)
PROTEINS = SHAPE.model_copy(
    update={"vocabulary": "A C D I", "prompt_only": ("Input: ", " \n Output:")}
)
RL = Rl(
    steps=6,
    prompts_per_step=4,
    group_size=5,
    rollout=Decoding(temperature=0.8, top_p=0.95, max_new_tokens=5),
    reward="answer",
    success_estimate="sequence_probability",
    kl_weight=0.3,
    learning_rate=1e-2,
    clip_norm=1.0,
    checkpoint_every=2,
)


def build(seed: int = 0, dtype: torch.dtype = torch.float64) -> tuple[Any, Any]:
    """A model whose distributions are far from uniform, in evaluation mode, and its tokenizer."""
    model, tokenizer = loading.build(SHAPE, seed, dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter *= 6
    return model.eval(), tokenizer


def recurrent() -> Any:
    """A model whose layers keep a running state and no keys and values."""
    shape = Mamba2Config(
        vocab_size=15,
        hidden_size=32,
        num_hidden_layers=2,
        num_heads=8,
        head_dim=8,
        state_size=8,
        n_groups=1,
    )
    return AutoModelForCausalLM.from_config(shape).eval()


def gpt2(dropout: float = 0.0) -> Any:
    """A model whose positions are absolute, the same at each call, in evaluation mode."""
    torch.manual_seed(0)
    shape = GPT2Config(
        vocab_size=15, n_positions=24, n_embd=16, n_layer=2, n_head=2, attn_pdrop=dropout
    )
    return AutoModelForCausalLM.from_config(shape).eval()


def problems(count: int) -> list[Problem]:
    """Products whose prompts differ in length."""
    pairs = [(7 * i + 2) % 130 + 2 for i in range(count)]
    return [
        Problem(id=f"{a}*3", group=f"{a}*3", prompt=f"{a}*3=", answer=str(a * 3)) for a in pairs
    ]


def encode_prompt(tokenizer: Any, prompt: str, chat_template: bool = False) -> list[int]:
    """The token ids of one prompt."""
    return tokens.encode_prompts(tokenizer, [prompt], chat_template)[0]


def encode_completion(tokenizer: Any, text: str) -> list[int]:
    """The token ids of one completion."""
    return tokens.encode_completions(tokenizer, [text])[0]


def shapes_of_passes(model: Any) -> list[tuple[int, ...]]:
    """Rows and tokens of each pass through a model from now on; filled as it is called."""
    shapes: list[tuple[int, ...]] = []
    model.register_forward_pre_hook(
        lambda _, args, kwargs: shapes.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    return shapes
