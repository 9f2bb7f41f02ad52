"""The one reading of the configuration: the run, the scales, the sheets.

Everything else asks this module; nothing else opens a file under ``config/``. Each mistake becomes
an :class:`~compute_aligned.errors.InputError` that names the file, the key and the remedy.
"""

import functools
import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from compute_aligned.errors import InputError
from compute_aligned.settings import (
    BranchRow,
    Family,
    PaperItem,
    Rl,
    Run,
    Scale,
    Sft,
    budgets_up_to,
)
from compute_aligned.sources import JsonlSource, Source
from compute_aligned.validation import near, read_sheet, read_yaml, validated

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config"
SCHEMA_FOLDER = ROOT / "workflow" / "schemas"
WARMUP = "warmup"  # the id under which the warm-up model is sampled, scored and shown
SCHEMAS: dict[str, type[BaseModel]] = {
    "config": Run,
    "scale": Scale,
    "branches": BranchRow,
    "paper_items": PaperItem,
}


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


@functools.cache
def read_scale(name: str) -> Scale:
    """Read and check ``config/scales/{name}.yaml``.

    Raises:
        InputError: The file is missing, is no YAML, or holds a key or value that is not allowed.

    """
    path = CONFIG / "scales" / f"{name}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in path.parent.glob("*.yaml"))
        raise InputError(
            path,
            f"there is no scale {name!r}",
            f"choose one of: {', '.join(known)}{near(name, known)}",
        )
    return validated(Scale, read_yaml(path), path)


def read_family(scale: str, family: str) -> Family:
    """The settings of one family at one scale."""
    families = read_scale(scale).families
    if family not in families:
        raise InputError(
            CONFIG / "scales" / f"{scale}.yaml",
            f"there is no family {family!r} at this scale",
            f"choose one of: {', '.join(families)}{near(family, families)}",
        )
    return families[family]


def read_source(scale: str, source: str) -> Source:
    """One of a scale's sources of raw problems."""
    sources = read_scale(scale).sources
    if source not in sources:
        raise InputError(
            CONFIG / "scales" / f"{scale}.yaml",
            f"there is no source {source!r} at this scale",
            f"choose one of: {', '.join(sources)}{near(source, sources)}",
        )
    return sources[source]


def local_files(source: Source) -> list[str]:
    """The local file that a source reads, if it reads one."""
    return [source.source.removeprefix("jsonl:")] if isinstance(source, JsonlSource) else []


@functools.cache
def read_branches() -> dict[tuple[str, str], BranchRow]:
    """All rows of ``config/branches.tsv``, keyed by family and branch, in the sheet's order.

    Raises:
        InputError: A row is wrong, or a family has not exactly one baseline.

    """
    path = CONFIG / "branches.tsv"
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
    return rows


def read_branch(family: str, branch: str) -> BranchRow:
    """One row of ``config/branches.tsv``."""
    rows = read_branches()
    if (family, branch) not in rows:
        known = [b for f, b in rows if f == family]
        raise InputError(
            CONFIG / "branches.tsv",
            f"family {family!r} has no branch {branch!r}",
            f"choose one of: {', '.join(known) or 'none'}{near(branch, known)}",
        )
    return rows[family, branch]


def branch_training(scale: str, family: str, branch: str) -> Sft | Rl:
    """How a branch is trained: its family's ``sft`` or ``rl`` with the row's overrides laid over.

    Raises:
        InputError: An override is no key of that block, or has a value that is not allowed.

    """
    settings = read_family(scale, family)
    block = settings.sft if settings.rl is None else settings.rl
    if block is None:
        raise ValueError(f"family {family} has neither sft nor rl")
    where = f"{CONFIG / 'branches.tsv'}: {family} {branch}: overrides"
    return validated(type(block), block.model_dump() | read_branch(family, branch).overrides, where)


def families_trained_by(kind: Literal["sft", "rl"]) -> list[str]:
    """The families of the sheet whose branches are fine-tuned, or else trained by RL.

    Only the rows of the latter name a form of the weight.
    """
    return list(
        dict.fromkeys(
            family
            for (family, _), row in read_branches().items()
            if (row.weight_form == "-") == (kind == "sft")
        )
    )


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
    return {WARMUP: "Warm-up"} | {
        b: r.label for (f, b), r in read_branches().items() if f == family
    }


@functools.cache
def read_paper_items() -> dict[str, PaperItem]:
    """All rows of ``config/paper_items.tsv``, keyed by item.

    Raises:
        InputError: A row is wrong, or names a branch that its family does not have.

    """
    path = CONFIG / "paper_items.tsv"
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
    items = read_paper_items()
    if name not in items:
        raise InputError(
            CONFIG / "paper_items.tsv",
            f"there is no item {name!r}",
            f"choose one of: {', '.join(items)}{near(name, items)}",
        )
    return items[name]


def items_at(scale: str, output: str) -> list[str]:
    """The tables, or the figures, that are analytic or whose family is configured at a scale."""
    families = read_scale(scale).families
    return [
        name
        for name, item in read_paper_items().items()
        if item.output == output and (item.analytic or item.family in families)
    ]


def check(run: Run) -> None:
    """Check what a run will use before anything starts: its scale, both sheets, the strategies.

    Raises:
        InputError: Something in them is wrong, or does not go together.

    """
    families = read_scale(run.scale).families
    for family in families:
        _check_branches(run.scale, family)
    for item in read_paper_items().values():
        if item.family in families:
            _check_item(item, families[item.family], run.scale)
    if importlib.util.find_spec("torch") is not None:
        # else Snakemake is alone, its jobs in conda environments: each checks its own strategy
        _check_strategies()


def _check_branches(scale: str, family: str) -> None:
    path = CONFIG / "branches.tsv"
    if not branches_of(family):
        known = dict.fromkeys(f for f, _ in read_branches())
        raise InputError(
            path,
            f"family {family!r} has no branches{near(family, known)}",
            "add a row for each of its branches, one of them with role baseline",
        )
    for branch in branches_of(family):
        form = read_branch(family, branch).weight_form
        fine_tuned = isinstance(branch_training(scale, family, branch), Sft)
        if fine_tuned and form != "-":
            problem = f"weight_form is {form}, and fine-tuning knows no forms of the weight"
            raise InputError(f"{path}: {family} {branch}", problem, "write - there")
        if not fine_tuned and form == "-":
            problem = "weight_form is -, and reinforcement learning weighs in one of two forms"
            raise InputError(f"{path}: {family} {branch}", problem, "write log or raw there")


def _check_item(item: PaperItem, family: Family, scale: str) -> None:
    where = f"{CONFIG / 'paper_items.tsv'}: {item.item}"
    if item.of_samples or item.of_training:
        return
    if item.metric not in family.metrics:
        raise InputError(
            where,
            f"metric {item.metric} is not computed by family {item.family} at scale {scale}",
            f"choose from {', '.join(family.metrics)}, or add it to the family's metrics",
        )
    scored = budgets_up_to(family.sampling.num_samples)
    within = [k for k in item.budgets if k <= max(scored)]  # smaller scales show fewer of them
    if not within or not set(within) <= set(scored):
        raise InputError(
            where,
            f"not all of the budgets {', '.join(map(str, within or item.budgets))} are computed by "
            f"family {item.family} at scale {scale}",
            f"choose from {', '.join(map(str, scored))}, or change the family's num_samples",
        )


def _check_strategies() -> None:
    from compute_aligned.strategies import parse_strategy

    for (family, branch), row in read_branches().items():
        try:
            strategy = parse_strategy(row.strategy)
            if row.weight_form != "-":
                strategy.check_form(row.weight_form)
        except InputError as error:
            where = f"{CONFIG / 'branches.tsv'}: {family} {branch}: {error.where}"
            raise InputError(where, error.problem, error.remedy) from None


def schemas() -> dict[str, str]:
    """File name to text of the JSON schemas of the configuration, one a file or sheet."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {
        f"{name}.schema.json": json.dumps(dialect | model.model_json_schema(), indent=2) + "\n"
        for name, model in SCHEMAS.items()
    }


# --- fingerprints: what each kind of job depends on; a changed one re-runs that job -------------


def fingerprint(*settings: BaseModel | str | int | None) -> str:
    """A short hash of settings: equal settings, equal hash."""
    plain = [s.model_dump(mode="json") if isinstance(s, BaseModel) else s for s in settings]
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def training_fingerprint(scale: str, family: str, branch: str) -> str:
    """What the training of a warm-up or a branch depends on, besides its input files."""
    precision = read_scale(scale).dtype
    settings = read_family(scale, family)
    if branch == WARMUP:
        return fingerprint(settings.model, settings.warmup, settings.problems.target, precision)
    row = read_branch(family, branch)
    training = branch_training(scale, family, branch)
    # what a completion is measured by: the text to write, or who grades it
    measure = settings.problems.target if isinstance(training, Sft) else settings.grader
    return fingerprint(training, measure, precision, row.strategy, row.weight_form)


def sampling_fingerprint(scale: str, family: str, engine: str) -> str:
    """What the samples of a family depend on, besides the models."""
    return fingerprint(read_family(scale, family).sampling, engine, read_scale(scale).dtype)


def scoring_fingerprint(scale: str, family: str) -> str:
    """What scores depend on, besides the samples."""
    settings = read_family(scale, family)
    return fingerprint(settings.grader, settings.reward, *settings.metrics)


def item_fingerprint(item: str) -> str:
    """What a table or figure depends on, besides the scores."""
    row = read_paper_item(item)
    if row.analytic:
        return fingerprint(row, *strategies_in_use())
    return fingerprint(row, baseline_of(row.family), *labels_of(row.family).values())
