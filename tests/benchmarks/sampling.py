"""Evaluation samples: both engines beside the authors' way, one prompt at a time in chunks of 4."""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from pathlib import Path

import torch
from scipy import stats

from benchmarks import laptop
from benchmarks.compare import Comparison, Way, clocked
from benchmarks.laptop import SEED
from compute_aligned.config.models import Model
from compute_aligned.config.settings import Sampling
from compute_aligned.files.records import Problem
from compute_aligned.files.writing import write_text
from compute_aligned.method.seeds import problem_seed
from compute_aligned.models import checkpoints, fetching, loading
from compute_aligned.models.tokens import encode
from compute_aligned.sample.engines import ENGINES
from compute_aligned.sample.store import Request

FAMILY = "sft_passn"
SUMS = "sft_majority"  # of the scale small, put to SmolLM2 in its chat template
SHARPER = 4  # than at its usual start, where a temperature changes nothing, are a model's weights
CHUNK = 4  # completions that the authors draw at a time
AUTHORS = "`generate`, a prompt at a time, in fours"

Draw = Callable[[], list[list[str]]]  # the texts of every prompt's completions


def save_model(folder: Path) -> None:
    """A random model of the family's shape, far from uniform, with its tokenizer."""
    model, tokenizer = laptop.model(FAMILY)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter *= SHARPER
    loading.save(model, tokenizer, folder)


def start(way: str, folder: Path, asked: list[Problem], settings: Sampling, shape: Model) -> Draw:
    """Load the model in one of the ways, ready to draw ``num_samples`` for every problem."""
    room = repeat(settings.max_new_tokens)
    if way == AUTHORS:
        model, tokenizer = loading.load(folder, torch.float32)
        tasks = encode(tokenizer, asked, room, shape)
        return lambda: [generate(model.eval(), tokenizer, p, settings) for _, p in tasks]
    tokenizer = loading.load_tokenizer(folder)
    requests = [
        Request(prompt, problem_seed(problem.id, SEED, settings.num_samples))
        for problem, prompt in encode(tokenizer, asked, room, shape)
    ]
    size = settings.block_size
    blocks = [requests[i : i + size] for i in range(0, len(requests), size)]
    engine = ENGINES[way](folder, tokenizer, settings, "float32", "cpu", shape.max_length)
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


# --- the comparisons --------------------------------------------------------------------------


def compared(
    label: str, folder: Path, asked: list[Problem], few: int, settings: Sampling, shape: Model
) -> Comparison:
    """Drawing alone, with the engines running; the authors' way on a few of the problems."""
    engines = {way: start(way, folder, asked, settings, shape) for way in ENGINES}
    slow = start(AUTHORS, folder, asked[:few], settings, shape)
    authors = f"{AUTHORS} ({few} problems, extrapolated)"
    return Comparison(
        f"{label}, {len(asked)} x {settings.num_samples} samples",
        (
            *(Way(way, clocked(draw)) for way, draw in engines.items()),
            Way(authors, clocked(slow, few / len(asked))),
        ),
        lambda: check([*engines.values(), slow]),
    )


def comparisons(few: int = 5) -> Iterator[Comparison]:
    """A tiny model on all problems that its family tests, and SmolLM2 on what a minute is for."""
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as temporary:
        folder = Path(temporary)
        save_model(folder)
        family = laptop.family(FAMILY)
        asked = laptop.some_problems(FAMILY, family.problems.test)
        yield compared("the laptop's model", folder, asked, few, family.sampling, family.model)

        family = laptop.family(SUMS, "small")
        record = folder / "checkpoint.json"
        write_text(record, fetching.fetch(family.model, record).model_dump_json())
        shape = checkpoints.pinned(family.model, record)
        settings = family.sampling.model_copy(update={"num_samples": 32})
        asked = laptop.some_problems(SUMS, 8, "small")
        weights = checkpoints.local_folder(shape)
        yield compared("SmolLM2-135M, sums", weights, asked, 2, settings, shape)
