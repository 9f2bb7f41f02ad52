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

from benchmarks.laptop import SEED
from compute_aligned.config.experiments import Branch, Experiment
from compute_aligned.config.models import PretrainedModel, ScratchModel
from compute_aligned.config.settings import Sft
from compute_aligned.files.records import Problem
from compute_aligned.method.strategy_text import parse_strategy
from compute_aligned.models import loading
from compute_aligned.models.log_probs import token_log_probs
from compute_aligned.models.tokens import collate
from compute_aligned.train import experience, losses, rl, sft
from compute_aligned.train.experience import Objective, Task
from compute_aligned.train.optimisation import adamw

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

    def passes(self) -> Any:
        """The context that passes of a training run in."""
        return loading.passes_in(self.torch_dtype, self.device)


@dataclass(frozen=True)
class Reading:
    """How fast a family went through tokens (learnt from or drew them), and what it needed."""

    family: str
    what: str
    tokens: int
    seconds: float
    gigabytes: float  # of the GPU's memory at the peak; 0 on a CPU


def timed(family: str, what: str, run: Callable[[], int], place: Place) -> Reading:
    """The reading of something that returns its tokens."""
    on_gpu = place.device == "cuda"
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    tokens = run()
    if on_gpu:
        torch.cuda.synchronize()
    seconds = time.perf_counter() - start
    peak = torch.cuda.max_memory_allocated() / GIGABYTE if on_gpu else 0.0
    return Reading(family, what, tokens, seconds, peak)


def free_memory() -> None:
    """Hand back what nothing holds any more."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


# --- what everything starts from ----------------------------------------------------------------


def random_checkpoint(name: str, folder: Path, place: Place) -> None:
    """Save a checkpoint of a shape with random weights and a tokenizer of a few letters."""
    tokenizer = loading.build_tokenizer(TOKENIZER)
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
    ids = {"pad_token_id": tokenizer.pad_token_id, "eos_token_id": tokenizer.eos_token_id}
    shape = place.shapes[name](**ids, bos_token_id=None)
    torch.manual_seed(SEED)
    with torch.device(place.device):
        model = AutoModelForCausalLM.from_config(shape, dtype=place.torch_dtype)
    loading.save(model, tokenizer, folder)


def made_start(model: PretrainedModel, folder: Path, place: Place) -> Path:
    """A fresh adapter of a checkpoint, or its whole weights, as a warm-up leaves them."""
    dtype = loading.weights_dtype(model, place.torch_dtype)
    loading.save(*loading.build(model, SEED, dtype, place.device), folder)
    free_memory()
    return folder


def loaded(start: Path, model: PretrainedModel, place: Place) -> tuple[Any, Any]:
    """The network of a start, as training has it, and its tokenizer."""
    dtype = loading.weights_dtype(model, place.torch_dtype)
    return loading.load(start, dtype, model, place.device)


def random_texts(count: int, length: int) -> list[list[int]]:
    """Token ids of so many texts, none of which ends."""
    generator = random.Random(SEED)
    letters = range(3, 3 + len(TOKENIZER.tokens))
    return [[generator.choice(letters) for _ in range(length)] for _ in range(count)]


# --- training -----------------------------------------------------------------------------------


def ways_of_training(experiment: Experiment) -> dict[str, Branch]:
    """Every kind of step that a family's branches take, with a branch that does."""
    found: dict[str, Branch] = {}
    for branch in experiment.branches.values():
        kind = "reinforcement learning"
        if isinstance(branch.training, Sft):
            margin = branch.training.margin_share is not None
            kind = "fine-tuning with a margin" if margin else "fine-tuning"
        found.setdefault(kind, branch)
    return found


def training(
    experiment: Experiment, model: PretrainedModel, start: Path, place: Place
) -> Iterator[Reading]:
    """A step of every kind that a family's branches take, from their start."""
    name, family = experiment.family, experiment.settings
    for kind, branch in ways_of_training(experiment).items():
        how, strategy = branch.training, parse_strategy(branch.row.strategy)
        network, tokenizer = loaded(start, model, place)
        if isinstance(how, Sft):
            written = place.completion if family.problems.target == "solution" else 12
            step = sft_step(how, strategy, network, tokenizer, written, place)
            step()
            yield timed(name, kind, lambda s=step: sum(s() for _ in range(place.steps)), place)
        else:
            reference = loading.reference(network, start) if how.kl_weight else None
            rollout = how.rollout
            limit = min(place.new_tokens, rollout.max_new_tokens)
            rollout = rollout.model_copy(update={"max_new_tokens": limit})
            how = how.model_copy(update={"rollout": rollout})
            objective = Objective(strategy, branch.row.weight_form, how, family.grader)
            policy = rl.Policy(network, tokenizer, reference)
            roll_out, learn = rl_step(objective, policy, place)
            yield timed(name, "rollouts", roll_out, place)
            yield timed(name, kind, learn, place)
            del policy, reference, roll_out, learn
        del network
        free_memory()


def sft_step(
    how: Sft, strategy: Any, model: Any, tokenizer: Any, written: int, place: Place
) -> Callable[[], int]:
    """A step of fine-tuning on a batch of the family's size; it returns its tokens."""
    prompts = random_texts(how.batch_size, place.prompt)
    completions = random_texts(how.batch_size, written - 1)
    batch = [(p, [*c, tokenizer.eos_token_id]) for p, c in zip(prompts, completions, strict=True)]
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = adamw(parameters, how)
    noise = losses.rival_noise(how, batch, SEED, 0)
    model.train()

    def step() -> int:
        with place.passes():
            of_step = (batch, strategy, how, tokenizer.pad_token_id, noise)
            sft.update(model, optimizer, parameters, *of_step)
        return sum(len(p) + len(c) for p, c in batch)

    return step


def rl_step(
    objective: Objective, policy: rl.Policy, place: Place
) -> tuple[Callable[[], int], Callable[[], int]]:
    """The two halves of a step of reinforcement learning; each returns its tokens."""
    how = objective.settings
    problem = Problem(id="p", group="p", prompt="-", answer="1", input_sequence="ACDEFGHIKL")
    tasks: list[Task] = [(problem, p) for p in random_texts(how.prompts_per_step, place.prompt)]
    policy.model.eval()
    optimizer = adamw(policy.parameters, how)
    drawn: list[experience.Experience] = []

    def roll_out() -> int:
        with place.passes():
            of_step = (policy.tokenizer, tasks, objective, SEED, 0)
            drawn.append(experience.collect(policy.model, *of_step))
        return int(drawn[-1].rollouts.lengths.sum())

    def learn() -> int:
        gains = experience.weigh(drawn[-1], objective, torch.tensor([], dtype=torch.float64))
        rows = experience.distinct_rows(drawn[-1], gains.gains)
        with place.passes():
            rl.update(policy, optimizer, rows, how)
        return sum(len(row.prompt) + len(row.completion) for row in rows)

    return roll_out, learn


# --- sampling -----------------------------------------------------------------------------------

Drawn = list[tuple[list[int], list[int], list[float]]]  # prompt, tokens, their log-probabilities


def sampling(experiment: Experiment, start: Path, place: Place) -> tuple[Reading, Drawn]:
    """Samples by vLLM in this process, which keeps the GPU's memory until it ends."""
    from compute_aligned.sample.engines import VllmEngine
    from compute_aligned.sample.store import Request

    settings = experiment.settings.sampling
    limit = min(place.new_tokens, settings.max_new_tokens)
    changes = {"max_new_tokens": limit, "num_samples": min(64, settings.num_samples)}
    settings = settings.model_copy(update=changes)
    how = (settings, place.dtype, place.device, place.prompt + limit)
    engine = VllmEngine(start, loading.load_tokenizer(start), *how)
    requests = [Request(p, 1000 * i) for i, p in enumerate(random_texts(8, place.prompt))]
    engine.sample(requests[:1])

    def sample() -> int:
        return sum(c.num_tokens for group in engine.sample(requests) for c in group)

    found = timed(experiment.family, "samples by vLLM", sample, place)
    with torch.compiler.set_stance("force_eager"):  # vLLM would compile how it ranks them
        outputs = engine.generate(requests[:2], logprobs=0)
    drawn = []
    for request, output in zip(requests, outputs, strict=False):
        for one in output.outputs[:4]:
            tokens = list(one.token_ids)
            theirs = [at[t].logprob for t, at in zip(tokens, one.logprobs, strict=True)]
            drawn.append((request.prompt, tokens, theirs))
    return found, drawn


@torch.no_grad()
def difference(drawn: Drawn, start: Path, model: PretrainedModel, place: Place) -> dict[str, float]:
    """Between log-probabilities of sampled tokens as the sampler has them and as training does."""
    network, tokenizer = loaded(start, model, place)
    network.eval()
    found: list[float] = []
    for prompt, tokens, theirs in drawn:
        batch = collate([prompt], [tokens], tokenizer.pad_token_id, place.device)
        with place.passes():
            ours = token_log_probs(network, batch)[0].tolist()
        found += [abs(a - b) for a, b in zip(ours, theirs, strict=True)]
    return {"mean": math.fsum(found) / len(found), "largest": max(found)}
