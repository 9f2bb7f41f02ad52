"""What a run has to do: its jobs, one by one, from the configuration alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from compute_aligned import config
from compute_aligned.model_settings import PretrainedModel
from compute_aligned.model_size import ModelSize, model_size, parameters
from compute_aligned.records import Problem
from compute_aligned.settings import Duration, Engine, Family, Sft
from compute_aligned.shards import Shard
from compute_aligned.split_sizes import SplitSizes, split_sizes
from compute_aligned.texts import Texts, problems_at_hand, texts_of
from compute_aligned.work import (
    ITEM_FILES,
    NOTHING,
    Work,
    gathering_work,
    rl_work,
    sampling_work,
    scoring_work,
    sft_work,
    untrained_work,
)

SHARED = "-"  # the family of jobs that belong to none, or to several: sources, analytic items
STAGES = {  # of the run, by the rule of a job
    "fetch": "prepare",
    "fetch_model": "prepare",
    "prepare": "prepare",
    "train_warmup": "warm-up",
    "train_sft": "branches",
    "train_rl": "branches",
    "sample": "samples",
    "sample_shard": "samples",
    "score": "report",
    "table": "report",
    "figure": "report",
    "claims": "report",
}
FETCHED_ITEM_SIZE = 2  # bytes of a parameter as checkpoints are given away: most, in 16 bits


@dataclass(frozen=True)
class Job:
    """One job of the run.

    Attributes:
        rule: The rule that it is a job of.
        family: Its family, or ``SHARED``.
        name: What tells it from other jobs of the rule, as in its benchmark file's path.
        work: What it does.

    """

    rule: str
    family: str
    name: str
    work: Work

    @property
    def stage(self) -> str:
        """Which of the run's stages it belongs to."""
        return STAGES[self.rule]

    @property
    def benchmark(self) -> str:
        """Its benchmark file, relative to the folder of all of them."""
        return f"{self.rule}/{self.name}.tsv"


@dataclass(frozen=True)
class Plan:
    """All jobs of a run, and in words what of their counts is expected or an upper bound."""

    jobs: list[Job]
    notes: list[str]


def plan(
    scale: str, families: Sequence[str], seeds: Sequence[int], engine: Engine, root: Path
) -> Plan:
    """The jobs that make every table and figure of some families from nothing.

    Args:
        scale: A scale.
        families: Families of that scale; analytic items and verdicts come along when they are all.
        seeds: In place of each family's own; none where that is meant.
        engine: What draws the evaluation samples.
        root: The repository, where problems of the Hub may have been fetched to.

    Raises:
        InputError: There is no such family, or its problems or model are not to be had.

    """
    every = config.read_scale(scale).families
    chosen = {name: config.read_family(scale, name) for name in families}
    shown = {name: family for name, family in chosen.items() if _items(scale, name)}
    raw = {
        source: problems_at_hand(scale, source, root)
        for source in dict.fromkeys(family.problems.source for family in shown.values())
    }
    texts = {
        name: texts_of(family, raw[family.problems.source], (seeds or family.seeds)[0])
        for name, family in shown.items()
    }
    sizes = {
        name: split_sizes(
            family.problems,
            config.read_source(scale, family.problems.source),
            raw[family.problems.source],
            (seeds or family.seeds)[0],
        )
        for name, family in shown.items()
    }
    jobs = [
        job
        for name, family in shown.items()
        for job in _of_family(scale, name, seeds or family.seeds, texts[name], sizes[name], engine)
    ]
    if set(families) == set(every):
        jobs += _items(scale, SHARED)
        jobs.append(Job("claims", SHARED, "all", Work(left_bytes=2 * ITEM_FILES)))
    jobs += [
        Job("fetch", SHARED, source, _fetching(source, problems, shown, texts, sizes))
        for source, problems in raw.items()
    ]
    models = [f.model for f in shown.values() if isinstance(f.model, PretrainedModel)]
    jobs += [
        Job("fetch_model", SHARED, name, Work(left_bytes=FETCHED_ITEM_SIZE * parameters(model)))
        for name, model in {model.checkpoint: model for model in models}.items()
    ]
    return Plan(jobs, list(_notes(shown, texts, sizes)))


def _of_family(
    scale: str,
    name: str,
    seeds: Sequence[int],
    texts: Texts,
    sizes: SplitSizes,
    engine: Engine,
) -> Iterator[Job]:
    family = config.read_family(scale, name)
    model = model_size(family.model, config.read_scale(scale).dtype)
    if family.warmup is None:
        warmup = untrained_work(model)
    else:
        warmup = sft_work(family.warmup, sizes.train, texts, model, family.expected_hold)
    sampled = sampling_work(family, len(config.models_of(name)), texts, model, engine)
    for seed in seeds:
        place = f"{name}/seed{seed}"
        yield Job("prepare", name, place, Work(left_bytes=sizes.total * texts.record))
        yield Job("train_warmup", name, place, warmup)
        for branch in config.branches_of(name):
            training = config.branch_training(scale, name, branch)
            at = f"{name}/{branch}/seed{seed}"
            if isinstance(training, Sft):
                yield Job("train_sft", name, at, sft_work(training, sizes.train, texts, model))
            else:
                yield Job("train_rl", name, at, rl_work(training, sizes.rl, texts, model))
        if family.sampling.shards == 1:
            yield Job("sample", name, place, sampled)
        else:
            yield from _sharded(family, name, place, texts, model, engine)
        yield Job("score", name, place, scoring_work(sampled))
    yield from _items(scale, name)


def _sharded(
    family: Family, name: str, place: str, texts: Texts, model: ModelSize, engine: Engine
) -> Iterator[Job]:
    """The jobs that share the sampling of a seed, and the one that puts their samples together."""
    num_models, count = len(config.models_of(name)), family.sampling.shards
    drawn = NOTHING
    for index in range(count):
        work = sampling_work(family, num_models, texts, model, engine, Shard(index, count))
        drawn += work
        yield Job("sample_shard", name, f"{place}/{index}", work)
    yield Job("sample", name, place, gathering_work(drawn))


def _items(scale: str, family: str) -> list[Job]:
    """The tables and figures of a family, or the analytic ones; a family without any is not run."""
    return [
        Job(kind, family, item, Work(left_bytes=ITEM_FILES))
        for kind in ("table", "figure")
        for item in config.items_at(scale, kind)
        if config.read_paper_item(item).family == family
    ]


def _fetching(
    source: str,
    problems: list[Problem] | None,
    families: dict[str, Family],
    texts: dict[str, Texts],
    sizes: dict[str, SplitSizes],
) -> Work:
    """Fetching a source; of one that is not at hand, no more is known than what families take."""
    users = [name for name, family in families.items() if family.problems.source == source]
    wanted = max(sizes[name].total for name in users)
    count = wanted if problems is None else len(problems)
    return Work(left_bytes=count * max(texts[name].record for name in users))


def _notes(
    families: dict[str, Family], texts: dict[str, Texts], sizes: dict[str, SplitSizes]
) -> Iterator[str]:
    """What of the families' counts is expected or an upper bound."""
    unread = [name for name in families if not texts[name].measured]
    if unread:
        yield (
            "Upper bounds by max_length and max_new_tokens, since problems or tokenizer are not "
            f"on this machine: all tokens of {', '.join(unread)}."
        )
    uncounted = [name for name in families if not sizes[name].exact]
    if uncounted:
        yield (
            "Upper bounds, since the problems have not been fetched: all training problems of "
            f"{', '.join(uncounted)}, whatever their level."
        )
    yield (
        "Expected: rollouts and samples as long as what the warm-up learns to write, cut at "
        "max_new_tokens."
    )
    ending = {
        name: (family.warmup.hold, family.expected_hold)
        for name, family in families.items()
        if family.warmup is not None and family.warmup.stop_at_probability is not None
    }
    for name, (hold, expected) in ending.items():
        if expected is not None:
            yield (
                f"Expected: {_in_words(expected)} of warm-up in {name} before "
                f"stop_at_probability is reached; at most {_in_words(hold)}."
            )
    unknown = [name for name, (_, expected) in ending.items() if expected is None]
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
