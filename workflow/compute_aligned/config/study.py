"""A scale with its sheets, resolved once: what every step is told of its experiment.

:func:`read_study` checks all of it. A step looks up its experiment or item there and passes that
on, so that nothing further down reads the configuration.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from compute_aligned.config.cells import Cell
from compute_aligned.config.experiments import WARMUP_LABEL, Branch, Experiment
from compute_aligned.config.models import PretrainedModel
from compute_aligned.config.reading import (
    CONFIG,
    chosen,
    read_cells,
    read_items,
    read_rows,
    read_scale,
    scale_file,
    sheet_file,
)
from compute_aligned.config.scales import Family, Scale
from compute_aligned.config.settings import Rl, Sft
from compute_aligned.config.sheets import ALL_CELLS, WARMUP, BranchRow, PaperItem
from compute_aligned.config.sources import Source
from compute_aligned.files.errors import InputError
from compute_aligned.files.parsing import near, validated


@dataclass(frozen=True)
class Item:
    """A table or figure of an experiment: its row of ``config/paper_items.tsv``, and of what."""

    row: PaperItem
    experiment: Experiment

    @property
    def models(self) -> list[str]:
        """The ids of the models that it shows: the warm-up, then its branches."""
        return [WARMUP, *self.row.branches]


@dataclass(frozen=True)
class Study:
    """A scale, with every sheet.

    Attributes:
        scale: Its name.
        settings: What its file says.
        experiments: By family, in the file's order.
        rows: Of all branches of the sheet, those of families that the scale lacks too, and of the
            cells of a map.
        items: All rows of ``config/paper_items.tsv`` by their names.
        folder: The configuration that all of it is from.
        cells: Of a scale that is a map, what each family is; else none.

    """

    scale: str
    settings: Scale
    experiments: Mapping[str, Experiment]
    rows: Mapping[tuple[str, str], BranchRow]
    items: Mapping[str, PaperItem]
    folder: Path = CONFIG
    cells: Mapping[str, Cell] = field(default_factory=dict)

    def experiment(self, family: str) -> Experiment:
        """The experiment of a family; it is an error if the scale has none."""
        problem = f"there is no family {family!r} at this scale"
        return chosen(self.experiments, family, scale_file(self.scale, self.folder), problem)

    def cell(self, run: str) -> Cell:
        """The cell of a map that a family is; it is an error if it is none."""
        problem = f"there is no cell {run!r} of a map at this scale"
        return chosen(self.cells, run, scale_file(self.scale, self.folder), problem)

    def source(self, name: str) -> Source:
        """One of the sources of raw problems; it is an error if there is none of that name."""
        problem = f"there is no source {name!r} at this scale"
        return chosen(self.settings.sources, name, scale_file(self.scale, self.folder), problem)

    def checkpoint(self, name: str) -> PretrainedModel:
        """One of the checkpoints that families start from, by its name as a file."""
        models = [family.model for family in self.settings.families.values()]
        known = {m.checkpoint: m for m in models if isinstance(m, PretrainedModel)}
        problem = f"no family starts from a checkpoint {name!r} at this scale"
        return chosen(known, name, scale_file(self.scale, self.folder), problem)

    def row(self, item: str) -> PaperItem:
        """The row of a table or figure; it is an error if there is none of that name."""
        sheet = sheet_file("paper_items", self.folder)
        return chosen(self.items, item, sheet, f"there is no item {item!r}")

    def item(self, name: str) -> Item:
        """A table or figure that is made from an experiment."""
        row = self.row(name)
        return Item(row, self.experiment(row.family))

    def shown(self, output: str) -> list[str]:
        """The tables, or the figures, that are analytic or that experiments are made for.

        A map has those of its cells.
        """
        return [
            name
            for name, row in self.items.items()
            if row.output == output and (self.families_of(row) or (row.analytic and not self.cells))
        ]

    def families_of(self, row: PaperItem) -> list[str]:
        """The experiments of this scale that an item is made from: one, some cells, or none."""
        if row.of_temperatures:
            return [family for family in self._swept if family == row.family]
        if not row.of_cells:
            return [family for family in self.experiments if family == row.family]
        return [
            run
            for run, cell in self.cells.items()
            if row.like in (cell.like, ALL_CELLS)
            and (not row.branches or set(row.branches) & set(self.experiments[run].branches))
        ]

    def cells_of(self, row: PaperItem) -> list[str]:
        """The cells of a map that an item is made from; it is an error if it asks for some."""
        if not row.of_cells:
            return []
        where = f"{scale_file(self.scale, self.folder)}: {row.item}"
        if not (runs := self.families_of(row)):
            problem = f"the scale has no cell of a map that is like {row.like}"
            raise InputError(where, problem, "name a scale that is a map, such as regimes")
        return runs

    @property
    def families_shown(self) -> list[str]:
        """The families that some table or figure shows; others are not run."""
        shown = {family for row in self.items.values() for family in self.families_of(row)}
        return [family for family in self.experiments if family in shown]

    @property
    def families_swept(self) -> list[str]:
        """Those of them that are sampled at other temperatures too."""
        return [family for family in self.families_shown if family in self._swept]

    @property
    def _swept(self) -> list[str]:
        experiments = self.experiments.items()
        return [name for name, each in experiments if each.settings.temperatures is not None]

    @property
    def strategies(self) -> list[str]:
        """The strategies of all branches as their rows spell them, each once."""
        return list(dict.fromkeys(row.strategy for row in self.rows.values()))

    @property
    def reinforced(self) -> list[Branch]:
        """All branches of the scale that are trained by reinforcement learning."""
        return [
            branch
            for experiment in self.experiments.values()
            for branch in experiment.branches.values()
            if isinstance(branch.training, Rl)
        ]

    def labels(self, family: str) -> dict[str, str]:
        """Model id to what a reader sees, of any family in the sheet."""
        rows = {b: row.label for (f, b), row in self.rows.items() if f == family}
        return {WARMUP: WARMUP_LABEL} | rows


@functools.cache
def read_study(scale: str, folder: Path = CONFIG) -> Study:
    """Read a scale and the sheets, and resolve how every branch is trained.

    Args:
        scale: A file of ``config/scales/``, without ``.yaml``.
        folder: The configuration.

    Raises:
        InputError: A file or sheet is wrong, a family has no branches, or a branch cannot be
            trained as its row says.

    """
    settings, rows = read_scale(scale, folder), read_rows(scale, folder)
    experiments = {
        name: Experiment(
            scale, name, family, settings.dtype, _branches(scale, name, family, rows, folder)
        )
        for name, family in settings.families.items()
    }
    items, cells = read_items(folder), read_cells(scale, folder)
    return Study(scale, settings, experiments, rows, items, folder, cells)


def _branches(
    scale: str,
    name: str,
    family: Family,
    rows: Mapping[tuple[str, str], BranchRow],
    folder: Path,
) -> dict[str, Branch]:
    sheet = sheet_file("branches", folder)
    found = {
        branch: Branch(row, _training(family, row, sheet, scale_file(scale, folder)))
        for (of, branch), row in rows.items()
        if of == name
    }
    if not found:
        known = dict.fromkeys(of for of, _ in rows)
        raise InputError(
            sheet,
            f"family {name!r} has no branches{near(name, known)}",
            "add a row for each of its branches, one of them with role baseline",
        )
    return found


def _training(family: Family, row: BranchRow, sheet: Path, scale_path: Path) -> Sft | Rl:
    """The family's ``sft`` or ``rl`` with a branch's overrides laid over."""
    where = f"{sheet}: {row.family} {row.branch}"
    block = family.sft if row.fine_tuned else family.rl
    if block is None:
        asked = "fine-tuning (sft)" if row.fine_tuned else "reinforcement learning (rl)"
        raise InputError(
            where,
            f"weight_form is {row.weight_form}, which is {asked}, and the family has no such block",
            f"change it (- is sft, log and raw are rl), or add the block in {scale_path}",
        )
    return validated(type(block), block.model_dump() | row.overrides, f"{where}: overrides")
