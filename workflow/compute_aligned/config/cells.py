"""A scale that is a map: families of another scale with a few settings varied, a family a cell.

``config/scales/regimes.yaml`` is one. What its file does not say is as at the scale that it names
with ``like``; what comes out is the content of an ordinary scale, which is checked as any other.
"""

import functools
import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from compute_aligned.config.fields import Distinct, Name, Settings
from compute_aligned.config.settings import Device, Engine
from compute_aligned.files.errors import InputError
from compute_aligned.files.parsing import near

Content = dict[str, Any]  # of a file, or of a block of it


class Grid(Settings):
    """A family's block in a map: ``cells``, the values of each key that is varied, all with all.

    A key has dots between its blocks: ``sft.decay``. ``branches`` are the rows of the family in
    ``config/branches.tsv`` that are trained in each cell. Any other key of a family may be there,
    and takes the place of what the scale ``like`` says.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    branches: Annotated[tuple[Name, ...], Field(min_length=2), Distinct]
    cells: Annotated[
        dict[str, Annotated[list[Any], Field(min_length=1)]],
        Field(min_length=1),
    ]


class Map(Settings):
    """A map: the scale that it is like, and its families.

    ``engine`` and ``device`` take the place of that scale's, ``sources`` come to its own.
    """

    like: Name
    engine: Engine | None = None
    device: Device | None = None
    sources: dict[Name, dict[str, Any]] = Field(default_factory=dict)
    families: Annotated[dict[Name, Grid], Field(min_length=1)]


@dataclass(frozen=True)
class Cell:
    """A cell of a map.

    Attributes:
        like: The family of the sheets whose rows apply to it.
        branches: Which of the family's branches it has.
        settings: Of each key that is varied the value, as text.

    """

    like: str
    branches: tuple[str, ...]
    settings: Mapping[str, str]

    @property
    def text(self) -> str:
        """What tells it from the others: ``rl.group_size=4, rl.kl_weight=0.05``."""
        return ", ".join(f"{key}={value}" for key, value in self.settings.items())


def expanded(described: Map, base: Content, where: Path) -> tuple[Content, dict[str, Cell]]:
    """A map as an ordinary scale, whose families are the cells; and what each cell is.

    Args:
        described: The map.
        base: What the file of the scale ``like`` says, which is right.
        where: The map's file, for errors.

    Raises:
        InputError: The scale has no family that a block is named after, or two cells have one name.

    """
    families: Content = {}
    cells: dict[str, Cell] = {}
    for name, grid in described.families.items():
        block = f"{where}: families.{name}"
        if name not in base["families"]:
            problem = f"scale {described.like} has no family {name!r}{near(name, base['families'])}"
            choice = f"name the block after one of: {', '.join(base['families'])}"
            raise InputError(block, problem, choice)
        family = laid_over(base["families"][name], grid.model_extra or {})
        for values in itertools.product(*grid.cells.values()):
            settings = dict(zip(grid.cells, values, strict=True))
            cell = Cell(name, grid.branches, {key: _text(v) for key, v in settings.items()})
            run = _name(cell)
            if run in cells:
                raise InputError(
                    f"{block}.cells",
                    f"two cells would be named {run}: {cells[run].text} and {cell.text}",
                    "drop one of the two values, or write them so that letters or digits differ",
                )
            changes = [_nested(key, value) for key, value in settings.items()]
            families[run], cells[run] = functools.reduce(laid_over, changes, family), cell
    others = described.model_dump(include={"engine", "device", "sources"}, exclude_none=True)
    return laid_over(base, others) | {"families": families}, cells


def laid_over(block: Content, changes: Mapping[str, Any]) -> Content:
    """A block with other values; blocks within it keep the keys that are not changed."""
    both = {
        key: laid_over(block[key], value)
        for key, value in changes.items()
        if isinstance(value, dict) and isinstance(block.get(key), dict)
    }
    return {**block, **changes, **both}


def _nested(key: str, value: Any) -> Content:
    """A value below the blocks that a key with dots names."""
    first, _, rest = key.partition(".")
    return {first: _nested(rest, value) if rest else value}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _name(cell: Cell) -> str:
    """The name of a cell's family: ``sft_passn__decay_480_steps``."""
    words = [f"{key.rpartition('.')[2]} {value}" for key, value in cell.settings.items()]
    plain = [re.sub(r"[^a-z0-9]+", "_", word.lower()).strip("_") for word in words]
    return "__".join([cell.like, *plain])
