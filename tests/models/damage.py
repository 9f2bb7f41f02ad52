"""What can befall a saved model: each function returns one that does it to the model's folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

Damage = Callable[[Path], object]
Weights = dict[str, torch.Tensor]


def lost(pattern: str) -> Damage:
    return lambda folder: [path.unlink() for path in sorted(folder.glob(pattern))]


def overwritten(name: str, content: str | bytes) -> Damage:
    raw = content if isinstance(content, bytes) else content.encode()
    return lambda folder: (folder / name).write_bytes(raw)


def cut(pattern: str) -> Damage:
    """The first file of that kind lacks its last bytes."""

    def shorten(folder: Path) -> None:
        path = min(folder.glob(pattern))
        path.write_bytes(path.read_bytes()[:-7])

    return shorten


def edited(name: str, **values: Any) -> Damage:
    """Some values in a JSON file are others."""

    def edit(folder: Path) -> None:
        content = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(content | values))

    return edit


def changed(name: str, change: Callable[[Weights], Weights]) -> Damage:
    """The weights in a file are what a function makes of them."""

    def rewrite(folder: Path) -> None:
        weights = change(load_file(folder / name))
        save_file(weights, folder / name, {"format": "pt"})

    return rewrite


def without(weights: Weights, name: str) -> Weights:
    return {key: tensor for key, tensor in weights.items() if key != name}
