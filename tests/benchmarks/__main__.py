"""The one entry point: ``python -m benchmarks``, with ``tests`` and ``workflow`` on the path."""

import importlib
import os
from enum import StrEnum
from typing import Annotated

# one thread: what the pipeline's jobs use, and CPU seconds that can be compared
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}

import pandas as pd
import torch
import typer

from benchmarks.compare import show, summary, timed
from compute_aligned.config.study import ROOT
from compute_aligned.files import provenance
from compute_aligned.files.writing import write_text

FOLDER = ROOT / "results" / "benchmarks"


class Name(StrEnum):
    """The benchmarks, each a module."""

    RL_STEP = "rl_step"
    SFT_STEP = "sft_step"
    SCORING = "scoring"
    SAMPLING = "sampling"
    SMOLLM2 = "smollm2"
    ORCHESTRATION = "orchestration"
    MEMORY = "memory"
    CROSSOVER = "crossover"
    AGAINST_TRL = "against_trl"


def main(
    only: Annotated[
        list[Name] | None, typer.Option(help="A benchmark; may be given again. All if not given.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Measurements of each way, in turns.")] = 5,
) -> None:
    """Time the project's ways beside slow and obvious ones, and check first that they agree.

    Prints one table, and writes it to results/benchmarks/, a CSV a benchmark.
    """
    torch.set_num_threads(1)
    found = []
    for name in only or Name:
        module = importlib.import_module(f"benchmarks.{name}")
        frames = [summary(c, timed(c, repeats)) for c in module.comparisons()]
        if not frames:  # the module has said why
            continue
        path = FOLDER / f"{name}.csv"
        write_text(path, pd.concat(frames).to_csv(index=False))
        provenance.record(path, threads=1, cores=os.cpu_count(), load=os.getloadavg()[0])
        found += frames
    show(found, machine())


def machine() -> str:
    """What this ran on: processor, cores, threads used, and how busy others keep it."""
    load = os.getloadavg()[0]
    return (
        f"{provenance.cpu_name()}, {os.cpu_count()} cores, 1 thread; "
        f"{load:.1f} processes were running or waiting; torch {torch.__version__}. "
        "Medians [least, most]"
    )


if __name__ == "__main__":
    typer.run(main)
