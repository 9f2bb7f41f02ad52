"""Figures 9 and 10 and the tables of rho, from a run's scores to what a reader sees."""

from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.graded import item_of, sevens, write_answers, write_proteins
from support.markdown_cells import rows_of

from compute_aligned.paper import diagonal
from compute_aligned.paper.diagonal_items import figure, log_density, table

TABLES = [item_of("table_diagonal_majority"), item_of("table_diagonal_best_of_n")]
VOTES, REWARDS = TABLES
FIGURES = [item_of("figure9"), item_of("figure10")]
POOLS = {"a": [1.0, 2.0, 5.0, 3.0], "b": [5.0, 5.0, 1.0, 1.0], "c": [2.0] * 4}


@pytest.fixture
def votes(tmp_path: Path) -> list[Path]:
    """Two seeds of eleven problems, from never to always right."""
    answers = {(m, f"{n:02d}"): sevens(n, of=10) for m in VOTES.models for n in range(11)}
    return [write_answers(tmp_path / f"votes{seed}", answers) for seed in range(2)]


@pytest.fixture
def rewards(tmp_path: Path) -> list[Path]:
    """Two seeds of three pools of four, one of them of equal rewards."""
    samples = {(m, p): {"rewards": pool} for m in REWARDS.models for p, pool in POOLS.items()}
    return [write_proteins(tmp_path / f"rewards{seed}", samples) for seed in range(2)]


def test_the_table_of_votes_has_what_the_ratios_amount_to(votes: list[Path]) -> None:
    rendered = table(VOTES, votes)

    found = diagonal.summarise(diagonal.of_votes(votes, VOTES.models), VOTES.models)
    shown = pd.read_csv(StringIO(rendered.csv))
    assert shown["branch"].tolist() == VOTES.models
    for column in ("mean", "median", "largest", "undefined", "never", "always"):
        assert shown[column].to_numpy() == pytest.approx(found[column].to_numpy(), rel=1e-5)
    ce = found.iloc[1]
    interval = f"[{ce['mean_low']:,.2f}, {ce['mean_high']:,.2f}]"
    assert rows_of(rendered.md)["Cross-entropy"] == [
        *(f"{ce['mean']:,.2f} {interval}", f"{ce['median']:,.2f}", f"{ce['largest']:,.2f}"),
        *("18.2%", "9.1%", "9.1%"),
    ]


def test_the_table_of_rewards_has_the_closed_form_of_its_pools(rewards: list[Path]) -> None:
    rendered = table(REWARDS, rewards)

    # two of three pools have a ratio, (4/3)^7 and 2^7; all seeds and problems agree
    mean, median, largest, *undefined = rows_of(rendered.md)["Standard RL"]
    assert mean.startswith(f"{((4 / 3) ** 7 + 2**7) / 2:.2f} [")
    assert median == mean.split(" [")[0]
    assert largest == "128.00"
    assert undefined == ["33.3%", "0.0%", "33.3%"]
    for text in (rendered.md, rendered.tex):
        for words in ("equal rewards are one", "2 seeds", "is algebra", "rho is undefined"):
            assert words in text


def test_a_model_without_any_ratio_has_dashes_and_a_panel_that_says_so(tmp_path: Path) -> None:
    item = item_of("table_diagonal_majority", "ce")
    right = {"warmup": 0, "ce": 4}
    answers = {(m, f"{p}"): sevens(count, of=10) for m, count in right.items() for p in range(3)}
    some = [write_answers(tmp_path / "some", answers)]
    none = [write_answers(tmp_path / "none", dict.fromkeys(answers, sevens(0, of=10)))]

    drawn, empty = figure(item, some), figure(item, none)
    empty.canvas.draw()

    assert rows_of(table(item, some).md)["Warm-up"] == ["–"] * 3 + ["100.0%", "100.0%", "0.0%"]
    undefined, defined = drawn.axes
    title = "Warm-up\nundefined: 100.0% (100.0% p = 0, 0.0% p = 1)"
    assert undefined.get_title(loc="left") == title
    assert not defined.texts
    for axes in (undefined, *empty.axes):
        assert [text.get_text() for text in axes.texts] == ["none defined"]


@pytest.mark.parametrize("number", [0, 1])
def test_a_panel_a_model_has_bars_of_area_one_and_lines_at_one_mean_and_median(
    number: int, votes: list[Path], rewards: list[Path]
) -> None:
    item, scores = FIGURES[number], (votes, rewards)[number]
    drawn = figure(item, scores)
    drawn.canvas.draw()
    found = pd.read_csv(StringIO(table(TABLES[number], scores).csv)).set_index("branch")

    for axes, model in zip(drawn.axes, item.models, strict=True):
        row = found.loc[model]
        assert axes.get_title(loc="left").split("\n")[0] == item.experiment.labels[model]
        marks = [float(line.get_xdata()[0]) for line in axes.get_lines()[-3:]]
        assert marks == pytest.approx([1, row["mean"], row["median"]], rel=1e-5)
        (bars,) = axes.patches
        heights, edges, _ = bars.get_data()
        assert heights @ np.diff(np.log10(edges)) == pytest.approx(1)
        assert (edges[0], edges[-1]) == (1, pytest.approx(row["largest"], rel=1e-5))
        assert axes.get_xscale() == "log"
    (legend,) = drawn.legends
    size, *keys = [text.get_text() for text in legend.get_texts()]
    assert size == f"scale smoke, 2 seeds, {(11, 3)[number]} problems each"
    assert keys == ["1, which rho cannot be below (algebra)", "mean", "median"]


def test_the_smoothed_density_of_half_a_bell_is_a_wider_half_bell() -> None:
    logs = stats.halfnorm.ppf((np.arange(20_000) + 0.5) / 20_000, scale=0.4)
    at = np.array([0.0, 0.02, 0.3, 1.0])

    # the sum of two independent normal variates: nothing is lost to the other side of 0
    expected = pytest.approx(stats.halfnorm.pdf(at, scale=0.5), rel=1e-3)
    assert log_density(logs, at, bandwidth=0.3) == expected


def test_equal_ratios_have_a_density_too() -> None:
    peak, far = log_density(np.full(20, 0.1), np.array([0.1, 0.3]), bandwidth=0.01)

    assert peak == pytest.approx(1 / (0.01 * np.sqrt(2 * np.pi)), rel=1e-6)
    assert far == pytest.approx(0, abs=1e-12)
