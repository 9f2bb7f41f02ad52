"""A step of supervised fine-tuning: strategies beside cross-entropy, and a batch beside its rows.

The first comparison is of the project's own loop with three losses. The second takes the same step
with a forward and a backward pass an example, no padding and no mask.
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.compare import Comparison, Way, clocked
from compute_aligned.config import study
from compute_aligned.config.settings import Sft
from compute_aligned.method.strategies import MajorityVote, PassAtN, SingleSample, Strategy
from compute_aligned.models import loading
from compute_aligned.prepare import problems
from compute_aligned.train import losses, sft
from compute_aligned.train.optimisation import adamw

FAMILY = "sft_passn"
SEED = 100
STRATEGIES = (SingleSample(), PassAtN(n=16), MajorityVote(n=16, k=4))


@dataclass(frozen=True, eq=False)
class Case:
    """A random model, a batch of examples, and the settings of the step."""

    model: Any
    batch: list[losses.Example]
    settings: Sft
    pad: int

    def copy(self) -> "Case":
        """The same case with weights of its own."""
        return Case(copy.deepcopy(self.model), self.batch, self.settings, self.pad)


def laptop_case(**changes: object) -> Case:
    """The step of the laptop scale's family; ``changes`` are to its SFT settings."""
    family = study.read_family("laptop", FAMILY)
    settings = family.sft.model_copy(update=changes)
    model, tokenizer = loading.build(family.model, SEED, torch.float32)
    raw, _ = problems.raw_problems(study.read_source("laptop", family.problems.source))
    batch = sft.encode(
        tokenizer,
        raw[:: len(raw) // settings.batch_size][: settings.batch_size],
        family.problems.target,
        family.model.max_length,
        chat_template=False,
    )
    return Case(model.train(), batch, settings, tokenizer.pad_token_id)


class Step:
    """The project's step, again and again on the same batch."""

    def __init__(self, case: Case, strategy: Strategy) -> None:
        self.case, self.strategy = case.copy(), strategy
        self.optimizer = adamw(self.case.model.parameters(), case.settings)

    def __call__(self) -> float:
        case, parameters = self.case, list(self.case.model.parameters())
        return sft.update(
            case.model,
            self.optimizer,
            parameters,
            case.batch,
            self.strategy,
            case.settings,
            case.pad,
        )["loss"]


class SlowStep(Step):
    """The same step, one example at a time."""

    def __call__(self) -> float:
        model, batch = self.case.model, self.case.batch
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for prompt, completion in batch:
            logits = model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
            chosen = torch.tensor(completion).unsqueeze(-1)
            log_p = torch.log_softmax(logits, -1).gather(-1, chosen).sum()
            loss = self.strategy.sft_loss(log_p) / len(batch)
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), self.case.settings.clip_norm)
        self.optimizer.step()
        return total


def check(case: Case, strategy: Strategy) -> None:
    """Both steps have the same loss, and the same gradient."""
    fast, slow = Step(case, strategy), SlowStep(case, strategy)
    torch.testing.assert_close(fast(), slow(), rtol=1e-5, atol=1e-6)
    found, expected = (
        torch.cat([p.grad.flatten() for p in step.case.model.parameters()]) for step in (fast, slow)
    )
    error = (found - expected).norm() / expected.norm()
    assert error < 1e-5, f"the gradients differ by {error:.1e} of their norm"


def comparisons(calls: int = 20, **changes: object) -> list[Comparison]:
    """Both comparisons at the laptop's settings.

    Args:
        calls: Steps that one measurement of the project's loop consists of.
        changes: To the laptop's SFT settings.

    """
    case = laptop_case(**changes)
    size = len(case.batch)

    def check_all() -> None:
        for strategy in STRATEGIES:
            check(case, strategy)

    one = STRATEGIES[1]
    return [
        Comparison(
            f"SFT step, batch of {size}",
            tuple(Way(s.label, clocked(Step(case, s), calls=calls)) for s in STRATEGIES),
            check_all,
        ),
        Comparison(
            f"SFT step, {one.label}, {size} examples",
            (
                Way("one batch", clocked(Step(case, one), calls=calls)),
                Way("one at a time", clocked(SlowStep(case, one))),
            ),
            check_all,
        ),
    ]
