from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from scipy import stats
from support.graded import item_of, write_proteins
from support.markdown_cells import rows_of

from compute_aligned.config.claims import read_claims
from compute_aligned.config.sheets import WARMUP
from compute_aligned.files.errors import InputError
from compute_aligned.method.rewards import LOW_HILL, unconditional_landscape
from compute_aligned.paper import states, style

BRANCHES = ("standard", "bon_n2", "bon_n4")
TABLE, FIGURE = (
    item_of(name, *BRANCHES) for name in ("table_protein_states", "figure_protein_paths")
)
LATE = [3.0, 5.0, 3.9, 4.1, 6.0, 7.0]  # above for good from step 3 on
PATHS = {  # of three seeds
    "standard": [[3.0] * 6] * 3,
    "bon_n2": [LATE, [3.0] * 5 + [4.0], [3.0, *[7.0] * 5]],
    "bon_n4": [[5.0] * 6, LATE, [7.0] * 5 + [3.9]],
}
POOLS = {  # mean rewards of three seeds
    WARMUP: [3.0, 3.1, 3.2],
    "standard": [3.2, 3.4, 3.6],
    "bon_n2": [6.0, 4.0, 8.0],
    "bon_n4": [7.0, 8.0, 9.0],
}


def steps_of(seeds: int) -> pd.DataFrame:
    """Steps as they are read, those of a run not in their order."""
    runs = [(branch, path) for branch in BRANCHES for path in PATHS[branch][:seeds]]
    return pd.concat(
        [
            pd.DataFrame({"branch": branch, "run": run, "step": range(6), "mean_reward": path})
            for run, (branch, path) in enumerate(runs)
        ]
    ).sample(frac=1, random_state=0)


def scores_of(folder: Path, seeds: int) -> list[Path]:
    return [
        write_proteins(
            folder / f"{seed}",
            {(m, "p"): {"rewards": [of[seed] - 2, of[seed] + 2]} for m, of in POOLS.items()},
        )
        for seed in range(seeds)
    ]


@pytest.mark.parametrize(
    ("rewards", "step"),
    [
        (LATE, 3),
        ([5.0, 5.0], 0),
        ([3.0, 4.0], None),  # the top itself is not above
        ([5.0, 3.0], None),
        ([3.0, 4.001], 1),
    ],
)
def test_a_training_leaves_at_the_first_step_from_which_on_all_batches_are_above(
    rewards: list[float], step: int | None
) -> None:
    assert states.leaving_step(np.array(rewards)) == step


def test_a_row_a_model_counts_its_seeds_with_exact_intervals_and_steps(tmp_path: Path) -> None:
    made = states.table(TABLE, scores_of(tmp_path, 3), steps_of(3))

    frame = pd.read_csv(StringIO(made.csv)).set_index("branch")
    assert frame["left"].to_dict() == {WARMUP: 0, "standard": 0, "bon_n2": 2, "bon_n4": 3}
    for branch, row in frame.iterrows():
        # the shares at which so many seeds, or so few, have a chance of 2.5%
        for share, tail in (("share_low", stats.binom.sf), ("share_high", stats.binom.cdf)):
            edge = {"share_low": 0, "share_high": 3}[share]
            above = row["left"] - (share == "share_low")
            chance = tail(above, 3, row[share])
            assert row["left"] == edge or chance == pytest.approx(0.025, rel=1e-4), branch
    assert frame.loc["bon_n2", ["step_median", "step_first", "step_last"]].tolist() == [2, 1, 3]
    _, *rows = rows_of(made.md).values()
    assert rows == [
        ["0 of 3", "0% [0, 71]", "–", "–", "3.10"],
        ["0 of 3", "0% [0, 71]", "none left", "–", "3.40"],
        ["2 of 3", "67% [9, 99]", "2 (1 to 3)", "7.00", "4.00"],
        ["3 of 3", "100% [29, 100]", "1.5 (0 to 3); 1 not above in the last batch", "8.00", "–"],
    ]
    assert f"above {LOW_HILL:g}, the top of the low hill" in made.md


def test_one_seed_has_counts_and_words(tmp_path: Path) -> None:
    made = states.table(TABLE, scores_of(tmp_path, 1), steps_of(1))

    assert rows_of(made.md)["Best-of-2"] == [
        *("1 of 1", "one seed says nothing of others", "3", "6.00", "–"),
    ]


def test_records_of_other_seeds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="3 records of training and samples of 2 seeds"):
        states.table(TABLE, scores_of(tmp_path, 2), steps_of(3))


def test_the_hill_is_that_of_the_landscape_and_of_the_claim() -> None:
    before_the_valley = [unconditional_landscape(share) for share in np.linspace(0, 0.45, 451)]
    levels = {row.level for row in read_claims()["C5b"].rows}

    assert max(before_the_valley) == pytest.approx(LOW_HILL, abs=1e-3)
    assert levels == {LOW_HILL}


def test_a_panel_a_branch_has_a_line_a_seed_and_the_top_of_the_hill() -> None:
    figure = states.figure(FIGURE, steps_of(3).sort_values("step"))

    looks = style.level_looks_of(FIGURE.experiment)
    for axes, branch in zip(figure.axes, BRANCHES, strict=True):
        *paths, top = axes.get_lines()
        assert [list(line.get_ydata()) for line in paths] == PATHS[branch]
        assert {to_rgba(line.get_color()) for line in paths} == {to_rgba(looks[branch].colour)}
        assert set(top.get_ydata()) == {LOW_HILL}
    assert "3 seeds" in figure.get_suptitle()
