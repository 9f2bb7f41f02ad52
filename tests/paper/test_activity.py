from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from support.graded import item_of
from support.markdown_cells import tables_of

from compute_aligned.files.errors import InputError
from compute_aligned.files.records import RL_STEPS, STEPS, write_table
from compute_aligned.paper import activity
from compute_aligned.paper.activity import phases, read_steps, significant

BRANCHES = ("ce", "majority_n64_k26")
ITEM = item_of("table_activity_sft_majority", *BRANCHES)
SCHEMAS = dict.fromkeys(BRANCHES, STEPS)


def write(path: Path, medians: list[float], clipped: int = 0) -> Path:
    """Steps whose log p and weight are spread by 1 to both sides of a median."""
    levels = {"05": -1.0, "25": -0.5, "50": 0.0, "75": 0.5, "95": 1.0}
    rows = [
        dict.fromkeys(("loss", "learning_rate", "grad_norm", "mean_p"), 0.5)
        | {"step": step, "tokens": 10, "clipped": step < clipped}
        | {f"log_p_q{level}": -median + shift for level, shift in levels.items()}
        | {f"weight_q{level}": median + shift for level, shift in levels.items()}
        for step, median in enumerate(medians)
    ]
    write_table(path, rows, STEPS)
    return path


@pytest.fixture
def steps(tmp_path: Path) -> pd.DataFrame:
    majority = [[4, 6, *[99] * 16, 1, 3], [8, 10, *[99] * 16, 3, 5]]
    files = [("ce", write(tmp_path / f"ce{seed}", [1.001] * 20)) for seed in range(2)]
    files += [
        (BRANCHES[1], write(tmp_path / f"m{seed}", medians, clipped=1 - seed))
        for seed, medians in enumerate(majority)
    ]
    return read_steps(files, SCHEMAS)


def test_start_and_end_are_tenths_of_the_steps_averaged_over_seeds(steps: pd.DataFrame) -> None:
    found = phases(steps).set_index(["branch", "phase"])

    assert found.index.tolist() == [(b, phase) for b in BRANCHES for phase in ("start", "end")]
    start, end = found.loc[(BRANCHES[1], "start")], found.loc[(BRANCHES[1], "end")]
    assert start["weight_q50"] == 7
    assert (end["weight_q05"], end["weight_q50"], end["weight_q95"]) == (2, 3, 4)
    assert (end["log_p_q05"], end["log_p_q50"], end["log_p_q95"]) == (-4, -3, -2)
    assert (start["clipped"], end["clipped"]) == (0.25, 0)  # one of two steps, in one of two seeds
    assert set(found["seeds"]) == {2}
    assert set(found["steps"]) == {20}


def test_the_table_has_a_row_a_branch_with_medians_and_spreads_at_both_ends(
    steps: pd.DataFrame,
) -> None:
    rendered = activity.table(ITEM, steps)

    ce = "-1.00 (-2.00 to -1e-03)"
    (rows,) = tables_of(rendered.md)
    assert rows == [
        ["Branch", "log p, start", "log p, end", "Weight, start", "Weight, end", "Clipped"],
        ["Cross-entropy", ce, ce, *["1.00 (1e-03 to 2.00)"] * 2, "0%"],
        [
            *("Majority, 26 of 64", "-7.00 (-8.00 to -6.00)", "-3.00 (-4.00 to -2.00)"),
            *("7.00 (6.00 to 8.00)", "3.00 (2.00 to 4.00)", "12%"),
        ],
    ]
    assert "means over 2 seeds" in rendered.md
    assert r"7.00 (6.00 to 8.00) & 3.00 (2.00 to 4.00) & 12\% \\" in rendered.tex
    frame = pd.read_csv(StringIO(rendered.csv))
    assert frame.columns[:5].tolist() == ["item", "family", "branch", "label", "phase"]
    assert frame["weight_q50"].tolist() == pytest.approx([1.001, 1.001, 7, 3])


@pytest.mark.parametrize("length", [1, 4])
def test_a_training_shorter_than_ten_steps_starts_with_its_first_and_ends_with_its_last(
    length: int, tmp_path: Path
) -> None:
    medians = [float(i) for i in range(length)]

    found = phases(read_steps([("ce", write(tmp_path / "a", medians))], SCHEMAS))

    assert found["weight_q50"].tolist() == [medians[0], medians[-1]]


@pytest.mark.filterwarnings("error")
def test_branches_trained_in_both_ways_stand_side_by_side_in_the_order_of_their_files(
    tmp_path: Path,
) -> None:
    row = dict.fromkeys(RL_STEPS.names, 0.5) | {"step": 0, "tokens": 9, "clipped": True}
    write_table(tmp_path / "a", [row | {"kl": None}], RL_STEPS)
    files = [("passn", write(tmp_path / "b", [3.0, 1.0])), ("ce_warmup", tmp_path / "a")]

    found = phases(read_steps(files, {"ce_warmup": RL_STEPS, "passn": STEPS}))

    assert found["branch"].tolist() == ["passn", "passn", "ce_warmup", "ce_warmup"]
    assert found["weight_q50"].tolist() == [3, 1, 0.5, 0.5]
    assert found["clipped"].tolist() == [0, 0, 1, 1]
    assert found["steps"].tolist() == [2, 2, 1, 1]


def test_records_of_another_kind_of_training_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="its columns are not those"):
        read_steps([("ce", write(tmp_path / "a", [1.0]))], {"ce": RL_STEPS})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *((0.0, "0.00"), (-0.0, "0.00"), (25.998, "26.00"), (-3.14159, "-3.14")),
        *((0.005, "0.01"), (3.2e-11, "3e-11"), (-0.0004, "-4e-04")),
    ],
)
def test_a_small_number_is_not_shown_as_none(value: float, text: str) -> None:
    assert significant(value) == text
