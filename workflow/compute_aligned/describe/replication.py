"""The verdicts of a reference run beside those of the same scale on other seeds.

``make replication`` runs a scale on fresh seeds and keeps of it only the verdicts.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from compute_aligned.config.study import Study
from compute_aligned.files import provenance
from compute_aligned.files.errors import InputError
from compute_aligned.files.writing import write_text
from compute_aligned.paper.sheets import to_csv

FILE = "replication.csv"
UNJUDGED = ("not run", "not testable here", "holds by algebra")


@dataclass(frozen=True)
class Replication:
    """What another run says of the claims.

    Attributes:
        seeds: Its seeds, in words.
        verdicts: Claim to its verdict, without what else the headline says.

    """

    seeds: str
    verdicts: dict[str, str]

    def agreement(self, verdicts: pd.DataFrame) -> tuple[int, int]:
        """How many verdicts agree with those of the reference run, of how many that both judge.

        Args:
            verdicts: The rows of the reference run's ``verdicts.csv``.

        """
        pairs = [
            (verdict_of(headline), self.verdicts[claim])
            for claim, headline in zip(verdicts["claim"], verdicts["verdict"], strict=True)
            if claim in self.verdicts
        ]
        judged = [pair for pair in pairs if not set(pair) & set(UNJUDGED)]
        return sum(here == there for here, there in judged), len(judged)


def verdict_of(headline: str) -> str:
    """The verdict of a cell of ``verdicts.csv``, without what else the cell says."""
    return headline.partition(";")[0]


def read_verdicts(path: Path) -> pd.DataFrame:
    """The rows of a ``verdicts.csv``, as text."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def read(reference: Path) -> Replication | None:
    """The replication that is kept beside a reference run; None where there is none."""
    if not (reference / FILE).exists():
        return None
    rows = read_verdicts(reference / FILE)
    return Replication(
        rows["seeds"].iloc[0], dict(zip(rows["claim"], rows["verdict"], strict=True))
    )


def keep(study: Study, root: Path) -> Path:
    """Keep the verdicts of a run beside the reference run of its scale.

    Args:
        study: A scale that has been run, on other seeds than the reference run.
        root: The repository.

    Returns:
        The file written.

    Raises:
        InputError: There is no such run or no reference run, or both have a seed in common.

    """
    run, reference = (root / "results" / part / study.scale for part in (".", "reference"))
    for folder in (run, reference):
        if not (folder / "verdicts.csv").exists():
            raise InputError(
                folder / "verdicts.csv",
                f"there are no verdicts of scale {study.scale}",
                f"make replication SCALE={study.scale}, after make reference SCALE={study.scale}",
            )
    seeds = seeds_of(run / "claims.csv")
    if common := seeds & seeds_of(reference / "claims.csv"):
        raise InputError(
            run / "verdicts.csv",
            f"it has the seeds {in_words(common)} in common with the reference run",
            f"make replication SCALE={study.scale} SEEDS=[...] with seeds that are not among them",
        )
    rows = read_verdicts(run / "verdicts.csv")
    kept = rows[["claim", "statement", "verdict", "effect"]].assign(
        verdict=rows["verdict"].map(verdict_of), seeds=in_words(seeds)
    )
    write_text(reference / FILE, to_csv(kept))
    return reference / FILE


def seeds_of(artefact: Path) -> set[int]:
    """The seeds that an artefact is from, by the names of the files that it was made from."""
    record = provenance.read(artefact) or {}
    found = re.findall(r"/seed([0-9]+)\.", " ".join(record.get("inputs", [])))
    return {int(seed) for seed in found}


def in_words(seeds: set[int]) -> str:
    """``10 to 19``, or all of them where some between are missing."""
    ordered = sorted(seeds)
    if len(ordered) > 2 and ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"{ordered[0]} to {ordered[-1]}"
    return ", ".join(map(str, ordered))
