"""What a run has to do: the work of its jobs, one by one, from the configuration alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from compute_aligned.config.experiments import Experiment
from compute_aligned.config.models import PretrainedModel
from compute_aligned.config.scales import Family
from compute_aligned.config.settings import Duration, Engine, Sft
from compute_aligned.config.study import Study
from compute_aligned.describe.jobs import Job, jobs_of
from compute_aligned.describe.lengths import (
    SplitSizes,
    Texts,
    problems_at_hand,
    split_sizes,
    texts_of,
)
from compute_aligned.describe.work import (
    ITEM_FILES,
    NOTHING,
    Work,
    gathering_work,
    rl_work,
    sampling_work,
    scoring_work,
    sft_work,
    sweep_work,
    untrained_work,
)
from compute_aligned.models.size import ModelSize, model_size, parameters
from compute_aligned.sample.shards import WHOLE, Shard

if TYPE_CHECKING:
    from compute_aligned.files.records import Problem

FETCHED_ITEM_SIZE = 2  # bytes of a parameter as checkpoints are given away: most, in 16 bits


@dataclass(frozen=True)
class Plan:
    """All jobs of a run, and in words what of their counts is expected or an upper bound."""

    jobs: list[Job]
    notes: list[str]


def plan(
    study: Study,
    families: Sequence[str],
    seeds: Sequence[int],
    engine: Engine,
    root: Path,
    look: bool = True,
) -> Plan:
    """The jobs of :func:`jobs_of`, each with what it does.

    Args:
        study: A scale.
        families: Families of that scale, as there.
        seeds: As there.
        engine: What draws the evaluation samples.
        root: The repository, where problems of the Hub may have been fetched to.
        look: Whether problems and checkpoints on this machine are looked at. Without, counts of
            tokens are upper bounds, found in a moment and without any library of the jobs.

    Raises:
        InputError: There is no such family, or its problems or model are not to be had.

    """
    jobs = jobs_of(study, families, seeds)
    shown = {job.family: study.experiment(job.family).settings for job in jobs if not job.shared}
    raw = {
        job.name: problems_at_hand(study, job.name, root) if look else None
        for job in jobs
        if job.rule == "fetch"
    }
    texts = {
        name: texts_of(family, raw[family.problems.source], (seeds or family.seeds)[0])
        for name, family in shown.items()
    }

    sizes = {
        name: split_sizes(
            family.problems,
            study.source(family.problems.source),
            raw[family.problems.source],
            (seeds or family.seeds)[0],
        )
        for name, family in shown.items()
    }
    checkpoints = {
        family.model.checkpoint: family.model
        for family in shown.values()
        if isinstance(family.model, PretrainedModel)
    }

    def work(job: Job) -> Work:
        if job.rule == "fetch":
            return _fetching(job.name, raw[job.name], shown, texts, sizes)
        if job.rule == "fetch_model":
            return Work(left_bytes=FETCHED_ITEM_SIZE * parameters(checkpoints[job.name]))
        if job.shared:
            return Work(left_bytes=ITEM_FILES)
        experiment = study.experiment(job.family)
        return _work(job, experiment, texts[job.family], sizes[job.family], engine, look)

    return Plan([replace(job, work=work(job)) for job in jobs], list(_notes(shown, texts, sizes)))


def _work(
    job: Job, experiment: Experiment, texts: Texts, sizes: SplitSizes, engine: Engine, look: bool
) -> Work:
    """What a job of a family does."""
    family = experiment.settings
    model = model_size(family.model, experiment.dtype, look)
    match job.rule:
        case "prepare":
            return Work(left_bytes=sizes.total * texts.record)
        case "train_warmup":
            if family.warmup is None:
                return untrained_work(model)
            return sft_work(family.warmup, sizes.train, texts, model, family.expected_hold)
        case "train_sft" | "train_rl":
            training = experiment.branch(job.branch).training
            if isinstance(training, Sft):
                return sft_work(training, sizes.train, texts, model)
            return rl_work(training, sizes.rl, texts, model)
        case "sample_temperatures" | "score_temperatures":
            drawn = sweep_work(family, len(experiment.models), texts, model, engine)
            return drawn if job.rule == "sample_temperatures" else scoring_work(drawn)
        case "sample" | "sample_shard" | "score":
            return _sampling(job, experiment, texts, model, engine)
        case _:
            return Work(left_bytes=ITEM_FILES)


def _sampling(
    job: Job, experiment: Experiment, texts: Texts, model: ModelSize, engine: Engine
) -> Work:
    """Drawing a seed's samples or a shard of them, putting shards together, or scoring."""
    family, num_models = experiment.settings, len(experiment.models)
    count = family.sampling.shards

    def drawn(shard: Shard) -> Work:
        return sampling_work(family, num_models, texts, model, engine, shard)

    if job.rule == "sample_shard":
        return drawn(Shard(int(job.name.rpartition("/")[2]), count))
    if job.rule == "score":
        return scoring_work(drawn(WHOLE))
    if count == 1:
        return drawn(WHOLE)
    return gathering_work(sum((drawn(Shard(i, count)) for i in range(count)), NOTHING))


def _fetching(
    source: str,
    problems: "list[Problem] | None",
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
            "Upper bounds: tokens of reinforcement learning, where equal rollouts are drawn and "
            "learnt from once, and share the pass of their prompt."
        )


def _in_words(length: Duration) -> str:
    return f"{length.count:,} {length.unit}"
