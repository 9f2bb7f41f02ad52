"""The jobs of a run, from the configuration alone: which they are, and where each leaves its files.

``workload`` says what they do.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compute_aligned.config.claims import rows_at
from compute_aligned.config.experiments import Experiment
from compute_aligned.config.models import PretrainedModel
from compute_aligned.config.study import Study
from compute_aligned.describe.work import Work

SHARED = "-"  # the family of jobs that belong to none, or to several: sources, analytic items, maps
STAGES = {  # of the run, by the rule of a job
    "fetch": "prepare",
    "fetch_model": "prepare",
    "prepare": "prepare",
    "train_warmup": "warm-up",
    "train_sft": "branches",
    "train_rl": "branches",
    "sample": "samples",
    "sample_shard": "samples",
    "sample_temperatures": "samples",
    "score": "report",
    "score_temperatures": "report",
    "cell": "report",
    "table": "report",
    "figure": "report",
    "claims": "report",
    "describe": "report",
    "timings": "report",
}
ARTEFACTS = {  # what a job publishes last, by its rule: its provenance lies beside it
    "fetch": "results/{scale}/raw/{name}.jsonl",
    "fetch_model": "results/{scale}/models/{name}.json",
    "prepare": "results/{scale}/prepared/{name}/test.jsonl",
    "train_warmup": "results/{scale}/warmup/{name}/model",
    "train_sft": "results/{scale}/branches/{name}/model",
    "train_rl": "results/{scale}/branches/{name}/model",
    "sample": "results/{scale}/samples/{name}.parquet",
    "sample_shard": "results/{scale}/samples/{name}.json",
    "sample_temperatures": "results/{scale}/samples/{name}.temperatures.parquet",
    "score": "results/{scale}/scores/{name}.outcomes.parquet",
    "score_temperatures": "results/{scale}/scores/{name}.temperatures.parquet",
    "cell": "results/{scale}/cells/{name}.parquet",
    "table": "results/{scale}/tables/{name}.csv",
    "figure": "paper_figures/{scale}/{name}.pdf",
    "claims": "paper_figures/{scale}/claims.pdf",
    "describe": "results/{scale}/settings.html",
    "timings": "results/{scale}/timings.html",
}
UNKNOWN = Work()  # that of a job which is only named


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
    work: Work = UNKNOWN

    @property
    def shared(self) -> bool:
        """Whether it is of no family, or of several."""
        return self.family == SHARED

    @property
    def branch(self) -> str:
        """Of the training of a branch: which one."""
        return self.name.split("/")[1]

    @property
    def stage(self) -> str:
        """Which of the run's stages it belongs to."""
        return STAGES[self.rule]

    @property
    def benchmark(self) -> str:
        """Its benchmark file, relative to the folder of all of them."""
        return f"{self.rule}/{self.name}.tsv"

    def artefact(self, scale: str) -> str:
        """What it publishes last at a scale, relative to the repository."""
        return ARTEFACTS[self.rule].format(scale=scale, name=self.name)


def jobs_of(study: Study, families: Sequence[str], seeds: Sequence[int]) -> list[Job]:
    """The jobs that make every table and figure of some families from nothing, named only.

    Args:
        study: A scale.
        families: Families of that scale; analytic items, verdicts and what describes the run come
            along when they are all.
        seeds: In place of each family's own; none where that is meant.

    Raises:
        InputError: There is no such family.

    """
    chosen = {name: study.experiment(name) for name in families}
    shown = [chosen[name] for name in families if name in study.families_shown]
    jobs = [job for each in shown for job in _of_experiment(study, each, seeds)]
    if set(families) == set(study.experiments):
        jobs += _items(study, SHARED)
        judged = ["claims"] if rows_at(study) else []
        jobs += [Job(rule, SHARED, "all") for rule in (*judged, "describe", "timings")]
    sources = dict.fromkeys(each.settings.problems.source for each in shown)
    models = dict.fromkeys(
        each.settings.model.checkpoint
        for each in shown
        if isinstance(each.settings.model, PretrainedModel)
    )
    return [
        *jobs,
        *(Job("fetch", SHARED, source) for source in sources),
        *(Job("fetch_model", SHARED, model) for model in models),
    ]


def _of_experiment(study: Study, experiment: Experiment, seeds: Sequence[int]) -> Iterator[Job]:
    name, shards = experiment.family, experiment.settings.sampling.shards
    for seed in seeds or experiment.settings.seeds:
        place = f"{name}/seed{seed}"
        yield Job("prepare", name, place)
        yield Job("train_warmup", name, place)
        for branch, each in experiment.branches.items():
            rule = "train_sft" if each.row.fine_tuned else "train_rl"
            yield Job(rule, name, f"{name}/{branch}/seed{seed}")
        if shards > 1:
            for shard in range(shards):
                yield Job("sample_shard", name, f"{place}.shards/{shard}")
        yield Job("sample", name, place)
        yield Job("score", name, place)
        if experiment.settings.temperatures is not None:
            yield Job("sample_temperatures", name, place)
            yield Job("score_temperatures", name, place)
    if name in study.cells:
        yield Job("cell", name, name)
    yield from _items(study, name)


def _items(study: Study, family: str) -> list[Job]:
    """The tables and figures of a family; or those that are analytic, or made from cells."""
    return [
        Job(kind, family, item)
        for kind in ("table", "figure")
        for item in study.shown(kind)
        if (SHARED if study.row(item).of_cells else study.row(item).family) == family
    ]
