"""What benchmarks work on: random models, problems and settings of the laptop scale."""

from typing import Any

import torch

from compute_aligned.config.scales import Family
from compute_aligned.config.study import read_study
from compute_aligned.files.records import Problem
from compute_aligned.models import loading
from compute_aligned.prepare import problems

SEED = 100


def family(name: str, scale: str = "laptop") -> Family:
    """A family's settings."""
    return read_study(scale).experiment(name).settings


def model(name: str, seed: int = SEED, **shape: Any) -> tuple[Any, Any]:
    """A random model of a family's shape, which may be changed, and its tokenizer."""
    return loading.build(family(name).model.model_copy(update=shape), seed, torch.float32)


def some_problems(name: str, count: int, scale: str = "laptop") -> list[Problem]:
    """Problems from all over a family's source."""
    source = family(name, scale).problems.source
    raw, _ = problems.raw_problems(read_study(scale).source(source))
    return raw[:: len(raw) // count][:count]
