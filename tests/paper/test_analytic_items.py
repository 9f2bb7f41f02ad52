"""How items without a family go from the sheet through the command line and the DAG."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from compute_aligned.__main__ import app
from compute_aligned.config import fingerprints, study
from compute_aligned.config.sheets import PaperItem
from compute_aligned.files.errors import InputError
from compute_aligned.files.parsing import validated
from compute_aligned.paper import analytic_figures, analytic_tables

ROW = {
    "item": "table1",
    "output": "table",
    "form": "weights",
    "family": "-",
    "branches": "-",
    "metric": "-",
    "budgets": "-",
    "reported": "-",
    "title": "Weights",
}
MEASURED = {"family": "sft_passn", "branches": "ce", "metric": "pass@k", "budgets": "1 4"}
ITEMS = [item for item in study.read_paper_items().values() if item.analytic]
OPTIONS = {"table": ("csv", "md", "tex", "html"), "figure": ("pdf", "png")}


def outputs(item: PaperItem, folder: Path) -> dict[str, Path]:
    return {kind: folder / f"{item.item}.{kind}" for kind in OPTIONS[item.output]}


def run(item: PaperItem, folder: Path) -> dict[str, Path]:
    """Make an item as its rule does, without a file of outcomes."""
    files = outputs(item, folder)
    options = [part for kind, path in files.items() for part in (f"--{kind}", str(path))]
    done = CliRunner().invoke(
        app,
        [item.output, "--scale", "smoke", "--item", item.item, *options],
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.output
    return files


# --- the sheet ------------------------------------------------------------------------------


def test_an_item_without_a_family_has_no_branches_metric_or_budgets() -> None:
    item = validated(PaperItem, ROW, "paper_items.tsv:2")

    assert item.analytic
    assert (item.branches, item.metric, item.budgets) == ((), "-", ())
    assert not validated(PaperItem, ROW | MEASURED, "paper_items.tsv:2").analytic


@pytest.mark.parametrize("column", ["branches", "metric", "budgets"])
def test_an_item_without_a_family_has_none_of_its_columns(column: str) -> None:
    with pytest.raises(InputError, match=f"the family is -, so {column} has to be - too"):
        validated(PaperItem, ROW | {column: MEASURED[column]}, "paper_items.tsv:2")


def test_an_item_with_a_family_shows_some_of_its_branches() -> None:
    with pytest.raises(InputError, match="branches is -, which goes with the family - only"):
        validated(PaperItem, ROW | MEASURED | {"branches": "-"}, "paper_items.tsv:2")


@pytest.mark.parametrize("cell", ["- ce", "ce -", "--", ""])
def test_a_dash_is_no_word_among_others(cell: str) -> None:
    with pytest.raises(InputError, match="branches"):
        validated(PaperItem, ROW | MEASURED | {"branches": cell}, "paper_items.tsv:2")


def test_the_sheet_has_every_analytic_item_of_the_paper_in_a_form_that_exists() -> None:
    forms = {"table": analytic_tables.FORMS, "figure": analytic_figures.FORMS}

    made = {(item.output, item.form) for item in ITEMS}
    assert made == {(output, form) for output, known in forms.items() for form in known}


def test_analytic_items_belong_to_every_scale() -> None:
    for scale in (path.stem for path in (study.CONFIG / "scales").glob("*.yaml")):
        here = {*study.items_at(scale, "table"), *study.items_at(scale, "figure")}
        assert {item.item for item in ITEMS} <= here


def test_a_new_strategy_in_the_branch_sheet_redraws_and_a_new_label_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = study.read_branches()
    before = fingerprints.item_fingerprint("table1")
    row = next(iter(rows.values()))

    def with_row(**change: str) -> str:
        changed = rows | {("new", "new"): row.model_copy(update=change)}
        monkeypatch.setattr(study, "read_branches", lambda: changed)
        return fingerprints.item_fingerprint("table1")

    assert with_row(strategy="PassAtN(n=77)") != before
    assert with_row(label="Another name") == before


# --- the command line -----------------------------------------------------------------------


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.item)
def test_an_analytic_item_is_made_without_outcomes(item: PaperItem, tmp_path: Path) -> None:
    first, *others = run(item, tmp_path).values()

    assert all(path.stat().st_size for path in (first, *others))
    origin = json.loads(first.with_name(first.name + ".provenance.json").read_text())
    assert origin["inputs"] == []
    assert origin["item"] == item.item


def test_a_measured_item_without_outcomes_is_a_mistake_that_is_named(tmp_path: Path) -> None:
    item = next(item for item in study.read_paper_items().values() if not item.analytic)

    with pytest.raises(InputError, match="made from outcomes, and none are given") as caught:
        run(item, tmp_path)
    assert caught.value.where == item.item


# --- the DAG --------------------------------------------------------------------------------


def test_the_dag_makes_analytic_items_from_nothing(tmp_path: Path) -> None:
    targets = [
        str(path)
        for item in ITEMS
        for path in outputs(
            item,
            Path("results/smoke/tables" if item.output == "table" else "paper_figures/smoke"),
        ).values()
    ]
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1", *targets]
    command += ["--snakefile", str(study.ROOT / "Snakefile"), "--directory", str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | {"HOME": "/tmp"}
    )

    assert done.returncode == 0, done.stdout + done.stderr
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, flags=re.MULTILINE))
    figures = sum(item.output == "figure" for item in ITEMS)
    assert jobs == {
        "figure": str(figures),
        "table": str(len(ITEMS) - figures),
        "total": str(len(ITEMS)),
    }
