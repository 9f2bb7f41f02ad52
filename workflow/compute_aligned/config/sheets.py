"""What a row of the sheets in ``config/`` may say: branches, tables and figures, claims."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt, WithJsonSchema, model_validator

from compute_aligned.config.fields import (
    ContrastMetric,
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
from compute_aligned.method.metrics import metric_of


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


# --- claims ----------------------------------------------------------------------------------

ClaimId = Annotated[str, Field(pattern=r"^C[1-9][0-9]*[a-z]?$")]


class ClaimRow(Settings):
    """A row of ``config/claims.tsv``: something that the paper claims (PAPER sections 1, 5).

    ``reported`` names the families of ``config/paper_reported.csv`` that hold the paper's own
    numbers, ``paper_problems`` says how many problems those are means over; ``-`` where the paper
    has none, or does not say. ``needs`` says what a family must have for the claim to be tested.
    """

    claim: ClaimId
    reported: Names
    paper_problems: Annotated[str, Field(pattern=r"^(-|[1-9][0-9]*)$")]
    needs: Literal["-", "worked_solutions"]
    statement: Text

    @property
    def num_paper_problems(self) -> int | None:
        """How many problems the paper's numbers are means over, where that is known."""
        return None if self.paper_problems == DASH else int(self.paper_problems)


class ContrastRow(Settings):
    """A row of ``config/claim_contrasts.tsv``: one of the contrasts that a claim consists of.

    The effect is the metric of ``branch`` minus that of ``against``, which is another branch, the
    ``warmup``, or a fixed level in the metric's unit.
    A ``control`` is the contrast that could overturn the claim: if it fails, ``rival`` may be what
    explains the claim. A row with the role ``algebra`` measures what holds by algebra, and is
    compared with nothing.
    """

    claim: ClaimId
    role: Literal["contrast", "control", "algebra"]
    family: Name
    branch: Name
    against: Annotated[str, Field(pattern=r"^(-|[a-z][a-z0-9_]*|[0-9]+(\.[0-9]+)?)$")]
    metric: ContrastMetric
    budget: PositiveInt
    direction: Literal["above", "below", "equal", "-"]
    rival: Text

    @property
    def level(self) -> float | None:
        """The fixed level that the branch is compared with, if it is one."""
        return float(self.against) if self.against[0].isdigit() else None

    @property
    def models(self) -> tuple[str, ...]:
        """The models that it needs, the warm-up among them where it is one."""
        alone = self.level is not None or self.against == DASH
        return (self.branch,) if alone else (self.branch, self.against)

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of problems that it is made from; ``rho`` is made from the samples."""
        if self.metric == "rho":
            return ()
        return (self.metric,)

    @property
    def is_share(self) -> bool:
        """Whether its effect is a share, in percentage points, and no reward."""
        return all(metric_of(name).is_share for name in self.metrics)

    @property
    def band(self) -> float:
        """What counts as equal to 0, in the unit of the effect."""
        return metric_of(self.metrics[0]).equal_within

    @property
    def claimed(self) -> Literal["above", "below", "equal"]:
        """The direction of a row that has one.

        Raises:
            ValueError: It is one that holds by algebra.

        """
        if self.direction == "-":
            raise ValueError(f"{self.claim} compares nothing")
        return self.direction

    @model_validator(mode="after")
    def _roles_have_what_they_need(self) -> "ContrastRow":
        compared = self.role != "algebra"
        if compared != (self.metric != "rho"):
            raise ValueError("the metric rho and the role algebra go together")
        for column, cell in {"against": self.against, "direction": self.direction}.items():
            if compared != (cell != DASH):
                wanted = "has to say what is compared" if compared else "has to be -"
                raise ValueError(f"{column} {wanted} where the role is {self.role}")
        if (self.role == "control") != (self.rival != DASH):
            raise ValueError("a control names its rival explanation, other rows have - there")
        if self.branch == self.against:
            raise ValueError(f"{self.branch} is compared with itself")
        if self.direction == "equal" and not self.is_share:
            raise ValueError("equal is within two percentage points, and rewards are none")
        return self
