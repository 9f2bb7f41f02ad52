"""A form of tables or figures: the function that makes it, and what that is made from."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from compute_aligned.method.metrics import Needs

Given = Literal[
    "strategies",
    "branches",
    "summary",
    "outcomes",
    "temperatures",
    "scores",
    "steps",
    "scores_and_steps",
    "cells",
]
ANALYTIC: tuple[Given, ...] = ("strategies", "branches")  # what needs no run
# the ending of the files of outcomes that forms are made from
OUTCOMES: dict[Given, str] = {
    "summary": "outcomes.parquet",
    "outcomes": "outcomes.parquet",
    "temperatures": "temperatures.parquet",
}


@dataclass(frozen=True)
class Form:
    """A form of a table or figure.

    Attributes:
        function: Module and function in ``compute_aligned.paper``.
        given: What the function gets. ``strategies``: the item's row, and the strategies in use;
            ``branches``: the row, and the branches of reinforcement learning.
            ``cells``: the row, the study, and the frame of all effects in the item's cells. Else
            the :class:`~compute_aligned.config.study.Item`, and ``summary``: the levels and gains
            of its metric, and the paper's own values; ``outcomes``: the frame of all metrics of all
            problems; ``temperatures``: that at every temperature of the family's sweep, for the
            forms of that name; ``scores``: the files of graded samples, one a seed; ``steps``: the
            frame of all training steps; ``scores_and_steps``: both.
        shows: What the report of a run says of it; ``{metric}`` and ``{baseline}`` are filled in.
        needs: Of ``scores``: whether they have to be graded answers, or rewards.
        one_metric: Of ``cells``: whether it shows one metric of one family, at some budgets.

    """

    function: str
    given: Given
    shows: str
    needs: Needs | None = None
    one_metric: bool = False

    @property
    def measured(self) -> bool:
        """Whether an item of this form says which metric it shows, and at which budgets."""
        return self.given in ("summary", "temperatures") or self.one_metric

    def load(self) -> Callable[..., Any]:
        """The function."""
        module, _, name = self.function.partition(".")
        return getattr(importlib.import_module(f"compute_aligned.paper.{module}"), name)
