"""How long the texts of a family are, as far as that is known before anything has run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compute_aligned import config
from compute_aligned.configuration.model_settings import ScratchModel
from compute_aligned.configuration.settings import Family
from compute_aligned.configuration.sources import HubSource
from compute_aligned.networks.model_size import checkpoint_folder
from compute_aligned.problems import raw_problems, split_problems
from compute_aligned.records import Problem, read_problems

EXAMINED = 200  # problems whose tokens are counted
BYTES_PER_TOKEN = 4  # of text that is not at hand


@dataclass(frozen=True)
class Texts:
    """Sizes of a family's problems: means, or upper bounds.

    Attributes:
        prompt: Tokens of a prompt.
        completion: Tokens of what the model learns to write, its end included.
        record: Bytes of a problem as a line of JSON.
        measured: Whether problems were at hand to measure; else tokens are upper bounds.

    """

    prompt: float
    completion: float
    record: float
    measured: bool


def texts_of(family: Family, raw: list[Problem] | None, seed: int) -> Texts:
    """The sizes of a family's training problems at one seed.

    Args:
        family: Its settings.
        raw: The problems of its source; None where they are not at hand.
        seed: Decides which problems are for training.

    Raises:
        InputError: The source has too few problems, or one has no token or no room in the model.

    """
    from compute_aligned.sft import encode

    tokenizer = _tokenizer(family)
    if raw is None or tokenizer is None:
        longest, written = _longest(family), family.sampling.max_new_tokens
        return Texts(longest - written, written, longest * BYTES_PER_TOKEN, measured=False)
    train = split_problems(raw, family.problems, seed)["train"]
    examined = train[:: -(-len(train) // EXAMINED)]
    examples = encode(
        tokenizer,
        examined,
        family.problems.target,
        family.model.max_length,
        family.model.chat_template,
    )
    count = len(examined)
    return Texts(
        prompt=sum(len(prompt) for prompt, _ in examples) / count,
        completion=sum(len(completion) for _, completion in examples) / count,
        record=sum(len(p.model_dump_json(exclude_none=True)) + 1 for p in examined) / count,
        measured=True,
    )


def _longest(family: Family) -> int:
    """The most tokens that a training problem of a family can take."""
    limits = [t.longest for t in (family.warmup, family.sft) if t is not None]
    return min([family.model.max_length, *(limit for limit in limits if limit is not None)])


def problems_at_hand(scale: str, source: str, root: Path) -> list[Problem] | None:
    """A source's problems, generated or read; None if they are on the Hub and not yet fetched.

    Args:
        scale: A scale.
        source: One of its sources.
        root: The repository, where an earlier run may have fetched them.

    Raises:
        InputError: A local source cannot be read.

    """
    settings = config.read_source(scale, source)
    if not isinstance(settings, HubSource):
        return raw_problems(settings)[0]
    fetched = root / "results" / scale / "raw" / f"{source}.jsonl"
    return read_problems(fetched) if fetched.is_file() else None


def _tokenizer(family: Family) -> Any | None:
    from compute_aligned import models
    from compute_aligned.networks import scratch

    if isinstance(family.model, ScratchModel):
        return scratch.build_tokenizer(family.model)
    folder = checkpoint_folder(family.model)
    if folder is None or not (folder / "tokenizer_config.json").is_file():
        return None
    return models.load_tokenizer(folder)
