"""Evaluation samples of every model of a family, and the store that makes the work resumable.

One call draws for the warm-up and every branch with one engine. What is drawn is kept in a store
beside the declared outputs, keyed by the model's bytes, the sampling settings and the seed: a
changed branch redraws that branch alone, and a killed job continues at the block where it stopped.
A problem's samples depend on its id and the seed, never on what else is drawn, so a resumed run, a
sharded run and a plain run agree.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from compute_aligned.errors import InputError
from compute_aligned.progress import track
from compute_aligned.records import SAMPLES, Problem, read_table, write_table
from compute_aligned.settings import Sampling


@dataclass(frozen=True)
class Completion:
    """One sampled completion; ``finished`` says that it ended by itself, not at the limit."""

    text: str
    num_tokens: int
    finished: bool


@dataclass(frozen=True)
class Request:
    """A prompt to draw from, and the seed of its first sample."""

    prompt: str
    seed: int


class Engine(Protocol):
    """What can draw samples: vLLM or transformers."""

    def use(self, model: Path) -> None:
        """Draw from the weights in this folder from now on."""

    def sample(self, requests: list[Request]) -> list[list[Completion]]:
        """Draw every request's completions, in order; a request's draws depend on it alone."""


def sample_family(
    start: Callable[[Path], Engine],
    models: dict[str, Path],
    problems: list[Problem],
    settings: Sampling,
    seed: int,
    store: Path,
    identity: str,
) -> pa.Table:
    """Draw, or take from the store, the samples of every model (schema ``records.SAMPLES``).

    Args:
        start: Starts the engine with a model's folder; called only if anything has to be drawn.
        models: Branch id to model folder.
        problems: The test problems.
        settings: How many samples, and how they are drawn.
        seed: The run's seed; each problem derives its own from it.
        store: Folder that finished blocks are kept in.
        identity: Whatever else the samples depend on, such as the engine and its dtype.

    """
    engine = None
    tables, shelves = [], []
    for branch, folder in models.items():
        shelf = store / _key(folder, settings, seed, identity)
        shelves.append(shelf)
        for number, block in blocks(problems, settings.block_size, branch):
            path = shelf / f"{number:05d}-{_digest(*(p.id + p.prompt for p in block))}.parquet"
            if not path.exists():
                engine = engine or start(folder)
                engine.use(folder)
                write_table(path, draw(engine, branch, block, settings, seed), SAMPLES)
            tables.append(relabelled(read_table(path, SAMPLES), branch))
    prune(store, shelves)
    return pa.concat_tables(tables)


def blocks(
    problems: list[Problem], size: int, description: str
) -> Iterator[tuple[int, list[Problem]]]:
    """Problems in numbered blocks, with progress. Blocks are fixed, whatever is already done."""
    starts = range(0, len(problems), size)
    for start in track(starts, description, len(starts), unit="block"):
        yield start // size, problems[start : start + size]


def draw(
    engine: Engine, branch: str, block: list[Problem], settings: Sampling, seed: int
) -> list[dict]:
    """The samples of one block of problems, as rows."""
    requests = [Request(p.prompt, problem_seed(p.id, seed, settings.num_samples)) for p in block]
    return [
        {
            "branch": branch,
            "problem": problem.id,
            "sample": index,
            "text": completion.text,
            "num_tokens": completion.num_tokens,
            "finished": completion.finished,
        }
        for problem, completions in zip(block, engine.sample(requests), strict=True)
        for index, completion in enumerate(completions)
    ]


def problem_seed(problem: str, seed: int, num_samples: int) -> int:
    """The seed of a problem's first sample; sample i of the problem uses this plus i.

    Seeds of two problems are at least ``num_samples`` apart (or equal, one time in 2**48), so no
    two samples share one.
    """
    digest = hashlib.blake2b(f"{seed}:{problem}".encode(), digest_size=6).digest()
    return int.from_bytes(digest, "big") * num_samples


def relabelled(samples: pa.Table, branch: str) -> pa.Table:
    """Samples under a branch's present name: the store knows models by their bytes only."""
    column = SAMPLES.get_field_index("branch")
    return samples.set_column(column, SAMPLES.field("branch"), pa.array([branch] * len(samples)))


def prune(store: Path, keep: list[Path]) -> None:
    """Drop from a store what no present model needs."""
    for shelf in store.iterdir() if store.is_dir() else ():
        if shelf not in keep:
            shutil.rmtree(shelf)


def _key(folder: Path, settings: Sampling, seed: int, identity: str) -> str:
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise InputError(folder, "there is no model in this folder", "run the rule that trains it")
    content = hashlib.sha256()
    for path in weights:
        with path.open("rb") as file:
            content.update(hashlib.file_digest(file, "sha256").digest())
    return _digest(content.hexdigest(), settings.model_dump_json(), str(seed), identity)


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()
