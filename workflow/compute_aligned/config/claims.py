"""The reading of the two sheets of claims, and what of them a scale can run.

Without pandas: Snakemake asks this module before any job, in an environment of its own.
"""

import csv
import functools
from dataclasses import dataclass
from pathlib import Path

from compute_aligned.config.claim_rows import ClaimRow, ContrastRow
from compute_aligned.config.deviations import from_paper
from compute_aligned.config.fingerprints import fingerprint
from compute_aligned.config.reading import CONFIG, REPORTED, read_branches, sheet_file
from compute_aligned.config.scales import Family
from compute_aligned.config.settings import budgets_up_to
from compute_aligned.config.sheets import WARMUP
from compute_aligned.config.study import Study
from compute_aligned.files.errors import InputError
from compute_aligned.files.parsing import near, read_sheet
from compute_aligned.method.metrics import metric_of


@dataclass(frozen=True)
class Claim:
    """A row of ``config/claims.tsv``, with its rows of ``config/claim_contrasts.tsv``."""

    row: ClaimRow
    rows: tuple[ContrastRow, ...]

    @property
    def by_algebra(self) -> bool:
        """Whether it holds by algebra, so that only its size is measured."""
        return all(row.role == "algebra" for row in self.rows)


@functools.cache
def read_claims(folder: Path = CONFIG) -> dict[str, Claim]:
    """All claims by their id, in the order of ``config/claims.tsv``.

    Raises:
        InputError: A row is wrong or there twice, names a family or branch that exists nowhere, or
            a claim and its contrasts do not go together.

    """
    titles = _titles(sheet_file("claims", folder))
    contrasts = _contrasts(titles, folder)
    claims = {}
    for claim, (where, row) in titles.items():
        rows = tuple(contrast for contrast in contrasts if contrast.claim == claim)
        roles = {contrast.role for contrast in rows}
        if not roles & {"contrast", "algebra"} or len(roles & {"contrast", "algebra"}) > 1:
            raise InputError(
                where,
                f"claim {claim} has contrasts in the roles: {', '.join(sorted(roles)) or 'none'}",
                f"give it rows in {contrast_sheet(folder)} with the role contrast, or else algebra",
            )
        claims[claim] = Claim(row, rows)
    return claims


def contrast_sheet(folder: Path) -> Path:
    """The file that holds what must hold for a claim."""
    return sheet_file("claim_contrasts", folder)


def _titles(path: Path) -> dict[str, tuple[str, ClaimRow]]:
    """The rows of ``claims.tsv`` by their id, each with its place."""
    titles: dict[str, tuple[str, ClaimRow]] = {}
    reported = {family for family, _ in _reported_branches()}
    for line, row in read_sheet(path, ClaimRow):
        where = f"{path}:{line}"
        if row.claim in titles:
            raise InputError(where, f"claim {row.claim} is there twice", "rename one")
        for family in set(row.reported) - reported:
            raise InputError(
                where,
                f"paper_reported.csv has no family {family!r}{near(family, reported)}",
                f"choose from: {', '.join(sorted(reported))}; or write - in the column reported",
            )
        titles[row.claim] = (where, row)
    return titles


def _contrasts(claims: dict[str, tuple[str, ClaimRow]], folder: Path) -> list[ContrastRow]:
    """The rows of ``claim_contrasts.tsv``."""
    path, known = contrast_sheet(folder), _known_branches(folder)
    rows: list[ContrastRow] = []
    for line, row in read_sheet(path, ContrastRow):
        where = f"{path}:{line}"
        if row in rows:
            raise InputError(where, "the same contrast is there twice", "drop one of the two")
        if row.claim not in claims:
            problem = f"there is no claim {row.claim}{near(row.claim, claims)}"
            raise InputError(where, problem, f"choose one of: {', '.join(claims)}; or add it")
        _check_names(row, known, where)
        rows.append(row)
    return rows


def _check_names(row: ContrastRow, known: dict[str, list[str]], where: str) -> None:
    if row.family not in known:
        problem = f"there is no family {row.family!r}{near(row.family, known)}"
        raise InputError(where, problem, f"choose one of: {', '.join(known)}")
    branches = known[row.family]
    for branch in row.models:
        if branch not in [*branches, WARMUP]:
            problem = f"family {row.family!r} has no branch {branch!r}{near(branch, branches)}"
            raise InputError(where, problem, f"choose one of: {', '.join(branches)}, warmup")


def _known_branches(folder: Path) -> dict[str, list[str]]:
    """The branches of every family: ours, and those that only the paper has trained."""
    known: dict[str, list[str]] = {}
    for family, branch in [*read_branches(folder), *_reported_branches()]:
        branches = known.setdefault(family, [])
        if branch not in branches:
            branches.append(branch)
    return known


def _reported_branches() -> list[tuple[str, str]]:
    """The families and branches of ``paper_reported.csv``."""
    with REPORTED.open(encoding="utf-8", newline="") as lines:
        return [(row["family"], row["branch"]) for row in csv.DictReader(lines)]


# --- at a scale -----------------------------------------------------------------------------


def runs_at(study: Study, row: ContrastRow) -> bool:
    """Whether a scale has what a contrast needs: its family, its branches, enough samples."""
    experiment = study.experiments.get(row.family)
    if experiment is None or not set(row.models) <= set(experiment.models):
        return False
    settings = experiment.settings
    sampled = settings.swept if row.of_temperatures else (settings.sampling,)
    return row.metric == "rho" or any(row.budget <= each.num_samples for each in sampled)


def rows_at(study: Study) -> list[ContrastRow]:
    """The contrasts that a scale runs, of all claims."""
    claims = read_claims(study.folder).values()
    return [row for claim in claims for row in claim.rows if runs_at(study, row)]


def families_at(study: Study) -> list[str]:
    """The families whose outcomes the claims are judged on."""
    rows = [row for row in rows_at(study) if row.metrics and not row.of_temperatures]
    return list(dict.fromkeys(row.family for row in rows))


def families_at_temperatures(study: Study) -> list[str]:
    """The families whose outcomes at other temperatures the claims are judged on."""
    return list(dict.fromkeys(row.family for row in rows_at(study) if row.of_temperatures))


def families_by_sample(study: Study) -> list[str]:
    """The families of which single samples are needed, not only the outcomes of problems.

    Samples are what rho is made from, and a family that has one prompt only.
    """
    return list(
        dict.fromkeys(
            row.family
            for row in rows_at(study)
            if row.metric == "rho" or study.experiment(row.family).is_pool
        )
    )


def items_of_states(study: Study, claim: Claim) -> list[str]:
    """The items that count the seeds in each of two states, of the families of a claim."""
    families = {row.family for row in claim.rows}
    return [
        name
        for name, row in study.items.items()
        if row.form == "two_states" and row.family in families & set(study.experiments)
    ]


def scored_budgets(metric: str, family: Family, swept: bool = False) -> list[int]:
    """The budgets at which a family computes a metric, one of its own or ``rho``.

    With ``swept``: at other temperatures.
    """
    least = 1 if metric == "rho" else metric_of(metric).least
    sampling = family.swept[0] if swept else family.sampling
    return [k for k in budgets_up_to(sampling.num_samples) if k >= least]


def claims_fingerprint(study: Study) -> str:
    """What the verdicts depend on, besides outcomes, scores and the paper's numbers."""
    claims = read_claims(study.folder).values()
    rows = [row for claim in claims for row in (claim.row, *claim.rows)]
    labels = [label for family in families_at(study) for label in study.labels(family).values()]
    swept = [study.experiment(family) for family in families_at_temperatures(study)]
    usual = [str(experiment.settings.sampling.temperature) for experiment in swept]
    otherwise = [repr(each) for each in from_paper(study)]
    states = [item for claim in claims for item in items_of_states(study, claim)]
    return fingerprint(*rows, *labels, *usual, *otherwise, *states)
