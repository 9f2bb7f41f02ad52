from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from compute_aligned.files import records
from compute_aligned.files.records import PROTEIN_SCORES, SAMPLES, Problem
from compute_aligned.method.rewards import (
    INVALID_REWARD,
    conditional_landscape,
    unconditional_landscape,
)
from compute_aligned.score import proteins, scoring
from compute_aligned.score.scoring import Drawn

FREE = Problem(id="free", group="free", prompt="", answer="ACDEFGHIKL")
# 3 of 4 residues are hydrophobic
GIVEN = Problem(id="given", group="AAAD", prompt="?", answer="DDDA", input_sequence="AAAD")


def samples(problem: str, texts: list[str]) -> list[Drawn]:
    rows = [
        {"branch": "bon_n2", "problem": problem, "sample": index, "text": text}
        | {"num_tokens": len(text) + 1, "finished": index != 1}
        for index, text in enumerate(texts)
    ]
    return list(scoring.by_problem(pa.Table.from_pylist(rows, SAMPLES).to_batches()))


def test_unconditional_samples_are_scored_as_worked_by_hand() -> None:
    # 4 of 10, too short, white space and lower case around 5 of 10, a letter outside the 20
    texts = ["AAAADDDDDD", "AAAADDDDD", "aaaaa\n ddddd", "AAAADDDDDB"]

    (row,) = proteins.score(samples("free", texts), [FREE], "protein_unconditional", "paper")

    assert row == {
        "branch": "bon_n2",
        "problem": "free",
        "num_samples": 4,
        "num_invalid": 2,
        "num_unfinished": 1,
        "mean_tokens": pytest.approx((11 + 10 + 13 + 11) / 4),
        "input_share": None,
        "rewards": [
            unconditional_landscape(0.4),
            INVALID_REWARD,
            unconditional_landscape(0.5),
            INVALID_REWARD,
        ],
        "shares": [0.4, None, 0.5, None],
        "residues": [10, None, 10, None],
    }


def test_conditional_samples_are_scored_against_the_input() -> None:
    (row,) = proteins.score(
        samples("given", ["DDDAA", "ADDD", "DDDDD"]), [GIVEN], "protein_conditional", "paper"
    )

    assert row["input_share"] == 0.75
    assert row["rewards"] == [
        conditional_landscape(0.4, 0.75),
        INVALID_REWARD,
        conditional_landscape(0.0, 0.75),
    ]
    assert row["shares"] == [0.4, None, 0.0]  # no hydrophobic residue is a share, not a gap


def test_a_conditional_reward_needs_an_input() -> None:
    with pytest.raises(ValueError, match="free has no input sequence"):
        list(proteins.score(samples("free", ["AAAAA"]), [FREE], "protein_conditional", "paper"))


def test_outcomes_are_exact_expected_maxima_at_every_doubling() -> None:
    (row,) = proteins.score(
        samples("free", ["AAAADDDDDD", "A", "AAAAAAAADD"]), [FREE], "protein_unconditional", "paper"
    )

    points = list(scoring.outcomes([row], ("expected_max@k",)))

    rewards = np.array(row["rewards"])
    pairs = np.maximum(rewards[:, None], rewards[None, :])
    triples = np.maximum(pairs[:, :, None], rewards)
    assert [point["k"] for point in points] == [1, 2, 3]
    assert [point["value"] for point in points] == pytest.approx(
        [rewards.mean(), pairs.mean(), triples.mean()]
    )


def test_samples_come_back_one_a_row_with_gaps_where_there_is_no_protein(tmp_path: Path) -> None:
    texts = {0: ["AAAADDDDDD", "A"], 1: ["AAAAADDDDD", "AAAAAADDDDD"]}
    paths = []
    for seed, drawn in texts.items():
        rows = proteins.score(samples("free", drawn), [FREE], "protein_unconditional", "paper")
        paths.append(tmp_path / f"seed{seed}.parquet")
        records.write_table(paths[-1], rows, PROTEIN_SCORES)

    frame = proteins.read_scores(paths)

    expected = pd.DataFrame(
        {
            "seed": [0, 0, 1, 1],
            "branch": ["bon_n2"] * 4,
            "problem": ["free"] * 4,
            "sample": [0, 1, 0, 1],
            "reward": [
                unconditional_landscape(0.4),
                INVALID_REWARD,
                unconditional_landscape(0.5),
                unconditional_landscape(6 / 11),
            ],
            "share": [0.4, np.nan, 0.5, 6 / 11],
            "residues": [10, np.nan, 10, 11],
            "input_share": [np.nan] * 4,
        }
    )
    pd.testing.assert_frame_equal(frame, expected)
