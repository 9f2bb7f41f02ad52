"""What a configuration may say of a model: one built from scratch, or a checkpoint."""

import re
from itertools import chain
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Discriminator, Field, StrictBool, Tag, model_validator

from compute_aligned.config.fields import (
    Count,
    DecayRate,
    Distinct,
    LeftOutIfUnset,
    NoDependency,
    Settings,
    Text,
    distinct,
)

PACKAGE_PREFIX = "package:"  # of a Python package that brings a checkpoint along


def _numbers(word: str) -> list[str]:
    """The numbers of a range such as ``1..99``; any other word alone."""
    ends = re.fullmatch(r"(\d+)\.\.(\d+)", word)
    if ends is None:
        return [word]
    first, last = int(ends[1]), int(ends[2])
    if first > last:
        raise ValueError(f"the range {word} is empty")
    return [str(number) for number in range(first, last + 1)]


class ScratchModel(Settings):
    """A small Mistral, randomly initialised, with a fixed vocabulary.

    ``vocabulary`` lists the tokens separated by blanks, ``1..99`` standing for the numbers from 1
    to 99; ``split`` says how text is cut into them.
    ``prompt_only`` lists pieces of text that are one token each, stand in prompts, and have no
    probability in completions.
    """

    split: Literal["characters", "words"] = "characters"
    vocabulary: Text
    prompt_only: Annotated[tuple[Text, ...], Distinct] = ()
    hidden_size: Count
    intermediate_size: Count
    layers: Count
    heads: Count
    head_dim: Literal[32, 64, 80, 96, 112, 128] = 32
    max_length: Count
    chat_template: ClassVar[bool] = False

    @property
    def tokens(self) -> list[str]:
        """The vocabulary with its ranges written out, and then ``prompt_only``."""
        return [*chain(*map(_numbers, self.vocabulary.split())), *self.prompt_only]

    @model_validator(mode="after")
    def _tokens_are_distinct(self) -> "ScratchModel":
        distinct(tuple(self.tokens))
        if self.prompt_only and self.split == "words":
            raise ValueError("prompt_only goes with split: characters; words are cut at blanks")
        return self


class Lora(Settings):
    """Adapters of low rank on the linear layers named ``targets``; nothing else is trained."""

    rank: Count
    alpha: Count
    dropout: DecayRate = 0.0
    targets: Annotated[tuple[Text, ...], Field(min_length=1), Distinct]


class PretrainedModel(Settings):
    """A checkpoint: a folder, a name on the Hugging Face Hub with its revision, or of a package.

    ``quantization: nf4`` stores the weights in 4 bits, the constants of that quantised again; then
    only adapters can be trained. ``parameters`` is how many the checkpoint has; only the estimate
    of the cost uses it.
    """

    pretrained: Text
    revision: Text | None = None
    parameters: Annotated[Count | None, NoDependency] = None
    quantization: Annotated[Literal["nf4"] | None, LeftOutIfUnset] = None
    lora: Annotated[Lora | None, LeftOutIfUnset] = None
    gradient_checkpointing: Annotated[StrictBool, LeftOutIfUnset] = False
    chat_template: StrictBool = False
    max_length: Count = 1024

    @model_validator(mode="after")
    def _something_is_trained(self) -> "PretrainedModel":
        if self.quantization is not None and self.lora is None:
            raise ValueError("weights of 4 bits cannot be trained: set lora, or leave quantization")
        return self

    @model_validator(mode="after")
    def _only_the_hub_has_revisions(self) -> "PretrainedModel":
        if self.revision is not None and not self.on_hub:
            raise ValueError("a revision goes with a name on the Hub, not with a folder or package")
        return self

    @property
    def on_hub(self) -> bool:
        """Whether it is a name on the Hugging Face Hub, and not a folder or a package."""
        return re.fullmatch(r"[\w.-]+(/[\w.-]+)?", self.pretrained) is not None

    @property
    def package(self) -> str | None:
        """The Python package that brings it along; None where there is none."""
        name = self.pretrained.removeprefix(PACKAGE_PREFIX)
        return None if name == self.pretrained else name

    @property
    def checkpoint(self) -> str:
        """Its name and revision as a file name, the same for every family that starts from it."""
        name = self.package or self.pretrained.strip("/")
        revision = f"@{self.revision}" if self.revision else ""
        return re.sub(r"[^\w.@-]", "--", name + revision)


def _model_kind(value: Any) -> str:
    keys = set(value) if isinstance(value, dict) else getattr(value, "model_fields_set", set())
    only_pretrained = PretrainedModel.model_fields.keys() - ScratchModel.model_fields.keys()
    return "a checkpoint" if keys & only_pretrained else "from scratch"


Model = Annotated[
    Annotated[ScratchModel, Tag("from scratch")] | Annotated[PretrainedModel, Tag("a checkpoint")],
    Discriminator(_model_kind),
]
