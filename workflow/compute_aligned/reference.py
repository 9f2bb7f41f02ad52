"""The committed reference run: what of a finished run is kept in git, and quoted by the README.

``make reference`` calls it; no rule of the DAG writes under ``results/reference/``.
"""

import shutil
from pathlib import Path

from compute_aligned import config
from compute_aligned.errors import InputError
from compute_aligned.records import write_text

START, END = "<!-- reference run: start -->", "<!-- reference run: end -->"
QUOTED = "table2"  # the table whose gains the README shows


def publish(scale: str, root: Path) -> list[Path]:
    """Copy a scale's tables and figures to ``results/reference/{scale}/``, and quote the README.

    Args:
        scale: A scale that has been run whole.
        root: The repository.

    Returns:
        The files written, relative to ``root``.

    Raises:
        InputError: A table or figure is missing.

    """
    tables, figures = root / "results" / scale / "tables", root / "paper_figures" / scale
    wanted = {
        "tables": [
            tables / f"{item}.{kind}"
            for item in config.items_at(scale, "table")
            for kind in ("csv", "md", "tex", "csv.provenance.json")
        ],
        "figures": [
            figures / f"{item}.{kind}"
            for item in config.items_at(scale, "figure")
            for kind in ("pdf", "png", "pdf.provenance.json")
        ],
    }
    missing = [path for paths in wanted.values() for path in paths if not path.exists()]
    if missing:
        raise InputError(
            missing[0],
            f"the run at scale {scale} is not finished ({len(missing)} files are missing)",
            f"snakemake --cores all --config scale={scale}",
        )
    target = root / "results" / "reference" / scale
    shutil.rmtree(target, ignore_errors=True)
    written = []
    for kind, paths in wanted.items():
        (target / kind).mkdir(parents=True)
        for path in paths:
            written.append(Path(shutil.copy(path, target / kind)).relative_to(root))
    readme = root / "README.md"
    write_text(readme, quoted(readme.read_text(encoding="utf-8"), target))
    return written


def quoted(readme: str, reference: Path) -> str:
    """The README's text with the section between its markers made anew from a reference run."""
    before, _, rest = readme.partition(START)
    _, found, after = rest.partition(END)
    if not found:
        raise InputError("README.md", f"the markers {START} and {END} are gone", "put them back")
    return f"{before}{START}\n{section(reference)}{END}{after}"


def section(reference: Path) -> str:
    """What the README says of the reference run: the gains of one table, as that table has them."""
    text = (reference / "tables" / f"{QUOTED}.md").read_text(encoding="utf-8")
    caption = text.split("\n\n")[1]
    panels = {part.split("\n", 1)[0]: part for part in text.split("\n## ")[1:]}
    title = next(title for title in panels if ": gain over" in title)
    body = panels[title].split("\n\n")[1]
    return f"\n**{title}.** {caption}\n\n{body.strip()}\n\n"
