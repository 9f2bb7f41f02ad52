"""The forms of tables and figures, which the column ``form`` of ``config/paper_items.tsv`` names.

One entry a form: the function that makes it, what that is given, and what the report says of it.
Importing this module imports neither pandas nor matplotlib: Snakemake asks it before any job, in
an environment of its own.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from compute_aligned.config.reading import chosen, sheet_file
from compute_aligned.config.sheets import PaperItem
from compute_aligned.config.study import Study
from compute_aligned.files.errors import InputError
from compute_aligned.method.metrics import Needs

Given = Literal["strategies", "branches", "summary", "outcomes", "scores", "steps"]

ANALYTIC: tuple[Given, ...] = ("strategies", "branches")  # what needs no run


@dataclass(frozen=True)
class Form:
    """A form of a table or figure.

    Attributes:
        function: Module and function in ``compute_aligned.paper``.
        given: What the function gets. ``strategies``: the item's row, and the strategies in use;
            ``branches``: the row, and the branches of reinforcement learning.
            Else the :class:`~compute_aligned.config.study.Item`, and ``summary``: the levels and
            gains of its metric, and the paper's own values; ``outcomes``: the frame of all metrics
            of all problems; ``scores``: the files of graded samples, one a seed; ``steps``: the
            frame of all training steps.
        shows: What the report of a run says of it; ``{metric}`` and ``{baseline}`` are filled in.
        needs: Of ``scores``: whether they have to be graded answers, or rewards.

    """

    function: str
    given: Given
    shows: str
    needs: Needs | None = None

    def load(self) -> Callable[..., Any]:
        """The function."""
        module, _, name = self.function.partition(".")
        return getattr(importlib.import_module(f"compute_aligned.paper.{module}"), name)


_PAPER = "what the paper reports, which is not from this run"
_RHO = "rho = a/(a - C), what the scalar update keeps of a derivative over the whole of it"
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
        _agree(row, "metric and budgets", not row.measured, form.given != "summary")
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
