"""What a table or figure shows, and from which samples: its caption in the report of the run.

From the configuration alone. Without pandas: Snakemake asks this module before any job, in an
environment of its own.
"""

from collections.abc import Sequence
from typing import Literal

from compute_aligned.config import claims, study
from compute_aligned.config.sheets import PaperItem
from compute_aligned.method.metrics import metric_of

_PAPER = "what the paper reports, which is not from this run"
# what is shown in each form of a table or figure, by the names that rows of the sheet use
SHOWS = {
    ("table", "levels"): (
        "Levels of {metric} at each budget k and gains over {baseline}, both with 95% intervals; "
        f"below them {_PAPER}."
    ),
    ("figure", "gains"): (
        "Gain in {metric} over {baseline} against k, with bands for 95% intervals; at the right "
        f"{_PAPER}."
    ),
    ("figure", "levels"): (
        f"Levels of {{metric}} against k, with bands for 95% intervals; at the right {_PAPER}."
    ),
    ("table", "alignment_matrix"): (
        "Gain of each branch over {baseline} under each test-time strategy; an arrow marks the "
        "strategy that the branch was trained for."
    ),
    ("figure", "alignment_matrix"): (
        "Gain of each branch over {baseline} under each test-time strategy; a frame marks the "
        "strategy that the branch was trained for."
    ),
    ("table", "weights"): "S(p), SFT weight and RL weight of every strategy.",
    ("figure", "weights_sft"): "The SFT weight of every strategy against p, on a logarithmic axis.",
    ("figure", "weights_rl"): "The RL weight of every strategy against p, on a logarithmic axis.",
    ("figure", "support"): "The p at which an SFT weight is above, and below, cross-entropy's.",
    ("table", "weight_alignment"): (
        "Cosines of SFT weights as functions of p: trained for one budget, tested with another."
    ),
    ("table", "policy_alignment"): (
        "Cosines of expected updates with the true gradient, on toy policies, both exact."
    ),
    ("table", "rao_blackwell"): "Exact variances of four unbiased estimators of one gradient.",
    ("figure", "rao_blackwell"): (
        "Exact variances of four unbiased estimators of one gradient, against p."
    ),
    ("figure", "share_densities"): (
        "Densities of the hydrophobic shares of proteins, a line a model, above the reward of a "
        "share; all seeds together."
    ),
    ("figure", "share_scatter"): (
        "Hydrophobic share of an output against that of its input, a panel a model, of the first "
        "sample of every prompt; all seeds together."
    ),
    ("table", "share_spread"): (
        "Rewards and hydrophobic shares h of proteins: how samples of one prompt differ, and how "
        "they follow the input."
    ),
    ("table", "share_push"): (
        "Where the first updates push the hydrophobic share h, computed on samples of the warm-up, "
        "and the rewards and shares that each model ends with."
    ),
    ("figure", "mechanism"): (
        "Change against {baseline} in p and in how often a vote is right, over {baseline}'s p, "
        "with 95% intervals; below, how many problems have such a p. Half of a problem's samples "
        "sort it into a bin, the other half measures the change."
    ),
    ("table", "diagonal"): (
        "rho = a/(a - C), what the scalar update keeps of a derivative over the whole of it: mean "
        "with 95% interval, median, largest, and how often it is undefined."
    ),
    ("figure", "diagonal"): (
        "How rho = a/(a - C), what the scalar update keeps of a derivative over the whole of it, "
        "is distributed over problems: a panel a model, with lines at 1, mean and median."
    ),
    ("table", "activity"): (
        "Log-probability and weight of the sequences in a training batch, at the start and the "
        "end of training, and how often the gradient was clipped."
    ),
}


def of_item(item: PaperItem, scale: str, seeds: Sequence[int]) -> str:
    """What an item shows, and what of a run it is made from.

    Args:
        item: The row of ``config/paper_items.tsv``; a form that is not of this package is
            described by the item's title.
        scale: The scale of the run.
        seeds: The seeds that are shown; of no meaning for an analytic item.

    """
    shows = SHOWS.get((item.output, item.form), f"{item.title}.")
    if item.analytic:
        return f"{shows} Computed from the strategies alone, without training and samples."
    labels = study.labels_of(item.family)
    metric = metric_of(item.metric).title if item.measured else item.metric
    text = shows.format(metric=metric, baseline=labels[study.baseline_of(item.family)])
    models = ", ".join(labels[branch] for branch in item.branches)
    if item.of_training:
        made_from = _training_of(item, scale, seeds)
    else:
        made_from = _samples_of(item.family, scale, seeds)
    return f"{text} Models: {models}. {made_from}"


def of_claims(scale: str, seeds: dict[str, Sequence[int]]) -> str:
    """What the verdicts are judged on.

    Args:
        scale: The scale of the run.
        seeds: The seeds of every family that a claim is about.

    """
    made_from = " ".join(_samples_of(family, scale, of) for family, of in seeds.items())
    return (
        f"Verdicts on {count(len(claims.read_claims()), 'claim')} of the paper: each "
        "contrast's effect with its 95% interval, the controls of rival explanations, and the "
        f"paper's own effect, which is not from this run. {made_from}"
    )


def _samples_of(family: str, scale: str, seeds: Sequence[int]) -> str:
    """The test problems, samples and seeds of a family."""
    settings = study.read_family(scale, family)
    return (
        f"Family {family} at scale {scale}: {count(settings.problems.test, 'test problem')} "
        f"from {settings.problems.source}, {count(settings.sampling.num_samples, 'sample')} of "
        f"each by every model; {_seeds(seeds)}."
    )


def _training_of(item: PaperItem, scale: str, seeds: Sequence[int]) -> str:
    """The training problems and seeds of an item's branches."""
    problems = study.read_family(scale, item.family).problems
    rows = [study.read_branch(item.family, branch) for branch in item.branches]
    sizes: dict[str, int | Literal["all"]] = {}
    if any(row.fine_tuned for row in rows):
        sizes["fine-tuning"] = problems.train
    if not all(row.fine_tuned for row in rows):
        sizes["reinforcement learning"] = problems.for_rl
    used = " and ".join(f"{_problems(size)} for {kind}" for kind, size in sizes.items())
    return (
        f"Family {item.family} at scale {scale}: every training step, with {used} from "
        f"{problems.source}; {_seeds(seeds)}."
    )


def _problems(size: int | Literal["all"]) -> str:
    return "all problems that the other splits leave" if size == "all" else count(size, "problem")


def _seeds(seeds: Sequence[int]) -> str:
    return f"{count(len(seeds), 'seed')} ({', '.join(map(str, seeds))})"


def count(number: int, noun: str) -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"
