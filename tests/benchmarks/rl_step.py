"""A step of reinforcement learning: the batched one beside one sequence at a time.

The slow step is PAPER section 2 written down: a rollout is drawn token by token from its whole
prefix, and its share of the loss goes back through a forward pass of its own.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.compare import Comparison, Way, clocked
from compute_aligned.config import study
from compute_aligned.config.settings import Rl
from compute_aligned.method.strategies import PassAtN
from compute_aligned.models import loading
from compute_aligned.models.rollouts import invert, rollout_noise, token_distribution
from compute_aligned.prepare import problems
from compute_aligned.score.answers import extract_answer
from compute_aligned.score.grading import REWARDS
from compute_aligned.train import experience, rl
from compute_aligned.train.experience import Objective, Task
from compute_aligned.train.optimisation import adamw

FAMILY = "rl_passn"
N = 4
SEED = 100


@dataclass(frozen=True, eq=False)
class Case:
    """What a step needs: a random model held to another one, problems, the objective."""

    policy: rl.Policy
    tasks: list[Task]
    objective: Objective

    def copy(self) -> "Case":
        """The same case with weights of its own."""
        return Case(copy.deepcopy(self.policy), self.tasks, self.objective)

    def part(self, prompts: int) -> "Case":
        """The same case with its first problems only, and weights of its own."""
        return Case(copy.deepcopy(self.policy), self.tasks[:prompts], self.objective)


def laptop_case(**changes: object) -> Case:
    """The step of the laptop scale's family; ``changes`` are to its RL settings.

    A random model solves nothing. So that rewards differ within groups, the answer to a problem is
    what the first readable rollout of the first step says.
    """
    family = study.read_family("laptop", FAMILY)
    settings = family.rl.model_copy(update=changes)
    model, tokenizer = loading.build(family.model, SEED, torch.float32)
    reference, _ = loading.build(family.model, SEED + 1, torch.float32)
    policy = rl.Policy(model.eval(), tokenizer, reference.eval().requires_grad_(False))
    raw, _ = problems.raw_problems(study.read_source("laptop", family.problems.source))
    objective = Objective(PassAtN(n=N), "log", settings, family.grader)
    tasks = experience.encode(
        tokenizer,
        raw[: settings.prompts_per_step],
        settings.rollout.max_new_tokens,
        family.model.max_length,
        chat_template=False,
    )
    drawn = experience.collect(model, tokenizer, tasks, objective, SEED, step=0)
    solvable = []
    for (problem, prompt), completions in zip(tasks, drawn.rollouts.completions, strict=True):
        texts = tokenizer.batch_decode(completions, skip_special_tokens=True)
        answer = next((a for a in map(extract_answer, texts) if a is not None), "0")
        solvable.append((problem.model_copy(update={"answer": answer}), prompt))
    return Case(policy, solvable, objective)


def batched_step(case: Case) -> float:
    """The project's step, as ``rl.train`` takes it; returns its loss."""
    policy, objective = case.policy, case.objective
    drawn = experience.collect(policy.model, policy.tokenizer, case.tasks, objective, SEED, step=0)
    gains = experience.weigh(drawn, objective, torch.tensor([]))
    rows = experience.distinct_rows(drawn, gains.gains)
    optimizer = adamw(policy.parameters, objective.settings)
    return rl.update(policy, optimizer, rows, objective.settings)["loss"]


# --- the slow step ----------------------------------------------------------------------------


def slow_step(case: Case) -> float:
    """The same step, one prompt and one sequence at a time; returns its loss."""
    policy, settings = case.policy, case.objective.settings
    shape = (settings.group_size, settings.rollout.max_new_tokens)
    noise = rollout_noise(SEED, 0, len(case.tasks), *shape)
    sequences = []  # prompt, completion, A * w
    for (problem, prompt), of_group in zip(case.tasks, noise, strict=True):
        group = [write(policy, prompt, of_one, settings) for of_one in of_group]
        texts = [policy.tokenizer.decode(c, skip_special_tokens=True) for c in group]
        rewards = REWARDS[settings.reward](problem, texts, case.objective.grader).rewards
        mean = sum(rewards) / len(rewards)
        std = math.sqrt(sum((r - mean) ** 2 for r in rewards) / (len(rewards) - 1))
        for completion, reward in zip(group, rewards, strict=True):
            with torch.no_grad():
                p = log_probs(policy.model, prompt, completion).sum().exp().item()
            weight = N * p * (1 - p) ** (N - 1) / (1 - (1 - p) ** N)
            sequences.append((prompt, completion, (reward - mean) / (std + 1e-4) * weight))
    num_tokens = sum(len(completion) for _, completion, _ in sequences)
    optimizer = adamw(policy.parameters, settings)
    optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for prompt, completion, gain in sequences:
        now = log_probs(policy.model, prompt, completion)
        with torch.no_grad():
            before = log_probs(policy.reference, prompt, completion)
        d = before - now
        penalty = (d.exp() - d - 1).sum() / num_tokens
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
        token = invert(token_distribution(logits, settings.rollout), level.reshape(1)).item()
        completion.append(token)
        if token == policy.tokenizer.eos_token_id:
            break
    return completion


def log_probs(model: torch.nn.Module, prompt: list[int], completion: list[int]) -> Tensor:
    """Log-probabilities of one completion's tokens, shape (its length,)."""
    logits = model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
    chosen = torch.tensor(completion).unsqueeze(-1)
    return torch.log_softmax(logits, -1).gather(-1, chosen).squeeze(-1)


# --- the comparison ---------------------------------------------------------------------------


def check(case: Case) -> None:
    """Both steps have the same loss and gradient, and a gradient from the rewards."""
    fast, slow = case.copy(), case.copy()
    found, expected = batched_step(fast), slow_step(slow)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    gradients = [gradient(c.policy.parameters) for c in (fast, slow)]
    error = (gradients[0] - gradients[1]).norm() / gradients[1].norm()
    assert error < 1e-5, f"the gradients differ by {error:.1e} of their norm"


def gradient(parameters: Sequence[Tensor]) -> Tensor:
    """Of all parameters, in one vector."""
    return torch.cat([p.grad.flatten() for p in parameters])


def comparisons(slow_prompts: int = 4, **changes: object) -> list[Comparison]:
    """The laptop's step; the slow one on a few of its prompts, extrapolated to all of them.

    Args:
        slow_prompts: How many.
        changes: To the laptop's RL settings.

    """
    case = laptop_case(**changes)
    whole, part = case.copy(), case.part(slow_prompts)
    num_prompts, group = len(case.tasks), case.objective.settings.group_size
    share = slow_prompts / num_prompts
    return [
        Comparison(
            f"RL step, {num_prompts} x {group} rollouts",
            (
                Way("batched", clocked(lambda: batched_step(whole))),
                Way(
                    f"one at a time ({slow_prompts} prompts, extrapolated)",
                    clocked(lambda: slow_step(part), share),
                ),
            ),
            lambda: check(case.part(slow_prompts)),
        )
    ]
