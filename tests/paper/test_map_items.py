from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from paper.map_parts import CHAIN, LONG, POOL, SHORT, Left, study_in
from paper.paper_parts import grids_of

from compute_aligned.config.study import Study, read_study
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import CELLS, write_table
from compute_aligned.method.ranks import Correlation
from compute_aligned.paper import captions, forms
from compute_aligned.paper.cells import COLUMNS
from compute_aligned.paper.items import Files, make
from compute_aligned.paper.map_tables import correlation_words

SAMPLING = POOL.replace("plain", "sampling")
RUN = (SHORT, LONG, POOL, CHAIN)  # the fifth was not run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("map")


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    return study_in(folder)


@pytest.fixture(scope="module")
def files(study: Study, folder: Path) -> Files:
    """Records of all cells but one, of which one had a single seed."""
    named = []
    for run in RUN:
        rows = Left(study, run, folder, seeds=1 if run == LONG else 2).measured()
        named.append((run, folder / f"{run}.parquet"))
        write_table(named[-1][1], rows, CELLS)
    return Files(folder / "reported", cells=named)


def test_the_table_has_a_column_a_cell_and_says_what_is_missing_in_words(
    study: Study, files: Files
) -> None:
    made = make("regime_map", study, files)
    frame, grids = pd.read_csv(StringIO(made.csv)), grids_of(made.md)

    assert frame.columns.tolist() == [*COLUMNS]
    assert "5 cells of 1 to 2 seeds, 1 of them not run" in made.md
    (fine_tuning,) = [rows for heading, rows in grids.items() if heading.startswith("C1b.")]
    assert fine_tuning[0] == ["", "sft.decay=2 epochs", "sft.decay=8 epochs"]
    name, first, second = fine_tuning[1]
    assert name == "Pass@4 − Cross-entropy, pass@1"
    row = frame[(frame["run"] == SHORT) & (frame["claim"] == "C1b")].iloc[0]
    assert first.strip("*").startswith(f"{row['gain']:+.1f}")
    assert f"[{row['low']:.1f}, {row['high']:.1f}]" in first
    assert second.endswith("<br>one seed: no interval")
    (pools,) = [rows for heading, rows in grids.items() if heading.startswith("C5b.")]
    assert pools[1][0].startswith("Best-of-2 − 4, expected max@1")
    assert [rows[2] for rows in pools[1:]] == ["not run"] * 2
    missing = frame[frame["run"] == SAMPLING]
    assert missing[["gain", "low", "high", "share_active", "seeds"]].isna().all().all()
    (shares,) = [v for k, v in grids.items() if k.startswith("Share") and "sft\\_passn" in k]
    active = frame[frame["run"] == SHORT].drop_duplicates("branch").set_index("label")
    assert {row[0]: row[1] for row in shares[1:]} == {
        label: f"{100 * share:.0f}%" for label, share in active["share_active"].items()
    }


def test_activity_and_gain_are_correlated_unit_by_unit(study: Study, files: Files) -> None:
    made = make("table_map_activity", study, files)
    (rows,) = grids_of(made.md).values()

    points = pd.read_csv(StringIO(made.csv))
    assert points.groupby("run").size().to_dict() == {SHORT: 2, LONG: 2, POOL: 1, CHAIN: 1}
    assert [row[:3] for row in rows[1:]] == [
        ["All, gains in percentage points", "5", "3"],
        ["sft\\_passn alone", "4", "2"],
        ["sft\\_to\\_rl alone", "1", "1"],
        ["All, gains in reward", "1", "1"],
        ["protein\\_unconditional alone", "1", "1"],
    ]
    assert rows[1][3].endswith("<br>too few cells for an interval")
    assert rows[4][3] == "none: shares or gains do not vary"
    assert correlation_words(Correlation(0.4, 0.1, 0.6)) == ("+0.40", "[0.10, 0.60]")


def lines_of(figure: Figure) -> list[list[float]]:
    """What the lines with intervals show, panel by panel."""
    return [
        container.lines[0].get_ydata().tolist()
        for axes in figure.axes
        for container in axes.containers
    ]


def test_the_figure_has_a_panel_a_budget_and_the_cells_in_their_order(
    study: Study, files: Files
) -> None:
    frame = pd.read_csv(StringIO(make("regime_map", study, files).csv))
    figure = make("figure_map_c1", study, files)

    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "pass@1"
    ]  # 16 and 64 are not sampled
    wanted = frame[(frame["claim"] == "C1b") & frame["branch"].isin(["passn_n4", "passn_n16"])]
    expected = [rows["gain"].tolist() for _, rows in wanted.groupby("branch", sort=False)]
    np.testing.assert_allclose(lines_of(figure), expected, rtol=1e-5)
    ticks = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert ticks[0].splitlines()[0] == "2 epochs"
    assert ticks[0].splitlines()[1].startswith("p = ")
    assert ticks[1].splitlines()[-1] == "one seed: no interval"


def test_other_settings_that_vary_are_rows_of_panels(study: Study, files: Files) -> None:
    figure = make("figure_map_c5", study, files)

    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == [
        f"rl.gradient_temperature={value}\nexpected max@{k}"
        for value in ("plain", "sampling")
        for k in (1, 16)
    ]
    assert figure.axes[2].get_xticklabels()[0].get_text() == "3\nnot run"
    assert np.isnan(lines_of(figure)[2]).all()


def test_points_of_both_units_stand_in_panels_of_their_own(study: Study, files: Files) -> None:
    figure = make("figure_map_activity", study, files)

    assert [axes.get_ylabel() for axes in figure.axes] == [
        "Gain over the baseline (percentage points)",
        "Gain over the baseline (reward)",
    ]
    assert [len(line) for line in lines_of(figure)] == [4, 1, 1]
    assert "too few cells for an interval" in figure.axes[0].get_title(loc="left")


def test_a_map_of_which_nothing_was_run_has_no_points(study: Study, files: Files) -> None:
    none = replace(files, cells=())

    assert make("figure_map_activity", study, none).axes[0].containers == []
    assert "5 cells, 5 of them not run" in make("regime_map", study, none).md
    assert make("table_map_activity", study, none).csv.count("\n") == 1


def test_an_item_of_cells_is_refused_at_a_scale_that_has_none(files: Files) -> None:
    with pytest.raises(InputError, match=r"no cell of a map that is like sft_passn\n.*regimes"):
        make("figure_map_c1", read_study("smoke"), files)


def test_the_caption_names_the_cells(study: Study) -> None:
    forms.check(study)
    row = study.row("figure_map_c1")
    text = captions.of_cells(row, study)

    assert text.startswith("Gain in pass@k over the baseline in every cell of the map")
    named = "sft_passn: sft.decay=2 epochs; sft_passn: sft.decay=8 epochs"
    assert text.endswith(f"The map map has 2 cells here ({named}).")
    assert captions.subject(row) == "sft_passn/*"
    assert captions.subject(study.row("regime_map")) == "all cells of the map"
