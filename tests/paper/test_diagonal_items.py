"""Figures 9 and 10 and the tables of rho, from a run's scores to what a reader sees."""

from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats

from compute_aligned.config import study
from compute_aligned.files.records import PROTEIN_SCORES, SCORES, write_table
from compute_aligned.paper import diagonal, diagonal_items, items, style
from compute_aligned.paper.items import Files

VOTES = study.read_paper_item("table_diagonal_majority")
REWARDS = study.read_paper_item("table_diagonal_best_of_n")
FIGURES = {9: study.read_paper_item("figure9"), 10: study.read_paper_item("figure10")}
MODELS = ["warmup", *VOTES.branches]


def shares(right: int) -> tuple[list[str], list[bool]]:
    """Ten votes, so many of them right."""
    return ["7"] * right + list("0123456789")[: 10 - right], [True] * right + [False] * (10 - right)


@pytest.fixture
def votes(tmp_path: Path) -> Files:
    """Two seeds of eleven problems, from never to always right."""
    paths = [tmp_path / f"votes{seed}" for seed in range(2)]
    for path in paths:
        rows = [
            {"branch": model, "problem": f"{right:02d}", "num_samples": 10, "num_correct": right}
            | {"num_invalid": 0, "num_unfinished": 0, "mean_tokens": 2.0}
            | dict(zip(("votes", "correct"), shares(right), strict=True))
            for model in MODELS
            for right in range(11)
        ]
        write_table(path, rows, SCORES)
    return Files(scores=paths)


@pytest.fixture
def rewards(tmp_path: Path) -> Files:
    """Two seeds of three pools of four, one of them of equal rewards."""
    paths = [tmp_path / f"rewards{seed}" for seed in range(2)]
    for path in paths:
        rows = [
            {"branch": model, "problem": problem, "num_samples": 4, "num_invalid": 0}
            | {"num_unfinished": 0, "mean_tokens": 2.0, "input_share": 0.5, "rewards": pool}
            | {"shares": [0.5] * 4, "residues": [9] * 4}
            for model in ["warmup", *REWARDS.branches]
            for problem, pool in {"a": [1, 2, 5, 3], "b": [5, 5, 1, 1], "c": [2] * 4}.items()
        ]
        write_table(path, rows, PROTEIN_SCORES)
    return Files(scores=paths)


def rows_of(md: str) -> dict[str, list[str]]:
    lines = [line.strip("|").split("|") for line in md.splitlines() if line.startswith("| ")]
    return {label.strip(): [cell.strip() for cell in cells] for label, *cells in lines}


def marks(figure: Figure) -> list[list[float]]:
    """Where each panel's three vertical lines stand: at 1, the mean, the median."""
    return [[float(line.get_xdata()[0]) for line in axes.get_lines()[-3:]] for axes in figure.axes]


def test_the_table_of_votes_has_what_the_ratios_amount_to(votes: Files) -> None:
    rendered = items.table(VOTES, votes, "smoke")
    found = diagonal.summarise(diagonal.of_votes(votes.scores, MODELS), MODELS)

    table = pd.read_csv(StringIO(rendered.csv))
    assert table["branch"].tolist() == MODELS
    for column in ("mean", "median", "largest", "undefined", "never", "always"):
        assert table[column].to_numpy() == pytest.approx(found[column].to_numpy(), rel=1e-5)
    cells = rows_of(rendered.md)["Cross-entropy"]
    assert float(cells[0].split(" [")[0].replace(",", "")) == pytest.approx(
        found["mean"].iloc[1], abs=0.006
    )
    assert float(cells[1]) == pytest.approx(found["median"].iloc[1], abs=0.006)
    assert cells[3:] == ["18.2%", "9.1%", "9.1%"]


def test_the_table_of_rewards_has_the_closed_form_of_its_pools(rewards: Files) -> None:
    rendered = items.table(REWARDS, rewards, "smoke")

    # two of three pools have a ratio, (4/3)^7 and 2^7; all seeds and problems agree
    mean, median, largest, *undefined = rows_of(rendered.md)["Standard RL"]
    assert mean.startswith(f"{((4 / 3) ** 7 + 2**7) / 2:.2f} [")
    assert median == mean.split(" [")[0]
    assert largest == "128.00"
    assert undefined == ["33.3%", "0.0%", "33.3%"]
    assert "equal rewards are one outcome" in rendered.md


def test_the_caption_says_what_is_algebra_and_what_is_left_out(
    votes: Files, rewards: Files
) -> None:
    for item, files in ((VOTES, votes), (REWARDS, rewards)):
        rendered = items.table(item, files, "smoke")
        for text in (rendered.md, rendered.tex):
            assert "is algebra" in text
            assert "rho is undefined" in text
        assert "2 seeds" in rendered.md
        assert rendered.tex.count(r"\\") == 2 + len(item.branches)


def test_a_model_without_any_ratio_has_dashes_and_a_panel_that_says_so() -> None:
    ratios = pd.DataFrame(
        [
            {"seed": 0, "branch": model, "problem": f"{problem}", "p": 0.5, "ratio": 2.0 + problem}
            for model in MODELS[1:]
            for problem in range(3)
        ]
        + [
            {"seed": 0, "branch": "warmup", "problem": f"{problem}", "p": 0.0, "ratio": np.nan}
            for problem in range(3)
        ]
    )

    rendered = diagonal_items.render_diagonal(VOTES, ratios, "smoke", "A target.")
    with style.context():
        figure = diagonal_items.draw(FIGURES[9], ratios, "smoke")

    assert rows_of(rendered.md)["Warm-up"] == ["–", "–", "–", "100.0%", "100.0%", "0.0%"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["none defined"]
    assert figure.axes[0].get_title(loc="left").split("\n") == [
        "Warm-up",
        "undefined: 100.0% (100.0% p = 0, 0.0% p = 1)",
    ]
    assert not figure.axes[1].texts


def test_a_run_without_any_ratio_still_has_its_figure() -> None:
    ratios = pd.DataFrame(
        [
            {"seed": 0, "branch": model, "problem": f"{problem}", "p": 0.0, "ratio": np.nan}
            for model in ("warmup", "ce")
            for problem in range(3)
        ]
    )

    figure = diagonal_items.draw(FIGURES[9], ratios, "smoke")
    figure.canvas.draw()

    assert [axes.texts[0].get_text() for axes in figure.axes] == ["none defined"] * 2


@pytest.mark.parametrize("number", FIGURES)
def test_a_panel_a_model_has_bars_of_area_one_and_lines_at_one_mean_and_median(
    number: int, votes: Files, rewards: Files
) -> None:
    item, files = FIGURES[number], votes if number == 9 else rewards
    figure = items.figure(item, files, "smoke")
    figure.canvas.draw()
    models = ["warmup", *item.branches]
    samples = items.table(VOTES if number == 9 else REWARDS, files, "smoke").csv
    found = pd.read_csv(StringIO(samples)).set_index("branch").loc[models]

    assert [axes.get_title(loc="left").split("\n")[0] for axes in figure.axes] == [
        study.labels_of(item.family)[model] for model in models
    ]
    for axes, placed, (_, row) in zip(figure.axes, marks(figure), found.iterrows(), strict=True):
        assert placed == pytest.approx([1, row["mean"], row["median"]], rel=1e-5)
        (bars,) = axes.patches
        heights, edges, _ = bars.get_data()
        assert heights @ np.diff(np.log10(edges)) == pytest.approx(1)
        assert edges[0] == 1
        assert edges[-1] == pytest.approx(row["largest"], rel=1e-5)
        assert axes.get_xscale() == "log"


def test_the_smoothed_density_of_half_a_bell_is_a_wider_half_bell() -> None:
    logs = stats.halfnorm.ppf((np.arange(20_000) + 0.5) / 20_000, scale=0.4)
    at = np.array([0.0, 0.02, 0.3, 1.0])

    smoothed = diagonal_items.log_density(logs, at, bandwidth=0.3)

    # the sum of two independent normal variates: nothing is lost to the other side of 0
    assert smoothed == pytest.approx(stats.halfnorm.pdf(at, scale=0.5), rel=1e-3)


def test_equal_ratios_have_a_density_too() -> None:
    at = np.array([0.1, 0.3])
    peak, far = diagonal_items.log_density(np.full(20, 0.1), at, bandwidth=0.01)

    assert peak == pytest.approx(1 / (0.01 * np.sqrt(2 * np.pi)), rel=1e-6)
    assert far == pytest.approx(0, abs=1e-12)


def test_the_legend_names_every_mark_and_the_run(votes: Files) -> None:
    (legend,) = items.figure(FIGURES[9], votes, "smoke").legends

    texts = [text.get_text() for text in legend.get_texts()]
    assert texts[0] == "scale smoke, 2 seeds, 11 problems each"
    assert texts[1:] == ["1, which rho cannot be below (algebra)", "mean", "median"]
