"""What a GPU does with the paper's models: ``make check-gpu``.

The checkpoints have the shapes of the paper's and random weights, so that nothing is downloaded. A
step of every kind that a family of the scale ``paper`` is trained by is timed, and samples by vLLM.
How far apart the log-probabilities of training (4 bits) and of sampling (bfloat16) are is measured
too; with random weights that says what the arithmetic does, not what it does to an answer.
"""

import functools
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import typer
from rich.console import Console
from rich.table import Table
from tqdm import tqdm
from transformers import GPT2Config, MistralConfig, PretrainedConfig

from benchmarks.gpu_steps import (
    Place,
    Reading,
    difference,
    free_memory,
    made_start,
    random_checkpoint,
    sampling,
    training,
)
from compute_aligned.config import study
from compute_aligned.config.models import PretrainedModel
from compute_aligned.files import provenance
from compute_aligned.files.errors import InputError
from compute_aligned.files.writing import write_text
from compute_aligned.models import ready

FOLDER = study.ROOT / "results" / "gpu"
SHAPES: dict[str, Callable[..., PretrainedConfig]] = {
    "mistralai/Mistral-7B-Instruct-v0.2": functools.partial(
        MistralConfig,
        vocab_size=32000,
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=32768,
        sliding_window=None,
    ),
    "nferruz/ProtGPT2": functools.partial(
        GPT2Config, vocab_size=50257, n_positions=1024, n_embd=1280, n_layer=36, n_head=20
    ),
}


def in_a_process_of_its_own(function: Callable, *arguments: Any) -> Any:
    """The result of a function; whatever memory it took is free again afterwards."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def check(scale: str, place: Place, folder: Path) -> dict[str, Any]:
    """Take every reading of a scale; checkpoints go into ``folder``.

    Raises:
        InputError: A family starts from a checkpoint whose shape is not known here.

    """
    readings: list[Reading] = []
    differences: dict[str, dict[str, float]] = {}
    starts: dict[PretrainedModel, Path] = {}
    for name, family in tqdm(study.read_scale(scale).families.items(), unit="family"):
        asked = family.model
        if not isinstance(asked, PretrainedModel) or asked.pretrained not in place.shapes:
            raise InputError(f"{scale}: {name}", "its shape is not known here", "add it to SHAPES")
        base = folder / asked.checkpoint
        if not base.exists():
            random_checkpoint(asked.pretrained, base, place)
            free_memory()
        model = asked.model_copy(update={"pretrained": str(base), "revision": None})
        if model not in starts:
            starts[model] = made_start(model, folder / f"{name}.start", place)
        readings += training(scale, name, model, starts[model], place)
        if asked.pretrained not in differences:
            # in a process of its own: vLLM keeps the GPU's memory until it ends
            reading, drawn = in_a_process_of_its_own(sampling, name, family, starts[model], place)
            readings.append(reading)
            differences[asked.pretrained] = difference(drawn, starts[model], model, place)
            free_memory()
    return {
        "readings": [asdict(r) | {"tokens_per_second": r.per_second} for r in readings],
        "sampler_against_training": differences,
    }


def smoke(device: str, folder: Path) -> float:
    """Seconds that the verbs of the smoke scale take on a device, one after the other.

    Raises:
        subprocess.CalledProcessError: One fails.

    """
    family = ["--scale", "smoke", "--family", "rl_majority", "--seed", "0"]
    at = ["--device", device]
    start = ["--start", f"{folder}/warmup"]

    def trained(name: str, problems: str) -> list[str]:
        files = ["--problems", f"{folder}/{problems}.jsonl", "--model", f"{folder}/{name}"]
        return ["--branch", name, *files, "--steps", f"{folder}/{name}.parquet", *at]

    verbs = [
        ["fetch", "--scale", "smoke", "--source", "multiplication", "--out", f"{folder}/raw.jsonl"],
        ["prepare", *family, "--raw", f"{folder}/raw.jsonl", "--out", str(folder)],
        ["train-sft", *family, *trained("warmup", "train")],
        ["train-rl", *family, *trained("standard", "rl"), *start],
        [
            *("sample", *family, *at, "--engine", "vllm", "--problems", f"{folder}/test.jsonl"),
            *("--model", f"warmup={folder}/warmup", "--model", f"standard={folder}/standard"),
            *("--out", f"{folder}/samples.parquet"),
        ],
    ]
    began = time.perf_counter()
    for verb in verbs:
        subprocess.run([sys.executable, "-m", "compute_aligned", *verb], check=True)
    return time.perf_counter() - began


def show(found: dict[str, Any], heading: str) -> None:
    """Print the readings as a table."""
    table = Table(title=heading, title_justify="left")
    for column in ("family", "tokens", "of them a second", "gigabytes at the peak"):
        table.add_column(column, justify="left" if column == "family" else "right")
    for row in found["readings"]:
        table.add_row(
            row["family"],
            f"{row['what']} {row['tokens']:,}",
            f"{row['tokens_per_second']:,.0f}",
            f"{row['peak_gigabytes']:.1f}",
        )
    console = Console()
    console.print(table)
    for name, of in found["sampler_against_training"].items():
        console.print(
            f"{name}: log-probabilities of training and sampler differ by {of['mean']:.2e} on "
            f"average, at most {of['largest']:.2e}"
        )


def main(scale: str = "paper") -> None:
    """Check a GPU: the smoke scale's verbs, then the readings; they go to results/gpu/."""
    try:
        ready.require_device("cuda")
    except InputError as error:
        sys.exit(f"make check-gpu: {error.problem}; run it on a machine with an NVIDIA GPU")
    at = study.read_scale(scale)
    card = torch.cuda.get_device_name()
    with tempfile.TemporaryDirectory() as folder:
        seconds = smoke("cuda", Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        found = check(scale, Place("cuda", at.dtype, SHAPES), Path(folder))
    found = {"card": card, "scale": scale, "smoke_seconds": seconds, **found}
    path = FOLDER / f"{card.lower().replace(' ', '-')}.json"
    write_text(path, json.dumps(found, indent=1) + "\n")
    provenance.record(path, scale=scale, device=card)
    show(found, card)


if __name__ == "__main__":
    typer.run(main)
