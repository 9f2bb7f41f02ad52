"""What a configuration may say: the keys, their types, ranges and defaults.

These models are the one definition of the configuration. ``workflow/schemas/*.json`` is generated
from them (``make schemas``) for editors; ``config/README.md`` explains every key in words.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    StrictInt,
    WithJsonSchema,
    model_serializer,
    model_validator,
)

from compute_aligned.config.fields import (
    Count,
    DecayRate,
    Distinct,
    LeftOutIfUnset,
    MetricName,
    Name,
    NoDependency,
    NotNegative,
    Positive,
    Probability,
    Seed,
    Settings,
    WholeNumber,
)

Engine = Literal["vllm", "transformers"]
Device = Literal["cpu", "cuda"]
RewardName = Literal["answer", "protein_unconditional", "protein_conditional"]
ANSWER: RewardName = "answer"  # the one by which completions are right or wrong

# --- problems -------------------------------------------------------------------------------


class Problems(Settings):
    """Which problems a family uses, and how many go to each disjoint split.

    ``test`` and ``validation`` are drawn with ``split_seed`` and are the same for every run seed;
    ``train`` and ``rl`` are drawn from the rest with the run seed; with ``rl: train`` reinforcement
    learning has the training problems themselves. ``train: all`` takes all that the others leave.
    """

    source: Name
    prompt: Annotated[str, Field(pattern=r"\{problem\}")] = "{problem}"
    target: Literal["answer", "solution"] = "answer"
    levels: Annotated[tuple[StrictInt, ...], Field(min_length=1), Distinct] | None = None
    split_seed: Seed = 42
    train: Count | Literal["all"]
    rl: WholeNumber | Literal["train"] = 0
    validation: WholeNumber = 0
    test: Count

    @property
    def for_rl(self) -> int | Literal["all"]:
        """How many problems reinforcement learning has: those of ``train`` if it shares them."""
        return self.train if self.rl == "train" else self.rl


# --- training -------------------------------------------------------------------------------


def steps_per_epoch(num_examples: int, batch_size: int) -> int:
    """Batches in an epoch, the last one possibly smaller."""
    return -(-num_examples // batch_size)


class Duration(Settings):
    """A training length, written ``480 steps`` or ``3 epochs``."""

    count: WholeNumber
    unit: Literal["steps", "epochs"]

    def steps(self, steps_per_epoch: int) -> int:
        """The length in optimiser steps."""
        return self.count * (steps_per_epoch if self.unit == "epochs" else 1)

    @model_serializer
    def _as_written(self) -> str:
        return f"{self.count} {self.unit}"


_LENGTH = r"^(\d+) (steps|epochs)$"


def _parse_duration(value: Any) -> Any:
    if isinstance(value, Duration):
        return value
    match = re.search(_LENGTH, value.strip()) if isinstance(value, str) else None
    if not match:
        raise ValueError(f"expected a length such as '480 steps' or '3 epochs', not {value!r}")
    return {"count": int(match[1]), "unit": match[2]}


Length = Annotated[
    Duration,
    BeforeValidator(_parse_duration),
    WithJsonSchema({"type": "string", "pattern": _LENGTH}),
]


class Sft(Settings):
    """Supervised fine-tuning: AdamW, a constant rate for ``hold``, then a line to 0 in ``decay``.

    ``stop_at_probability`` ends the hold once the mean probability of the target, over the latest
    20 batches of training problems, reaches it; ``hold`` is then the longest it may take.
    ``loss_scale`` multiplies the loss before the gradient is clipped.
    With ``margin_share`` the loss is ``1 - margin_share`` of the strategy's and ``margin_share`` of
    a margin's: that of every token of the target over ``rival_tokens`` drawn ones.
    With ``label_smoothing`` that share of the loss is the same for every token of the vocabulary in
    the target's place; ``entropy_bonus`` times the entropy of the model's distribution, at every
    token of the target, is subtracted.
    Problems that take more than ``longest`` tokens, prompt and target together, are left out.
    """

    learning_rate: Positive
    hold: Length = Duration(count=0, unit="steps")
    decay: Length = Duration(count=0, unit="steps")
    stop_at_probability: Probability | None = None
    batch_size: Count
    micro_batch_size: Count | None = None
    longest: Annotated[Count | None, LeftOutIfUnset] = None
    loss_reduction: Literal["sequence", "token"] = "sequence"
    loss_scale: Positive = 1.0
    margin_share: Annotated[Probability | None, LeftOutIfUnset] = None
    rival_tokens: Annotated[Count | None, LeftOutIfUnset] = None
    label_smoothing: Annotated[Probability | None, LeftOutIfUnset] = None
    entropy_bonus: Annotated[Positive | None, LeftOutIfUnset] = None
    weight_decay: NotNegative = 0.01
    betas: tuple[DecayRate, DecayRate] = (0.9, 0.999)
    clip_norm: Positive
    checkpoint_every: Count = 100

    @property
    def strategy_share(self) -> float:
        """The share of the loss that is the strategy's."""
        return 1 - ((self.margin_share or 0) + (self.label_smoothing or 0))

    @property
    def weight_scale(self) -> float:
        """What the strategy's own loss, and with it the strategy's weight, is multiplied by."""
        return self.loss_scale * self.strategy_share

    @model_validator(mode="after")
    def _a_margin_is_over_rivals(self) -> "Sft":
        if (self.margin_share is None) != (self.rival_tokens is None):
            raise ValueError("margin_share and rival_tokens go together: set both, or neither")
        if self.strategy_share < 0:
            raise ValueError("margin_share and label_smoothing are shares of one loss, above 1")
        return self

    @model_validator(mode="after")
    def _has_a_length(self) -> "Sft":
        if self.hold.count + self.decay.count == 0:
            raise ValueError("training has no length: set hold, decay or both")
        if self.stop_at_probability is not None and self.hold.count == 0:
            raise ValueError("stop_at_probability ends the hold, so set hold too")
        return self


# --- sampling -------------------------------------------------------------------------------


class Decoding(Settings):
    """The distribution that tokens are drawn from: softmax, cut by top-k and top-p; 0 is no top-k.

    A completion that has not ended by itself after ``max_new_tokens`` is cut there.
    """

    temperature: Positive
    top_p: Probability = 1.0
    top_k: WholeNumber = 0
    max_new_tokens: Count


class Sampling(Decoding):
    """Evaluation sampling: ``num_samples`` completions of every test problem.

    A seed's problems are drawn by ``shards`` jobs; samples do not depend on how many there are.
    """

    num_samples: Count
    block_size: Count = 50
    shards: Annotated[Count, NoDependency] = 1


class Temperatures(Settings):
    """A sweep: every model of a family is sampled at each of these temperatures too.

    ``num_samples`` completions are drawn of the first ``problems`` of the validation problems, on
    which each model's best temperature is chosen, and of as many of the test problems, on which its
    gain is measured. All else of the decoding is that of ``sampling``. ``metrics`` are those of the
    family that are computed of them, all of them unless said otherwise.
    """

    values: Annotated[tuple[Positive, ...], Field(min_length=2), Distinct]
    problems: Annotated[int, Field(ge=2, strict=True)]
    num_samples: Count
    metrics: Annotated[tuple[MetricName, ...], Field(min_length=1), Distinct] | None = None
    engine: Engine | None = None


def budgets_up_to(num_samples: int) -> list[int]:
    """The k that metrics are computed at: powers of two up to what is sampled, and that number."""
    return sorted({2**i for i in range(num_samples.bit_length())} | {num_samples})


# --- reinforcement learning -------------------------------------------------------------------


class Rl(Settings):
    """Reinforcement learning (PAPER section 2): one AdamW step a batch, at a constant rate.

    A batch is ``group_size`` rollouts of each of ``prompts_per_step`` problems. With
    ``gradient_temperature: sampling`` the log-probabilities in the loss, those of the reference
    too, are taken at the temperature of the rollouts. ``success_estimate`` names one of
    ``method.update_weights.SUCCESS_ESTIMATES``, which may be one of the user's own.
    """

    steps: Count
    prompts_per_step: Count
    group_size: Annotated[int, Field(ge=2, strict=True)]
    rollout: Decoding
    reward: RewardName
    success_estimate: Name
    advantage_scale: Annotated[
        Literal["std", "mean", "success_std", "none"],
        Field(exclude_if=lambda scale: scale == "std"),  # a later key, as LeftOutIfUnset
    ] = "std"
    all_wrong_penalty: NotNegative = 0.0
    advantage_limit: Positive | None = None
    gradient_temperature: Literal["plain", "sampling"] = "plain"
    kl_weight: NotNegative
    learning_rate: Positive
    weight_decay: NotNegative = 0.01
    betas: tuple[DecayRate, DecayRate] = (0.9, 0.999)
    clip_norm: Positive
    micro_batch_size: Count | None = None
    checkpoint_every: Count = 25

    @model_validator(mode="after")
    def _rewards_without_answers_are_not_counted(self) -> "Rl":
        if self.all_wrong_penalty and self.reward != ANSWER:
            raise ValueError(
                f"all_wrong_penalty counts right answers, and with reward {self.reward} there are "
                "none"
            )
        return self
