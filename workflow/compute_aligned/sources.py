"""Where raw problems come from: one class a kind of source, told apart by its key ``source``.

:func:`compute_aligned.problems.raw_problems` reads them.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from compute_aligned.fields import Count, Seed, Settings, Text

RowKey = Literal["problem", "answer", "solution", "level"]


class GeneratedSource(Settings):
    """Products ``aa*bb=`` of all unordered pairs of factors in ``low..high``, in a seeded order."""

    source: Literal["generated:products"]
    low: Count = 2
    high: Count = 99
    seed: Seed = 42

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> "GeneratedSource":
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self


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
    """A data set of the Hugging Face Hub, read through ``datasets`` at a recorded revision."""

    source: Annotated[str, Field(pattern=r"^hub:[\w.-]+(/[\w.-]+)?$")]
    revision: Text | None = None
    configuration: Text | None = None
    splits: dict[Literal["train", "test"], Text] = Field({"train": "train", "test": "test"})
    fields: dict[RowKey, Text] = Field(default_factory=dict)


def _source_kind(value: Any) -> str:
    name = value.get("source", "") if isinstance(value, dict) else getattr(value, "source", "")
    return str(name).partition(":")[0]


Source = Annotated[
    Annotated[GeneratedSource, Tag("generated")]
    | Annotated[ReasoningGymSource, Tag("reasoning_gym")]
    | Annotated[JsonlSource, Tag("jsonl")]
    | Annotated[HubSource, Tag("hub")],
    Discriminator(
        _source_kind,
        custom_error_type="source",
        custom_error_message="its key source has to be generated:products, "
        "reasoning_gym:<task>, jsonl:<path> or hub:<data set>",
    ),
]
