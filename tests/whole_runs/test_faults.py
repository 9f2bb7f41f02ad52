"""Processes killed in the middle of a run: what a rerun repeats, and what it ends with.

What a single job does about a full disk or a damaged checkpoint is tested beside its module.
"""

import os
import re
import signal
from pathlib import Path

import torch
from support import runs

RUN = ["--cores", "2", "results/smoke/tables/table2.csv", "--config", "scale=smoke"]
CHECKPOINT_EVERY = 20  # steps of the warm-up, in the smoke scale
NUM_BLOCKS = 3 * 20  # three models and twenty problems, one a block


def maker(output: Path) -> int:
    """The process that makes an output, from the lock beside it."""
    lock = output.with_name(f".{output.name}.lock")
    named = re.match(r"process (\d+) on ", lock.read_text())
    assert named is not None
    return int(named[1])


def blocks(store: Path) -> dict[Path, int]:
    """The finished blocks of samples, each with the time at which it was written."""
    return {path: path.stat().st_mtime_ns for path in store.rglob("[!.]*.parquet")}


def test_whatever_is_killed_a_rerun_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    left_alone = runs.small_repository(tmp_path / "left_alone")
    disturbed = runs.small_repository(tmp_path / "disturbed")

    with runs.background(left_alone, *RUN) as run:
        disturb(disturbed)

    assert run.returncode == 0
    assert runs.results_of(disturbed) == runs.results_of(left_alone)
    results = disturbed / "results" / "smoke"
    assert [*results.rglob(".*.lock"), *results.rglob(".*.partial"), *results.rglob("*.pt")] == []


def disturb(folder: Path) -> None:
    """Kill one process of a run after another, until it ends."""
    results = folder / "results" / "smoke"
    model = results / "warmup" / runs.FAMILY / f"seed{runs.SEED}" / "model"
    samples = results / "samples" / runs.FAMILY / f"seed{runs.SEED}.parquet"
    store = samples.with_suffix(".store")

    # 1. the training, between two checkpoints
    checkpoint = model.with_name(".model.checkpoint.pt")
    with runs.background(folder, *RUN) as run:
        runs.wait_until(checkpoint.exists, run)
        os.kill(maker(model), signal.SIGKILL)
    assert run.returncode == 1
    reached = torch.load(checkpoint, weights_only=True)["progress"]["step"]
    assert reached > 0
    assert reached % CHECKPOINT_EVERY == 0
    assert not model.exists()

    # 2. sampling with vLLM, between two blocks; the training goes on where its checkpoint is
    with runs.background(folder, *RUN) as run:
        runs.wait_until(lambda: len(blocks(store)) > 1, run)
        os.kill(maker(samples), signal.SIGKILL)
    assert run.returncode == 1
    assert runs.first_step(folder, "train_warmup") == reached
    first = blocks(store)
    assert 1 < len(first) < NUM_BLOCKS

    # 3. Snakemake itself, in the middle of sampling; its job lives on
    with runs.background(folder, *RUN) as run:
        runs.wait_until(lambda: len(blocks(store)) > len(first), run)
        orphan = maker(samples)
        os.kill(orphan, signal.SIGSTOP)  # so that it is there for certain
        run.kill()
    try:
        assert "--unlock" in refused(folder)
        assert runs.snakemake(folder, *RUN, "--unlock").returncode == 0
        assert f"it is being made by process {orphan} on " in refused(folder)
    finally:
        os.kill(orphan, signal.SIGKILL)
    second = blocks(store)
    assert second.items() > first.items()  # nothing was drawn again
    assert len(second) < NUM_BLOCKS

    # 4. nobody
    done = runs.snakemake(folder, *RUN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert blocks(store).items() > second.items()
    assert len(blocks(store)) == NUM_BLOCKS


def refused(folder: Path) -> str:
    """What a run says that cannot go on."""
    done = runs.snakemake(folder, *RUN)
    assert done.returncode == 1
    return done.stdout + done.stderr
