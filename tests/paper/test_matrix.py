"""The alignment matrix: its columns, its cells against hand-made values, its table and figure."""

from io import StringIO
from itertools import product

import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import Rectangle
from support.graded import item_of
from support.markdown_cells import rows_of

from compute_aligned.method.estimators import k_of_n, pass_at_k
from compute_aligned.paper import matrix, matrix_figures, matrix_tables
from compute_aligned.score import scoring

SAMPLES, SEEDS, PROBLEMS = 8, 2, 3
# right samples of the first problem
CORRECT = {"ce": 3, "warmup": 1, "majority_n8_k3": 4, "majority_n16_k4": 2}
BRANCHES = ("ce", "majority_n8_k3", "majority_n16_k4")
ITEM = item_of("table_matrix_sft_majority", *BRANCHES)
OWN = "Majority 3 of 8"


@pytest.fixture(scope="module")
def outcomes() -> pd.DataFrame:
    """All wrong answers are alike; problem and seed i have i more right ones."""
    rows = []
    for seed, problem, (branch, first) in product(range(SEEDS), range(PROBLEMS), CORRECT.items()):
        correct = [i < first + problem + seed for i in range(SAMPLES)]
        graded = {"branch": branch, "problem": f"p{problem}", "num_samples": SAMPLES}
        graded |= {"num_correct": sum(correct), "correct": correct}
        graded |= {"votes": [str(right) for right in correct]}
        measured = scoring.outcomes([graded], ITEM.experiment.settings.metrics)
        rows += [row | {"seed": seed} for row in measured]
    return pd.DataFrame(rows)


def test_columns_are_usual_budgets_and_the_branches_own_out_of_what_was_measured() -> None:
    names = ("maj@k", "pass@k")
    measured = [(name, k) for name in names for k in (1, 2, 4, 8, 16)] + [("plurality", 16)]
    measured += [("MajorityVote(n=8, k=3)", k) for k in (4, 8, 16)]

    found = matrix.columns(measured, ["SingleSample()", "PassAtN(n=8)", "PassAtN(n=99)"])

    assert [column.label for column in found] == [
        *("pass@1", "pass@4", "pass@8", "pass@16", "maj@8", "maj@16", OWN),
    ]


def test_a_branch_is_itself_in_one_column() -> None:
    strategies = ("SingleSample()", "PassAtN(n=4)", "MajorityVote(n=8, k=3)")
    own = [matrix.own_column(strategy) for strategy in strategies]
    found = [(column.metric.name, column.k) for column in own]
    assert found == [("pass@k", 1), ("pass@k", 4), (strategies[2], 8)]


def test_cells_are_gains_over_the_baseline_and_one_is_the_branch_s_own(
    outcomes: pd.DataFrame,
) -> None:
    found = matrix.of_item(ITEM, outcomes).set_index(["branch", "column"])

    values = {"pass@4": lambda c: pass_at_k(SAMPLES, c, 4), OWN: lambda c: k_of_n(SAMPLES, c, 8, 3)}
    for column, value in values.items():
        shifts = [p + s for s in range(SEEDS) for p in range(PROBLEMS)]
        mean = {b: 100 * np.mean([value(c + i) for i in shifts]) for b, c in CORRECT.items()}
        for branch in ("warmup", "majority_n8_k3"):
            gain = found.loc[(branch, column), "gain"]
            assert gain == pytest.approx(mean[branch] - mean["ce"])
    own = found.index[found["own"]].tolist()
    assert own == [("majority_n8_k3", OWN)]  # 16 votes are more than there are
    assert (found["gain_low"] <= found["gain"]).all()
    assert (found["gain"] <= found["gain_high"]).all()
    branches = dict.fromkeys(found.index.get_level_values("branch"))
    assert list(branches) == ["warmup", *BRANCHES[1:]]


def test_the_table_marks_a_branch_s_own_strategy_and_has_every_value(
    outcomes: pd.DataFrame,
) -> None:
    rendered = matrix_tables.alignment_matrix(ITEM, outcomes)

    frame = pd.read_csv(StringIO(rendered.csv))
    assert frame["own"].sum() == 1
    for text in (rendered.md, rendered.html, rendered.tex):
        assert text.count("→") == 1
    rows = rows_of(rendered.md)
    heads = rows["Trained for"]
    assert heads == frame["column"].drop_duplicates().tolist()
    own = frame[frame["own"]].iloc[0]
    cell = rows["Majority, 3 of 8"][heads.index(OWN)]
    assert f"→ {own['gain']:+.1f} [{own['gain_low']:.1f}, {own['gain_high']:.1f}]" in cell
    assert cell.startswith("**") == (own["gain_low"] > 0 or own["gain_high"] < 0)
    assert list(rows) == ["Trained for", "Warm-up", "Majority, 3 of 8", "Majority, 4 of 16"]


def test_the_figure_frames_a_branch_s_own_strategy(outcomes: pd.DataFrame) -> None:
    axes, bar = matrix_figures.alignment_matrix(ITEM, outcomes).axes

    (frame,) = (patch for patch in axes.patches if isinstance(patch, Rectangle))
    column, row = map(int, frame.get_xy())
    assert axes.get_xticklabels()[column].get_text() == OWN
    assert axes.get_yticklabels()[row].get_text() == "Majority, 3 of 8"
    assert "percentage points" in bar.get_ylabel()
