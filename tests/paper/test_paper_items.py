"""The sheet of items against what the paper shows (PAPER section 6)."""

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from paper.paper_parts import STUDY

from compute_aligned.config.reading import CONFIG, REPORTED, ROOT
from compute_aligned.config.sheets import PaperItem
from compute_aligned.config.study import read_study
from compute_aligned.files.errors import InputError
from compute_aligned.files.parsing import validated

OF_PAPER = {  # by family
    "-": "table1 table_weight_alignment figure_weights_sft figure_weights_rl figure_support "
    "figure_rao_blackwell",
    "sft_passn": "table2 figure1",
    "sft_majority": "table3 figure2 figure9 figure_sweep",
    "rl_passn": "table4 figure3 table_n1 figure_n1",
    "rl_majority": "table5 figure4 table_n2 figure_n2",
    "protein_unconditional": "table6_unconditional figure5 figure7",
    "protein_conditional": "table6_conditional figure6 figure8 figure10",
    "token_margin": "table_a7",
    "sft_to_rl": "table_d",
}
PLACES = {
    "table": ("results/laptop/tables", ("csv", "md", "tex", "html")),
    "figure": ("paper_figures/laptop", ("pdf", "png")),
}
ANALYTIC = [row for row in STUDY.items.values() if row.analytic]


def files_of(rows: Iterable[PaperItem]) -> set[str]:
    """What the laptop scale makes of some rows."""
    return {
        f"{folder}/{row.item}.{kind}"
        for row in rows
        for folder, kinds in [PLACES[row.output]]
        for kind in kinds
    }


def test_the_sheet_has_every_table_and_figure_of_the_paper() -> None:
    for family, names in OF_PAPER.items():
        for name in names.split():
            row = STUDY.row(name)
            assert row.family == family
            assert name.startswith(row.output)


def test_the_readme_of_the_figures_names_figures_that_exist() -> None:
    named = set(re.findall(r"`(figure\w+)`", (ROOT / "paper_figures" / "README.md").read_text()))

    assert named >= set(re.findall(r"figure\w+", str(OF_PAPER)))
    assert named <= {row.item for row in STUDY.items.values() if row.output == "figure"}


# --- the DAG ----------------------------------------------------------------------------------


def test_every_item_is_a_target_and_analytic_ones_are_made_from_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--config", "scale=laptop"]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said

    wanted = files_of(row for row in STUDY.items.values() if not row.of_cells)
    assert len(wanted) > 100
    assert wanted <= set(re.findall(r"[^\s,]+", said))
    jobs = re.findall(r"\nrule (?:table|figure):\n +input: (.*)\n +output: (.*)\n", said)
    from_nothing = {
        file for given, made in jobs if given == str(REPORTED) for file in made.split(", ")
    }
    assert from_nothing == files_of(ANALYTIC)


def test_analytic_items_belong_to_every_scale_but_maps() -> None:
    for path in (CONFIG / "scales").glob("*.yaml"):
        study = read_study(path.stem)
        shown = {r.item for r in ANALYTIC} & {*study.shown("table"), *study.shown("figure")}
        assert len(shown) == (0 if study.cells else len(ANALYTIC))


# --- rows without a family --------------------------------------------------------------------

DASHES = dict.fromkeys(["family", "branches", "metric", "budgets", "reported"], "-")
ROW = {"item": "table1", "output": "table", "form": "weights", "title": "Weights"} | DASHES
MEASURED = {"family": "sft_passn", "branches": "ce", "metric": "pass@k", "budgets": "1 4"}
TOO = "the family is -, so {} has to be - too"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        *(({c: MEASURED[c]}, TOO.format(c)) for c in ("branches", "metric", "budgets")),
        # a dash is no word among others
        *((MEASURED | {"branches": cell}, "branches") for cell in ("- ce", "ce -", "--", "")),
    ],
)
def test_cells_that_do_not_go_together_are_named(change: dict[str, str], problem: str) -> None:
    assert validated(PaperItem, ROW, "paper_items.tsv:2").analytic
    with pytest.raises(InputError, match=problem):
        validated(PaperItem, ROW | change, "paper_items.tsv:2")
