"""Evaluation samples of every model of a family, and the store that makes the work resumable.

One call draws for the warm-up and every branch with one engine. What is drawn is kept in a store
beside the declared outputs, keyed by the model's bytes, the sampling settings and the seed: a
changed branch redraws its own samples only, and several jobs may share the problems, a range of
blocks each.
"""

import functools
import hashlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from compute_aligned.config.models import PretrainedModel
from compute_aligned.config.settings import Sampling
from compute_aligned.files.digests import digest
from compute_aligned.files.errors import InputError
from compute_aligned.files.progress import notice, track
from compute_aligned.files.records import SAMPLES, read_table, write_table
from compute_aligned.method.seeds import problem_seed
from compute_aligned.models import adapter_files
from compute_aligned.models.loading import base_of
from compute_aligned.sample.shards import WHOLE, Shard

Prompts = dict[str, list[int]]  # problem id to the token ids of its prompt


@dataclass(frozen=True)
class Completion:
    """One sampled completion.

    Attributes:
        text: Without the end-of-sequence token.
        num_tokens: With it.
        finished: Whether it ended by itself, not at the limit.

    """

    text: str
    num_tokens: int
    finished: bool


@dataclass(frozen=True)
class Request:
    """The token ids of a prompt to draw from, and the seed of its first sample."""

    prompt: list[int]
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
    prompts: Prompts,
    settings: Sampling,
    seed: int,
    store: Path,
    identity: str,
    shard: Shard = WHOLE,
) -> Iterator[pa.Table]:
    """Draw, or take from the store, the samples of every model (schema ``records.SAMPLES``).

    They come block by block, so that no more than a block of them is in memory.

    Args:
        start: Starts the engine with a model's folder; called only if anything has to be drawn.
        models: Branch id to model folder.
        prompts: What to draw from; every completion has room in the model.
        settings: How many samples, and how they are drawn.
        seed: The run's seed; each problem derives its own from it.
        store: Folder that finished blocks are kept in.
        identity: Whatever else the samples depend on, such as the engine and its dtype.
        shard: Which problems; those of other shards are left to other jobs.

    Raises:
        InputError: A folder has no model.

    """
    engine = None
    shelves = []
    for branch, folder in models.items():
        shelf = store / _key(folder, settings, seed, identity)
        shelves.append(shelf)
        for name, block in blocks(prompts, settings.block_size, branch, shard):
            path = shelf / f"{name}.parquet"
            samples = stored(path)
            if samples is None:
                engine = engine or start(folder)
                engine.use(folder)
                write_table(path, draw(engine, branch, block, settings, seed), SAMPLES)
                samples = read_table(path, SAMPLES)
            yield relabelled(samples, branch)
    if shard == WHOLE:  # else other shards are at work in the store
        prune(store, shelves)


def blocks(
    prompts: Prompts, size: int, description: str, shard: Shard = WHOLE
) -> Iterator[tuple[str, Prompts]]:
    """A shard's prompts in named blocks, with progress.

    Blocks are the same whatever is already done and however many shards there are.
    """
    starts = range(0, len(prompts), size)
    ours = shard.of(starts)
    for start in track(ours, description, len(ours), unit="block"):
        block = dict(itertools.islice(prompts.items(), start, start + size))
        yield f"{start // size:05d}-{_digest(json.dumps(block))}", block


def stored(path: Path) -> pa.Table | None:
    """The samples of a finished block; None where there is no block, or none that can be read."""
    if not path.exists():
        return None
    try:
        return read_table(path, SAMPLES)
    except InputError as error:
        notice(f"{error.where}: {error.problem}; its samples are drawn again")
        return None


def draw(engine: Engine, branch: str, block: Prompts, settings: Sampling, seed: int) -> list[dict]:
    """The samples of one block of problems, as rows."""
    requests = [
        Request(prompt, problem_seed(problem, seed, settings.num_samples))
        for problem, prompt in block.items()
    ]
    return [
        {
            "branch": branch,
            "problem": problem,
            "sample": index,
            "text": completion.text,
            "num_tokens": completion.num_tokens,
            "finished": completion.finished,
        }
        for problem, completions in zip(block, engine.sample(requests), strict=True)
        for index, completion in enumerate(completions)
    ]


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
    parts = [_weights(folder)]
    if adapter_files.is_adapter(folder):
        # the weights of an adapter say neither what they are on nor how much they count
        base = base_of(folder)
        parts += [adapter_files.describe(folder).model_dump_json(), _weights_of_base(base)]
    return _digest(*parts, settings.model_dump_json(), str(seed), identity)


def _weights(folder: Path) -> str:
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise InputError(folder, "there is no model in this folder", "run the rule that trains it")
    return digest(weights)


@functools.cache
def _weights_of_base(base: PretrainedModel) -> str:
    """A base's bytes where it is a folder; of one on the Hub, name and revision say it all."""
    return "" if base.on_hub else _weights(Path(base.pretrained))


def _digest(*parts: str) -> str:
    return hashlib.blake2b("\0".join(parts).encode(), digest_size=8).hexdigest()
