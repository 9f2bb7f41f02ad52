from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from support.graded import item_of, sevens, write_answers

from compute_aligned.paper import style
from compute_aligned.paper.mechanism import FEWEST, changes, read_halves
from compute_aligned.paper.mechanism_figures import mechanism

# problems of three kinds, by their right samples of 8
RIGHT = {"ce": [0, 4, 8], "majority_n8_k3": [0, 6, 7], "majority_n16_k4": [1, 6, 6]}
ITEM = item_of("figure_majority_mechanism", *RIGHT)
OTHERS = list(RIGHT)[1:]
LABELS = ["Majority, 3 of 8", "Majority, 4 of 16"]


def write(path: Path, problems: int) -> Path:
    answers = {
        (branch, f"{number:03d}"): sevens(counts[number % 3], of=8)
        for branch, counts in RIGHT.items()
        for number in range(problems)
    }
    return write_answers(path, answers)


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("scores")
    return [write(folder / f"{seed}", 3 * FEWEST) for seed in range(2)]


def test_a_line_a_branch_has_the_changes_in_percentage_points_with_their_intervals(
    scores: list[Path],
) -> None:
    p, vote, *_ = mechanism(ITEM, scores).axes
    frame = changes(read_halves(scores), OTHERS, "ce")

    for axes, measure in ((p, "p"), (vote, "vote")):
        assert [str(line.get_label()) for line in axes.containers] == LABELS
        for line, branch in zip(axes.containers, OTHERS, strict=True):
            rows = frame[(frame["branch"] == branch) & (frame["measure"] == measure)]
            assert line[0].get_ydata() == pytest.approx(100 * rows["change"].to_numpy())
            look = style.looks_of(ITEM.experiment)[branch]
            assert to_rgba(line[0].get_color()) == to_rgba(look.colour)
            ends = np.array([segment[:, 1] for segment in line[2][0].get_segments()])
            assert ends == pytest.approx(100 * rows[["change_low", "change_high"]].to_numpy())


def test_the_problems_of_each_p_are_counted_below_and_all_is_named(scores: list[Path]) -> None:
    figure = mechanism(ITEM, scores)
    p, vote, below, _ = figure.axes

    shares = below.patches[0].get_data().values
    assert shares.sum() == pytest.approx(100)
    assert (shares[0], shares[-1]) == pytest.approx((100 / 3, 100 / 3))  # never, always right
    assert p.get_title(loc="left") == "Change in p"
    assert vote.get_title(loc="left") == "Change in how often a vote is right"
    assert p.get_ylabel() == "Percentage points"
    assert below.get_xlabel() == "p under Cross-entropy"
    (legend,) = figure.legends
    texts = [text.get_text() for text in legend.get_texts()]
    assert texts == ["Cross-entropy (baseline)", *LABELS, "95% interval"]


def test_too_few_problems_leave_the_panels_empty_and_one_seed_is_named(tmp_path: Path) -> None:
    figure = mechanism(ITEM, [write(tmp_path / "few", 5)])

    assert [len(line[0].get_ydata()) for line in figure.axes[0].containers] == [0, 0]
    assert figure.legends[0].get_texts()[-1].get_text() == "95% interval, problems only"
    assert "scale smoke, 1 seed)" in figure.get_suptitle()
