"""Where raw problems come from: one class a kind of source, told apart by its key ``source``.

:func:`compute_aligned.prepare.problems.raw_problems` reads them; ``config/README.md`` says how to
add a kind.
"""

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from compute_aligned.config.fields import (
    Count,
    NoDependency,
    NotNegative,
    Probability,
    Seed,
    Settings,
    Text,
)

RowKey = Literal["problem", "answer", "solution", "level"]


class Seeded(Settings):
    """Problems that are made here, from a seed."""

    source: str
    seed: Seed = 42


class GeneratedSource(Seeded):
    """Products ``aa*bb=`` of all unordered pairs of factors in ``low..high``, in a seeded order."""

    source: Literal["generated:products"]
    low: Count = 2
    high: Count = 99

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> "GeneratedSource":
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self


class MultiplicationSource(Settings):
    """Products ``aaaa*b=`` of every number of ``digits`` digits with every one of 2 to 9.

    Answers have ``digits + 1`` digits, with a leading 0 where the product is shorter.
    """

    source: Literal["generated:multiplication"]
    digits: Annotated[int, Field(gt=0, le=6, strict=True)]


class PartialProductsSource(Seeded):
    """Products as of :class:`MultiplicationSource`, with worked solutions.

    A solution writes the first factor's product as the sum of those of two summands, which are
    drawn from ``seed``: many solutions lead to one answer. ``digits`` is at least 2, since 1 cannot
    be parted.
    """

    source: Literal["generated:partial_products"]
    digits: Annotated[int, Field(ge=2, le=6, strict=True)]


class LeadingDigitsSource(Seeded):
    """The two leading digits of products: ``a b =`` of all unordered pairs of factors.

    Factors are 1 to ``high``; ``seed`` decides which of the two stands first.
    """

    source: Literal["generated:leading_digits"]
    high: Count = 99


def _in_order(lengths: tuple[int, int]) -> tuple[int, int]:
    if lengths[0] > lengths[1]:
        raise ValueError(f"the shortest length, {lengths[0]}, is above the longest, {lengths[1]}")
    return lengths


Lengths = Annotated[tuple[Count, Count], AfterValidator(_in_order)]  # residues, shortest, longest


class ProteinPairsSource(Seeded):
    """Random proteins, each with one of the opposite hydrophobic share (PAPER section 4)."""

    source: Literal["generated:protein_pairs"]
    size: Count
    input_lengths: Lengths = (10, 19)
    output_lengths: Lengths = (10, 19)


class ProteinSequencesSource(Seeded):
    """Proteins with natural amino-acid frequencies, to pretrain on: prompts are empty.

    Hydrophobic shares are normal, with mean ``share_mean`` and standard deviation ``share_sd``.
    """

    source: Literal["generated:protein_sequences"]
    size: Count
    lengths: Lengths
    share_mean: Probability = 0.40
    share_sd: NotNegative = 0.095


class ReasoningGymSource(Settings):
    """A task of the reasoning-gym package; ``parameters`` go to its dataset configuration."""

    source: Annotated[str, Field(pattern=r"^reasoning_gym:[a-z][a-z0-9_]*$")]
    size: Count
    seed: Seed = 42
    parameters: dict[str, Any] = Field(default_factory=dict)


class JsonlSource(Settings):
    """A local JSON-lines file: rows of ``problem``, ``answer``, maybe ``solution`` and ``level``.

    ``fields`` says what the file calls them, where it uses other names.
    """

    source: Annotated[str, Field(pattern=r"^jsonl:.+$")]
    fields: dict[RowKey, Text] = Field(default_factory=dict)


class HubSource(Settings):
    """A data set of the Hugging Face Hub, read through ``datasets`` at a recorded revision.

    ``size`` is how many problems it has in all; only the estimate of the cost uses it.
    """

    source: Annotated[str, Field(pattern=r"^hub:[\w.-]+(/[\w.-]+)?$")]
    revision: Text | None = None
    configuration: Text | None = None
    splits: dict[Literal["train", "test"], Text] = Field({"train": "train", "test": "test"})
    fields: dict[RowKey, Text] = Field(default_factory=dict)
    size: Annotated[Count | None, NoDependency] = None


def _source_kind(value: Any) -> str:
    name = value.get("source", "") if isinstance(value, dict) else getattr(value, "source", "")
    kind = str(name).partition(":")[0]
    return str(name) if kind == "generated" else kind


Source = Annotated[
    Annotated[GeneratedSource, Tag("generated:products")]
    | Annotated[MultiplicationSource, Tag("generated:multiplication")]
    | Annotated[PartialProductsSource, Tag("generated:partial_products")]
    | Annotated[LeadingDigitsSource, Tag("generated:leading_digits")]
    | Annotated[ProteinPairsSource, Tag("generated:protein_pairs")]
    | Annotated[ProteinSequencesSource, Tag("generated:protein_sequences")]
    | Annotated[ReasoningGymSource, Tag("reasoning_gym")]
    | Annotated[JsonlSource, Tag("jsonl")]
    | Annotated[HubSource, Tag("hub")],
    Discriminator(
        _source_kind,
        custom_error_type="source",
        custom_error_message="its key source has to be generated:products, "
        "generated:multiplication, generated:partial_products, generated:leading_digits, "
        "generated:protein_pairs, generated:protein_sequences, reasoning_gym:<task>, "
        "jsonl:<path> or hub:<data set>",
    ),
]


def local_files(source: Source) -> list[str]:
    """The local file that a source reads, if it reads one."""
    return [source.source.removeprefix("jsonl:")] if isinstance(source, JsonlSource) else []


def more_than_answers(source: Source) -> Collection[str]:
    """What problems of a source may have besides prompt and answer: solutions, levels."""
    if isinstance(source, JsonlSource | HubSource):
        return ("solutions", "levels")
    return ("solutions",) if isinstance(source, PartialProductsSource) else ()
