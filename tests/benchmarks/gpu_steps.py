"""Steps of a scale's families on checkpoints with random weights, and samples of what they train.

The steps are the project's own, from the settings of their family. What they learn from is random
too, so that nothing is learnt.
"""

import gc
import math
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PretrainedConfig

from compute_aligned.config import study
from compute_aligned.config.models import PretrainedModel, ScratchModel
from compute_aligned.config.scales import Family
from compute_aligned.config.settings import Rl, Sft
from compute_aligned.files.records import Problem
from compute_aligned.method.strategy_text import parse_strategy
from compute_aligned.models import loading
from compute_aligned.models.loading import build_tokenizer
from compute_aligned.models.log_probs import token_log_probs
from compute_aligned.models.tokens import collate
from compute_aligned.train import experience, losses, rl, sft
from compute_aligned.train.experience import Objective, Task
from compute_aligned.train.optimisation import adamw

SEED = 100
# any text will do: it is measured how fast tokens are, not which
TOKENIZER = ScratchModel(
    vocabulary="A C D E F G H I K L M N P Q R S T V W Y",
    hidden_size=1,
    intermediate_size=1,
    layers=1,
    heads=1,
    max_length=1024,
)
GIGABYTE = 10**9


@dataclass(frozen=True)
class Place:
    """Where it runs, and how much of everything is enough to tell.

    Attributes:
        device: ``cuda``, or ``cpu`` in tests.
        dtype: That of the scale.
        shapes: Configurations by the names of the checkpoints whose place random ones take.
        prompt: Tokens of a prompt.
        completion: Tokens of a worked solution; an answer has a few.
        new_tokens: Tokens drawn of a completion at most.
        steps: Steps that are timed, after one that is not.

    """

    device: str
    dtype: str
    shapes: dict[str, Callable[..., PretrainedConfig]]
    prompt: int = 200
    completion: int = 300
    new_tokens: int = 128
    steps: int = 2

    @property
    def torch_dtype(self) -> torch.dtype:
        """What passes multiply in."""
        return getattr(torch, self.dtype)


@dataclass(frozen=True)
class Reading:
    """How fast something was and what it needed.

    Attributes:
        family: Of the paper's scale.
        what: What was timed.
        tokens: How many tokens it went through, learnt from or drew.
        seconds: What it took.
        peak_gigabytes: Of the GPU's memory; 0 on a CPU.

    """

    family: str
    what: str
    tokens: int
    seconds: float
    peak_gigabytes: float

    @property
    def per_second(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds


# --- what everything starts from ----------------------------------------------------------------


def random_checkpoint(name: str, folder: Path, place: Place) -> Path:
    """A checkpoint of a shape with random weights and a tokenizer of a few letters."""
    tokenizer = build_tokenizer(TOKENIZER)
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    shape = place.shapes[name](**ids, bos_token_id=None)
    torch.manual_seed(SEED)
    with torch.device(place.device):
        model = AutoModelForCausalLM.from_config(shape, dtype=place.torch_dtype)
    loading.save(model, tokenizer, folder)
    return folder


def random_texts(count: int, length: int) -> list[list[int]]:
    """Token ids of so many texts, none of which ends."""
    generator = random.Random(SEED)
    letters = range(3, 3 + len(TOKENIZER.tokens))
    return [[generator.choice(letters) for _ in range(length)] for _ in range(count)]


def timed(run: Callable[[], int], place: Place) -> tuple[int, float, float]:
    """Tokens, seconds and gigabytes at the peak of something that returns its tokens."""
    on_gpu = place.device == "cuda"
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    tokens = run()
    if on_gpu:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    return tokens, seconds, torch.cuda.max_memory_allocated() / GIGABYTE if on_gpu else 0.0


# --- training -----------------------------------------------------------------------------------


def ways_of_training(scale: str, family: str) -> dict[str, tuple[Sft | Rl, str]]:
    """Every kind of step that a family's branches take: its settings, and a branch that does."""
    found: dict[str, tuple[Sft | Rl, str]] = {}
    for branch in study.branches_of(family):
        how = study.branch_training(scale, family, branch)
        kind = "reinforcement learning"
        if isinstance(how, Sft):
            kind = "fine-tuning" if how.margin_share is None else "fine-tuning with a margin"
        found.setdefault(kind, (how, branch))
    return found


def fine_tuning(
    name: str,
    family: Family,
    kind: str,
    how: Sft,
    strategy: str,
    model: Any,
    tokenizer: Any,
    place: Place,
) -> Iterator[Reading]:
    """Steps of fine-tuning on batches of the family's size."""
    written = place.completion if family.problems.target == "solution" else 12
    prompts = random_texts(how.batch_size, place.prompt)
    completions = random_texts(how.batch_size, written - 1)
    batch = [(p, [*c, tokenizer.eos_token_id]) for p, c in zip(prompts, completions, strict=True)]
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = adamw(parameters, how)
    noise = losses.rival_noise(how, batch, SEED, 0)
    model.train()

    def step() -> int:
        with loading.passes_in(place.torch_dtype, place.device):
            sft.update(
                model,
                optimizer,
                parameters,
                batch,
                parse_strategy(strategy),
                how,
                tokenizer.pad_token_id,
                noise,
            )
        return sum(len(p) + len(c) for p, c in batch)

    step()
    yield Reading(name, kind, *timed(lambda: sum(step() for _ in range(place.steps)), place))


def reinforcement_learning(
    name: str, family: Family, branch: str, how: Rl, policy: rl.Policy, place: Place
) -> Iterator[Reading]:
    """A step of reinforcement learning: its rollouts, and what is learnt from them."""
    row = study.read_branch(name, branch)
    limit = min(place.new_tokens, how.rollout.max_new_tokens)
    how = how.model_copy(
        update={"rollout": how.rollout.model_copy(update={"max_new_tokens": limit})}
    )
    objective = Objective(parse_strategy(row.strategy), row.weight_form, how, family.grader)
    problem = Problem(id="p", group="p", prompt="-", answer="1", input_sequence="ACDEFGHIKL")
    tasks: list[Task] = [(problem, p) for p in random_texts(how.prompts_per_step, place.prompt)]
    policy.model.eval()
    optimizer = adamw(policy.parameters, how)
    drawn: list[experience.Experience] = []

    def roll_out() -> int:
        with loading.passes_in(place.torch_dtype, place.device):
            drawn.append(
                experience.collect(policy.model, policy.tokenizer, tasks, objective, SEED, 0)
            )
        return int(drawn[-1].rollouts.lengths.sum())

    def learn() -> int:
        gains = experience.weigh(drawn[-1], objective, torch.tensor([], dtype=torch.float64))
        rows = experience.distinct_rows(drawn[-1], gains.gains)
        with loading.passes_in(place.torch_dtype, place.device):
            rl.update(policy, optimizer, rows, how)
        return sum(len(row.prompt) + len(row.completion) for row in rows)

    yield Reading(name, "rollouts", *timed(roll_out, place))
    yield Reading(name, "reinforcement learning", *timed(learn, place))


def made_start(model: PretrainedModel, folder: Path, place: Place) -> Path:
    """A fresh adapter of a checkpoint, or its whole weights, as a warm-up leaves them."""
    dtype = loading.weights_dtype(model, place.torch_dtype)
    loading.save(*loading.build(model, SEED, dtype, place.device), folder)
    free_memory()
    return folder


def training(
    scale: str, name: str, model: PretrainedModel, start: Path, place: Place
) -> Iterator[Reading]:
    """A step of every kind that a family's branches take, from their start."""
    family = study.read_family(scale, name)
    dtype = loading.weights_dtype(model, place.torch_dtype)
    for kind, (how, branch) in ways_of_training(scale, name).items():
        network, tokenizer = loading.load(start, dtype, model, place.device)
        if isinstance(how, Sft):
            strategy = study.read_branch(name, branch).strategy
            yield from fine_tuning(name, family, kind, how, strategy, network, tokenizer, place)
        else:
            held_to = loading.reference(network, start) if how.kl_weight else None
            policy = rl.Policy(network, tokenizer, held_to)
            yield from reinforcement_learning(name, family, branch, how, policy, place)
            del policy, held_to
        del network
        free_memory()


def free_memory() -> None:
    """Hand back what nothing holds any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


# --- sampling -----------------------------------------------------------------------------------

Drawn = list[tuple[list[int], list[int], list[float]]]  # prompt, tokens, their log-probabilities


def sampling(name: str, family: Family, start: Path, place: Place) -> tuple[Reading, Drawn]:
    """Samples by vLLM in this process, which keeps the GPU's memory until it ends."""
    from compute_aligned.sample.engines import VllmEngine
    from compute_aligned.sample.store import Request

    limit = min(place.new_tokens, family.sampling.max_new_tokens)
    settings = family.sampling.model_copy(
        update={"max_new_tokens": limit, "num_samples": min(64, family.sampling.num_samples)}
    )
    tokenizer = loading.load_tokenizer(start)
    longest = place.prompt + limit
    engine = VllmEngine(start, tokenizer, settings, place.dtype, place.device, longest)
    requests = [Request(p, 1000 * i) for i, p in enumerate(random_texts(8, place.prompt))]
    engine.sample(requests[:1])

    def sample() -> int:
        return sum(c.num_tokens for group in engine.sample(requests) for c in group)

    found = Reading(name, "samples by vLLM", *timed(sample, place))
    with torch.compiler.set_stance("force_eager"):  # vLLM would compile how it ranks them
        outputs = engine.generate(requests[:2], logprobs=0)
    drawn = [
        (
            request.prompt,
            list(sample.token_ids),
            [at[t].logprob for t, at in zip(sample.token_ids, sample.logprobs, strict=True)],
        )
        for request, output in zip(requests, outputs, strict=False)
        for sample in output.outputs[:4]
    ]
    return found, drawn


@torch.no_grad()
def difference(drawn: Drawn, start: Path, model: PretrainedModel, place: Place) -> dict[str, float]:
    """Between log-probabilities of sampled tokens as the sampler has them and as training does."""
    dtype = loading.weights_dtype(model, place.torch_dtype)
    network, tokenizer = loading.load(start, dtype, model, place.device)
    network.eval()
    found: list[float] = []
    for prompt, tokens, theirs in drawn:
        batch = collate([prompt], [tokens], tokenizer.pad_token_id, place.device)
        with loading.passes_in(place.torch_dtype, place.device):
            ours = token_log_probs(network, batch)[0].tolist()
        found += [abs(a - b) for a, b in zip(ours, theirs, strict=True)]
    return {"tokens": len(found), "mean": math.fsum(found) / len(found), "largest": max(found)}
