"""The one reading of the configuration: the run, the scales, the sheets.

Everything else asks this module; nothing else opens a file under ``config/``. Each mistake becomes
an :class:`~compute_aligned.files.errors.InputError` that names the file, the key and the remedy.
"""

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from compute_aligned.config.models import PretrainedModel
from compute_aligned.config.scales import Family, Run, Scale
from compute_aligned.config.settings import Rl, Sft
from compute_aligned.config.sheets import FROM_WARMUP, BranchRow, PaperItem, check_starts
from compute_aligned.config.sources import JsonlSource, Source
from compute_aligned.files.errors import InputError
from compute_aligned.files.parsing import near, read_sheet, read_yaml, validated

ROOT = Path(__file__).resolve().parents[3]
CONFIG = ROOT / "config"
WARMUP = "warmup"  # the id under which the warm-up model is sampled, scored and shown
WARMUP_LABEL = "Warm-up"
Entry = TypeVar("Entry")


def read_run(overrides: dict[str, Any] | None = None) -> Run:
    """Read ``config/config.yaml``, with the values of ``snakemake --config`` laid over it."""
    path = CONFIG / "config.yaml"
    content = read_yaml(path)
    run = validated(Run, content, path)
    given = {key: _whole_numbers(value) for key, value in (overrides or {}).items()}
    return validated(Run, content | given, "--config") if given else run


def _whole_numbers(value: Any) -> Any:
    """A list with its whole numbers as such: Snakemake reads ``--config 'seeds=[0]'`` as text."""
    if not isinstance(value, list):
        return value
    return [int(item) if isinstance(item, str) and item.isdecimal() else item for item in value]


def _scale_file(name: str) -> Path:
    return CONFIG / "scales" / f"{name}.yaml"


def sheet_file(name: str) -> Path:
    """The file of a sheet in ``config/``."""
    return CONFIG / f"{name}.tsv"


def _chosen(known: Mapping[str, Entry], name: str, where: Path, problem: str) -> Entry:
    """The entry of that name; without one, an error that lists the names there are."""
    if name not in known:
        choice = f"choose one of: {', '.join(known) or 'none'}{near(name, known)}"
        raise InputError(where, problem, choice)
    return known[name]


@functools.cache
def read_scale(name: str) -> Scale:
    """Read and check ``config/scales/{name}.yaml``.

    Raises:
        InputError: The file is missing, is no YAML, or holds a key or value that is not allowed.

    """
    paths = {path.stem: path for path in sorted((CONFIG / "scales").glob("*.yaml"))}
    path = _chosen(paths, name, _scale_file(name), f"there is no scale {name!r}")
    return validated(Scale, read_yaml(path), path)


def read_family(scale: str, family: str) -> Family:
    """The settings of one family at one scale."""
    problem = f"there is no family {family!r} at this scale"
    return _chosen(read_scale(scale).families, family, _scale_file(scale), problem)


def read_source(scale: str, source: str) -> Source:
    """One of a scale's sources of raw problems."""
    problem = f"there is no source {source!r} at this scale"
    return _chosen(read_scale(scale).sources, source, _scale_file(scale), problem)


def read_checkpoint(scale: str, checkpoint: str) -> PretrainedModel:
    """One of the checkpoints that a scale's families start from, by its name as a file."""
    models = [family.model for family in read_scale(scale).families.values()]
    known = {m.checkpoint: m for m in models if isinstance(m, PretrainedModel)}
    problem = f"no family starts from a checkpoint {checkpoint!r} at this scale"
    return _chosen(known, checkpoint, _scale_file(scale), problem)


def local_files(source: Source) -> list[str]:
    """The local file that a source reads, if it reads one."""
    return [source.source.removeprefix("jsonl:")] if isinstance(source, JsonlSource) else []


@functools.cache
def read_branches() -> dict[tuple[str, str], BranchRow]:
    """All rows of ``config/branches.tsv``, keyed by family and branch, in the sheet's order.

    Raises:
        InputError: A row is wrong, a family has not exactly one baseline, or a branch cannot start
            where its row says.

    """
    path = sheet_file("branches")
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
        baselines = [b for (f, b), row in rows.items() if f == family and row.role == "baseline"]
        if len(baselines) != 1:
            raise InputError(
                path,
                f"family {family!r} has {len(baselines)} branches with role baseline",
                "give exactly one of its rows the role baseline",
            )
        check_starts({b: row for (f, b), row in rows.items() if f == family}, path)
    return rows


def read_branch(family: str, branch: str) -> BranchRow:
    """One row of ``config/branches.tsv``."""
    rows = {b: row for (f, b), row in read_branches().items() if f == family}
    return _chosen(
        rows, branch, sheet_file("branches"), f"family {family!r} has no branch {branch!r}"
    )


def branch_training(scale: str, family: str, branch: str) -> Sft | Rl:
    """How a branch is trained: its family's ``sft`` or ``rl`` with the row's overrides laid over.

    Raises:
        InputError: The family has no such block at this scale, or an override is no key of it or
            has a value that is not allowed.

    """
    settings, row = read_family(scale, family), read_branch(family, branch)
    where = f"{sheet_file('branches')}: {family} {branch}"
    block = settings.sft if row.fine_tuned else settings.rl
    if block is None:
        asked = "fine-tuning (sft)" if row.fine_tuned else "reinforcement learning (rl)"
        raise InputError(
            where,
            f"weight_form is {row.weight_form}, which is {asked}, and the family has no such block",
            f"change it (- is sft, log and raw are rl), or add the block in {_scale_file(scale)}",
        )
    return validated(type(block), block.model_dump() | row.overrides, f"{where}: overrides")


def branches_trained_by(kind: Literal["sft", "rl"]) -> list[tuple[str, str]]:
    """Family and branch of every row of the sheet that is fine-tuned, or else trained by RL."""
    return [key for key, row in read_branches().items() if row.fine_tuned == (kind == "sft")]


def start_of(family: str, branch: str) -> str:
    """The id of the model that a branch is trained from: the warm-up's, or another branch's."""
    start = read_branch(family, branch).start
    return WARMUP if start == FROM_WARMUP else start


def branches_of(family: str) -> list[str]:
    """The branch ids of a family, in the sheet's order, without the warm-up."""
    return [branch for f, branch in read_branches() if f == family]


def models_of(family: str) -> list[str]:
    """Every model that a family samples: the warm-up, then the branches."""
    return [WARMUP, *branches_of(family)]


def strategies_in_use() -> list[str]:
    """The strategies of ``config/branches.tsv`` as they stand there, each once."""
    return list(dict.fromkeys(row.strategy for row in read_branches().values()))


def baseline_of(family: str) -> str:
    """The branch id that every contrast of a family is taken against."""
    rows = read_branches()
    return next(b for (f, b), row in rows.items() if f == family and row.role == "baseline")


def labels_of(family: str) -> dict[str, str]:
    """Branch id to what a reader sees, the warm-up included."""
    return {WARMUP: WARMUP_LABEL} | {
        b: r.label for (f, b), r in read_branches().items() if f == family
    }


@functools.cache
def read_paper_items() -> dict[str, PaperItem]:
    """All rows of ``config/paper_items.tsv``, keyed by item.

    Raises:
        InputError: A row is wrong, or names a branch that its family does not have.

    """
    path = sheet_file("paper_items")
    items: dict[str, PaperItem] = {}
    for line, item in read_sheet(path, PaperItem):
        if item.item in items:
            raise InputError(f"{path}:{line}", f"item {item.item!r} is there twice", "rename one")
        for branch in item.branches:
            try:
                read_branch(item.family, branch)
            except InputError as error:
                raise InputError(f"{path}:{line}", error.problem, error.remedy) from None
        items[item.item] = item
    return items


def read_paper_item(name: str) -> PaperItem:
    """One row of ``config/paper_items.tsv``."""
    return _chosen(
        read_paper_items(), name, sheet_file("paper_items"), f"there is no item {name!r}"
    )


def items_at(scale: str, output: str) -> list[str]:
    """The tables, or the figures, that are analytic or whose family is configured at a scale."""
    families = read_scale(scale).families
    return [
        name
        for name, item in read_paper_items().items()
        if item.output == output and (item.analytic or item.family in families)
    ]


# --- how much of a scale a run covers --------------------------------------------------------


def seeds_of(run: Run, scale: str, family: str) -> tuple[int, ...]:
    """The run's own seeds if it was given any, else those of the family."""
    return run.seeds or read_family(scale, family).seeds


def families_shown(scale: str) -> list[str]:
    """The families of a scale that some table or figure shows; others are not run."""
    shown = {item.family for item in read_paper_items().values()}
    return [family for family in read_scale(scale).families if family in shown]
