"""From the files of a run to a table or a figure, in the form that the item's row names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from compute_aligned.config.study import Item, Study
from compute_aligned.files.errors import InputError
from compute_aligned.paper.activity import steps_of
from compute_aligned.paper.cells import read_cells
from compute_aligned.paper.forms import form_of
from compute_aligned.paper.reported import read_reported
from compute_aligned.paper.summary import plurality, read_outcomes, summarise, summarise_pool
from compute_aligned.paper.temperatures import read_sweeps
from compute_aligned.score.proteins import read_scores

File = TypeVar("File")


@dataclass(frozen=True)
class Files:
    """What a run has left for an item.

    Attributes:
        reported: The paper's own numbers, ``config/paper_reported.csv``.
        outcomes: The metrics of every problem, a file a seed; at every temperature, where the item
            is about those.
        scores: The samples of every problem, graded, a file a seed.
        steps: Branch, and its record of every training step, a file a branch and seed.
        cells: Family, and the record of the cell of a map that it is.

    """

    reported: Path
    outcomes: Sequence[Path] = ()
    scores: Sequence[Path] = ()
    steps: Sequence[tuple[str, Path]] = ()
    cells: Sequence[tuple[str, Path]] = ()

    @property
    def of_run(self) -> list[Path]:
        """All of them that a run has made."""
        named = [*self.steps, *self.cells]
        return [*self.outcomes, *self.scores, *(path for _, path in named)]


def make(name: str, study: Study, files: Files) -> Any:
    """Make a table (``tables.Rendered``) or draw a figure.

    Raises:
        InputError: There is no such item or form, or the files that it needs are not given.

    """
    row = study.row(name)
    form = form_of(row)
    function = form.load()
    if row.analytic:
        return function(row, study.reinforced if form.given == "branches" else study.strategies)
    if row.of_cells:
        return function(row, study, read_cells(study, study.cells_of(row), dict(files.cells)))
    item = study.item(name)
    return function(item, *READERS[form.given](item, files))


def summary_of(item: Item, files: Files) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Levels and gains of an item's metric, the vote over all samples too; the paper's values."""
    row, baseline = item.row, item.experiment.baseline
    if item.experiment.is_pool:
        samples = read_scores(_given(item, files.scores, "scores"))
        summary = summarise_pool(samples, item.models, row.budgets, baseline)
    else:
        measured = _outcomes(item, files)
        summary = summarise(measured, item.models, row.metric, row.budgets, baseline)
        if row.metric == "maj@k":
            votes = plurality(measured, item.models, baseline)
            summary = pd.concat([summary, votes], ignore_index=True)
    return summary, read_reported(files.reported)


def _outcomes(item: Item, files: Files) -> pd.DataFrame:
    return read_outcomes(_given(item, files.outcomes, "outcomes"))


def _steps(item: Item, files: Files) -> pd.DataFrame:
    return steps_of(item.experiment, _given(item, files.steps, "steps"))


READERS: dict[str, Callable[[Item, Files], tuple]] = {
    "summary": summary_of,
    "outcomes": lambda item, files: (_outcomes(item, files),),
    "temperatures": lambda item, files: (read_sweeps(_given(item, files.outcomes, "outcomes")),),
    "scores": lambda item, files: (_given(item, files.scores, "scores"),),
    "steps": lambda item, files: (_steps(item, files),),
    "scores_and_steps": lambda item, files: (
        _given(item, files.scores, "scores"),
        _steps(item, files),
    ),
}


def _given(item: Item, files: Sequence[File], kind: str) -> Sequence[File]:
    if not files:
        problem = f"it is made from {kind}, and none are given"
        raise InputError(item.row.item, problem, "name the files")
    return files
