"""The one reading of ``config/``: the run, the scales, the sheets of branches and of items.

Nothing else opens a file there but ``config.claims``. Each mistake becomes an
:class:`~compute_aligned.files.errors.InputError` that names the file, the key and the remedy.
"""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from compute_aligned.config.scales import Run, Scale
from compute_aligned.config.sheets import WARMUP, BranchRow, PaperItem, check_starts
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
    """Read and check ``config/scales/{name}.yaml``.

    Raises:
        InputError: The file is missing, is no YAML, or holds a key or value that is not allowed.

    """
    paths = {path.stem: path for path in sorted((folder / "scales").glob("*.yaml"))}
    path = chosen(paths, name, scale_file(name, folder), f"there is no scale {name!r}")
    return validated(Scale, read_yaml(path), path)


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
        known = {b: row for (f, b), row in branches.items() if f == item.family}
        for branch in item.branches:
            chosen(known, branch, where, f"family {item.family!r} has no branch {branch!r}")
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
