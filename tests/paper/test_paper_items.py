"""The sheet of items against what the paper shows (PAPER section 6)."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from compute_aligned.config import study

# the paper's label: item, family
TABLES = {
    "Table 1": ("table1", "-"),
    "Table 2": ("table2", "sft_passn"),
    "Table 3": ("table3", "sft_majority"),
    "Table 4": ("table4", "rl_passn"),
    "Table 5": ("table5", "rl_majority"),
    "Table 6, unconditional": ("table6_unconditional", "protein_unconditional"),
    "Table 6, conditional": ("table6_conditional", "protein_conditional"),
    "Table N.1": ("table_n1", "rl_passn"),
    "Table N.2": ("table_n2", "rl_majority"),
    "Table A.7": ("table_a7", "token_margin"),
    "Table D": ("table_d", "sft_to_rl"),
    "Weight alignment": ("table_weight_alignment", "-"),
}
FIGURES = {
    "Figure 1": ("figure1", "sft_passn"),
    "Figure 2": ("figure2", "sft_majority"),
    "Figure 3": ("figure3", "rl_passn"),
    "Figure 4": ("figure4", "rl_majority"),
    "Figure 5": ("figure5", "protein_unconditional"),
    "Figure 6": ("figure6", "protein_conditional"),
    "Figure 7": ("figure7", "protein_unconditional"),
    "Figure 8": ("figure8", "protein_conditional"),
    "Figure 9": ("figure9", "sft_majority"),
    "Figure 10": ("figure10", "protein_conditional"),
    "Threshold sweep": ("figure_sweep", "sft_majority"),
    "Weight forms, Pass@N": ("figure_n1", "rl_passn"),
    "Weight forms, majority": ("figure_n2", "rl_majority"),
    "Weight curves, SFT": ("figure_weights_sft", "-"),
    "Weight curves, RL": ("figure_weights_rl", "-"),
    "Support comparison": ("figure_support", "-"),
    "Rao-Blackwell": ("figure_rao_blackwell", "-"),
}
PLACES = {
    "table": ("results/laptop/tables", ("csv", "md", "tex", "html")),
    "figure": ("paper_figures/laptop", ("pdf", "png")),
}


@pytest.mark.parametrize(
    ("label", "output"),
    [(label, "table") for label in TABLES] + [(label, "figure") for label in FIGURES],
)
def test_the_sheet_has_every_table_and_figure_of_the_paper(label: str, output: str) -> None:
    name, family = (TABLES if output == "table" else FIGURES)[label]
    item = study.read_paper_items()[name]

    assert (item.output, item.family) == (output, family)


def test_every_item_of_the_sheet_is_a_target_of_the_laptop_scale(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--config", "scale=laptop"]
    command += ["--snakefile", str(study.ROOT / "Snakefile"), "--directory", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    planned = set(re.findall(r"[^\s,]+", done.stdout + done.stderr))
    wanted = {
        f"{folder}/{item.item}.{kind}"
        for item in study.read_paper_items().values()
        for folder, kinds in [PLACES[item.output]]
        for kind in kinds
    }
    assert len(wanted) > 100
    assert sorted(wanted - planned) == []


def test_the_readme_of_the_figures_names_figures_that_exist() -> None:
    readme = (study.ROOT / "paper_figures" / "README.md").read_text()
    named = set(re.findall(r"`(figure\w+)`", readme))
    drawn = {item.item for item in study.read_paper_items().values() if item.output == "figure"}

    assert named >= {name for name, _ in FIGURES.values()}
    assert named <= drawn
