"""The one reading of ``config/``: the run, the scales, the sheets of branches and of items.

Nothing else opens a file there but ``config.claims``. Each mistake becomes an
:class:`~compute_aligned.files.errors.InputError` that names the file, the key and the remedy.
"""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from compute_aligned.config.cells import Cell, Map, expanded
from compute_aligned.config.scales import Run, Scale
from compute_aligned.config.sheets import FROM_WARMUP, WARMUP, BranchRow, PaperItem, check_starts
from compute_aligned.files.errors import InputError
from compute_aligned.files.parsing import near, read_sheet, read_yaml, validated

ROOT = Path(__file__).resolve().parents[3]
CONFIG = ROOT / "config"
REPORTED = CONFIG / "paper_reported.csv"  # the paper's own numbers
Entry = TypeVar("Entry")


def read_run(overrides: dict[str, Any] | None = None, folder: Path = CONFIG) -> Run:
    """Read ``config/config.yaml``, with the values of ``snakemake --config`` laid over it."""
    path = folder / "config.yaml"
    content = read_yaml(path)
    run = validated(Run, content, path)
    given = {key: _whole_numbers(value) for key, value in (overrides or {}).items()}
    return validated(Run, content | given, "--config") if given else run


def _whole_numbers(value: Any) -> Any:
    """A list with its whole numbers as such: Snakemake reads ``--config 'seeds=[0]'`` as text."""
    if not isinstance(value, list):
        return value
    return [int(item) if isinstance(item, str) and item.isdecimal() else item for item in value]


@functools.cache
def read_scale(name: str, folder: Path = CONFIG) -> Scale:
    """Read and check ``config/scales/{name}.yaml``; of a map, every cell is a family.

    Raises:
        InputError: The file is missing, is no YAML, or holds a key or value that is not allowed.

    """
    return validated(Scale, _resolved(name, folder)[0], scale_file(name, folder))


def read_cells(name: str, folder: Path = CONFIG) -> dict[str, Cell]:
    """The cells of a scale that is a map, by the families that they are; else none."""
    return _resolved(name, folder)[1]


@functools.cache
def _resolved(name: str, folder: Path) -> tuple[dict[str, Any], dict[str, Cell]]:
    """What a scale's file says, a map written out, and the cells of a map."""
    paths = {path.stem: path for path in sorted((folder / "scales").glob("*.yaml"))}
    path = chosen(paths, name, scale_file(name, folder), f"there is no scale {name!r}")
    content = read_yaml(path)
    if "like" not in content:
        return content, {}
    described = validated(Map, content, path)
    like = described.like
    base = read_yaml(chosen(paths, like, f"{path}: like", f"there is no scale {like!r}"))
    if "like" in base:
        raise InputError(f"{path}: like", f"scale {like} is a map itself", "name another scale")
    read_scale(like, folder)  # is right
    return expanded(described, base, path)


@functools.cache
def read_branches(folder: Path = CONFIG) -> dict[tuple[str, str], BranchRow]:
    """All rows of ``config/branches.tsv``, keyed by family and branch, in the sheet's order.

    Raises:
        InputError: A row is wrong, a family has not exactly one baseline, or a branch cannot start
            where its row says.

    """
    path = sheet_file("branches", folder)
    rows: dict[tuple[str, str], BranchRow] = {}
    for line, row in read_sheet(path, BranchRow):
        key = (row.family, row.branch)
        if key in rows or row.branch == WARMUP:
            raise InputError(
                f"{path}:{line}",
                f"branch {row.branch!r} of {row.family!r} is taken",
                "give every branch of a family a name of its own",
            )
        rows[key] = row
    for family in dict.fromkeys(family for family, _ in rows):
        of_family = {b: row for (f, b), row in rows.items() if f == family}
        baselines = [b for b, row in of_family.items() if row.role == "baseline"]
        if len(baselines) != 1:
            raise InputError(
                path,
                f"family {family!r} has {len(baselines)} branches with role baseline",
                "give exactly one of its rows the role baseline",
            )
        check_starts(of_family, path)
    return rows


def read_rows(scale: str, folder: Path = CONFIG) -> dict[tuple[str, str], BranchRow]:
    """As :func:`read_branches`, and after them the rows of the cells of a map.

    Raises:
        InputError: As there; or a cell lacks a branch that it cannot do without.

    """
    rows = dict(read_branches(folder))
    for run, cell in read_cells(scale, folder).items():
        where = f"{scale_file(scale, folder)}: families.{cell.like}.branches"
        known = {branch: row for (family, branch), row in rows.items() if family == cell.like}
        for branch in cell.branches:
            chosen(known, branch, where, f"family {cell.like!r} has no branch {branch!r}")
        mine = {branch: row for branch, row in known.items() if branch in cell.branches}
        baseline = next(branch for branch, row in known.items() if row.role == "baseline")
        for needed in (baseline, *(row.start for row in mine.values() if row.start != FROM_WARMUP)):
            if needed not in mine:
                what = "gains are over it" if needed == baseline else "another starts from it"
                raise InputError(where, f"{needed} is missing: {what}", f"add {needed} to the list")
        rows |= {(run, b): row.model_copy(update={"family": run}) for b, row in mine.items()}
    return rows


@functools.cache
def read_items(folder: Path = CONFIG) -> dict[str, PaperItem]:
    """All rows of ``config/paper_items.tsv``, keyed by item.

    Raises:
        InputError: A row is wrong, or names a branch that its family does not have.

    """
    path = sheet_file("paper_items", folder)
    branches = read_branches(folder)
    items: dict[str, PaperItem] = {}
    for line, item in read_sheet(path, PaperItem):
        where = f"{path}:{line}"
        if item.item in items:
            raise InputError(where, f"item {item.item!r} is there twice", "rename one")
        known = {b: row for (f, b), row in branches.items() if f == item.like}
        for branch in item.branches:
            chosen(known, branch, where, f"family {item.like!r} has no branch {branch!r}")
        items[item.item] = item
    return items


def scale_file(name: str, folder: Path = CONFIG) -> Path:
    """The file of a scale."""
    return folder / "scales" / f"{name}.yaml"


def sheet_file(name: str, folder: Path = CONFIG) -> Path:
    """The file of a sheet."""
    return folder / f"{name}.tsv"


def chosen(known: Mapping[str, Entry], name: str, where: Path | str, problem: str) -> Entry:
    """The entry of that name.

    Raises:
        InputError: There is none; lists the names there are.

    """
    if name not in known:
        choice = f"choose one of: {', '.join(known) or 'none'}{near(name, known)}"
        raise InputError(where, problem, choice)
    return known[name]
