"""What a row of the two sheets may say: ``config/branches.tsv`` and ``config/paper_items.tsv``."""

import json
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt, WithJsonSchema, model_validator

from compute_aligned.configuration.fields import DashIsNone, Distinct, Name, Settings, Text, Words
from compute_aligned.configuration.settings import Metric


def _assignments(cell: Any) -> Any:
    """A cell of ``key=value`` words, or ``-``, as keys and values; values as in JSON, or text."""
    if not isinstance(cell, str):
        return cell
    assigned: dict[str, Any] = {}
    for word in [] if cell == "-" else cell.split():
        key, is_assignment, value = word.partition("=")
        if not is_assignment or key in assigned:
            raise ValueError(f"expected - or key=value words, each key once, not {cell!r}")
        try:
            assigned[key] = json.loads(value)
        except json.JSONDecodeError:
            assigned[key] = value
    return assigned


NameOrDash = Annotated[str, Field(pattern=r"^(-|[a-z][a-z0-9_]*)$")]


class BranchRow(Settings):
    """A row of ``config/branches.tsv``: a model trained from a family's warm-up.

    ``start`` is ``-`` for a branch that is trained from the warm-up itself, or the branch of the
    family that it is trained from. ``overrides`` are laid over the family's ``sft`` or ``rl`` block
    for this branch.
    """

    family: Name
    branch: Name
    label: Text
    start: NameOrDash
    strategy: Text
    weight_form: Literal["log", "raw", "-"]
    role: Literal["baseline", "strategy", "control"]
    overrides: Annotated[
        dict[str, Any],
        BeforeValidator(_assignments),
        WithJsonSchema({"type": "string", "pattern": r"^(-|[a-z_]+=\S+( +[a-z_]+=\S+)*)$"}),
    ]

    @property
    def fine_tuned(self) -> bool:
        """Whether ``sft`` says how it is trained, not ``rl``: only RL has forms of the weight."""
        return self.weight_form == "-"


def _cell_of(words: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": rf"^(-|{words}( +{words})*)$"})


# names separated by blanks, or - for none
Names = Annotated[tuple[Name, ...], Words, Distinct, DashIsNone, _cell_of("[a-z][a-z0-9_]*")]


class PaperItem(Settings):
    """A row of ``config/paper_items.tsv``: a table or figure of the paper.

    ``branches`` and ``budgets`` are words separated by blanks. An analytic item, which needs the
    strategies and no training, has ``-`` for its family, branches, metric and budgets. One that
    shows the samples themselves has ``-`` for its metric and budgets; one that shows how training
    went has the metric ``weight``. ``reported`` names the families of
    ``config/paper_reported.csv`` that the paper's values of the metric come from.
    """

    item: Name
    output: Literal["table", "figure"]
    form: Name
    family: NameOrDash
    branches: Annotated[
        tuple[Name, ...],
        Field(min_length=1),
        Words,
        Distinct,
        DashIsNone,
        _cell_of("[a-z][a-z0-9_]*"),
    ]
    metric: Literal[Metric, "weight", "-"]
    budgets: Annotated[
        tuple[PositiveInt, ...],
        Field(min_length=1),
        Words,
        Distinct,
        DashIsNone,
        _cell_of("[1-9][0-9]*"),
    ]
    reported: Names
    title: Text

    @property
    def analytic(self) -> bool:
        """Whether it is made from the strategies alone."""
        return self.family == "-"

    @property
    def of_samples(self) -> bool:
        """Whether it shows the samples themselves, not a metric of them."""
        return not self.analytic and self.metric == "-"

    @property
    def of_training(self) -> bool:
        """Whether it shows the weights that training gave, not samples."""
        return self.metric == "weight"

    @property
    def needs_scores(self) -> bool:
        """Whether outcomes of problems are not enough: it needs every sample's reward."""
        return self.of_samples or self.metric == "expected_max@k"

    @model_validator(mode="after")
    def _measures_something_unless_analytic(self) -> "PaperItem":
        cells = {"branches": self.branches, "metric": self.metric != "-", "budgets": self.budgets}
        for column, content in cells.items():
            if content and self.analytic:
                raise ValueError(f"the family is -, so {column} has to be - too")
        if not self.branches and not self.analytic:
            raise ValueError("branches is -, which goes with the family - only")
        measured = not (self.analytic or self.of_samples or self.of_training)
        if measured != bool(self.budgets):
            raise ValueError("metric and budgets go together: both are -, or neither")
        if self.reported and not measured:
            raise ValueError(f"metric is {self.metric}, and the paper reports none: write - there")
        return self
