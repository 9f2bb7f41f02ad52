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

from benchmarks import figures, page
from benchmarks.compare import summary, timed


class Name(StrEnum):
    """The benchmarks, each a module."""

    STEPS = "steps"
    AGAINST_TRL = "against_trl"
    SCORING = "scoring"
    SAMPLING = "sampling"
    ORCHESTRATION = "orchestration"


def main(
    only: Annotated[
        list[Name] | None, typer.Option(help="A benchmark; may be given again. All if not given.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Measurements of each way, in turns.")] = 5,
) -> None:
    """Time the project's ways beside slow and obvious ones, and check first that they agree.

    Figures go to results/benchmarks.tsv; `make figures` puts them into results/reference/.
    """
    torch.set_num_threads(1)
    for name in only or Name:
        module = importlib.import_module(f"benchmarks.{name}")
        found = [summary(c, timed(c, repeats)) for c in module.comparisons()]
        if not found:  # the module has said why
            continue
        source = f"make bench, 1 thread, load {os.getloadavg()[0]:.1f}"
        print(page.markdown(figures.add(name, pd.concat(found), source)))


if __name__ == "__main__":
    typer.run(main)
