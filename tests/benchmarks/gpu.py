"""What a GPU does with the paper's models: ``make check-gpu``.

The checkpoints have the shapes of the paper's and random weights, so that nothing is downloaded. A
step of every kind that a family of the scale ``paper`` is trained by is timed, and samples by vLLM.
How far apart the log-probabilities of training (4 bits) and of sampling (bfloat16) are is measured
too; with random weights that says what the arithmetic does, not what it does to an answer.
"""

import functools
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import typer
from tqdm import tqdm
from transformers import GPT2Config, MistralConfig, PretrainedConfig

from benchmarks import figures, gpu_steps, page
from benchmarks.gpu_steps import Place, Reading
from compute_aligned.config.models import PretrainedModel
from compute_aligned.config.study import read_study
from compute_aligned.files.errors import InputError
from compute_aligned.models import ready

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
Differences = dict[str, dict[str, float]]  # of log-probabilities, by the checkpoint's name


def in_a_process_of_its_own(function: Callable, *arguments: Any) -> Any:
    """The result of a function; whatever memory it took is free again afterwards."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def check(scale: str, place: Place, folder: Path) -> tuple[list[Reading], Differences]:
    """Take every reading of a scale; checkpoints go into ``folder``.

    Raises:
        InputError: A family starts from a checkpoint whose shape is not known here.

    """
    readings: list[Reading] = []
    differences: Differences = {}
    starts: dict[PretrainedModel, Path] = {}
    for name, experiment in tqdm(read_study(scale).experiments.items(), unit="family"):
        asked = experiment.settings.model
        if not isinstance(asked, PretrainedModel) or asked.pretrained not in place.shapes:
            raise InputError(f"{scale}: {name}", "its shape is not known here", "add it to SHAPES")
        base = folder / asked.checkpoint
        if not base.exists():
            gpu_steps.random_checkpoint(asked.pretrained, base, place)
            gpu_steps.free_memory()
        model = asked.model_copy(update={"pretrained": str(base), "revision": None})
        if model not in starts:
            starts[model] = gpu_steps.made_start(model, folder / f"{name}.start", place)
        start = starts[model]
        readings += gpu_steps.training(experiment, model, start, place)
        if asked.pretrained not in differences:
            # in a process of its own: vLLM keeps the GPU's memory until it ends
            found = in_a_process_of_its_own(gpu_steps.sampling, experiment, start, place)
            readings.append(found[0])
            apart = gpu_steps.difference(found[1], start, model, place)
            differences[asked.pretrained] = apart
            gpu_steps.free_memory()
    return readings, differences


def smoke(device: str, folder: Path) -> float:
    """Seconds that the verbs of the smoke scale take on a device, one after the other.

    Raises:
        subprocess.CalledProcessError: One fails.

    """
    family = f"--scale smoke --family rl_majority --seed 0 --device {device}"
    trained = "--branch {0} --problems {1}.jsonl --model {0} --steps {0}.parquet"
    verbs = (
        "fetch --scale smoke --source multiplication --out raw.jsonl",
        "prepare --scale smoke --family rl_majority --seed 0 --raw raw.jsonl --out .",
        f"train {family} {trained.format('warmup', 'train')}",
        f"train {family} {trained.format('standard', 'rl')} --start warmup",
        f"sample {family} --engine vllm --problems test.jsonl --out samples.parquet"
        " --model warmup=warmup --model standard=standard",
    )
    began = time.perf_counter()
    for verb in verbs:
        command = [sys.executable, "-m", "compute_aligned", *verb.split()]
        subprocess.run(command, check=True, cwd=folder)
    return time.perf_counter() - began


def rows(readings: list[Reading], differences: Differences, seconds: float) -> pd.DataFrame:
    """All of it, as the file of figures has it."""
    cells = [("the smoke scale's verbs", "one after the other", seconds, "s")]
    for reading in readings:
        speed = reading.tokens / reading.seconds
        cells.append((reading.family, reading.what, speed, "tokens a second"))
        cells.append((reading.family, f"{reading.what}, at the peak", reading.gigabytes, "GB"))
    for name, apart in differences.items():
        what = f"{name}: log-probabilities of training and of sampling apart"
        cells += [(what, kind, value, "nats") for kind, value in apart.items()]
    columns = ["comparison", "way", "taken", "unit"]
    return pd.DataFrame(cells, columns=columns).assign(repeats=1)


def main(scale: str = "paper") -> None:
    """Check a GPU: the smoke scale's verbs, then the readings; into results/benchmarks.tsv."""
    try:
        ready.require_device("cuda")
    except InputError as error:
        sys.exit(f"make check-gpu: {error.problem}; run it on a machine with an NVIDIA GPU")
    place = Place("cuda", read_study(scale).settings.dtype, SHAPES)
    with tempfile.TemporaryDirectory() as folder:
        seconds = smoke("cuda", Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        found = check(scale, place, Path(folder))
    card = torch.cuda.get_device_name()
    print(page.markdown(figures.add("gpu", rows(*found, seconds), "make check-gpu", card)))


if __name__ == "__main__":
    typer.run(main)
