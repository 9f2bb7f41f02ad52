"""Peak memory of each stage against the sizes that it could depend on.

Each measurement is in a forked process: of the MiB that a stage takes on top of what Python, its
packages and the model had before.
"""

import gc
import multiprocessing
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.compare import Comparison, Way
from compute_aligned.config import study
from compute_aligned.files import records, streams
from compute_aligned.files.records import Problem
from compute_aligned.method.strategies import PassAtN
from compute_aligned.models import loading, rollouts
from compute_aligned.score import scoring
from compute_aligned.train import experience, rl, sft
from compute_aligned.train.optimisation import adamw

FAMILY = "rl_passn"
SEED = 100
PROMPTS, GROUP, LENGTH = 16, 16, 32
HIDDEN = 96
FACTORS = (1, 2, 4)
NO_END = -1  # no token ends a completion, so that all have the full length
SCORED = 64  # samples of a problem


def laptop_model(hidden: int) -> tuple[Any, Any]:
    """A random model of the family, wider and for longer texts."""
    shape = study.read_family("laptop", FAMILY).model.model_copy(
        update={"hidden_size": hidden, "intermediate_size": 4 * hidden, "max_length": 4096}
    )
    return loading.build(shape, SEED, torch.float32)


def random_tokens(size: int) -> list[int]:
    """Ids of digits."""
    return np.random.default_rng(SEED).integers(3, 13, size=size).tolist()


# --- the stages, each ready to be done ----------------------------------------------------------


def sft_step(hidden: int = HIDDEN, batch: int = PROMPTS * GROUP, length: int = LENGTH) -> Callable:
    """A step of fine-tuning in one forward pass."""
    settings = study.read_family("laptop", "sft_passn").sft
    model, tokenizer = laptop_model(hidden)
    parameters = list(model.parameters())
    optimizer = adamw(parameters, settings)
    examples = [(random_tokens(8), random_tokens(length)) for _ in range(batch)]
    strategy, pad = PassAtN(n=16), tokenizer.pad_token_id
    return lambda: sft.update(model, optimizer, parameters, examples, strategy, settings, pad)


def rl_step(hidden: int = HIDDEN, group: int = GROUP, length: int = LENGTH) -> Callable:
    """A step of reinforcement learning: rollouts, and an update in one forward pass."""
    settings = study.read_family("laptop", FAMILY).rl
    model, tokenizer = laptop_model(hidden)
    reference, _ = laptop_model(hidden)
    policy = rl.Policy(model.eval(), tokenizer, reference.eval().requires_grad_(False))
    optimizer = adamw(policy.parameters, settings)
    prompt, pad = random_tokens(8), tokenizer.pad_token_id

    def step() -> None:
        noise = rollouts.rollout_noise(SEED, 0, PROMPTS, group, length)
        drawn = rollouts.draw(model, [prompt] * PROMPTS, noise, settings.rollout, NO_END, pad)
        rows = [experience.Row(prompt, c, 1.0, 1) for g in drawn.completions for c in g]
        rl.update(policy, optimizer, rows, settings)

    return step


def sampling(hidden: int = HIDDEN, group: int = GROUP, length: int = LENGTH) -> Callable:
    """A block of evaluation samples, by ``engine: transformers``."""
    settings = study.read_family("laptop", FAMILY).sampling
    model, tokenizer = laptop_model(hidden)
    prompt, pad = random_tokens(8), tokenizer.pad_token_id
    noise = torch.rand(PROMPTS, group, length, dtype=torch.float64)
    return lambda: rollouts.draw(model.eval(), [prompt] * PROMPTS, noise, settings, NO_END, pad)


def scoring_job(problems: int = 1000, num_samples: int = SCORED) -> Callable:
    """Scores and outcomes of samples on disk, as the rule makes them."""
    temporary = tempfile.TemporaryDirectory(prefix="benchmarks-")
    folder = Path(temporary.name)
    with streams.writing(folder / "samples", records.SAMPLES) as written:
        for problem in range(problems):
            written.add_rows(
                {"branch": "ce", "problem": f"p{problem}", "sample": i, "text": f"{i % 7}"}
                | {"num_tokens": 2, "finished": True}
                for i in range(num_samples)
            )
    records.write_problems(
        folder / "problems",
        (Problem(id=f"p{i}", group="p", prompt="", answer="6") for i in range(problems)),
    )

    def score() -> None:
        assert temporary  # kept until the work is done
        drawn = scoring.by_problem(
            streams.read_batches(folder / "samples", records.SAMPLES, "scoring")
        )
        with (
            streams.writing(folder / "scores", records.SCORES) as scored,
            streams.writing(folder / "outcomes", records.OUTCOMES) as measured,
        ):
            for row in scoring.score(drawn, records.each_problem(folder / "problems"), "paper"):
                scored.add_rows([row])
                measured.add_rows(scoring.outcomes([row], ("pass@k",)))

    return score


STAGES: dict[str, Callable[[int], Callable]] = {
    "SFT step, hidden size": lambda f: sft_step(hidden=HIDDEN * f),
    "SFT step, batch": lambda f: sft_step(batch=PROMPTS * GROUP // 2 * f),
    "SFT step, completion length": lambda f: sft_step(length=LENGTH * f),
    "RL step, hidden size": lambda f: rl_step(hidden=HIDDEN * f),
    "RL step, group size": lambda f: rl_step(group=GROUP // 2 * f),
    "RL step, completion length": lambda f: rl_step(length=LENGTH // 2 * f),
    "sampling, hidden size": lambda f: sampling(hidden=HIDDEN * f),
    "sampling, samples a problem": lambda f: sampling(group=GROUP // 2 * f),
    "sampling, completion length": lambda f: sampling(length=LENGTH // 2 * f),
    "scoring, problems": lambda f: scoring_job(problems=1000 * f),
    "scoring, samples a problem": lambda f: scoring_job(num_samples=SCORED * f),
}


# --- measurement --------------------------------------------------------------------------------


def peak_above(work: Callable[[], object]) -> float:
    """MiB by which the largest resident set during ``work`` is above that before it."""
    gc.collect()
    forget_peak()
    before = memory_now("VmRSS")
    work()
    return max(0.0, memory_now("VmHWM") - before)


def forget_peak() -> None:
    """Let Linux count the peak anew, so that imports are not in it."""
    Path("/proc/self/clear_refs").write_text("5")


def memory_now(kind: str) -> float:
    """MiB of this process: VmRSS, or VmHWM for the peak. Not getrusage's, which knows the parent's.

    A process that is started has its parent's memory until it runs its own program.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1024


def peak_of(stage: str, factor: int) -> float:
    """:func:`peak_above` of a stage in a process of its own, which no other stage has grown."""
    context = multiprocessing.get_context("fork")  # spares the imports
    with context.Pool(1) as pool:
        return pool.apply(measured, (stage, factor))


def measured(stage: str, factor: int) -> float:
    """What a process of its own does."""
    torch.set_num_threads(1)
    return peak_above(STAGES[stage](factor))


def comparisons(factors: tuple[int, ...] = FACTORS) -> list[Comparison]:
    """Every stage at growing sizes; factors are times the smallest."""
    return [
        Comparison(
            stage,
            tuple(Way(f"size x {f}", lambda s=stage, f=f: peak_of(s, f), f) for f in factors),
            lambda: None,  # ways of different size have different results
            warm_up=False,
            unit="MiB",
        )
        for stage in STAGES
    ]
