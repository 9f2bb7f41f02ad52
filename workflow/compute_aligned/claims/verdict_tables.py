"""The verdicts, a row a claim, and what a scale does otherwise than the paper's method."""

from collections.abc import Sequence

import pandas as pd

from compute_aligned.claims import words as say
from compute_aligned.claims.review import Reviewed
from compute_aligned.config.deviations import Deviation
from compute_aligned.method.verdicts import STATEMENTS
from compute_aligned.paper import pages
from compute_aligned.paper.sheets import Entry, Grid, emphasised, missing, to_csv, words


def verdicts_grid(reviewed: Sequence[Reviewed]) -> Grid:
    """A row a claim."""
    columns = (
        "Claim",
        "Verdict",
        "Deciding contrast",
        "Rival explanations",
        "Effect",
        "The paper's",
    )
    return Grid(
        "Verdicts", [words(column) for column in columns], [*map(_verdict_row, reviewed)], left=4
    )


def _verdict_row(claim: Reviewed) -> list[Entry]:
    said = verdict_cells(claim)
    headline, *support = said["verdict"]
    bold = emphasised(headline)
    below = _lines(support)
    verdict = Entry(
        f"{bold.markdown}<br>{below.markdown}",
        "; ".join([bold.latex, below.latex]),
        pages.lines([bold.html, below.html]),
    )
    return [
        words(f"{claim.row.claim}. {claim.row.statement}"),
        verdict if support else bold,
        *(_lines(said[column]) for column in ("hangs_on", "rivals", "effect", "paper")),
    ]


def verdict_cells(claim: Reviewed) -> dict[str, list[str]]:
    """What is said of a claim in each column, in lines."""
    if claim.deciding is None:
        return {
            "verdict": [say.BY_ALGEBRA],
            "hangs_on": [each.name for each in claim.measured],
            "rivals": [],
            "effect": [say.ratio_words(each.found) for each in claim.measured],
            "paper": [],
        }
    clear = ["clear after Holm" if claim.clear else "not clear after Holm"]
    support = [say.support_words(claim), say.reason(claim), say.states_words(claim)]
    return {
        "verdict": [
            say.headline(claim),
            *(text for text in support if text),
            *(clear if claim.verdict in STATEMENTS else []),
        ],
        "hangs_on": [claim.deciding.name],
        "rivals": say.rival_words(claim.controls),
        "effect": [say.effect_words(claim.deciding)],
        "paper": [say.paper_words(claim.deciding)],
    }


def to_verdicts(reviewed: Sequence[Reviewed]) -> str:
    """One row a claim, as readers see it; lines of a cell are parted by semicolons."""
    rows = [
        {"claim": claim.row.claim, "statement": claim.row.statement}
        | {column: "; ".join(lines) for column, lines in verdict_cells(claim).items()}
        for claim in reviewed
    ]
    return to_csv(pd.DataFrame(rows))


def _lines(parts: Sequence[str]) -> Entry:
    """Parts below each other; a dash without any."""
    entries = [words(part) for part in parts] or [missing()]
    return Entry(
        "<br>".join(e.markdown for e in entries),
        "; ".join(e.latex for e in entries),
        pages.lines(e.html for e in entries),
    )


def deviations_grid(otherwise: Sequence[Deviation]) -> Grid:
    """A row a key that families have otherwise than in the paper."""
    rows = [[each.key, each.here, each.paper, ", ".join(each.families)] for each in otherwise]
    return Grid(
        "What this scale does otherwise than the paper's method (size and problems apart)",
        [words(column) for column in ("Setting", "This run", "The paper", "Families")],
        [[words(cell) for cell in row] for row in rows],
        left=4,
    )
