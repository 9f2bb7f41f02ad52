"""Where vLLM overtakes ``engine: transformers``: by the model's size and the answers' length.

Every completion has the full length, the end-of-sequence token being suppressed.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.compare import Comparison, Way, clocked
from compute_aligned.config import study
from compute_aligned.config.settings import Sampling
from compute_aligned.models import loading
from compute_aligned.sample.engines import ENGINES
from compute_aligned.sample.store import Completion, Request

FAMILY = "sft_passn"
SEED = 100
SHAPES = {  # hidden size, layers: 0.1, 3 and 25 million parameters
    "0.1M": (64, 2),
    "3M": (256, 4),
    "25M": (512, 8),
}
LENGTHS = (4, 32, 128)
PROMPTS, NUM_SAMPLES = 8, 8
MAX_LENGTH = 192


def save_model(folder: Path, hidden: int, layers: int) -> Any:
    """A random model that never ends a completion; returns its tokenizer."""
    shape = study.read_family("laptop", FAMILY).model.model_copy(
        update={
            "hidden_size": hidden,
            "intermediate_size": 4 * hidden,
            "layers": layers,
            "heads": hidden // 32,
            "max_length": MAX_LENGTH,
        }
    )
    model, tokenizer = loading.build(shape, SEED, torch.float32)
    suppressed = model.generation_config.suppress_tokens or []
    model.generation_config.suppress_tokens = [*suppressed, tokenizer.eos_token_id]
    loading.save(model, tokenizer, folder)
    return tokenizer


def settings_for(length: int) -> Sampling:
    """The family's, with completions of at most this length."""
    family = study.read_family("laptop", FAMILY)
    changes = {"num_samples": NUM_SAMPLES, "max_new_tokens": length}
    return family.sampling.model_copy(update=changes)


def draw(engine: Any, requests: list[Request], length: int) -> list[list[Completion]]:
    """Draw completions of a length from a running engine; starting one takes seconds."""
    engine._settings = settings_for(length)
    return engine.sample(requests)


def check(engines: dict[str, Any], requests: list[Request], length: int) -> None:
    """Both draw as many completions of the full length."""
    for engine in engines.values():
        lengths = [[c.num_tokens for c in group] for group in draw(engine, requests, length)]
        assert lengths == [[length] * NUM_SAMPLES] * len(requests)


def comparisons(lengths: tuple[int, ...] = LENGTHS) -> Iterator[Comparison]:
    """Every shape at every length, one after the other: engines take memory.

    Args:
        lengths: Tokens of every completion.

    """
    running = []  # vLLM's engines of one process share what the first one's end would destroy
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as temporary:
        for name, (hidden, layers) in SHAPES.items():
            folder = Path(temporary) / name
            tokenizer = save_model(folder, hidden, layers)
            settings = settings_for(max(lengths))
            engines = {
                way: engine(folder, tokenizer, settings, "float32", "cpu", MAX_LENGTH)
                for way, engine in ENGINES.items()
            }
            running.append(engines)
            for length in lengths:
                yield compared(name, length, engines)


def compared(name: str, length: int, engines: dict[str, Any]) -> Comparison:
    """Both engines at one shape and length; prompts are of six tokens."""
    requests = [Request([3 + i, 4, 5, 6, 7, 8], 1000 * i) for i in range(PROMPTS)]
    return Comparison(
        f"{PROMPTS * NUM_SAMPLES} x {length} tokens, {name} parameters",
        tuple(
            Way(way, clocked(lambda e=engine: draw(e, requests, length)))
            for way, engine in engines.items()
        ),
        lambda: check(engines, requests, length),
    )
