"""Training steps: a batch beside one sequence at a time, and strategies beside cross-entropy.

The slow steps are PAPER sections 1 and 2 written down: no padding, no mask, no cache, each sequence
with a forward and a backward pass of its own, a rollout drawn token by token from its whole prefix.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

from benchmarks import laptop
from benchmarks.compare import Comparison, Way, clocked
from benchmarks.laptop import SEED
from compute_aligned.config.settings import Rl, Sft
from compute_aligned.method.strategies import MajorityVote, PassAtN, SingleSample, Strategy
from compute_aligned.models.rollouts import invert, rollout_noise, token_distribution
from compute_aligned.models.tokens import Task, encode
from compute_aligned.score.answers import extract_answer
from compute_aligned.score.tasks import TASKS
from compute_aligned.train import experience, rl, sft
from compute_aligned.train.experience import Objective
from compute_aligned.train.losses import Example
from compute_aligned.train.optimisation import adamw

STRATEGIES = (SingleSample(), PassAtN(n=16), MajorityVote(n=16, k=4))


def log_probs(model: Any, prompt: list[int], completion: list[int]) -> Tensor:
    """Log-probabilities of one completion's tokens, shape (its length,)."""
    logits = model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
    chosen = torch.tensor(completion).unsqueeze(-1)
    return torch.log_softmax(logits, -1).gather(-1, chosen).squeeze(-1)


def check_same(losses: Sequence[float], models: Sequence[Any]) -> None:
    """Two steps had the same loss and left the same gradient."""
    torch.testing.assert_close(*losses, rtol=1e-5, atol=1e-6)
    found, expected = (torch.cat([p.grad.flatten() for p in m.parameters()]) for m in models)
    error = (found - expected).norm() / expected.norm()
    assert error < 1e-5, f"the gradients differ by {error:.1e} of their norm"


# --- fine-tuning ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class SftCase:
    """A random model, a batch of examples, and the settings of the step."""

    model: Any
    batch: list[Example]
    settings: Sft
    pad: int

    @classmethod
    def laptop(cls, **changes: object) -> "SftCase":
        """That of the laptop's family; ``changes`` are to its SFT settings."""
        family = laptop.family("sft_passn")
        settings = family.sft.model_copy(update=changes)
        model, tokenizer = laptop.model("sft_passn")
        chosen = laptop.some_problems("sft_passn", settings.batch_size)
        batch = sft.encode_examples(tokenizer, chosen, family.problems.target, family.model)
        return cls(model.train(), batch, settings, tokenizer.pad_token_id)

    def copy(self) -> "SftCase":
        """The same case with weights of its own."""
        return replace(self, model=copy.deepcopy(self.model))


class SftStep:
    """The project's step, again and again on the same batch."""

    def __init__(self, case: SftCase, strategy: Strategy) -> None:
        self.case, self.strategy = case.copy(), strategy
        self.optimizer = adamw(self.case.model.parameters(), case.settings)

    def __call__(self) -> float:
        case, parameters = self.case, list(self.case.model.parameters())
        how = (case.batch, self.strategy, case.settings, case.pad)
        return sft.update(case.model, self.optimizer, parameters, *how)["loss"]


class SlowSftStep(SftStep):
    """The same step, one example at a time."""

    def __call__(self) -> float:
        model, batch = self.case.model, self.case.batch
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for prompt, completion in batch:
            log_p = log_probs(model, prompt, completion).sum()
            loss = self.strategy.sft_loss(log_p) / len(batch)
            loss.backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), self.case.settings.clip_norm)
        self.optimizer.step()
        return total


def check_sft(case: SftCase) -> None:
    """The step and the slow one are the same under every strategy."""
    for strategy in STRATEGIES:
        steps = SftStep(case, strategy), SlowSftStep(case, strategy)
        check_same([step() for step in steps], [step.case.model for step in steps])


# --- reinforcement learning -------------------------------------------------------------------

PASS_AT = 4  # the n of the step's strategy


@dataclass(frozen=True, eq=False)
class RlCase:
    """What a step needs: a random model held to another one, problems, the objective."""

    policy: rl.Policy
    tasks: list[Task]
    objective: Objective

    @classmethod
    def laptop(cls, **changes: object) -> "RlCase":
        """That of the laptop's family; ``changes`` are to its RL settings.

        A random model solves nothing. So that rewards differ within groups, the answer to a problem
        is what the first readable rollout of the first step says.
        """
        family = laptop.family("rl_passn")
        settings = family.rl.model_copy(update=changes)
        model, tokenizer = laptop.model("rl_passn")
        reference, _ = laptop.model("rl_passn", SEED + 1)
        policy = rl.Policy(model.eval(), tokenizer, reference.eval().requires_grad_(False))
        objective = Objective(PassAtN(n=PASS_AT), "log", settings, family.grader)
        chosen = laptop.some_problems("rl_passn", settings.prompts_per_step)
        room = repeat(settings.rollout.max_new_tokens)
        tasks = encode(tokenizer, chosen, room, family.model)
        drawn = experience.collect(model, tokenizer, tasks, objective, SEED, step=0)
        texts = [tokenizer.batch_decode(c, True) for c in drawn.rollouts.completions]
        answers = [next(filter(None, map(extract_answer, group)), "0") for group in texts]
        return cls(policy, tasks, objective).answered(answers)

    def answered(self, answers: Sequence[str]) -> "RlCase":
        """The same case with other answers to its problems."""
        pairs = zip(self.tasks, answers, strict=True)
        tasks = [(p.model_copy(update={"answer": answer}), prompt) for (p, prompt), answer in pairs]
        return replace(self, tasks=tasks)

    def part(self, prompts: int | None = None) -> "RlCase":
        """The same case with its first problems only, or all, and weights of its own."""
        return replace(self, policy=copy.deepcopy(self.policy), tasks=self.tasks[:prompts])


def rl_step(case: RlCase) -> float:
    """The project's step, as ``rl.train`` takes it; returns its loss."""
    policy, objective = case.policy, case.objective
    drawn = experience.collect(policy.model, policy.tokenizer, case.tasks, objective, SEED, step=0)
    gains = experience.weigh(drawn, objective, torch.tensor([]))
    rows = experience.distinct_rows(drawn, gains.gains)
    optimizer = adamw(policy.parameters, objective.settings)
    return rl.update(policy, optimizer, rows, objective.settings)["loss"]


def slow_rl_step(case: RlCase) -> float:
    """The same step, one prompt and one sequence at a time; returns its loss."""
    policy, settings = case.policy, case.objective.settings
    shape = (settings.group_size, settings.rollout.max_new_tokens)
    noise = rollout_noise(SEED, 0, len(case.tasks), *shape)
    sequences = []  # prompt, completion, A * w
    for (problem, prompt), of_group in zip(case.tasks, noise, strict=True):
        group = [write(policy, prompt, of_one, settings) for of_one in of_group]
        texts = [policy.tokenizer.decode(c, skip_special_tokens=True) for c in group]
        rewards = TASKS[settings.reward].grade(problem, texts, case.objective.grader).rewards
        mean = sum(rewards) / len(rewards)
        std = math.sqrt(sum((r - mean) ** 2 for r in rewards) / (len(rewards) - 1))
        for completion, reward in zip(group, rewards, strict=True):
            with torch.no_grad():
                p = log_probs(policy.model, prompt, completion).sum().exp().item()
            weight = PASS_AT * p * (1 - p) ** (PASS_AT - 1) / (1 - (1 - p) ** PASS_AT)
            sequences.append((prompt, completion, (reward - mean) / (std + 1e-4) * weight))
    optimizer = adamw(policy.parameters, settings)
    optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for prompt, completion, gain in sequences:
        now = log_probs(policy.model, prompt, completion)
        with torch.no_grad():
            before = log_probs(policy.reference, prompt, completion)
        d = before - now
        penalty = (d.exp() - d - 1).mean() / len(sequences)
        loss = -gain * now.sum() / len(sequences) + settings.kl_weight * penalty
        loss.backward()
        total += loss.item()
    torch.nn.utils.clip_grad_norm_(policy.parameters, settings.clip_norm)
    optimizer.step()
    return total


@torch.no_grad()
def write(policy: rl.Policy, prompt: list[int], noise: Tensor, settings: Rl) -> list[int]:
    """One completion, the end-of-sequence token included; noise of shape (T,)."""
    completion: list[int] = []
    for level in noise:
        logits = policy.model(torch.tensor([prompt + completion])).logits[:, -1]
        distribution = token_distribution(logits, settings.rollout)
        completion.append(invert(distribution, level.reshape(1)).item())
        if completion[-1] == policy.tokenizer.eos_token_id:
            break
    return completion


def check_rl(case: RlCase) -> None:
    """The step and the slow one are the same."""
    fast, slow = case.part(), case.part()
    check_same([rl_step(fast), slow_rl_step(slow)], [c.policy.model for c in (fast, slow)])


# --- the comparisons --------------------------------------------------------------------------


def comparisons(calls: int = 20, slow_prompts: int = 4) -> list[Comparison]:
    """Steps of both kinds; ``calls`` fine-tuning steps are one measurement."""
    tuning, learning = SftCase.laptop(), RlCase.laptop()
    size, one = len(tuning.batch), STRATEGIES[1]
    num_prompts, group = len(learning.tasks), learning.objective.settings.group_size
    whole, part = learning.part(), learning.part(slow_prompts)
    slow_rl = clocked(lambda: slow_rl_step(part), share=slow_prompts / num_prompts)
    return [
        Comparison(
            f"RL step, {num_prompts} x {group} rollouts",
            (
                Way("batched", clocked(lambda: rl_step(whole))),
                Way(f"one sequence at a time ({slow_prompts} prompts, extrapolated)", slow_rl),
            ),
            lambda: check_rl(learning.part(slow_prompts)),
        ),
        Comparison(
            f"SFT step, {size} examples, {one.label}",
            (
                Way("one batch", clocked(SftStep(tuning, one), calls=calls)),
                Way("one example at a time", clocked(SlowSftStep(tuning, one))),
            ),
            lambda: check_sft(tuning),
        ),
        Comparison(
            f"SFT step, {size} examples",
            tuple(Way(s.label, clocked(SftStep(tuning, s), calls=calls)) for s in STRATEGIES),
            lambda: check_sft(tuning),
        ),
    ]
