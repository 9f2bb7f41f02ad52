"""From the files of a run to a table or a figure: what an item is made from decides who makes it.

Every maker has forms of its own, which the column ``form`` of ``config/paper_items.tsv`` picks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pandas as pd

from compute_aligned.config import study
from compute_aligned.config.sheets import PaperItem
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import RL_STEPS, STEPS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from compute_aligned.paper.tables import Rendered

File = TypeVar("File")


@dataclass(frozen=True)
class Files:
    """What a run has left for an item.

    Attributes:
        outcomes: The metrics of every problem, a file a seed.
        scores: The samples of every problem, graded, a file a seed.
        steps: Branch, and its record of every training step, a file a branch and seed.

    """

    outcomes: Sequence[Path] = ()
    scores: Sequence[Path] = ()
    steps: Sequence[tuple[str, Path]] = ()

    @property
    def paths(self) -> list[Path]:
        """All of them."""
        return [*self.outcomes, *self.scores, *(path for _, path in self.steps)]


def table(item: PaperItem, files: Files, scale: str) -> "Rendered":
    """Make a table.

    Raises:
        InputError: There is no such form, or the files that it needs are not given.

    """
    if item.analytic:
        from compute_aligned.paper import analytic_tables

        return analytic_tables.render(item)
    if item.of_all_metrics:
        from compute_aligned.paper import matrix_tables

        return matrix_tables.render(item, _outcomes(item, files), scale)
    if item.of_training:
        from compute_aligned.paper import activity

        return activity.render(item, _steps(item, files), scale)
    if item.of_samples and not _has_proteins(item, scale):
        from compute_aligned.paper import answer_tables

        return answer_tables.render(item, _given(item, files.scores, "scores"), scale)
    if item.of_samples:
        from compute_aligned.paper import protein_tables

        return protein_tables.render(item, _proteins(item, files), scale)
    from compute_aligned.paper import tables

    return tables.render(item, _summary(item, files, with_plurality=True), scale)


def figure(item: PaperItem, files: Files, scale: str) -> "Figure":
    """Draw a figure; errors as for :func:`table`."""
    if item.analytic:
        from compute_aligned.paper import analytic_figures

        return analytic_figures.draw(item)
    if item.of_all_metrics:
        from compute_aligned.paper import matrix_figures

        return matrix_figures.draw(item, _outcomes(item, files), scale)
    if item.of_training:
        raise _no_form(item)
    if item.of_samples and not _has_proteins(item, scale):
        from compute_aligned.paper import answer_figures

        return answer_figures.draw(item, _given(item, files.scores, "scores"), scale)
    if item.of_samples:
        from compute_aligned.paper import protein_figures

        return protein_figures.draw(item, _proteins(item, files), scale)
    from compute_aligned.paper import figures

    return figures.draw(item, _summary(item, files, with_plurality=False), scale)


def _has_proteins(item: PaperItem, scale: str) -> bool:
    return study.read_family(scale, item.family).reward != "answer"


def _no_form(item: PaperItem) -> InputError:
    return InputError(
        f"{study.CONFIG / 'paper_items.tsv'}: {item.item}",
        f"there is no {item.output} form {item.form!r} for a {item.output} made from its files",
        "compare the row with others; config/README.md explains its columns",
    )


def _summary(item: PaperItem, files: Files, with_plurality: bool) -> pd.DataFrame:
    from compute_aligned.paper.summary import plurality, summarise, summarise_pool

    models = [study.WARMUP, *item.branches]
    baseline = study.baseline_of(item.family)
    measured = _outcomes(item, files)
    if item.needs_scores and measured["problem"].nunique() == 1:
        return summarise_pool(_proteins(item, files), models, item.budgets, baseline)
    summary = summarise(measured, models, item.metric, item.budgets, baseline)
    if item.metric == "maj@k" and with_plurality:
        votes = plurality(measured, models, baseline)
        summary = pd.concat([summary, votes], ignore_index=True)
    return summary


def _outcomes(item: PaperItem, files: Files) -> pd.DataFrame:
    from compute_aligned.paper.summary import read_outcomes

    return read_outcomes(_given(item, files.outcomes, "outcomes"))


def _proteins(item: PaperItem, files: Files) -> pd.DataFrame:
    from compute_aligned.score import proteins

    return proteins.read_scores(_given(item, files.scores, "scores"))


def _steps(item: PaperItem, files: Files) -> pd.DataFrame:
    from compute_aligned.paper import activity

    schemas = {
        branch: STEPS if study.read_branch(item.family, branch).fine_tuned else RL_STEPS
        for branch in item.branches
    }
    return activity.read_steps(_given(item, files.steps, "steps"), schemas)


def _given(item: PaperItem, files: Sequence[File], kind: str) -> Sequence[File]:
    if not files:
        raise InputError(item.item, f"it is made from {kind}, and none are given", "name the files")
    return files
