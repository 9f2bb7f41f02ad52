"""What a table or figure shows, and from which samples: its caption in the report of the run.

From the configuration alone. Without pandas: Snakemake asks this module before any job, in an
environment of its own.
"""

from collections.abc import Sequence
from typing import Literal

from compute_aligned.config.experiments import Experiment
from compute_aligned.config.scales import Run
from compute_aligned.config.sheets import ALL_CELLS, DASH, PaperItem
from compute_aligned.config.study import Item, Study
from compute_aligned.method.metrics import metric_of
from compute_aligned.paper.forms import form_of


def of_row(study: Study, name: str, run: Run) -> str:
    """What an item shows, and what of a run it is made from."""
    row = study.row(name)
    if row.analytic:
        return of_analytic(row)
    if row.of_cells:
        return of_cells(row, study)
    item = study.item(name)
    return of_item(item, item.experiment.seeds_in(run))


def of_analytic(row: PaperItem) -> str:
    """What an item shows that needs the strategies alone."""
    return f"{form_of(row).shows} Computed from the strategies alone, without training and samples."


def of_item(item: Item, seeds: Sequence[int]) -> str:
    """What an item shows, and what of a run it is made from.

    Args:
        item: The item.
        seeds: The seeds that are shown.

    """
    row, experiment, form = item.row, item.experiment, form_of(item.row)
    metric = metric_of(row.metric).title if row.measured else row.metric
    text = form.shows.format(metric=metric, baseline=experiment.baseline_label)
    models = ", ".join(experiment.labels[branch] for branch in row.branches)
    made_from = []
    if form.given == "temperatures":
        made_from.append(_sweep_of(experiment, seeds))
    elif form.given != "steps":
        made_from.append(_samples_of(experiment, seeds))
    if form.given in ("steps", "scores_and_steps"):
        made_from.append(_training_of(item, seeds))
    return f"{text} Models: {models}. {' '.join(made_from)}"


def of_cells(row: PaperItem, study: Study) -> str:
    """What an item shows that is made from cells of a map, and which they are."""
    runs = study.cells_of(row)
    metric = metric_of(row.metric).title if row.measured else row.metric
    named = "; ".join(f"{study.cells[run].like}: {study.cells[run].text}" for run in runs)
    return (
        f"{form_of(row).shows.format(metric=metric)} The map {study.scale} has "
        f"{count(len(runs), 'cell')} here ({named})."
    )


def subject(row: PaperItem) -> str:
    """What an item is about: its family, in the report's list of items."""
    return {DASH: "strategies alone", ALL_CELLS: "all cells of the map"}.get(row.family, row.family)


def of_claims(num_claims: int, judged_on: Sequence[tuple[Experiment, Sequence[int]]]) -> str:
    """What the verdicts are judged on.

    Args:
        num_claims: How many claims there are.
        judged_on: The experiments that they are about, each with its seeds.

    """
    made_from = " ".join(_samples_of(experiment, seeds) for experiment, seeds in judged_on)
    return (
        f"Verdicts on {count(num_claims, 'claim')} of the paper: each "
        "contrast's effect with its 95% interval, the controls of rival explanations, and the "
        f"paper's own effect, which is not from this run. {made_from}"
    )


def _samples_of(experiment: Experiment, seeds: Sequence[int]) -> str:
    """The test problems, samples and seeds of an experiment."""
    settings = experiment.settings
    return (
        f"Family {experiment.family} at scale {experiment.scale}: "
        f"{count(settings.problems.test, 'test problem')} "
        f"from {settings.problems.source}, {count(settings.sampling.num_samples, 'sample')} of "
        f"each by every model; {_seeds(seeds)}."
    )


def _sweep_of(experiment: Experiment, seeds: Sequence[int]) -> str:
    """The problems, samples and seeds of an experiment at other temperatures."""
    sweep, source = experiment.sweep, experiment.settings.problems.source
    return (
        f"Family {experiment.family} at scale {experiment.scale}: {sweep.problems} test problems "
        f"and as many validation problems from {source}, "
        f"{count(sweep.num_samples, 'sample')} of each by every model at each of "
        f"{count(len(sweep.values), 'temperature')}; {_seeds(seeds)}."
    )


def _training_of(item: Item, seeds: Sequence[int]) -> str:
    """The training problems and seeds of an item's branches."""
    problems = item.experiment.settings.problems
    fine_tuned = [item.experiment.branch(branch).row.fine_tuned for branch in item.row.branches]
    sizes: dict[str, int | Literal["all"]] = {}
    if any(fine_tuned):
        sizes["fine-tuning"] = problems.train
    if not all(fine_tuned):
        sizes["reinforcement learning"] = problems.for_rl
    used = " and ".join(f"{_problems(size)} for {kind}" for kind, size in sizes.items())
    return (
        f"Family {item.row.family} at scale {item.experiment.scale}: every training step, with "
        f"{used} from {problems.source}; {_seeds(seeds)}."
    )


def _problems(size: int | Literal["all"]) -> str:
    return "all problems that the other splits leave" if size == "all" else count(size, "problem")


def _seeds(seeds: Sequence[int]) -> str:
    return f"{count(len(seeds), 'seed')} ({', '.join(map(str, seeds))})"


def count(number: int, noun: str) -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"
