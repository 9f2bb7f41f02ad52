from pathlib import Path

import pandas as pd
import pytest

from compute_aligned.files.errors import InputError
from compute_aligned.files.records import RL_STEPS, STEPS, write_table
from compute_aligned.paper.activity import phases, read_steps


def record(step: int, median: float, clipped: bool = False) -> dict:
    """A step whose log p and weight are spread by 1 to both sides of a median."""
    levels = {"05": -1.0, "25": -0.5, "50": 0.0, "75": 0.5, "95": 1.0}
    return (
        dict.fromkeys(("loss", "learning_rate", "grad_norm", "mean_p"), 0.5)
        | {"step": step, "tokens": 10, "clipped": clipped}
        | {f"log_p_q{level}": -median + shift for level, shift in levels.items()}
        | {f"weight_q{level}": median + shift for level, shift in levels.items()}
    )


def write(path: Path, medians: list[float], clipped: int = 0) -> Path:
    rows = [record(step, median, step < clipped) for step, median in enumerate(medians)]
    write_table(path, rows, STEPS)
    return path


def test_start_and_end_are_tenths_of_the_steps_averaged_over_seeds(tmp_path: Path) -> None:
    files = [
        ("ce", write(tmp_path / "a", [1.0] * 20)),
        ("majority", write(tmp_path / "b", [4, 6, *[99] * 16, 1, 3], clipped=1)),
        ("majority", write(tmp_path / "c", [8, 10, *[99] * 16, 3, 5])),
    ]

    schemas = {"ce": STEPS, "majority": STEPS}
    found = phases(read_steps(files, schemas)).set_index(["branch", "phase"])

    assert found.index.tolist() == [
        (branch, phase) for branch in ("ce", "majority") for phase in ("start", "end")
    ]
    start, end = found.loc[("majority", "start")], found.loc[("majority", "end")]
    assert start["weight_q50"] == 7
    assert end["weight_q50"] == 3
    assert (end["weight_q05"], end["weight_q95"]) == (2, 4)
    assert (end["log_p_q05"], end["log_p_q50"], end["log_p_q95"]) == (-4, -3, -2)
    assert (start["clipped"], end["clipped"]) == (0.25, 0)  # one of two steps, in one of two seeds
    assert found["seeds"].tolist() == [1, 1, 2, 2]
    assert set(found["steps"]) == {20}


@pytest.mark.parametrize("length", [1, 4])
def test_a_training_shorter_than_ten_steps_starts_with_its_first_and_ends_with_its_last(
    length: int, tmp_path: Path
) -> None:
    medians = [float(i) for i in range(length)]

    files = [("ce", write(tmp_path / "a", medians))]
    found = phases(read_steps(files, {"ce": STEPS})).set_index("phase")

    assert found.loc["start", "weight_q50"] == medians[0]
    assert found.loc["end", "weight_q50"] == medians[-1]


@pytest.mark.filterwarnings("error")
def test_branches_trained_in_both_ways_stand_side_by_side(tmp_path: Path) -> None:
    row = dict.fromkeys(RL_STEPS.names, 0.5) | {"step": 0, "tokens": 9, "clipped": True}
    write_table(tmp_path / "a", [row | {"kl": None}], RL_STEPS)
    files = [("ce", write(tmp_path / "b", [3.0, 1.0])), ("ce_warmup", tmp_path / "a")]

    found = phases(read_steps(files, {"ce": STEPS, "ce_warmup": RL_STEPS}))

    assert found["branch"].tolist() == ["ce", "ce", "ce_warmup", "ce_warmup"]
    assert found["weight_q50"].tolist() == [3, 1, 0.5, 0.5]
    assert found["clipped"].tolist() == [0, 0, 1, 1]
    assert found["steps"].tolist() == [2, 2, 1, 1]


def test_records_of_another_kind_of_training_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="its columns are not those"):
        read_steps([("ce", write(tmp_path / "a", [1.0]))], {"ce": RL_STEPS})


def test_branches_keep_the_order_of_their_files(tmp_path: Path) -> None:
    files = [(branch, write(tmp_path / branch, [1.0])) for branch in ("b", "a", "c")]

    found: pd.DataFrame = phases(read_steps(files, dict.fromkeys("abc", STEPS)))

    assert found["branch"].unique().tolist() == ["b", "a", "c"]
