"""What a row of the sheets in ``config/`` may say: branches, tables and figures, claims."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt, WithJsonSchema, model_validator

from compute_aligned.config.fields import (
    DashIsNone,
    Distinct,
    ItemMetric,
    Name,
    Settings,
    Text,
    Words,
)
from compute_aligned.files.errors import InputError
from compute_aligned.files.parsing import near


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


WARMUP = "warmup"  # the id under which the warm-up model is sampled, scored and shown
DASH = "-"  # what a cell says that has nothing to say
ALL_CELLS = "*"  # the family of an item that is made from all cells of a map
OF_CELLS = "/*"  # what follows the name of a family in an item that is made from cells like it
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
Names = Annotated[
    tuple[Name, ...],
    Field(min_length=1),
    Words,
    Distinct,
    DashIsNone,
    _cell_of("[a-z][a-z0-9_]*"),
]


class PaperItem(Settings):
    """A row of ``config/paper_items.tsv``: a table or figure of the paper.

    ``branches`` and ``budgets`` are words separated by blanks. An analytic item, which needs the
    strategies and no training, has ``-`` for its family, branches, metric and budgets. Metric and
    budgets are ``-`` for a form that does not show one metric. ``reported`` names the families of
    ``config/paper_reported.csv`` that the paper's values of the metric come from.
    The family ``name/*`` stands for all cells of a map that are like the family, ``*`` for all.
    """

    item: Name
    output: Literal["table", "figure"]
    form: Name
    family: Annotated[str, Field(pattern=r"^(-|\*|[a-z][a-z0-9_]*(/\*)?)$")]
    branches: Names
    metric: ItemMetric
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
        return self.family == DASH

    @property
    def of_temperatures(self) -> bool:
        """Whether it is about samples at other temperatures, which not every family has."""
        return self.form == "temperatures"

    @property
    def of_cells(self) -> bool:
        """Whether it is made from the cells of a map."""
        return self.family.endswith(ALL_CELLS)

    @property
    def like(self) -> str:
        """The family itself, or the one that the cells are like; ``*`` for cells of any."""
        return self.family.removesuffix(OF_CELLS)

    @property
    def measured(self) -> bool:
        """Whether it shows one metric, at some budgets."""
        return self.metric != DASH

    @model_validator(mode="after")
    def _measures_something_unless_analytic(self) -> "PaperItem":
        cells = {"branches": self.branches, "metric": self.measured, "budgets": self.budgets}
        of_none = self.family in (DASH, ALL_CELLS)
        for column, content in cells.items():
            if content and of_none:
                raise ValueError(f"the family is {self.family}, so {column} has to be - too")
        if not self.branches and not of_none:
            raise ValueError("branches is -, which goes with the families - and * only")
        if self.measured != bool(self.budgets):
            raise ValueError("metric and budgets go together: both are -, or neither")
        if self.reported and not self.measured:
            raise ValueError("metric is -, and the paper reports none of it: write - in reported")
        return self


# --- where branches start --------------------------------------------------------------------

FROM_WARMUP = DASH  # what the column start says for the warm-up


def check_starts(rows: Mapping[str, BranchRow], sheet: Path) -> None:
    """Check that every branch of a family descends from its warm-up.

    Args:
        rows: The family's rows by branch.
        sheet: Where they stand, for the error.

    Raises:
        InputError: A branch starts from one that the family does not have, or from itself, at once
            or by way of others.

    """
    for branch, row in rows.items():
        where = f"{sheet}: {row.family} {branch}: start"
        if row.start not in (FROM_WARMUP, *rows):
            problem = f"family {row.family!r} has no branch {row.start!r}{near(row.start, rows)}"
            others = ", ".join(other for other in rows if other != branch)
            raise InputError(where, problem, f"write - for the warm-up, or one of: {others}")
    for branch, row in rows.items():
        circle = _circle(branch, rows)
        if circle:
            raise InputError(
                f"{sheet}: {row.family} {branch}: start",
                f"no model is there to begin with: {' starts from '.join(circle)}",
                "let one of them start from another branch, or write - for the warm-up",
            )


def _circle(branch: str, rows: Mapping[str, BranchRow]) -> list[str]:
    """The branches that starting from ``branch`` leads through again and again; mostly none."""
    path = [branch]
    while (start := rows[path[-1]].start) != FROM_WARMUP:
        if start in path:
            return [*path[path.index(start) :], start]
        path.append(start)
    return []
