"""What fields of the configuration have in common: kinds of value, metrics, a machine's speed."""

import re
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)

from compute_aligned.files.parsing import near
from compute_aligned.method.metrics import METRICS

Items = TypeVar("Items", bound=tuple)


def distinct(items: Items) -> Items:
    """The items, if none is there twice.

    Raises:
        ValueError: Names the one that is.

    """
    for item in items:
        if items.count(item) > 1:
            raise ValueError(f"{item} is there {items.count(item)} times; once is enough")
    return items


def _words(cell: Any) -> Any:
    return cell.split() if isinstance(cell, str) else cell


def _dash_is_none(cell: Any, parse: ValidatorFunctionWrapHandler) -> Any:
    return () if cell == "-" else parse(cell)


Distinct = AfterValidator(distinct)
Words = BeforeValidator(_words)  # a cell of a sheet that holds words separated by blanks
DashIsNone = WrapValidator(_dash_is_none)  # and - where there are none

# not written where it is not set: a key that comes later leaves the fingerprints there were alone
LeftOutIfUnset = Field(exclude_if=lambda value: value is None or value is False)
# never written: what jobs depend on, and so their fingerprints, does not include it
NoDependency = Field(exclude=True)

# strict: neither text in quotes nor yes or no passes for a number
Count = Annotated[int, Field(gt=0, strict=True)]
WholeNumber = Annotated[int, Field(ge=0, strict=True)]
Positive = Annotated[float, Field(gt=0, strict=True)]
NotNegative = Annotated[float, Field(ge=0, strict=True)]
Probability = Annotated[float, Field(gt=0, le=1, strict=True)]
DecayRate = Annotated[float, Field(ge=0, lt=1, strict=True)]
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1), Distinct]
Text = Annotated[str, Field(min_length=1)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Settings(BaseModel):
    """Base of every block of the configuration: frozen, and strict about unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


# --- metrics ---------------------------------------------------------------------------------

_STRATEGY = r"[A-Z][A-Za-z0-9]*\(.*\)"  # as branches.tsv spells one


def _metric(value: str, *others: str) -> str:
    known = (*METRICS, *others)
    if value not in known and not re.fullmatch(_STRATEGY, value):
        choice = f"choose {', '.join(known)}, or a strategy such as MajorityVote(n=16, k=4)"
        raise ValueError(f"there is no metric {value!r}{near(value, known)}; {choice}")
    return value


def _metric_schema(*others: str) -> WithJsonSchema:
    names = "|".join(re.escape(name) for name in (*METRICS, *others))
    return WithJsonSchema({"type": "string", "pattern": rf"^({names}|{_STRATEGY})$"})


_OF_CONTRASTS = ("rho",)
MetricName = Annotated[str, AfterValidator(_metric), _metric_schema()]
ItemMetric = Annotated[str, AfterValidator(lambda value: _metric(value, "-")), _metric_schema("-")]
ContrastMetric = Annotated[
    str,
    AfterValidator(lambda value: _metric(value, *_OF_CONTRASTS)),
    _metric_schema(*_OF_CONTRASTS),
]


# --- how fast a machine is -------------------------------------------------------------------


class JobStart(Settings):
    """What every job of a kind takes before its work: Python, imports, an engine.

    ``gigabytes`` is memory of the device that the job computes on.
    """

    seconds: NotNegative
    gigabytes: NotNegative


class JobStarts(Settings):
    """The start of a job, by kind: raw problems and splits, training, sampling, scores and items.

    ``report`` is a table or figure with its bootstrap, or scoring without its samples.
    """

    prepare: JobStart
    train: JobStart
    sample: JobStart
    report: JobStart


class Throughput(Settings):
    """Seconds and FLOP/s on the scale's device: one core, or one GPU.

    ``pass_seconds`` is a forward and backward pass through however small a batch; a forward pass
    alone counts as a third of it. ``sampled_token_seconds`` and ``sample_seconds`` are vLLM's cost
    of a token and of a completion on top of its FLOPs; ``score_seconds`` is that of grading a
    sample.
    """

    jobs: JobStarts
    pass_seconds: NotNegative
    training_flops: Positive
    sampling_flops: Positive
    sampled_token_seconds: NotNegative = 0.0
    sample_seconds: NotNegative = 0.0
    score_seconds: NotNegative
