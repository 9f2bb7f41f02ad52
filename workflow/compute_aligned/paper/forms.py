"""The forms of tables and figures, which the column ``form`` of ``config/paper_items.tsv`` names.

One entry a form: the function that makes it, what that is given, and what the report says of it.
Importing this module imports neither pandas nor matplotlib: Snakemake asks it before any job, in
an environment of its own.
"""

from compute_aligned.config.reading import chosen, sheet_file
from compute_aligned.config.sheets import ALL_CELLS, PaperItem
from compute_aligned.config.study import Study
from compute_aligned.files.errors import InputError
from compute_aligned.paper.form import ANALYTIC, Form

_PAPER = "what the paper reports, which is not from this run"
_SWEEP = "sampled at several temperatures, on test problems"
_RHO = "rho = a/(a - C), what the scalar update keeps of a derivative over the whole of it"
_POINTS = (
    "share of training at which a weight was active, between a tenth and nine tenths of its range"
)
_MATRIX = "Gain of each branch over {baseline} under each test-time strategy"

TABLES = {
    "levels": Form(
        "tables.levels",
        "summary",
        "Levels of {metric} at each budget k and gains over {baseline}, both with 95% intervals; "
        f"below them {_PAPER}.",
    ),
    "alignment_matrix": Form(
        "matrix_tables.alignment_matrix",
        "outcomes",
        f"{_MATRIX}; an arrow marks the strategy that the branch was trained for.",
    ),
    "temperatures": Form(
        "temperature_items.table",
        "temperatures",
        f"Gain in {{metric}} over {{baseline}}, {_SWEEP}: all at the family's temperature, and "
        "each model at its own best, which is chosen on validation problems.",
    ),
    "weights": Form(
        "analytic_tables.weights",
        "strategies",
        "S(p), SFT weight and RL weight of every strategy.",
    ),
    "weight_alignment": Form(
        "analytic_tables.alignment",
        "strategies",
        "Cosines of SFT weights as functions of p: trained for one budget, tested with another.",
    ),
    "policy_alignment": Form(
        "analytic_tables.update_alignment",
        "strategies",
        "Cosines of expected updates with the true gradient, on toy policies, both exact.",
    ),
    "rao_blackwell": Form(
        "analytic_tables.rao_blackwell",
        "strategies",
        "Exact variances of four unbiased estimators of one gradient.",
    ),
    "objective_bias": Form(
        "objective_tables.bias",
        "branches",
        "Objectives of reinforcement learning, published and in use: what their updates are "
        "unbiased for, bias and variance, on toy policies, exact.",
    ),
    "share_spread": Form(
        "protein_tables.share_spread",
        "scores",
        "Rewards and hydrophobic shares h of proteins: how samples of one prompt differ, and how "
        "they follow the input.",
        needs="rewards",
    ),
    "share_push": Form(
        "protein_tables.share_push",
        "scores",
        "Where the first updates push the hydrophobic share h, computed on samples of the warm-up, "
        "and the rewards and shares that each model ends with.",
        needs="rewards",
    ),
    "diagonal": Form(
        "diagonal_items.table",
        "scores",
        f"{_RHO}: mean with 95% interval, median, largest, and how often it is undefined.",
    ),
    "activity": Form(
        "activity.table",
        "steps",
        "Log-probability and weight of the sequences in a training batch, at the start and the "
        "end of training, and how often the gradient was clipped.",
    ),
    "two_states": Form(
        "states.table",
        "scores_and_steps",
        "In how many seeds a model has left the low hill of the unconditional reward, with the "
        "exact binomial 95% interval of the share, and at which training step.",
        needs="rewards",
    ),
    "map": Form(
        "map_tables.effects",
        "cells",
        "Every contrast of a claim in every cell of the map, with 95% intervals; below, the "
        f"{_POINTS}.",
    ),
    "map_activity": Form(
        "map_tables.activity",
        "cells",
        f"Rank correlation of the {_POINTS}, with the gain over the baseline.",
    ),
}

FIGURES = {
    "gains": Form(
        "figures.gains",
        "summary",
        "Gain in {metric} over {baseline} against k, with bands for 95% intervals; at the right "
        f"{_PAPER}.",
    ),
    "levels": Form(
        "figures.levels",
        "summary",
        f"Levels of {{metric}} against k, with bands for 95% intervals; at the right {_PAPER}.",
    ),
    "alignment_matrix": Form(
        "matrix_figures.alignment_matrix",
        "outcomes",
        f"{_MATRIX}; a frame marks the strategy that the branch was trained for.",
    ),
    "temperatures": Form(
        "temperature_items.figure",
        "temperatures",
        f"Levels of {{metric}} at the largest k, {_SWEEP}, with bands for 95% intervals.",
    ),
    "weights_sft": Form(
        "analytic_figures.weights_sft",
        "strategies",
        "The SFT weight of every strategy against p, on a logarithmic axis.",
    ),
    "weights_rl": Form(
        "analytic_figures.weights_rl",
        "strategies",
        "The RL weight of every strategy against p, on a logarithmic axis.",
    ),
    "support": Form(
        "analytic_figures.support",
        "strategies",
        "The p at which an SFT weight is above, and below, cross-entropy's.",
    ),
    "rao_blackwell": Form(
        "analytic_figures.rao_blackwell",
        "strategies",
        "Exact variances of four unbiased estimators of one gradient, against p.",
    ),
    "share_densities": Form(
        "protein_figures.share_densities",
        "scores",
        "Densities of the hydrophobic shares of proteins, a line a model, above the reward of a "
        "share; all seeds together.",
        needs="rewards",
    ),
    "share_scatter": Form(
        "protein_figures.share_scatter",
        "scores",
        "Hydrophobic share of an output against that of its input, a panel a model, of the first "
        "sample of every prompt; all seeds together.",
        needs="rewards",
    ),
    "mechanism": Form(
        "mechanism_figures.mechanism",
        "scores",
        "Change against {baseline} in p and in how often a vote is right, over {baseline}'s p, "
        "with 95% intervals; below, how many problems have such a p. Half of a problem's samples "
        "sort it into a bin, the other half measures the change.",
        needs="answers",
    ),
    "diagonal": Form(
        "diagonal_items.figure",
        "scores",
        f"How {_RHO}, is distributed over problems: a panel a model, with lines at 1, mean and "
        "median.",
    ),
    "reward_paths": Form(
        "states.figure",
        "steps",
        "Mean reward of every training batch, a panel a branch and a line a seed, with the top of "
        "the low hill of the unconditional reward.",
        needs="rewards",
    ),
    "map": Form(
        "map_figures.gains",
        "cells",
        "Gain in {metric} over the baseline in every cell of the map, with 95% intervals: a panel "
        "a budget, along the last of the settings that are varied.",
        one_metric=True,
    ),
    "map_activity": Form(
        "map_figures.activity",
        "cells",
        f"Gain over the baseline against the {_POINTS}: a point a cell and branch.",
    ),
}

FORMS = {"table": TABLES, "figure": FIGURES}


def form_of(row: PaperItem) -> Form:
    """The form that an item's row names.

    Raises:
        InputError: There is no such form; names the row and the forms that there are.

    """
    known = FORMS[row.output]
    return chosen(known, row.form, _where(row), f"there is no {row.output} form {row.form!r}")


def check(study: Study) -> None:
    """Check that every item has what its form is made from.

    Raises:
        InputError: A row names no form, or one for another kind of row or family.

    """
    for row in study.items.values():
        form = form_of(row)
        _agree(row, "family", row.analytic, form.given in ANALYTIC)
        _agree(row, "metric and budgets", not row.measured, not form.measured)
        of_cells = form.given == "cells"
        of_all = of_cells and not form.one_metric
        if (row.of_cells, row.family == ALL_CELLS) != (of_cells, of_all):
            raise InputError(
                _where(row),
                f"the form {row.form} does not go with {row.family} as family",
                "write a family with /* after it for the form map of figures, * for others that "
                "are made from cells, and a family alone for all else",
            )
        experiment = study.experiments.get(row.family)
        if experiment is not None and form.needs not in (None, experiment.settings.gives):
            raise InputError(
                _where(row),
                f"the form {row.form} is made from {form.needs}, and samples of family "
                f"{row.family} give {experiment.settings.gives}",
                "name another form or another family",
            )


def _agree(row: PaperItem, columns: str, is_dash: bool, wants_dash: bool) -> None:
    if is_dash != wants_dash:
        goes = "goes with" if wants_dash else "does not go with"
        problem = f"the form {row.form} {goes} - as {columns}"
        raise InputError(_where(row), problem, "compare the row with others of the form")


def _where(row: PaperItem) -> str:
    return f"{sheet_file('paper_items')}: {row.item}"
