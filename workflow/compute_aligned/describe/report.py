"""The report of a finished run, one page of HTML that needs no network: Snakemake builds it.

Nothing is run and nothing is trained: a run that is not finished has no report yet.
"""

import csv
import subprocess
import sys
from pathlib import Path

from compute_aligned.files.errors import InputError

SNAKEMAKE = [sys.executable, "-m", "snakemake"]
STYLE = "workflow/report/style.css"
NAMED = 5  # files that an error lists
UP_TO_DATE = "no update"  # what Snakemake's summary says of them


def build(scale: str, root: Path) -> Path:
    """Build ``results/{scale}/report.html``.

    Args:
        scale: A scale that has been run.
        root: The repository.

    Returns:
        The report.

    Raises:
        InputError: Files of the run are missing or out of date, or Snakemake refuses.

    """
    left = unfinished(scale, root)
    if left:
        first = ", ".join(left[:NAMED]) + (" ..." if len(left) > NAMED else "")
        raise InputError(
            f"the run at scale {scale}",
            f"it is not finished: {len(left)} of its files are missing or out of date: {first}",
            f"snakemake --cores all --config scale={scale}; then build the report again",
        )
    report = root / "results" / scale / "report.html"
    path = str(report.relative_to(root))
    _snakemake(scale, root, "--report", path, "--report-stylesheet", STYLE)
    return report


def unfinished(scale: str, root: Path) -> list[str]:
    """The files of a run that Snakemake would make anew, most telling first: what readers see.

    Raises:
        InputError: Snakemake cannot tell.

    """
    summary = _snakemake(scale, root, "--summary")
    _, _, table = summary.partition("output_file\t")
    rows = csv.DictReader(f"output_file\t{table}".splitlines(), delimiter="\t")
    left = [row["output_file"] for row in rows if row["plan"] != UP_TO_DATE]
    return sorted(left, key=lambda path: (not path.startswith(_shown(scale)), path))


def _shown(scale: str) -> tuple[str, ...]:
    """How the paths of what readers see begin."""
    return (f"paper_figures/{scale}/", f"results/{scale}/claims.", f"results/{scale}/tables/")


def _snakemake(scale: str, root: Path, *arguments: str) -> str:
    """What Snakemake prints on standard output.

    Raises:
        InputError: It ends with an error, whose words are passed on.

    """
    command = [*SNAKEMAKE, *arguments, "--config", f"scale={scale}"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise InputError(f"snakemake {' '.join(arguments)}", said, "mend that, and try again")
    return done.stdout
