"""Short hashes of what each kind of job depends on: a changed one re-runs that job.

Snakemake compares them as a job's parameters, and provenance records them.
"""

import hashlib
import json

from pydantic import BaseModel

from compute_aligned.config import study
from compute_aligned.config.scales import Run
from compute_aligned.config.settings import Sft


def fingerprint(*settings: BaseModel | str | int | None) -> str:
    """A short hash of settings: equal settings, equal hash."""
    plain = [s.model_dump(mode="json") if isinstance(s, BaseModel) else s for s in settings]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def training_fingerprint(scale: str, family: str, branch: str) -> str:
    """What the training of a warm-up or a branch depends on, besides its input files."""
    precision = study.read_scale(scale).dtype
    settings = study.read_family(scale, family)
    if branch == study.WARMUP:
        return fingerprint(settings.model, settings.warmup, settings.problems.target, precision)
    row = study.read_branch(family, branch)
    training = study.branch_training(scale, family, branch)
    # what a completion is measured by: the text to write, or who grades it
    measure = settings.problems.target if isinstance(training, Sft) else settings.grader
    return fingerprint(training, measure, precision, row.strategy, row.weight_form)


def sampling_fingerprint(scale: str, family: str, engine: str) -> str:
    """What the samples of a family depend on, besides the models."""
    return fingerprint(
        study.read_family(scale, family).sampling, engine, study.read_scale(scale).dtype
    )


def scoring_fingerprint(scale: str, family: str) -> str:
    """What scores depend on, besides the samples."""
    settings = study.read_family(scale, family)
    return fingerprint(settings.grader, settings.reward, *settings.metrics)


def item_fingerprint(item: str) -> str:
    """What a table or figure depends on, besides the scores."""
    row = study.read_paper_item(item)
    if row.analytic:
        return fingerprint(row, *study.strategies_in_use())
    return fingerprint(row, study.baseline_of(row.family), *study.labels_of(row.family).values())


def description_fingerprint(run: Run, scale: str) -> str:
    """What the description of a run depends on, besides provenance."""
    # how fast the machine is decides no result, and is not described
    settings = study.read_scale(scale).model_copy(update={"throughput": None})
    return fingerprint(settings, *study.read_branches().values(), *(run.seeds or ()), run.engine)
