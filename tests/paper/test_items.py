from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from compute_aligned.config.sheets import PaperItem
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import OUTCOMES, RL_STEPS, SCORES, STEPS, write_table
from compute_aligned.paper import items
from compute_aligned.paper.items import Files

BRANCHES = ("ce", "majority_n8_k3", "majority_n16_k4", "majority_n64_k26")
ROW = {"item": "item", "family": "sft_majority", "branches": " ".join(BRANCHES), "title": "A title"}
LEVELS = ROW | {"form": "levels", "metric": "maj@k", "budgets": "1 8", "reported": "sft_majority"}
SAMPLES = ROW | {"form": "mechanism", "metric": "-", "budgets": "-", "reported": "-"}
TRAINING = ROW | {"form": "activity", "metric": "weight", "budgets": "-", "reported": "-"}

MAKE: dict[str, Callable[..., object]] = {"table": items.table, "figure": items.figure}


def item(row: dict[str, str], output: str) -> PaperItem:
    return PaperItem.model_validate(row | {"output": output})


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """What a run of two seeds has left: a vote over all 8 samples is right more often."""
    outcomes, scores, steps = [], [], []
    for seed in range(2):
        outcomes.append(tmp_path / f"outcomes{seed}")
        scores.append(tmp_path / f"scores{seed}")
        values = {("maj@k", 1): 0.25, ("maj@k", 8): 0.5, ("plurality", 8): 0.75}
        rows: list[dict[str, Any]] = [
            {"branch": branch, "problem": f"{problem:02d}", "metric": metric, "k": k}
            | {"value": value if branch == "ce" else value + 0.125}
            for branch in ("warmup", *BRANCHES)
            for problem in range(30)
            for (metric, k), value in values.items()
        ]
        write_table(outcomes[-1], rows, OUTCOMES)
        graded = [
            {"branch": branch, "problem": f"{problem:02d}", "num_samples": 8}
            | {"num_correct": 4, "num_invalid": 0, "num_unfinished": 0, "mean_tokens": 2.0}
            | {"votes": ["7", "1"] * 4, "correct": [True, False] * 4}
            for branch in BRANCHES
            for problem in range(30)
        ]
        write_table(scores[-1], graded, SCORES)
    record = dict.fromkeys(STEPS.names, 0.5) | {"step": 0, "tokens": 9, "clipped": True}
    for branch in BRANCHES:
        for seed in range(2):
            steps.append((branch, tmp_path / f"{branch}{seed}"))
            write_table(steps[-1][1], [record], STEPS)
    return Files(outcomes, scores, steps)


def test_a_table_of_votes_has_a_column_for_the_vote_over_all_samples(files: Files) -> None:
    made = items.table(item(LEVELS, "table"), files, "smoke")

    header = next(line for line in made.md.splitlines() if line.startswith("| "))
    assert [cell.strip() for cell in header.split("|")[1:-1]] == ["", "k=1", "k=8", "plurality"]
    levels, gains, paper = made.md.split("\n## ")[1:]
    assert "| 87.5<br>[87.5, 87.5] |" in levels
    assert "**+12.5**<br>[12.5, 12.5]" in gains
    rows = [line for line in paper.splitlines() if line.startswith("| Majority")]
    assert len(rows) == 3
    assert {line.split("|")[-2].strip() for line in rows} == {"–"}  # the paper reports no such vote
    assert "Plurality: a vote over all 8 samples, exact." in made.md
    assert r"$k=8$ & plurality \\" in made.tex


def test_the_vote_over_all_samples_does_not_pass_for_maj_at_k(files: Files) -> None:
    made = items.table(item(LEVELS, "table"), files, "smoke")
    frame = pd.read_csv(StringIO(made.csv)).set_index(["branch", "metric", "k"])

    assert frame.loc[("ce", "maj@k", 8), "value"] == 50
    assert frame.loc[("ce", "plurality", 8), "value"] == 75
    assert frame.loc[("ce", "maj@k", 8), "paper_value"] == 23.3
    assert frame["paper_value"].xs("plurality", level="metric").isna().all()


def test_a_figure_of_votes_has_maj_at_k_only(files: Files) -> None:
    figure = items.figure(item(LEVELS | {"form": "gains"}, "figure"), files, "smoke")

    line = figure.axes[0].get_lines()[-1]
    assert list(line.get_xdata()) == [1, 8]


def test_items_of_samples_and_of_training_are_made_from_their_own_files(files: Files) -> None:
    drawn = items.figure(item(SAMPLES, "figure"), Files(scores=files.scores), "smoke")
    made = items.table(item(TRAINING, "table"), Files(steps=files.steps), "smoke")

    assert len(drawn.axes) == 4
    assert "0.50 (0.50 to 0.50)" in made.md


def test_a_table_of_activity_shows_fine_tuning_and_reinforcement_learning(tmp_path: Path) -> None:
    steps = []
    for branch, schema in (("passn_n16", STEPS), ("passn_n16_warmup", RL_STEPS)):
        record = dict.fromkeys(schema.names, 0.5) | {"step": 0, "tokens": 9, "clipped": True}
        steps.append((branch, tmp_path / branch))
        write_table(steps[-1][1], [record], schema)
    row = TRAINING | {"family": "sft_to_rl", "branches": "passn_n16 passn_n16_warmup"}

    made = items.table(item(row, "table"), Files(steps=steps), "smoke")

    frame = pd.read_csv(StringIO(made.csv))
    assert frame["branch"].tolist() == ["passn_n16"] * 2 + ["passn_n16_warmup"] * 2
    assert frame["weight_q50"].tolist() == [0.5] * 4


@pytest.mark.parametrize(
    ("row", "output", "kind"),
    [
        (LEVELS, "table", "outcomes"),
        (LEVELS, "figure", "outcomes"),
        (SAMPLES, "figure", "scores"),
        (TRAINING, "table", "steps"),
    ],
)
def test_files_that_are_not_given_are_named(row: dict[str, str], output: str, kind: str) -> None:
    with pytest.raises(InputError, match=f"made from {kind}, and none are given"):
        MAKE[output](item(row, output), Files(), "smoke")


@pytest.mark.parametrize(("row", "output"), [(SAMPLES, "table"), (TRAINING, "figure")])
def test_what_has_no_form_yet_is_named(row: dict[str, str], output: str, files: Files) -> None:
    with pytest.raises(InputError, match=f"there is no {output} form '{row['form']}'"):
        MAKE[output](item(row, output), files, "smoke")


def test_all_files_are_named_for_the_provenance(files: Files) -> None:
    assert len(files.paths) == 2 + 2 + 8
