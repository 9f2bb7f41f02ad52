import pandas as pd
import pytest
from paper.paper_parts import BUDGETS, SHOWN, grids_of, item_of, latex_rows, summary_of

from compute_aligned.paper.reported import read_reported
from compute_aligned.paper.sheets import Rendered
from compute_aligned.paper.tables import levels, sources

REPORTED = read_reported()
CELLS = {"branches": SHOWN, "budgets": BUDGETS}
HEAD = ["", "k=1", "k=16", "k=64"]


def render(summary: pd.DataFrame, **cells: object) -> Rendered:
    return levels(item_of("table2", **(CELLS | cells)), summary, REPORTED)


def test_the_csv_is_tidy_with_what_is_missing_empty() -> None:
    header, first, *others = render(summary_of()).csv.splitlines()

    assert header == (
        "item,family,branch,label,metric,k,unit,value,value_low,value_high,gain,gain_low,gain_high,"
        "seeds,problems,paper_value,paper_gain"
    )
    assert first == "table2,sft_passn,warmup,Warm-up,pass@k,1,percent,14,12,17,-2,-4,1,3,500,,"
    assert len(others) == 11


def test_markdown_shows_our_levels_our_gains_and_the_papers_values_apart() -> None:
    shown = """
        Warm-up | 14.0<br>[12.0, 17.0] | 40.0<br>[38.0, 43.0] | 50.6<br>[48.6, 53.6]
        Cross-entropy | 16.0<br>[14.0, 19.0] | 38.0<br>[36.0, 41.0] | 45.9<br>[43.9, 48.9]
        Pass@4 | 16.0<br>[14.0, 19.0] | 41.0<br>[39.0, 44.0] | 48.0<br>[46.0, 51.0]
        Pass@64 | 12.0<br>[10.0, 15.0] | 44.0<br>[42.0, 47.0] | 59.1<br>[57.1, 62.1]

        Warm-up | -2.0<br>[-4.0, 1.0] | +2.0<br>[0.0, 5.0] | **+4.7**<br>[2.7, 7.7]
        Pass@4 | +0.0<br>[-2.0, 3.0] | **+3.0**<br>[1.0, 6.0] | **+2.1**<br>[0.1, 5.1]
        Pass@64 | **-4.0**<br>[-6.0, -1.0] | **+6.0**<br>[4.0, 9.0] | **+13.2**<br>[11.2, 16.2]

        Cross-entropy | 15.8 | 46.3 | 59.8
        Pass@4 | 15.2 | 49.2 | 63.8
        Pass@64 | 13.5 | 49.4 | 67.6
    """
    wanted = [
        [HEAD, *([cell.strip() for cell in row.split("|")] for row in grid.strip().splitlines())]
        for grid in shown.split("\n\n")
    ]

    assert grids_of(render(summary_of()).md) == {
        "This run (scale laptop): pass@k in percent": wanted[0],
        "This run (scale laptop): gain over Cross-entropy in percentage points": wanted[1],
        "The paper's reported values (Mistral-7B on MATH; not from this run): pass@k in percent": (
            wanted[2]
        ),
    }


def test_latex_shows_the_same_three_grids_under_one_head() -> None:
    tex = render(summary_of(), title="Pass@k & more").tex
    rows = latex_rows(tex)

    # 1 head, 3 headings; 4 levels and 3 gains, each with a row of intervals; 3 of the paper's
    assert len(rows) == 1 + 3 + 2 * 4 + 2 * 3 + 3
    assert ["Pass@64", r"\textbf{$-$4.0}", r"\textbf{+6.0}", r"\textbf{+13.2}"] in rows
    ours, papers = tex.split("The paper's reported values (Mistral-7B on MATH; not from this run)")
    assert r"Pass@64 & 13.5 & 49.4 & 67.6 \\" in papers
    assert "59.8" not in ours
    assert r"\caption{Pass@k \& more. Scale laptop: means over" in tex


def test_budgets_that_were_not_sampled_are_dashes_beside_the_papers_values() -> None:
    md = render(summary_of().query("k < 64")).md
    ours, _, papers = grids_of(md).values()

    assert [row[3] for row in ours[1:]] == ["–"] * 4
    assert papers[3] == ["Pass@64", "13.5", "49.4", "67.6"]
    assert "A dash (–): not sampled" in md
    assert "A dash" not in render(summary_of()).md


def test_without_reported_values_the_papers_grid_is_left_out() -> None:
    md = render(summary_of(metric="maj@k"), metric="maj@k").md

    assert len(grids_of(md)) == 2
    assert "The paper's values: none reported." in md


def test_rewards_are_shown_with_two_decimals_in_their_own_unit() -> None:
    md = render(summary_of(metric="expected_max@k"), metric="expected_max@k").md
    ours, gains = grids_of(md).items()

    assert ours[0] == "This run (scale laptop): expected max@k in reward"
    assert gains[1][2][1] == "-0.04<br>[-2.04, 2.96]"


def test_the_caption_says_what_the_numbers_and_their_intervals_are() -> None:
    of_problems, of_samples = (
        render(summary_of(**counts)).md.split("\n\n")[1]
        for counts in ({}, {"seeds": 1, "problems": 1})
    )

    assert of_problems == (
        "Scale laptop: means over 3 seeds and 500 problems; brackets are 95% intervals from "
        "problems (bootstrap) and seeds (t, 2 degrees of freedom). Gains are paired with "
        "Cross-entropy by problem and seed, bold where the interval is clear of zero."
    )
    assert "over 1 seed and 1 problem; brackets are 95% intervals from samples" in of_samples
    assert "Gains are over Cross-entropy, seed by seed, bold where" in of_samples


ONE_SEED = "only, since one seed says nothing of how trainings differ"


@pytest.mark.parametrize(
    ("seeds", "problems", "text"),
    [
        (3, 500, "problems (bootstrap) and seeds (t, 2 degrees of freedom)"),
        (1, 500, f"problems (bootstrap) {ONE_SEED}"),
        (3, 1, "seeds (t, 2 degrees of freedom)"),
        (1, 1, f"samples (bootstrap) {ONE_SEED}"),
    ],
)
def test_intervals_are_from_what_varies(seeds: int, problems: int, text: str) -> None:
    assert sources(seeds, problems) == text


def test_a_caption_never_speaks_of_one_count_where_rows_have_several() -> None:
    summary = summary_of()
    summary.loc[summary["branch"] == "ce", "problems"] = 499
    with pytest.raises(ValueError, match="differ in problems"):
        render(summary)
