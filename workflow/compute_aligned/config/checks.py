"""What a run makes sure of before anything starts, and the schemas for editors.

Without pandas: Snakemake asks this module before any job, in an environment of its own.
"""

import importlib.util
import json
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel

from compute_aligned.config.cells import Map
from compute_aligned.config.claim_rows import ClaimRow, ContrastRow
from compute_aligned.config.claims import contrast_sheet, rows_at, scored_budgets
from compute_aligned.config.reading import ROOT, scale_file, sheet_file
from compute_aligned.config.scales import Family, Run, Scale
from compute_aligned.config.sheets import BranchRow, PaperItem
from compute_aligned.config.study import Study
from compute_aligned.files.errors import InputError
from compute_aligned.method.metrics import METRICS


def check_claims(study: Study) -> None:
    """Check both sheets, and that the scale's families compute what the claims are about.

    Raises:
        InputError: As :func:`read_claims`; or a metric or budget is not computed at this scale.

    """
    for row in rows_at(study):
        family = study.experiment(row.family).settings
        where = f"{contrast_sheet(study.folder)}: {row.claim} {row.family} {row.branch}"
        computed = family.swept_metrics if row.of_temperatures else family.metrics
        missing = [metric for metric in row.metrics if metric not in computed]
        if missing:
            raise InputError(
                where,
                f"{row.metric} needs {missing[0]}, which family {row.family} does not compute at "
                f"scale {study.scale}",
                f"choose from {', '.join(computed)}, or add it to the family's metrics",
            )
        scored = scored_budgets(row.metric, family, row.of_temperatures)
        if row.metrics and row.budget not in scored:
            raise InputError(
                where,
                f"the budget {row.budget} is not computed by family {row.family} at scale "
                f"{study.scale}",
                f"choose from {', '.join(map(str, scored))}",
            )


# --- the run ---------------------------------------------------------------------------------

SCHEMA_FOLDER = ROOT / "workflow" / "schemas"

SCHEMAS: dict[str, type[BaseModel]] = {
    "config": Run,
    "scale": Scale,
    "map": Map,
    "branches": BranchRow,
    "paper_items": PaperItem,
    "claims": ClaimRow,
    "claim_contrasts": ContrastRow,
}


def check(study: Study) -> None:
    """Check what a run will use before anything starts: its items, the strategies, the metrics.

    Raises:
        InputError: Something in them is wrong, or does not go together.

    """
    for item in study.items.values():
        for family in study.families_of(item) if item.measured else []:
            where = f"{sheet_file('paper_items', study.folder)}: {item.item}"
            _check_item(where, item, family, study)
    if importlib.util.find_spec("torch") is not None:
        # else Snakemake is alone, its jobs in conda environments: each checks its own strategy
        _check_strategies(study)
        for name, settings in study.settings.families.items():
            _check_metrics(
                f"{scale_file(study.scale, study.folder)}: families.{name}.metrics", settings
            )


def _check_item(where: str, item: PaperItem, name: str, study: Study) -> None:
    family = study.experiment(name).settings
    computed = family.swept_metrics if item.of_temperatures else family.metrics
    if item.metric not in computed:
        raise InputError(
            where,
            f"metric {item.metric} is not computed by family {name} at scale {study.scale}",
            f"choose from {', '.join(computed)}, or add it to the family's metrics",
        )
    scored = scored_budgets(item.metric, family, item.of_temperatures)
    within = [k for k in item.budgets if k <= max(scored)]  # smaller scales show fewer of them
    if not within or not set(within) <= set(scored):
        raise InputError(
            where,
            f"not all of the budgets {', '.join(map(str, within or item.budgets))} are computed by "
            f"family {name} at scale {study.scale}",
            f"choose from {', '.join(map(str, scored))}, or change the family's num_samples",
        )


def _check_strategies(study: Study) -> None:
    from compute_aligned.config.objectives import objective_of
    from compute_aligned.method.strategy_text import parse_strategy

    for row in study.rows.values():
        with _naming(row, study):
            strategy = parse_strategy(row.strategy)
            if row.weight_form != "-":
                strategy.check_form(row.weight_form)
    for branch in study.reinforced:
        with _naming(branch.row, study):
            objective_of(branch)


@contextmanager
def _naming(row: BranchRow, study: Study) -> Iterator[None]:
    """Errors within name the row too."""
    try:
        yield
    except InputError as error:
        sheet = sheet_file("branches", study.folder)
        where = f"{sheet}: {row.family} {row.branch}: {error.where}"
        raise InputError(where, error.problem, error.remedy) from None


def _check_metrics(where: str, family: Family) -> None:
    """Check that a strategy that stands among the metrics can be estimated from the samples."""
    from compute_aligned.method.strategy_text import parse_strategy

    num_samples = family.sampling.num_samples
    for name in set(family.metrics) - set(METRICS):
        try:
            strategy = parse_strategy(name)
        except InputError as error:
            raise InputError(f"{where}: {error.where}", error.problem, error.remedy) from None
        if strategy.estimate(num_samples, 0) is None:
            raise InputError(
                f"{where}: {name}",
                f"its success cannot be estimated from {num_samples} samples",
                "draw more of them, or give the strategy a method estimate",
            )


def schemas() -> dict[str, str]:
    """File name to text of the JSON schemas of the configuration, one a file or sheet."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {
        f"{name}.schema.json": json.dumps(dialect | model.model_json_schema(), indent=2) + "\n"
        for name, model in SCHEMAS.items()
    }
