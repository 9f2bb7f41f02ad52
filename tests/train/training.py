"""Trainings of a tiny model as tests run them, and how they are interrupted."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from support import tiny

from compute_aligned.config.settings import Sft
from compute_aligned.files.records import Problem
from compute_aligned.method.strategies import PassAtN, SingleSample, Strategy
from compute_aligned.models.tokens import Task, encode
from compute_aligned.score.tasks import Answers, Grades
from compute_aligned.train import losses, rl, sft
from compute_aligned.train.experience import Experience, Gains, Objective, collect, weigh

SHORT = {"learning_rate": 1e-2, "batch_size": 4, "clip_norm": 1.0, "checkpoint_every": 3}
NO_PAST = torch.empty(0, dtype=torch.float64)  # rewards of steps before the first
MARGIN = {"margin_share": 0.25, "rival_tokens": 3}


def settings(**changes: Any) -> Sft:
    """Eight short steps of fine-tuning."""
    return Sft(**{**SHORT, "decay": "8 steps", **changes})


def examples(tokenizer: Any, count: int = 10) -> list[losses.Example]:
    """Products to learn."""
    return sft.encode_examples(tokenizer, tiny.problems(count), "answer", tiny.SHAPE)


def fine_tune(
    model: Any,
    tokenizer: Any,
    checkpoint: Path,
    how: Sft,
    strategy: Strategy | None = None,
    seed: int = 5,
) -> sft.Progress:
    """Fine-tune a model in place."""
    given, pad = examples(tokenizer), tokenizer.pad_token_id
    strategy = strategy or PassAtN(n=16)
    return sft.train(model, given, strategy, how, seed, pad, checkpoint, "a branch")


def objective(strategy: Strategy | None = None, form: Any = "raw", **changes: Any) -> Objective:
    """Six short steps of reinforcement learning."""
    how = tiny.RL.model_copy(update=changes)
    return Objective(strategy or SingleSample(), form, how, "paper")


def tasks(tokenizer: Any, count: int = 12) -> list[Task]:
    """Problems to draw completions of."""
    return encode(tokenizer, tiny.problems(count), itertools.repeat(5), tiny.SHAPE)


def policy(reference_seed: int = 0) -> rl.Policy:
    """The tiny model, held to itself, or to another one so that the KL term says something."""
    return rl.Policy(*tiny.build(), tiny.build(reference_seed)[0])


def collected(of: rl.Policy, what: Objective) -> tuple[Experience, Gains]:
    """The graded and weighed rollouts of a first step."""
    batch = tasks(of.tokenizer, tiny.RL.prompts_per_step)
    drawn = collect(of.model, of.tokenizer, batch, what, seed=1, step=0)
    return drawn, weigh(drawn, what, NO_PAST)


def reinforce(of: rl.Policy, what: Objective, checkpoint: Path) -> rl.Progress:
    """Train a policy in place."""
    return rl.train(of, tasks(of.tokenizer), what, 1, checkpoint, "a branch")


class FirstDigitIsOdd(Answers):
    """A reward that a model without any arithmetic gets right at times."""

    def grade(self, problem: Problem, texts: Any, grader: str) -> Grades:
        """1 where it is."""
        answers = [text[:1] or None for text in texts]
        correct = [answer is not None and answer in "13579" for answer in answers]
        return Grades([float(right) for right in correct], [True] * len(texts), correct, answers)


def trained(model: Any) -> dict[str, torch.Tensor]:
    """What of a model is trained, by name, as it is now."""
    return {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}


def same(first: Any, second: Any) -> bool:
    """Whether two models agree in every bit that is trained."""
    ours, theirs = trained(first), trained(second)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[n], theirs[n]) for n in ours)


class KilledError(Exception):
    """Stands for a kill: nothing after it runs."""


def killed(module: Any, name: str, call: int, job: Callable[[], Any]) -> None:
    """Run a job until it calls a function once more than this."""
    function, calls = getattr(module, name), itertools.count()

    def call_or_die(*arguments: Any) -> Any:
        if next(calls) == call:
            raise KilledError
        return function(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, call_or_die)
        with pytest.raises(KilledError):
            job()
