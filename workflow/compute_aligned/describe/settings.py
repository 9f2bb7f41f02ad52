"""What was run, and with what: the resolved configuration of a scale, and the environment.

The configuration is what Snakemake and its jobs go by, defaults and overrides included. The
environment is what the jobs themselves recorded as provenance.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from compute_aligned.config.experiments import Experiment
from compute_aligned.config.scales import Run
from compute_aligned.config.study import Study
from compute_aligned.describe.jobs import STAGES, Job
from compute_aligned.paper import pages
from compute_aligned.paper.pages import Html
from compute_aligned.paper.sheets import MISSING

# what has run before a run is described; tables and figures come after it
BEFORE = (
    *("fetch", "prepare", "train_warmup", "train_sft", "train_rl"),
    *("sample", "sample_temperatures", "score", "score_temperatures"),
)
FAMILY_COLUMNS = ("Family", "Source", "Seeds", "Train", "RL", "Test", "Samples", "Models")
BRANCH_COLUMNS = ("Family", "Branch", "Shown as", "Starts from", "Strategy", "Weight", "Role")
COMMIT_DIGITS = 12


def to_html(run: Run, study: Study, records: Sequence[tuple[Job, Mapping[str, Any]]]) -> str:
    """The page.

    Args:
        run: What the run was told, for the seeds and the engine that it has of its own.
        study: The scale of the run.
        records: Jobs and what they recorded as provenance.

    """
    at, scale = study.settings, study.scale
    shown = [study.experiment(family) for family in study.families_shown]
    sources = [
        [name, ", ".join(f"{key}: {value}" for key, value in flat(source))]
        for name, source in at.sources.items()
    ]
    every = [
        pages.folded(each.family, _table(("Key", "Value"), flat(each.settings))) for each in shown
    ]
    return pages.page(
        f"What was run: configuration and environment (scale {scale})",
        pages.paragraph(
            f"Samples by {run.engine or at.engine}, models in {at.dtype} on device {at.device}. "
            f"The settings come from config/scales/{scale}.yaml and config/branches.tsv, with "
            "every default filled in; config/README.md explains each key."
        ),
        pages.heading("The experiments"),
        _table(FAMILY_COLUMNS, [_family_row(run, each) for each in shown], words=3),
        pages.heading("The models of each experiment, beside its warm-up"),
        _table((*BRANCH_COLUMNS, "Overrides"), [r for each in shown for r in _branch_rows(each)]),
        pages.heading("Every setting of an experiment"),
        *every,
        pages.heading("Where problems come from"),
        _table(("Source", "Settings"), sources),
        pages.heading("The environment, by stage of the run"),
        environment(records),
        pages.paragraph(
            "As the jobs recorded it; several values in a cell mean that jobs differed. The hash "
            "of the sources tells uncommitted changes that the commit does not."
        ),
    )


def flat(settings: BaseModel) -> list[tuple[str, str]]:
    """Every key with its value as text; the keys of a block after a dot."""
    return list(_flat(settings.model_dump(mode="json")))


def _flat(block: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, str]]:
    for key, value in block.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", _words(value)


def _words(value: object) -> str:
    if value is None or value == [] or value == {}:
        return MISSING
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return str(value)


def _family_row(run: Run, experiment: Experiment) -> list[str]:
    problems, num_samples = experiment.settings.problems, experiment.settings.sampling.num_samples
    counts = (problems.train, problems.for_rl, problems.test, num_samples)
    return [
        experiment.family,
        problems.source,
        _words(experiment.seeds_in(run)),
        *(number if isinstance(number, str) else f"{number:,}" for number in counts),
        str(len(experiment.models)),
    ]


def _branch_rows(experiment: Experiment) -> list[list[str]]:
    rows = [each.row for each in experiment.branches.values()]
    return [
        [
            row.family,
            row.branch,
            row.label,
            experiment.start_of(row.branch),
            row.strategy,
            row.weight_form,
            row.role,
            " ".join(f"{key}={_words(value)}" for key, value in row.overrides.items()),
        ]
        for row in rows
    ]


def environment(records: Sequence[tuple[Job, Mapping[str, Any]]]) -> Html:
    """A row a fact, a column a stage: the values that the jobs of the stage recorded.

    Args:
        records: Jobs and what they recorded as provenance.

    """
    found = {job.stage for job, _ in records}
    stages = [stage for stage in dict.fromkeys(STAGES.values()) if stage in found]
    facts = [(job.stage, _facts(record)) for job, record in records]
    names = dict.fromkeys(name for _, of_one in facts for name in of_one)
    rows = []
    for name in names:
        values = [
            sorted({of_one[name] for at, of_one in facts if at == stage and name in of_one})
            for stage in stages
        ]
        rows.append([name, *(", ".join(of_stage) or MISSING for of_stage in values)])
    return _table(("", *(stage.capitalize() for stage in stages)), rows)


def _facts(record: Mapping[str, Any]) -> dict[str, str]:
    """What a record of provenance says of its job's surroundings."""
    code = record["code"]
    return {
        "Machine": record["machine"],
        "Commit": (code["commit"] or MISSING)[:COMMIT_DIGITS],
        "Hash of the sources": code["sources"],
        "Version": code["version"],
        "Python": record["python"],
        **record["packages"],
    }


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], words: int | None = None) -> Html:
    """A table of text; all of its columns hold words if it is not said how many do."""
    shown = [[*map(pages.escape, row)] for row in rows]
    return pages.table([*map(pages.escape, header)], shown, len(header) if words is None else words)
