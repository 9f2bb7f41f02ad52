"""Evaluation samples: both engines beside the authors' way, one prompt at a time in chunks of 4.

``python -m benchmarks.sampling WAY FOLDER PROMPTS`` draws once in a process of its own.
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from scipy import stats

from benchmarks.compare import Comparison, Way, children_seconds, clocked
from compute_aligned.config import study
from compute_aligned.config.models import Model
from compute_aligned.config.settings import Sampling
from compute_aligned.files.records import Problem
from compute_aligned.method.seeds import problem_seed
from compute_aligned.models import loading
from compute_aligned.prepare import problems
from compute_aligned.sample.engines import ENGINES
from compute_aligned.sample.store import Request, encode

FAMILY = "sft_passn"
SEED = 100
SHARPER = 4  # than at its usual start are the random model's weights
CHUNK = 4  # completions that the authors draw at a time
AUTHORS = "authors' way"

Draw = Callable[[], list[list[str]]]  # the texts of every prompt's completions


def save_model(folder: Path) -> None:
    """A random model of the family's shape, far from uniform, with its tokenizer.

    At a model's usual start every token is about as likely, and a temperature changes nothing.
    """
    family = study.read_family("laptop", FAMILY)
    model, tokenizer = loading.build(family.model, SEED, torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter *= SHARPER
    loading.save(model, tokenizer, folder)


def laptop_problems(count: int) -> list[Problem]:
    """Problems from all over the family's source."""
    source = study.read_family("laptop", FAMILY).problems.source
    raw, _ = problems.raw_problems(study.read_source("laptop", source))
    return raw[:: len(raw) // count][:count]


def start(way: str, folder: Path, chosen: list[Problem], settings: Sampling, shape: Model) -> Draw:
    """Load the model in one of the ways, ready to draw ``num_samples`` for every problem."""
    max_length = shape.max_length
    room = (settings.max_new_tokens, max_length, shape.chat_template)
    if way == AUTHORS:
        model, tokenizer = loading.load(folder, torch.float32)
        prompts = encode(tokenizer, chosen, *room)
        return lambda: [generate(model.eval(), tokenizer, p, settings) for p in prompts.values()]
    tokenizer = loading.load_tokenizer(folder)
    prompts = encode(tokenizer, chosen, *room)
    requests = [
        Request(prompt, problem_seed(problem, SEED, settings.num_samples))
        for problem, prompt in prompts.items()
    ]
    blocks = [
        requests[i : i + settings.block_size] for i in range(0, len(requests), settings.block_size)
    ]
    engine = ENGINES[way](folder, tokenizer, settings, "float32", "cpu", max_length)
    return lambda: [[c.text for c in drawn] for b in blocks for drawn in engine.sample(b)]


def generate(
    model: torch.nn.Module, tokenizer: object, prompt: list[int], settings: Sampling
) -> list[str]:
    """The completions of one prompt by ``transformers.generate``, a few at a time."""
    ids = torch.tensor([prompt])
    texts: list[str] = []
    while len(texts) < settings.num_samples:
        drawn = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            do_sample=True,
            temperature=settings.temperature,
            top_p=settings.top_p,
            top_k=settings.top_k,
            max_new_tokens=settings.max_new_tokens,
            num_return_sequences=min(CHUNK, settings.num_samples - len(texts)),
            pad_token_id=tokenizer.pad_token_id,
        )
        texts += tokenizer.batch_decode(drawn[:, len(prompt) :], skip_special_tokens=True)
    return texts


def check(draws: Sequence[Draw]) -> None:
    """All ways draw from the same distribution, as far as counts of beginning and length tell.

    The counts are over the problems that every way draws for; what is rarer than ten in all ways
    together is counted as one.
    """
    torch.manual_seed(SEED)
    found = [draw() for draw in draws]
    shared = min(map(len, found))
    counts = [Counter((t[:1], len(t)) for texts in f[:shared] for t in texts) for f in found]
    total = sum(counts, Counter())
    common = [kind for kind, count in total.items() if count >= 10]
    rows = [[c[kind] for kind in common] for c in counts]
    if len(common) < len(total):
        rows = [[*row, c.total() - sum(row)] for row, c in zip(rows, counts, strict=True)]
    probability = stats.chi2_contingency(rows).pvalue
    assert probability > 1e-4, f"the ways differ: chi-square has a p-value of {probability:.1e}"


def laptop_model() -> Model:
    """The family's model as the scale describes it."""
    return study.read_family("laptop", FAMILY).model


def laptop_sampling(num_samples: int | None = None) -> Sampling:
    """The family's settings, maybe with another number of samples."""
    settings = study.read_family("laptop", FAMILY).sampling
    changes = {} if num_samples is None else {"num_samples": num_samples}
    return settings.model_copy(update=changes)


def comparisons(num_problems: int = 500, slow_problems: int = 5) -> list[Comparison]:
    """Drawing alone, and whole processes with imports and the engine's start.

    Args:
        num_problems: As many as the family tests.
        slow_problems: On which the authors' way is timed, extrapolated to all of them.

    """
    temporary = tempfile.TemporaryDirectory(prefix="benchmarks-")  # gone with the comparisons
    folder = Path(temporary.name)
    save_model(folder)
    settings, chosen = laptop_sampling(), laptop_problems(num_problems)
    share = slow_problems / num_problems
    shape = laptop_model()
    engines = {way: start(way, folder, chosen, settings, shape) for way in ENGINES}
    slow = start(AUTHORS, folder, chosen[:slow_problems], settings, shape)

    def process_seconds(way: str) -> float:
        return children_seconds(lambda: run_process(way, Path(temporary.name), num_problems))

    def authors_process_seconds() -> float:
        # its start once, and its drawing extrapolated
        few, more = (
            children_seconds(lambda n=n: run_process(AUTHORS, Path(temporary.name), n))
            for n in (slow_problems, 3 * slow_problems)
        )
        per_problem = (more - few) / (2 * slow_problems)
        return few + (num_problems - slow_problems) * per_problem

    label = f"{num_problems} x {settings.num_samples} samples"
    return [
        Comparison(
            f"{label}, engine running",
            (
                *(Way(way, clocked(draw)) for way, draw in engines.items()),
                Way(f"{AUTHORS} ({slow_problems} problems, extrapolated)", clocked(slow, share)),
            ),
            lambda: check([*engines.values(), slow]),
        ),
        Comparison(
            f"{label}, whole process",
            (
                *(Way(way, lambda w=way: process_seconds(w)) for way in ENGINES),
                Way(f"{AUTHORS} (extrapolated)", authors_process_seconds),
            ),
            lambda: None,  # the same draws as before
            warm_up=False,
        ),
    ]


def run_process(way: str, folder: Path, num_problems: int) -> None:
    """Draw once in a process of its own, from its start to its end."""
    command = [sys.executable, "-m", "benchmarks.sampling", way, str(folder), str(num_problems)]
    path = os.pathsep.join(sys.path)
    subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, check=True, capture_output=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    way, model_folder, count = sys.argv[1:]
    asked = laptop_problems(int(count))
    start(way, Path(model_folder), asked, laptop_sampling(), laptop_model())()
