"""The verb ``train`` as tests run it on a family of reinforcement learning, and what it leaves."""

from pathlib import Path

import torch

FAMILY = ["--scale", "smoke", "--family", "rl_majority", "--seed", "0"]
OUTPUTS = {"model", "steps.parquet", "model.provenance.json"}


def train_rl(inputs: Path, out: Path, branch: str = "majority_n4_raw") -> list[object]:
    files = ["--problems", inputs / "rl.jsonl", "--start", inputs / "model"]
    files += ["--model", out / "model", "--steps", out / "steps.parquet"]
    return ["train", *FAMILY, "--branch", branch, *files]


def made(folder: Path) -> list[bytes]:
    return [(folder / f).read_bytes() for f in ("model/model.safetensors", "steps.parquet")]


def progress(folder: Path) -> int:
    """The step of the checkpoint that an unfinished job left."""
    checkpoint = torch.load(folder / ".model.checkpoint.pt", weights_only=True)
    return checkpoint["progress"]["step"]


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
