"""How many problems a family has and how long their texts are, as far as that is known before."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compute_aligned.config.models import ScratchModel
from compute_aligned.config.scales import Family
from compute_aligned.config.settings import Problems
from compute_aligned.config.sources import HubSource, Source
from compute_aligned.config.study import Study
from compute_aligned.files.errors import InputError
from compute_aligned.models.size import checkpoint_folder

if TYPE_CHECKING:
    from compute_aligned.files.records import Problem


@dataclass(frozen=True)
class SplitSizes:
    """Problems in each split; with ``rl: train`` those of ``rl`` are the ones of ``train``.

    Attributes:
        train: For the warm-up and for fine-tuning.
        rl: For reinforcement learning.
        validation: To choose settings on.
        test: To evaluate on.
        exact: Whether ``train`` is known; else it is the most that there can be.

    """

    train: int
    rl: int
    validation: int
    test: int
    exact: bool = True

    @property
    def total(self) -> int:
        """Problems that are written down, one that stands in two splits twice."""
        return self.train + self.rl + self.validation + self.test


def split_sizes(
    settings: Problems, source: Source, raw: "list[Problem] | None", seed: int
) -> SplitSizes:
    """The sizes of a family's splits: as the settings say, or counted where they say ``all``.

    Args:
        settings: The family's problems.
        source: Where they come from.
        raw: The source's problems; None where they are not at hand.
        seed: Decides which problems are for training.

    Raises:
        InputError: The settings say ``all``, the problems are not at hand, and the source does not
            say how many it has.

    """
    train, exact = _train(settings, source, raw, seed)
    rl = train if settings.rl == "train" else settings.rl
    return SplitSizes(train, rl, settings.validation, settings.test, exact)


def _train(
    settings: Problems, source: Source, raw: "list[Problem] | None", seed: int
) -> tuple[int, bool]:
    """How many training problems, and whether that is exact."""
    if settings.train != "all":
        return settings.train, True
    if raw is not None:
        from compute_aligned.prepare.splits import split_problems

        return len(split_problems(raw, settings, seed)["train"]), True
    if not isinstance(source, HubSource) or source.size is None:
        raise InputError(
            f"source {settings.source}",
            "a family takes all of its problems, and how many there are is not known yet",
            "write the source's size in the scale's file, or fetch it first",
        )
    others = settings.validation + settings.test
    return source.size - others - (0 if settings.rl == "train" else settings.rl), False


# --- texts -----------------------------------------------------------------------------------

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


def texts_of(family: Family, raw: "list[Problem] | None", seed: int) -> Texts:
    """The sizes of a family's training problems at one seed.

    Args:
        family: Its settings.
        raw: The problems of its source; None where they are not at hand.
        seed: Decides which problems are for training.

    Raises:
        InputError: The source has too few problems, or one has no token or no room in the model.

    """
    tokenizer = None if raw is None else _tokenizer(family)
    if raw is None or tokenizer is None:
        longest, written = _longest(family), family.sampling.max_new_tokens
        return Texts(longest - written, written, longest * BYTES_PER_TOKEN, measured=False)
    from compute_aligned.prepare.splits import split_problems
    from compute_aligned.train.sft import encode_examples

    train = split_problems(raw, family.problems, seed)["train"]
    examined = train[:: -(-len(train) // EXAMINED)]
    examples = encode_examples(tokenizer, examined, family.problems.target, family.model)
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


def problems_at_hand(study: Study, source: str, root: Path) -> "list[Problem] | None":
    """A source's problems, generated or read; None if they are on the Hub and not yet fetched.

    Args:
        study: A scale.
        source: One of its sources.
        root: The repository, where an earlier run may have fetched them.

    Raises:
        InputError: A local source cannot be read.

    """
    from compute_aligned.files.records import read_problems
    from compute_aligned.prepare.problems import raw_problems

    settings = study.source(source)
    if not isinstance(settings, HubSource):
        return raw_problems(settings)[0]
    fetched = root / "results" / study.scale / "raw" / f"{source}.jsonl"
    return read_problems(fetched) if fetched.is_file() else None


def _tokenizer(family: Family) -> Any | None:
    from compute_aligned.models import loading

    if isinstance(family.model, ScratchModel):
        return loading.build_tokenizer(family.model)
    folder = checkpoint_folder(family.model)
    if folder is None or not (folder / "tokenizer_config.json").is_file():
        return None
    return loading.load_tokenizer(folder)
