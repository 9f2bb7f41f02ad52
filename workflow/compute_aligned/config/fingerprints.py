"""Short hashes of what each kind of job depends on: a changed one re-runs that job.

Snakemake compares them as a job's parameters, and provenance records them.
"""

import hashlib
import json

from pydantic import BaseModel

from compute_aligned.config.experiments import Branch, Experiment
from compute_aligned.config.scales import Run
from compute_aligned.config.settings import Rl, Sft
from compute_aligned.config.sheets import WARMUP
from compute_aligned.config.study import Study

# what `rl` means besides its keys: hashed, so that what was trained otherwise is trained again
RL_MEANS = {"surrogate": "policy_gradient"}
KL_MEANS = {"kl": "mean over a completion's tokens, then over completions"}


def fingerprint(*settings: BaseModel | str | int | None) -> str:
    """A short hash of settings: equal settings, equal hash."""
    plain = [_plain(s) if isinstance(s, BaseModel) else s for s in settings]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def _plain(settings: BaseModel) -> dict:
    content = settings.model_dump(mode="json")
    if not isinstance(settings, Rl):
        return content
    return content | RL_MEANS | (KL_MEANS if settings.kl_weight else {})


def training_fingerprint(experiment: Experiment, model: str) -> str:
    """What the training of a warm-up or a branch depends on, besides its input files."""
    settings, dtype = experiment.settings, experiment.dtype
    if model == WARMUP:
        return fingerprint(settings.model, settings.warmup, settings.problems.target, dtype)
    branch = experiment.branch(model)
    # what a completion is measured by: the text to write, or who grades it
    measure = settings.problems.target if isinstance(branch.training, Sft) else settings.grader
    row = branch.row
    return fingerprint(branch.training, measure, dtype, row.strategy, row.weight_form)


def sampling_fingerprint(experiment: Experiment, engine: str) -> str:
    """What the samples of a family depend on, besides the models."""
    return fingerprint(experiment.settings.sampling, engine, experiment.dtype)


def sweep_fingerprint(experiment: Experiment, engine: str) -> str:
    """What the samples at other temperatures depend on, besides the models."""
    swept, problems = experiment.settings.swept, experiment.sweep.problems
    return fingerprint(*swept, problems, engine, experiment.dtype)


def scoring_fingerprint(experiment: Experiment) -> str:
    """What scores depend on, besides the samples."""
    settings = experiment.settings
    return fingerprint(settings.grader, settings.reward, *settings.metrics)


def sweep_scoring_fingerprint(experiment: Experiment) -> str:
    """What scores at other temperatures depend on, besides the samples."""
    settings = experiment.settings
    return fingerprint(settings.grader, settings.reward, *settings.swept_metrics)


def item_fingerprint(study: Study, item: str) -> str:
    """What a table or figure depends on, besides the scores."""
    row = study.row(item)
    if row.analytic:
        return fingerprint(row, *study.strategies, *map(_objective, study.reinforced))
    made_from = [study.experiment(family) for family in study.families_of(row)]
    labels = [label for each in made_from for label in (each.baseline, *each.labels.values())]
    usual = [str(each.settings.sampling.temperature) for each in made_from if row.of_temperatures]
    return fingerprint(row, *labels, *usual, *(study.cells[run].text for run in study.cells))


def _objective(branch: Branch) -> str:
    keys = {"success_estimate", "advantage_scale", "advantage_limit", "all_wrong_penalty", "reward"}
    how = branch.training.model_dump(include=keys)
    return json.dumps([branch.row.label, branch.row.strategy, branch.row.weight_form, how])


def description_fingerprint(run: Run, study: Study) -> str:
    """What the description of a run depends on, besides provenance."""
    # how fast the machine is decides no result, and is not described
    settings = study.settings.model_copy(update={"throughput": None})
    return fingerprint(settings, *study.rows.values(), *(run.seeds or ()), run.engine)
