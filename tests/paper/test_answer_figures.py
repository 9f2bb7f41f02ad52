from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from matplotlib.colors import to_rgba

from compute_aligned.config.sheets import PaperItem
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import SCORES, read_table, write_table
from compute_aligned.paper import answer_figures, style
from compute_aligned.paper.mechanism import FEWEST, changes, read_halves

ITEM = PaperItem.model_validate(
    {
        "item": "figure_mechanism",
        "output": "figure",
        "form": "mechanism",
        "family": "sft_majority",
        "branches": "ce majority_n8_k3 majority_n16_k4",
        "metric": "-",
        "budgets": "-",
        "reported": "-",
        "title": "Where it gains",
    }
)
# problems of three kinds, by their right samples of 8
RIGHT = {"ce": [0, 4, 8], "majority_n8_k3": [0, 6, 7], "majority_n16_k4": [1, 6, 6]}


@pytest.fixture
def scores(tmp_path: Path) -> list[Path]:
    rows = []
    for branch, counts in RIGHT.items():
        for number in range(3 * FEWEST):
            correct = [sample < counts[number % 3] for sample in range(8)]
            rows.append(
                {"branch": branch, "problem": f"{number:03d}", "num_samples": 8}
                | {"num_correct": sum(correct), "num_invalid": 0, "num_unfinished": 0}
                | {"mean_tokens": 2.0, "correct": correct}
                | {"votes": ["7" if right else str(i) for i, right in enumerate(correct)]}
            )
    paths = [tmp_path / f"{seed}.parquet" for seed in range(2)]
    for path in paths:
        write_table(path, rows, SCORES)
    return paths


def test_a_line_a_branch_has_the_changes_in_percentage_points(scores: list[Path]) -> None:
    p, vote, *_ = answer_figures.draw(ITEM, scores, "laptop").axes
    frame = changes(read_halves(scores), ["majority_n8_k3", "majority_n16_k4"], "ce")

    for axes, measure in ((p, "p"), (vote, "vote")):
        lines = axes.containers
        assert [str(line.get_label()) for line in lines] == [
            "Majority, 3 of 8",
            "Majority, 4 of 16",
        ]
        for line, branch in zip(lines, ITEM.branches[1:], strict=True):
            rows = frame[(frame["branch"] == branch) & (frame["measure"] == measure)]
            assert line[0].get_ydata() == pytest.approx(100 * rows["change"].to_numpy())
            assert to_rgba(line[0].get_color()) == to_rgba(
                style.looks_of("sft_majority")[branch].colour
            )


def test_bars_span_the_intervals(scores: list[Path]) -> None:
    axes = answer_figures.draw(ITEM, scores, "laptop").axes[0]
    frame = changes(read_halves(scores), ["majority_n8_k3"], "ce")
    rows = frame[frame["measure"] == "p"]

    (bars,) = axes.containers[0][2]
    ends = np.array([segment[:, 1] for segment in bars.get_segments()])
    assert ends == pytest.approx(100 * rows[["change_low", "change_high"]].to_numpy())


def test_the_problems_of_each_p_are_counted_below(scores: list[Path]) -> None:
    *_, below, _ = answer_figures.draw(ITEM, scores, "laptop").axes

    (steps,) = below.patches
    shares = steps.get_data().values
    assert shares.sum() == pytest.approx(100)
    assert shares[0] == pytest.approx(100 / 3)  # never right
    assert shares[-1] == pytest.approx(100 / 3)  # always right


def test_axes_and_legend_say_what_is_shown(scores: list[Path]) -> None:
    figure = answer_figures.draw(ITEM, scores, "laptop")
    p, vote, below, _ = figure.axes

    assert p.get_title(loc="left") == "Change in p"
    assert vote.get_title(loc="left") == "Change in how often a vote is right"
    assert p.get_ylabel() == "Percentage points"
    assert below.get_xlabel() == "p under Cross-entropy"
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "Cross-entropy (baseline)",
        "Majority, 3 of 8",
        "Majority, 4 of 16",
        "95% interval",
    ]


def test_too_few_problems_leave_the_panels_empty(tmp_path: Path, scores: list[Path]) -> None:
    few = read_table(scores[0], SCORES).to_pandas()
    few = few[few["problem"] < "005"]
    write_table(tmp_path / "few", pa.Table.from_pandas(few, SCORES, preserve_index=False), SCORES)

    p, *_ = answer_figures.draw(ITEM, [tmp_path / "few"], "smoke").axes

    assert [len(line[0].get_ydata()) for line in p.containers] == [0, 0]


def test_an_unknown_form_names_the_row(scores: list[Path]) -> None:
    with pytest.raises(InputError, match="no figure form 'mechanisms'"):
        answer_figures.draw(ITEM.model_copy(update={"form": "mechanisms"}), scores, "laptop")
