"""The committed reference run: what ``make reference`` keeps of a finished one, and quotes."""

import shutil
from collections.abc import Hashable, Mapping
from pathlib import Path

import pandas as pd

from compute_aligned.claims.verdict_tables import deviations_grid
from compute_aligned.config.deviations import from_paper
from compute_aligned.config.study import Study
from compute_aligned.describe import replication
from compute_aligned.describe.replication import Replication, read_verdicts, verdict_of
from compute_aligned.files.errors import InputError
from compute_aligned.files.writing import write_text
from compute_aligned.paper import tables
from compute_aligned.paper.reported import read_reported
from compute_aligned.paper.sheets import MISSING, escape_markdown, markdown_table

START, END = "<!-- reference run: start -->", "<!-- reference run: end -->"
QUOTED_SCALE = "laptop"  # the run that the README shows
QUOTED = "table2"  # the table whose gains it shows
LARGEST = 2**20  # bytes of a file; a picture of more is there as PDF
KINDS = (".md", ".png", ".csv", ".tex", ".pdf")


def publish(study: Study, root: Path) -> list[Path]:
    """Copy a run's verdicts, tables and figures to ``results/reference/{scale}/``.

    What the run has not made is left out. Those of the laptop scale are quoted by the README.

    Args:
        study: A scale that has been run.
        root: The repository.

    Returns:
        The files written, relative to ``root``.

    Raises:
        InputError: The table that the README quotes, or the first of another scale, is missing; or
            the README has no place for it.

    """
    run, target = (root / "results" / part / study.scale for part in (".", "reference"))
    first = QUOTED if study.scale == QUOTED_SCALE else study.shown("table")[0]
    if not (run / "tables" / f"{first}.csv").exists():
        raise InputError(
            run / "tables" / f"{first}.csv",
            f"the run at scale {study.scale} has not made it yet",
            f"snakemake --cores all --config scale={study.scale}",
        )
    _check_seeds(run)
    shutil.rmtree(target, ignore_errors=True)  # with a replication, which was of the old one
    items = {"claims", "verdicts", *study.shown("table"), *study.shown("figure")}
    sources = {"tables": run / "tables", "figures": root / "paper_figures" / study.scale, ".": run}
    written = []
    for folder, source in sources.items():
        (target / folder).mkdir(parents=True, exist_ok=True)
        for file in sorted(source.glob("*.*")):
            kept = file.suffix in (*KINDS, ".json") and file.stat().st_size <= LARGEST
            if file.name.partition(".")[0] in items and kept:
                written.append(Path(shutil.copy(file, target / folder)))
    quote(study, root)
    return [path.relative_to(root) for path in (*written, target / "README.md")]


def _check_seeds(run: Path) -> None:
    """Refuse verdicts of other seeds than the tables, such as those of a replication."""
    table, verdicts = run / "tables" / f"{QUOTED}.csv", run / "claims.csv"
    of_table, of_verdicts = replication.seeds_of(table), replication.seeds_of(verdicts)
    if of_table and of_verdicts and not of_table <= of_verdicts:
        raise InputError(
            verdicts,
            f"its seeds are {replication.in_words(of_verdicts)}, and those of the tables "
            f"{replication.in_words(of_table)}",
            "make, which judges the claims anew on the seeds of the tables",
        )


def quote(study: Study, root: Path) -> None:
    """Write the page of a reference run and, for the laptop scale, what the README quotes of it."""
    target = root / "results" / "reference" / study.scale
    write_text(target / "README.md", contents(study, target))
    if study.scale == QUOTED_SCALE:
        readme = root / "README.md"
        write_text(readme, quoted(readme.read_text(encoding="utf-8"), section(study, target)))


def contents(study: Study, reference: Path) -> str:
    """A page that names every table and figure of a reference run, its title and its files."""
    lines = [
        f"# Reference run, scale {study.scale}",
        "",
        f"What `make reference SCALE={study.scale}` kept of a finished run. Beside each file, its",
        "`*.provenance.json` says which settings, seed, code, packages and machine it came from.",
        "",
        "| item | shows | files |",
        "| --- | --- | --- |",
    ]
    titles = {name: row.title for name, row in study.items.items()}
    for name, title in {
        "claims": "Verdicts on the paper's claims",
        "verdicts": "The same, a row a claim",
        "replication": "The verdicts of another run of the scale, on other seeds",
        **titles,
    }.items():
        found = [
            path.relative_to(reference).as_posix()
            for folder in (".", "tables", "figures")
            for kind in KINDS
            if (path := reference / folder / f"{name}{kind}").exists()
        ]
        if found:
            others = " ".join(f"[{path.split('.')[-1]}]({path})" for path in found[1:])
            lines.append(f"| [{name}]({found[0]}) | {title} | {others} |")
    return "\n".join(lines) + "\n"


# --- what the README quotes ------------------------------------------------------------------


def quoted(readme: str, text: str) -> str:
    """The README with another text between its markers."""
    before, _, rest = readme.partition(START)
    _, found, after = rest.partition(END)
    if not found:
        raise InputError("README.md", f"the markers {START} and {END} are gone", "put them back")
    return f"{before}{START}\n\n{text}\n\n{END}{after}"


def section(study: Study, reference: Path) -> str:
    """The verdicts of a reference run, if it has any, deviations, and the gains of one table."""
    parts, verdicts = [], reference / "verdicts.csv"
    if verdicts.exists():
        rows = read_verdicts(verdicts)
        other = replication.read(reference)
        # in the run's own words: its verdicts follow the rule that it had
        title, caption, *_ = (reference / "claims.md").read_text(encoding="utf-8").split("\n\n")
        parts = [
            f"**{title.removeprefix('# ')}.** {caption}",
            *([] if other is None else [_agreement(other, rows)]),
            pd.DataFrame([_verdict(row, other) for row in rows.to_dict("records")]).to_markdown(
                index=False
            ),
        ]
    if otherwise := from_paper(study):
        grid = deviations_grid(otherwise)
        parts += [f"**{grid.heading}.**", markdown_table(grid)]
    frame = pd.read_csv(reference / "tables" / f"{QUOTED}.csv")
    table = tables.sheet(study.item(QUOTED), frame, read_reported())
    gains = table.grids[1]
    parts += [f"**{gains.heading}.** {table.caption}", markdown_table(gains)]
    return "\n\n".join(parts)


def _agreement(other: Replication, rows: pd.DataFrame) -> str:
    agree, judged = other.agreement(rows)
    return (
        f"The same scale was run once more, on the seeds {other.seeds}: {agree} of {judged} "
        "verdicts agree; where one does not, the table shows both."
    )


def _verdict(row: Mapping[Hashable, str], other: Replication | None) -> dict[str, str]:
    """A row of ``verdicts.csv`` as the README shows it, and what a replication has otherwise."""
    headline, *support = row["verdict"].split("; ")
    replicated = None if other is None else other.verdicts.get(row["claim"])
    if other is not None and replicated not in (None, verdict_of(row["verdict"])):
        support.append(f"seeds {other.seeds}: {replicated}")
    columns = {"hangs_on": "Deciding contrast", "effect": "Effect", "paper": "The paper's"}
    return {
        "Claim": escape_markdown(f"{row['claim']}. {row['statement']}"),
        "Verdict": "<br>".join([f"**{headline}**", *map(escape_markdown, support)]),
    } | {
        shown: "<br>".join(map(escape_markdown, row[name].split("; "))) or MISSING
        for name, shown in columns.items()
    }
