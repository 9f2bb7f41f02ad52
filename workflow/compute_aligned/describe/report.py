"""The report of a finished run, one page of HTML that needs no network: Snakemake builds it.

Nothing is run and nothing is trained: a run that is not finished has no report yet.
"""

import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path

from compute_aligned.config.study import read_study
from compute_aligned.files.errors import InputError
from compute_aligned.files.writing import write_text

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


# --- the committed reference run -------------------------------------------------------------

START, END = "<!-- reference run: start -->", "<!-- reference run: end -->"
QUOTED_SCALE = "laptop"  # the run that the README shows
QUOTED = "table2"  # the table whose gains it shows
TABLE_FILES = ("csv", "md", "tex", "csv.provenance.json")
FIGURE_FILES = ("pdf", "png", "pdf.provenance.json")
CLAIM_FILES = ("csv", "md", "csv.provenance.json")
VERDICTS = ("Claim", "Verdict", "Hangs on", "Effect", "The paper's")  # columns that are quoted


def publish(scale: str, root: Path) -> list[Path]:
    """Copy a scale's verdicts, tables and figures to ``results/reference/{scale}/``.

    What the run has not made is left out. Those of the laptop scale are quoted by the README.

    Args:
        scale: A scale that has been run.
        root: The repository.

    Returns:
        The files written, relative to ``root``.

    Raises:
        InputError: The table that the README quotes is missing.

    """
    study = read_study(scale)
    made = {
        "tables": [
            [root / "results" / scale / "tables" / f"{item}.{kind}" for kind in TABLE_FILES]
            for item in study.shown("table")
        ],
        "figures": [
            [root / "paper_figures" / scale / f"{item}.{kind}" for kind in FIGURE_FILES]
            for item in [*study.shown("figure"), "claims"]
        ],
        ".": [[root / "results" / scale / f"claims.{kind}" for kind in CLAIM_FILES]],
    }
    items = [(kind, files) for kind, of_kind in made.items() for files in of_kind]
    finished = [(kind, files) for kind, files in items if all(map(Path.exists, files))]
    if not any(files[0].stem == QUOTED for _, files in finished):
        raise InputError(
            root / "results" / scale / "tables" / f"{QUOTED}.csv",
            f"the run at scale {scale} has not made it yet",
            f"snakemake --cores all --config scale={scale}",
        )
    target = root / "results" / "reference" / scale
    shutil.rmtree(target, ignore_errors=True)
    written = []
    for kind, files in finished:
        (target / kind).mkdir(parents=True, exist_ok=True)
        for path in files:
            written.append(Path(shutil.copy(path, target / kind)).relative_to(root))
    page = target / "README.md"
    write_text(page, contents(scale, target))
    written.append(page.relative_to(root))
    if scale == QUOTED_SCALE:
        readme = root / "README.md"
        write_text(readme, quoted(readme.read_text(encoding="utf-8"), target))
    return written


def contents(scale: str, reference: Path) -> str:
    """A page that names every table and figure of a reference run, its title and its files."""
    lines = [
        f"# Reference run, scale {scale}",
        "",
        f"What `make reference SCALE={scale}` kept of a finished run. Beside each file, its",
        "`*.provenance.json` says which settings, seed, code, packages and machine it came from.",
        "",
        "| item | shows | files |",
        "| --- | --- | --- |",
    ]
    titles = {name: row.title for name, row in read_study(scale).items.items()}
    shown = {"claims": "Verdicts on the paper's claims", **titles}
    for name, title in shown.items():
        found = [
            path.relative_to(reference).as_posix()
            for folder in (".", "tables", "figures")
            for kind in ("md", "png", "csv", "tex", "pdf")
            if (path := reference / folder / f"{name}.{kind}").exists()
        ]
        if found:
            others = " ".join(f"[{path.split('.')[-1]}]({path})" for path in found[1:])
            lines.append(f"| [{name}]({found[0]}) | {title} | {others} |")
    return "\n".join(lines) + "\n"


def quoted(readme: str, reference: Path) -> str:
    """The README's text with the section between its markers made anew from a reference run."""
    before, _, rest = readme.partition(START)
    _, found, after = rest.partition(END)
    if not found:
        raise InputError("README.md", f"the markers {START} and {END} are gone", "put them back")
    return f"{before}{START}\n{section(reference)}{END}{after}"


def section(reference: Path) -> str:
    """What the README says of the reference run: its verdicts, and the gains of one table."""
    text = (reference / "tables" / f"{QUOTED}.md").read_text(encoding="utf-8")
    caption = text.split("\n\n")[1]
    panels = _panels(text)
    title = next(title for title in panels if ": gain over" in title)
    gains = f"**{title}.** {caption}\n\n{panels[title]}"
    verdicts = reference / "claims.md"
    parts = [_verdicts(verdicts.read_text(encoding="utf-8"))] if verdicts.exists() else []
    return "\n" + "\n\n".join([*parts, gains]) + "\n\n"


def _verdicts(text: str) -> str:
    """The table of verdicts, with the columns that are quoted, and what it is."""
    title, caption = text.split("\n\n")[:2]
    table = [re.split(r" *(?<!\\)\| *", line) for line in _panels(text)["Verdicts"].splitlines()]
    kept = [table[0].index(name) for name in VERDICTS]
    rows = ["| " + " | ".join(cells[i] for i in kept) + " |" for cells in table]
    return f"**{title.removeprefix('# ')}.** {caption}\n\n" + "\n".join(rows)


def _panels(text: str) -> dict[str, str]:
    """The tables below the headings of a Markdown file."""
    parts = [part.split("\n\n") for part in text.split("\n## ")[1:]]
    return {heading: table.strip() for heading, table, *_ in parts}
