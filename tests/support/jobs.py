"""Verbs of the command line as tests run them: in this process, or as jobs of their own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from compute_aligned.__main__ import app

SMOKE = ["--scale", "smoke", "--family", "sft_passn", "--seed", "0"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "workflow")}
VERB = ["-m", "compute_aligned"]

# Runs a verb and dies, as by the kernel's or a scheduler's hand, at one call of one function.
DYING = """
import importlib, itertools, os, signal, sys
from compute_aligned.__main__ import main

module, name, last = sys.argv.pop(1), sys.argv.pop(1), int(sys.argv.pop(1))
*path, name = [importlib.import_module(module), *name.split(".")]
owner = path[0]
for part in path[1:]:
    owner = getattr(owner, part)
function, calls = getattr(owner, name), itertools.count()

def call_or_die(*args, **kwargs):
    if next(calls) == last:
        os.kill(os.getpid(), signal.SIGKILL)
    return function(*args, **kwargs)

setattr(owner, name, call_or_die)
main()
"""


def run(*arguments: object) -> None:
    """Run a verb in this process; errors pass through."""
    app([str(a) for a in arguments], standalone_mode=False)


def start(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments, in a process of its own, to its end."""
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**ENVIRONMENT, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def kill(module: str, function: str, call: int, *arguments: object) -> None:
    """Run a verb in a process of its own, killed when it calls a function once more than this."""
    done = start("-c", DYING, module, function, call, *arguments)
    assert done.returncode == -signal.SIGKILL, done.stderr


def train(problems: Path, folder: Path, branch: str = "warmup") -> list[object]:
    """The arguments that train a branch of the smoke scale into a folder."""
    outputs = ["--model", folder / "model", "--steps", folder / "steps.parquet"]
    return ["train", *SMOKE, "--branch", branch, "--problems", problems, *outputs]


def sample(problems: Path, models: dict[str, Path], out: Path, engine: str) -> list[object]:
    """The arguments that sample models at the smoke scale."""
    folders = [part for name, path in models.items() for part in ("--model", f"{name}={path}")]
    return ["sample", *SMOKE, "--engine", engine, "--problems", problems, *folders, "--out", out]
