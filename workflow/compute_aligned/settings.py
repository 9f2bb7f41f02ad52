"""What a configuration may say: the keys, their types, ranges and defaults.

These models are the one definition of the configuration. ``workflow/schemas/*.json`` is generated
from them (``make schemas``) for editors; ``config/README.md`` explains every key in words.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PositiveInt,
    Tag,
    model_validator,
)

Seed = Annotated[int, Field(ge=0, lt=2**31)]
Probability = Annotated[float, Field(gt=0, le=1)]
Engine = Literal["vllm", "transformers"]
Metric = Literal["pass@k", "maj@k", "expected_max@k"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Settings(BaseModel):
    """Base of every block of the configuration: frozen, and strict about unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# --- raw data -------------------------------------------------------------------------------


class GeneratedSource(Settings):
    """Products ``aa*bb=`` of all unordered pairs of factors in ``low..high``, in a seeded order."""

    source: Literal["generated:products"]
    low: PositiveInt = 2
    high: PositiveInt = 99
    seed: Seed = 42

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> "GeneratedSource":
        if self.low > self.high:
            raise ValueError(f"low {self.low} is above high {self.high}")
        return self


class ReasoningGymSource(Settings):
    """A task of the reasoning-gym package; ``parameters`` go to its dataset configuration."""

    source: Annotated[str, Field(pattern=r"^reasoning_gym:[a-z][a-z0-9_]*$")]
    size: PositiveInt
    seed: Seed = 42
    parameters: dict[str, Any] = {}


class JsonlSource(Settings):
    """A local JSON-lines file with ``problem`` and ``answer``, optionally ``solution``, ``level``."""

    source: Annotated[str, Field(pattern=r"^jsonl:.+$")]
    fields: dict[Literal["problem", "answer", "solution", "level"], str] = {}


class HubSource(Settings):
    """A data set of the Hugging Face Hub, read through ``datasets`` at a recorded revision."""

    source: Annotated[str, Field(pattern=r"^hub:.+$")]
    revision: str | None = None
    configuration: str | None = None
    splits: dict[Literal["train", "test"], str] = {"train": "train", "test": "test"}
    fields: dict[Literal["problem", "answer", "solution", "level"], str] = {}


def _source_kind(value: Any) -> str:
    name = value.get("source", "") if isinstance(value, dict) else getattr(value, "source", "")
    return str(name).split(":", 1)[0]


Source = Annotated[
    Annotated[GeneratedSource, Tag("generated")]
    | Annotated[ReasoningGymSource, Tag("reasoning_gym")]
    | Annotated[JsonlSource, Tag("jsonl")]
    | Annotated[HubSource, Tag("hub")],
    Discriminator(
        _source_kind,
        custom_error_type="source",
        custom_error_message="expected generated:products, reasoning_gym:<task>, "
        "jsonl:<path> or hub:<data set>",
    ),
]


class Problems(Settings):
    """Which problems a family uses, and how many go to each disjoint split.

    ``test`` and ``validation`` are drawn with ``split_seed`` and are the same for every run seed;
    ``train`` and ``rl`` are drawn from the rest with the run seed.
    """

    source: Name
    prompt: str = "{problem}"
    target: Literal["answer", "solution"] = "answer"
    levels: tuple[int, ...] | None = None
    split_seed: Seed = 42
    train: PositiveInt
    rl: Annotated[int, Field(ge=0)] = 0
    validation: Annotated[int, Field(ge=0)] = 0
    test: PositiveInt


# --- models ---------------------------------------------------------------------------------


class ScratchModel(Settings):
    """A small Mistral, randomly initialised, with a fixed vocabulary.

    ``vocabulary`` lists the tokens separated by blanks; ``split`` says how text is cut into them.
    """

    split: Literal["characters", "words"] = "characters"
    vocabulary: str
    hidden_size: PositiveInt
    intermediate_size: PositiveInt
    layers: PositiveInt
    heads: PositiveInt
    head_dim: Literal[32, 64, 80, 96, 112, 128] = 32
    max_length: PositiveInt


class PretrainedModel(Settings):
    """A checkpoint: a folder, or a name on the Hugging Face Hub with its revision."""

    pretrained: str
    revision: str | None = None
    chat_template: bool = False
    max_length: PositiveInt = 1024


# --- training -------------------------------------------------------------------------------


class Duration(Settings):
    """A training length, written ``480 steps`` or ``3 epochs``."""

    count: Annotated[int, Field(ge=0)]
    unit: Literal["steps", "epochs"]

    def steps(self, steps_per_epoch: int) -> int:
        """The length in optimiser steps."""
        return self.count * (steps_per_epoch if self.unit == "epochs" else 1)


def _parse_duration(value: Any) -> Any:
    if isinstance(value, str):
        match = re.fullmatch(r"(\d+) (steps|epochs)", value.strip())
        if not match:
            raise ValueError("expected a length such as '480 steps' or '3 epochs'")
        return {"count": int(match[1]), "unit": match[2]}
    return value


Length = Annotated[Duration, BeforeValidator(_parse_duration)]


class Sft(Settings):
    """Supervised fine-tuning: AdamW, a constant rate for ``hold``, then a line to 0 in ``decay``.

    ``stop_at_probability`` ends the hold once the mean probability of the target, over the latest
    20 batches of training problems, reaches it; ``hold`` is then the longest it may take.
    """

    learning_rate: Annotated[float, Field(gt=0)]
    hold: Length = Duration(count=0, unit="steps")
    decay: Length = Duration(count=0, unit="steps")
    stop_at_probability: Probability | None = None
    batch_size: PositiveInt
    micro_batch_size: PositiveInt | None = None
    loss_reduction: Literal["sequence", "token"] = "sequence"
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    betas: tuple[Probability, Probability] = (0.9, 0.999)
    clip_norm: Annotated[float, Field(gt=0)]
    checkpoint_every: PositiveInt = 100

    @model_validator(mode="after")
    def _has_a_length(self) -> "Sft":
        if self.hold.count + self.decay.count == 0:
            raise ValueError("training has no length: set hold, decay or both")
        return self


# --- sampling -------------------------------------------------------------------------------


class Sampling(Settings):
    """Evaluation sampling: ``num_samples`` completions of every test problem."""

    num_samples: PositiveInt
    temperature: Annotated[float, Field(gt=0)]
    top_p: Probability = 1.0
    top_k: Annotated[int, Field(ge=0)] = 0
    max_new_tokens: PositiveInt
    block_size: PositiveInt = 50


# --- a family, a scale, the run -------------------------------------------------------------


class Family(Settings):
    """One experiment: problems, a model, a warm-up, the branches trained from it, evaluation."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)]
    problems: Problems
    model: ScratchModel | PretrainedModel
    warmup: Sft
    sft: Sft
    sampling: Sampling
    metrics: Annotated[tuple[Metric, ...], Field(min_length=1)]
    grader: Literal["paper", "symbolic"] = "paper"


class Scale(Settings):
    """A scale: which engine and device, where problems come from, and every family's settings."""

    engine: Engine
    device: Literal["cpu", "cuda"]
    dtype: Literal["float32", "bfloat16", "float16"]
    sources: dict[Name, Source]
    families: dict[Name, Family]

    @model_validator(mode="after")
    def _sources_exist(self) -> "Scale":
        for name, family in self.families.items():
            if family.problems.source not in self.sources:
                raise ValueError(
                    f"family {name} takes its problems from {family.problems.source!r}, "
                    f"which is not among the sources: {', '.join(self.sources) or 'none'}"
                )
        return self


class Run(Settings):
    """``config/config.yaml`` with whatever ``--config`` overrides."""

    scale: Name
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] | None = None
    engine: Engine | None = None


class BranchRow(Settings):
    """A row of ``config/branches.tsv``: a model trained from a family's warm-up."""

    family: Name
    branch: Name
    label: Annotated[str, Field(min_length=1)]
    strategy: str
    weight_form: Literal["log", "raw", "-"] = "-"
    role: Literal["baseline", "strategy", "control"]


class PaperItem(Settings):
    """A row of ``config/paper_items.tsv``: a table or figure of the paper."""

    item: Name
    output: Literal["table", "figure"]
    form: Name
    family: Name
    branches: tuple[Name, ...]
    metric: Metric
    budgets: tuple[PositiveInt, ...]
    title: str
