"""The committed reference run: what ``make reference`` keeps of a finished one, and quotes."""

import math
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from compute_aligned.claims.page import RULE
from compute_aligned.claims.review import STATEMENTS, contrast_name
from compute_aligned.config.sheets import ContrastRow
from compute_aligned.config.study import Study
from compute_aligned.files.errors import InputError
from compute_aligned.files.writing import write_text
from compute_aligned.method.verdicts import (
    EQUAL_WITHIN,
    ERROR_RATE,
    Judgement,
    Verdict,
    conclude,
)
from compute_aligned.paper import tables
from compute_aligned.paper.reported import read_reported
from compute_aligned.paper.sheets import MISSING, escape_markdown, markdown_table

START, END = "<!-- reference run: start -->", "<!-- reference run: end -->"
QUOTED_SCALE = "laptop"  # the run that the README shows
QUOTED = "table2"  # the table whose gains it shows
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
        InputError: The table that the README quotes is missing, or the README has no place for it.

    """
    run, target = (root / "results" / part / study.scale for part in (".", "reference"))
    if not (run / "tables" / f"{QUOTED}.csv").exists():
        raise InputError(
            run / "tables" / f"{QUOTED}.csv",
            f"the run at scale {study.scale} has not made it yet",
            f"snakemake --cores all --config scale={study.scale}",
        )
    shutil.rmtree(target, ignore_errors=True)
    items = {"claims", *study.shown("table"), *study.shown("figure")}
    sources = {"tables": run / "tables", "figures": root / "paper_figures" / study.scale, ".": run}
    written = []
    for folder, source in sources.items():
        (target / folder).mkdir(parents=True, exist_ok=True)
        for file in sorted(source.glob("*.*")):
            if file.name.partition(".")[0] in items and file.suffix in (*KINDS, ".json"):
                written.append(Path(shutil.copy(file, target / folder)))
    written.append(target / "README.md")
    write_text(written[-1], contents(study, target))
    if study.scale == QUOTED_SCALE:
        readme = root / "README.md"
        write_text(readme, quoted(readme.read_text(encoding="utf-8"), section(study, target)))
    return [path.relative_to(root) for path in written]


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
    for name, title in {"claims": "Verdicts on the paper's claims", **titles}.items():
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
    """The verdicts of a reference run, if it has any, and the gains of one of its tables."""
    parts = []
    if (reference / "claims.csv").exists():
        claims = pd.read_csv(reference / "claims.csv")
        rows = [_verdict(of_claim, study) for _, of_claim in claims.groupby("claim", sort=False)]
        parts = [
            f"**What holds of the paper's claims (scale {study.scale}).** {RULE} The paper's is "
            "not from this run. Clear after Holm: with 5% for any false statement among all claims "
            "that are judged.",
            pd.DataFrame(rows).to_markdown(index=False),
        ]
    frame = pd.read_csv(reference / "tables" / f"{QUOTED}.csv")
    table = tables.sheet(study.item(QUOTED), frame, read_reported())
    gains = table.grids[1]
    parts += [f"**{gains.heading}.** {table.caption}", markdown_table(gains)]
    return "\n\n".join(parts)


def _verdict(rows: pd.DataFrame, study: Study) -> dict[str, str]:
    """The verdict on a claim and the contrast that it hangs on, from its rows in ``claims.csv``."""
    shown: list[Any] = rows.to_dict("records")
    verdict = str(shown[0]["claim_verdict"])
    support = ""
    if judged := [row for row in shown if row["role"] == "contrast"]:
        shown = [judged[conclude([*map(_judgement, judged)]).deciding]]
        counts = Counter(row["verdict"] for row in judged)
        against = counts[Verdict.CONTRADICTED]
        support = f"<br>{counts[Verdict.REPRODUCED]} of {len(judged)} hold"
        support += f", {against} contradicted" if against else ""
        if verdict in STATEMENTS:
            clear = shown[0]["claim_p_holm"] < ERROR_RATE
            support += f"<br>{'' if clear else 'not '}clear after Holm"
    contrasts = [ContrastRow.model_construct(**row, budget=row["k"]) for row in shown]
    names = [contrast_name(each, study.labels(each.family)) for each in contrasts]
    return {
        "Claim": escape_markdown(f"{shown[0]['claim']}. {shown[0]['statement']}"),
        "Verdict": f"**{verdict}**{support}",
        "Hangs on": "<br>".join(map(escape_markdown, names)),
        "Effect": "<br>".join(map(_effect, shown)),
        "The paper's": "<br>".join(map(_paper_effect, shown)),
    }


def _judgement(row: dict[str, Any]) -> Judgement:
    """The verdict on a contrast, whose two-sided p-value is that of the side its effect is on."""
    if math.isnan(row["p"]):
        return Judgement(Verdict(row["verdict"]))
    effect, near, far = row["effect"], row["p"] / 2, 1 - row["p"] / 2
    sides = {"above": effect > 0, "below": effect < 0, "equal": abs(effect) < EQUAL_WITHIN}
    claimed, opposite = (near, far) if sides[row["claimed"]] else (far, near)
    return Judgement(Verdict(row["verdict"]), None, claimed, opposite)


def _effect(row: dict[str, Any]) -> str:
    effect, low, high = (_number(row, f"effect{end}") for end in ("", "_low", "_high"))
    if effect == MISSING:
        return MISSING
    ratio = f", median {row['median']:.2f}" if row["unit"] == "ratio" else ""
    return f"{effect} [{low}, {high}] {row['unit']}{ratio}"


def _paper_effect(row: dict[str, Any]) -> str:
    error = _number(row, "paper_error_at_most")
    return _number(row, "paper_effect") + ("" if error == MISSING else f" ±{error}")


def _number(row: dict[str, Any], column: str) -> str:
    """A value with the digits of its unit, an effect in points or rewards with its sign."""
    if math.isnan(row[column]):
        return MISSING
    sign = "+" if column.endswith("effect") and row["unit"] != "ratio" else ""
    return f"{row[column]:{sign}z.{1 if row['unit'] == 'points' else 2}f}"
