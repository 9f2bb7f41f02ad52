"""What a single job does, counted from its settings: steps, tokens, passes, FLOPs, bytes."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from compute_aligned.config.scales import Family
from compute_aligned.config.settings import Duration, Engine, Rl, Sft, steps_per_epoch
from compute_aligned.describe.lengths import Texts
from compute_aligned.models.size import BACKWARD_FLOPS, FORWARD_FLOPS, ModelSize
from compute_aligned.sample.shards import WHOLE, Shard

Counts = TypeVar("Counts", bound=Any)  # a dataclass

FORWARD_PASS = FORWARD_FLOPS / (FORWARD_FLOPS + BACKWARD_FLOPS)  # of a pass forward and backward
SHARING_PASSES = 2  # of a batch of rollouts: the prompts that they share, and what follows them
CHECKPOINT_COPIES = 3  # on disk while a job runs: weights and AdamW's two moments

# Bytes on disk, as measured on the laptop scale. Where models or samples are large, they alone
# matter, and the rest of these is small beside them.
MODEL_FILES = 5_000  # configuration and tokenizer beside a model's weights
STEP_RECORD = 100  # a row of steps.parquet
SAMPLED_TOKEN = 0.6  # compressed
SAMPLE_COPIES = 2  # in the store and in one file
SCORED_SAMPLE = 2  # votes and correctness, or a reward
ITEM_FILES = 80_000  # a table or figure in all its formats


@dataclass(frozen=True)
class Work:
    """What one job does, or several: counts that add up, and the largest memory of any.

    Checkpoints go when their job ends: with one job at a time there is one, the largest.

    Attributes:
        jobs: How many jobs.
        steps: Optimiser steps.
        training_tokens: Tokens of prompts and completions that are learnt from.
        rollout_tokens: Tokens drawn in reinforcement learning.
        samples: Completions drawn of test problems.
        sampled_tokens: Their tokens.
        scored: Samples graded.
        passes: Passes forward and backward, a pass forward alone being a third of one.
        flops: Floating-point operations of the model.
        left_bytes: What is left on disk.
        checkpoint_bytes: What a training keeps on disk while it runs.
        memory_bytes: Copies of the weights in memory, gradients and moments included.

    """

    jobs: int = 1
    steps: int = 0
    training_tokens: float = 0.0
    rollout_tokens: float = 0.0
    samples: int = 0
    sampled_tokens: float = 0.0
    scored: int = 0
    passes: float = 0.0
    flops: float = 0.0
    left_bytes: float = 0.0
    checkpoint_bytes: float = 0.0
    memory_bytes: float = 0.0

    @property
    def disk_bytes(self) -> float:
        """The room that it needs on disk."""
        return self.left_bytes + self.checkpoint_bytes

    def __add__(self, other: "Work") -> "Work":
        return combined(self, other, largest=("checkpoint_bytes", "memory_bytes"))


NOTHING = Work(jobs=0)


def combined(one: Counts, other: Counts, largest: Sequence[str]) -> Counts:
    """Two records of one dataclass as one: of the fields named the larger, of others the sum."""
    values = {}
    for name in (field.name for field in fields(one)):
        first, second = getattr(one, name), getattr(other, name)
        values[name] = max(first, second) if name in largest else first + second
    return type(one)(**values)


def untrained_work(model: ModelSize) -> Work:
    """A warm-up that is the checkpoint as it is."""
    return Work(left_bytes=_left_by_training(model, 0), memory_bytes=model.weight_bytes)


def sft_work(
    settings: Sft,
    num_examples: int,
    texts: Texts,
    model: ModelSize,
    expected_hold: Duration | None = None,
) -> Work:
    """A training by fine-tuning.

    Args:
        settings: Schedule and batches.
        num_examples: Training problems.
        texts: Their lengths.
        model: What is trained.
        expected_hold: Taken in place of ``settings.hold``.

    """
    per_epoch = steps_per_epoch(num_examples, settings.batch_size)
    steps = (expected_hold or settings.hold).steps(per_epoch) + settings.decay.steps(per_epoch)
    seen = examples_seen(steps, num_examples, settings.batch_size)
    tokens = seen * (texts.prompt + texts.completion)
    return Work(
        steps=steps,
        training_tokens=tokens,
        passes=steps * _parts(settings.batch_size, settings.micro_batch_size),
        flops=model.flops(tokens, tokens),
        left_bytes=_left_by_training(model, steps),
        checkpoint_bytes=CHECKPOINT_COPIES * model.trained_bytes,
        memory_bytes=model.training_bytes(),
    )


def rl_work(settings: Rl, num_tasks: int, texts: Texts, model: ModelSize) -> Work:
    """A training by reinforcement learning.

    Its passes are an upper bound in three ways: completions that occur several times are drawn and
    learnt from once, most often after one pass of their prompt, and rollouts end as soon as the
    last of them does.

    Args:
        settings: Steps and groups.
        num_tasks: Its problems.
        texts: Their lengths; rollouts are taken to be as long as what the warm-up learnt to write.
        model: What is trained.

    """
    rollouts = examples_seen(settings.steps, num_tasks, settings.prompts_per_step) * (
        settings.group_size
    )
    written = min(texts.completion, settings.rollout.max_new_tokens)
    learnt = rollouts * (texts.prompt + written)
    references = 1 if settings.kl_weight else 0
    rows = settings.prompts_per_step * settings.group_size
    passes = 1 if model.recomputes else SHARING_PASSES
    updates = settings.steps * _parts(rows, settings.micro_batch_size) * passes
    return Work(
        steps=settings.steps,
        training_tokens=learnt,
        rollout_tokens=rollouts * written,
        passes=updates * (1 + references * FORWARD_PASS)
        + settings.steps * settings.rollout.max_new_tokens * FORWARD_PASS,
        flops=model.flops(rollouts * written + (1 + references) * learnt, learnt),
        left_bytes=_left_by_training(model, settings.steps),
        checkpoint_bytes=CHECKPOINT_COPIES * model.trained_bytes,
        memory_bytes=model.training_bytes(references),
    )


def sampling_work(
    family: Family,
    num_models: int,
    texts: Texts,
    model: ModelSize,
    engine: Engine,
    shard: Shard = WHOLE,
) -> Work:
    """The samples of test problems from the warm-up and every branch, at one seed.

    With vLLM there are no passes to count: it schedules sequences of its own accord. A shard has
    its share of the problems, and leaves its samples in the store alone.
    """
    settings = family.sampling
    problems = shard.problems(family.problems.test, settings.block_size)
    samples = num_models * problems * settings.num_samples
    tokens = samples * min(texts.completion, settings.max_new_tokens)
    blocks = num_models * _parts(problems, settings.block_size)
    passes = blocks * settings.max_new_tokens * FORWARD_PASS
    return Work(
        samples=samples,
        sampled_tokens=tokens,
        passes=0.0 if engine == "vllm" else passes,
        flops=model.flops(tokens),
        left_bytes=(SAMPLE_COPIES if shard == WHOLE else 1) * SAMPLED_TOKEN * tokens,
        memory_bytes=model.weight_bytes,
    )


def sweep_work(
    family: Family, num_models: int, texts: Texts, model: ModelSize, engine: Engine
) -> Work:
    """The samples of validation and test problems at every temperature, at one seed.

    Raises:
        ValueError: The family is sampled at one temperature only.

    """
    sweep = family.temperatures
    if sweep is None:
        raise ValueError("the family has no temperatures")
    drawn = 2 * sweep.problems * len(sweep.values)
    problems = family.problems.model_copy(update={"test": drawn})
    swept = family.model_copy(update={"problems": problems, "sampling": family.swept[0]})
    return sampling_work(swept, num_models, texts, model, sweep.engine or engine)


def gathering_work(sampled: Work) -> Work:
    """Putting the samples of all shards together."""
    return Work(left_bytes=SAMPLED_TOKEN * sampled.sampled_tokens)


def scoring_work(sampled: Work) -> Work:
    """Grading of what a sampling job draws."""
    return Work(scored=sampled.samples, left_bytes=SCORED_SAMPLE * sampled.samples)


def examples_seen(steps: int, num_examples: int, batch_size: int) -> int:
    """Examples in so many batches; the last of every epoch may be smaller."""
    epochs, rest = divmod(steps, steps_per_epoch(num_examples, batch_size))
    return epochs * num_examples + min(rest * batch_size, num_examples)


def _parts(size: int, part: int | None) -> int:
    """Parts of at most ``part`` that something is cut into; one where it is None."""
    return 1 if part is None else -(-size // part)


def _left_by_training(model: ModelSize, steps: int) -> float:
    return model.trained_bytes + MODEL_FILES + steps * STEP_RECORD
