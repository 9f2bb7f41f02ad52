"""The alignment matrix: its columns, its cells against hand-made values, its table and figure."""

from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle

from compute_aligned.config import study
from compute_aligned.files.records import OUTCOMES, write_table
from compute_aligned.method.estimators import k_of_n, pass_at_k
from compute_aligned.paper import items, matrix
from compute_aligned.paper.summary import read_outcomes
from compute_aligned.score import scoring

FAMILY, SAMPLES, PROBLEMS = "sft_majority", 8, 3
ITEM = study.read_paper_item("table_matrix_sft_majority").model_copy(
    update={"branches": ("ce", "majority_n8_k3", "majority_n16_k4")}
)
CORRECT = {"warmup": 1, "ce": 3, "majority_n8_k3": 4, "majority_n16_k4": 2}  # of the first problem


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Outcomes of two seeds; all wrong answers are alike, and problem i has i more right ones."""
    metrics = study.read_family("smoke", FAMILY).metrics
    paths = []
    for seed in range(2):
        rows = []
        for branch, first in CORRECT.items():
            for problem in range(PROBLEMS):
                right = first + problem + seed
                correct = [True] * right + [False] * (SAMPLES - right)
                rows.append(
                    {"branch": branch, "problem": f"p{problem}", "num_samples": SAMPLES}
                    | {"num_correct": right, "votes": ["1" if c else "0" for c in correct]}
                    | {"correct": correct}
                )
        paths.append(tmp_path_factory.mktemp("outcomes") / f"seed{seed}.parquet")
        write_table(paths[-1], list(scoring.outcomes(rows, metrics)), OUTCOMES)
    return paths


def test_columns_are_usual_budgets_and_the_branches_own_out_of_what_was_measured() -> None:
    measured = [("maj@k", k) for k in (1, 2, 4, 8, 16)]
    measured += [("pass@k", k) for k in (1, 2, 4, 8, 16)] + [("plurality", 16)]
    measured += [("MajorityVote(n=8, k=3)", k) for k in (4, 8, 16)]

    found = matrix.columns(measured, ["SingleSample()", "PassAtN(n=8)", "PassAtN(n=99)"])

    assert [column.label for column in found] == [
        *("pass@1", "pass@4", "pass@8", "pass@16", "maj@8", "maj@16", "Majority 3 of 8"),
    ]


@pytest.mark.parametrize(
    ("strategy", "name", "k"),
    [
        ("SingleSample()", "pass@k", 1),
        ("PassAtN(n=4)", "pass@k", 4),
        ("MajorityVote(n=8, k=3)", "MajorityVote(n=8, k=3)", 8),
    ],
)
def test_a_branch_is_itself_in_one_column(strategy: str, name: str, k: int) -> None:
    own = matrix.own_column(strategy)

    assert (own.metric.name, own.k) == (name, k)


def test_cells_are_gains_over_the_baseline_and_one_is_the_branch_s_own(
    outcomes: list[Path],
) -> None:
    found = matrix.of_item(ITEM, read_outcomes(outcomes)).set_index(["branch", "column"])

    def mean(branch: str, value: object) -> float:
        rights = [CORRECT[branch] + p + s for s in range(2) for p in range(PROBLEMS)]
        return 100 * float(np.mean([value(SAMPLES, right) for right in rights]))

    for branch in ("warmup", "majority_n8_k3"):
        coverage = [mean(b, lambda m, c: pass_at_k(m, c, 4)) for b in (branch, "ce")]
        assert found.loc[(branch, "pass@4"), "gain"] == pytest.approx(coverage[0] - coverage[1])
        votes = [mean(b, lambda m, c: k_of_n(m, c, 8, 3)) for b in (branch, "ce")]
        gain = found.loc[(branch, "Majority 3 of 8"), "gain"]
        assert gain == pytest.approx(votes[0] - votes[1])
    own = found.index[found["own"]].tolist()
    assert own == [("majority_n8_k3", "Majority 3 of 8")]  # 16 votes are more than there are
    assert (found["gain_low"] <= found["gain"]).all()
    assert (found["gain"] <= found["gain_high"]).all()
    assert set(found.index.get_level_values("branch")) == set(CORRECT) - {"ce"}


def test_the_table_marks_a_branch_s_own_strategy_and_has_every_value(outcomes: list[Path]) -> None:
    rendered = items.table(ITEM, items.Files(outcomes=outcomes), "smoke")

    frame = pd.read_csv(StringIO(rendered.csv))
    assert frame["own"].sum() == 1
    for text in (rendered.md, rendered.html, rendered.tex):
        assert text.count("→") == 1
    assert "| Trained for" in rendered.md
    row = next(line for line in rendered.md.splitlines() if line.startswith("| Majority, 3 of 8"))
    value = frame.query("branch == 'majority_n8_k3' and own")["gain"].item()
    assert f"→ {value:+.1f} [" in row


def test_the_figure_frames_a_branch_s_own_strategy(outcomes: list[Path]) -> None:
    figure = items.figure(
        ITEM.model_copy(update={"output": "figure"}), items.Files(outcomes=outcomes), "smoke"
    )

    axes = figure.axes[0]
    frames = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    heads = [label.get_text() for label in axes.get_xticklabels()]
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert [(rows[int(f.get_y())], heads[int(f.get_x())]) for f in frames] == [
        ("Majority, 3 of 8", "Majority 3 of 8"),
    ]
    assert "percentage points" in figure.axes[1].get_ylabel()
