"""What a run has to do: the work of its jobs, one by one, from the configuration alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from compute_aligned import config
from compute_aligned.jobs import Job, jobs_of
from compute_aligned.model_size import parameters
from compute_aligned.records import Problem
from compute_aligned.settings import Duration, Engine, Family, Sft
from compute_aligned.texts import Texts, problems_at_hand, texts_of
from compute_aligned.work import (
    ITEM_FILES,
    ModelSize,
    Work,
    rl_work,
    sampling_work,
    scoring_work,
    sft_work,
)

ITEM_SIZES = {"float32": 4, "bfloat16": 2, "float16": 2}  # bytes of a number


@dataclass(frozen=True)
class Plan:
    """All jobs of a run, and in words what of their counts is expected or an upper bound."""

    jobs: list[Job]
    notes: list[str]


def plan(
    scale: str, families: Sequence[str], seeds: Sequence[int], engine: Engine, root: Path
) -> Plan:
    """The jobs of :func:`jobs_of`, each with what it does.

    Args:
        scale: A scale.
        families: Families of that scale, as there.
        seeds: As there.
        engine: What draws the evaluation samples.
        root: The repository, where problems of the Hub may have been fetched to.

    Raises:
        InputError: There is no such family, or its problems or model are not to be had.

    """
    jobs = jobs_of(scale, families, seeds)
    shown = {job.family: config.read_family(scale, job.family) for job in jobs if not job.shared}
    raw = {job.name: problems_at_hand(scale, job.name, root) for job in jobs if job.rule == "fetch"}
    texts = {
        name: texts_of(family, raw[family.problems.source], (seeds or family.seeds)[0])
        for name, family in shown.items()
    }

    def work(job: Job) -> Work:
        if job.rule == "fetch":
            return _fetching(job.name, raw[job.name], shown, texts)
        if job.shared:
            return Work(left_bytes=ITEM_FILES)
        return _work(job, scale, texts[job.family], engine)

    return Plan([replace(job, work=work(job)) for job in jobs], list(_notes(shown, texts)))


def _work(job: Job, scale: str, texts: Texts, engine: Engine) -> Work:
    """What a job of a family does."""
    family = config.read_family(scale, job.family)
    model = ModelSize(parameters(family.model), ITEM_SIZES[config.read_scale(scale).dtype])
    sampled = sampling_work(family, len(config.models_of(job.family)), texts, model, engine)
    train = family.problems.train
    match job.rule:
        case "prepare":
            return Work(left_bytes=_num_problems(family) * texts.record)
        case "train_warmup":
            return sft_work(family.warmup, train, texts, model, family.expected_hold)
        case "train_sft" | "train_rl":
            training = config.branch_training(scale, job.family, job.branch)
            if isinstance(training, Sft):
                return sft_work(training, train, texts, model)
            return rl_work(training, family.problems.num_rl, texts, model)
        case "sample":
            return sampled
        case "score":
            return scoring_work(sampled)
        case _:
            return Work(left_bytes=ITEM_FILES)


def _num_problems(family: Family) -> int:
    problems = family.problems
    return problems.train + problems.num_rl + problems.validation + problems.test


def _fetching(
    source: str,
    problems: list[Problem] | None,
    families: dict[str, Family],
    texts: dict[str, Texts],
) -> Work:
    """Fetching a source; of one that is not at hand, no more is known than what families take."""
    users = [name for name, family in families.items() if family.problems.source == source]
    wanted = max(_num_problems(families[name]) for name in users)
    count = wanted if problems is None else len(problems)
    return Work(left_bytes=count * max(texts[name].record for name in users))


def _notes(families: dict[str, Family], texts: dict[str, Texts]) -> Iterator[str]:
    """What of the families' counts is expected or an upper bound."""
    unread = [name for name in families if not texts[name].measured]
    if unread:
        yield (
            "Upper bounds by max_length and max_new_tokens, since problems or tokenizer are not "
            f"on this machine: all tokens of {', '.join(unread)}."
        )
    yield (
        "Expected: rollouts and samples as long as what the warm-up learns to write, cut at "
        "max_new_tokens."
    )
    ending = {n: f for n, f in families.items() if f.warmup.stop_at_probability is not None}
    for name, family in ending.items():
        if family.expected_hold is not None:
            yield (
                f"Expected: {_in_words(family.expected_hold)} of warm-up in {name} before "
                f"stop_at_probability is reached; at most {_in_words(family.warmup.hold)}."
            )
    unknown = [name for name, family in ending.items() if family.expected_hold is None]
    if unknown:
        yield (
            "Upper bounds: warm-up steps, which stop_at_probability may end early, of "
            f"{', '.join(unknown)}."
        )
    if any(family.rl is not None for family in families.values()):
        yield (
            "Upper bounds: training tokens of reinforcement learning, where equal rollouts are "
            "learnt from once."
        )


def _in_words(length: Duration) -> str:
    return f"{length.count:,} {length.unit}"
