import re
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute_aligned.config import study
from compute_aligned.config.sheets import PaperItem
from compute_aligned.files.errors import InputError
from compute_aligned.method.metrics import METRICS
from compute_aligned.paper import reported, tables
from compute_aligned.paper.panels import Cell, Panel, Sheet, escape_latex, escape_markdown, to_latex
from compute_aligned.paper.reported import paper_values, read_reported

ITEM = PaperItem(
    item="table2",
    output="table",
    form="levels",
    family="sft_passn",
    branches=("ce", "passn_n4", "passn_n64"),
    metric="pass@k",
    budgets=(1, 16, 64),
    reported=("sft_passn",),
    title="Pass@k & more",
)
# level and gain at k = 1, 16, 64; each interval is 2 below and 3 above
LEVELS = {
    "warmup": [14.0, 40.0, 50.6],
    "ce": [16.0, 38.0, 45.9],
    "passn_n4": [15.96, 41.0, 48.0],
    "passn_n64": [12.0, 44.0, 59.1],
}


def summary_of(seeds: int = 3, budgets: tuple[int, ...] = (1, 16, 64)) -> pd.DataFrame:
    rows = []
    for branch, values in LEVELS.items():
        for k, value, reference in zip((1, 16, 64), values, LEVELS["ce"], strict=True):
            gain = value - reference
            low, high = (np.nan, np.nan) if branch == "ce" else (gain - 2, gain + 3)
            rows.append(
                {"branch": branch, "metric": "pass@k", "k": k}
                | {"value": value, "value_low": value - 2, "value_high": value + 3}
                | {"gain": gain, "gain_low": low, "gain_high": high}
                | {"seeds": seeds, "problems": 500}
            )
    frame = pd.DataFrame(rows)
    return frame[frame["k"].isin(budgets)]


def csv_rows(text: str) -> pd.DataFrame:
    return pd.read_csv(StringIO(text)).set_index(["branch", "k"])


# --- csv ------------------------------------------------------------------------------------


def test_the_papers_printed_values_land_in_their_own_column_and_nowhere_else() -> None:
    rows = csv_rows(tables.render(ITEM, summary_of(), "laptop").csv)

    assert rows.loc[("ce", 64), "paper_value"] == 59.8
    assert rows.loc[("passn_n64", 64), "paper_value"] == 67.6
    assert rows.loc[("passn_n64", 64), "paper_gain"] == 7.8
    assert rows.loc[("passn_n64", 64), "value"] == 59.1
    assert not rows["value"].isin([59.8, 67.6]).any()
    assert not rows["gain"].isin([7.8]).any()


def test_the_papers_columns_are_empty_for_the_warm_up_which_it_does_not_report() -> None:
    rows = csv_rows(tables.render(ITEM, summary_of(), "laptop").csv)

    assert rows.loc["warmup", ["paper_value", "paper_gain"]].isna().all(axis=None)
    assert rows.drop("warmup", level=0)["paper_value"].notna().all()


def test_the_csv_has_one_row_a_branch_and_k_with_the_warm_up_first() -> None:
    text = tables.render(ITEM, summary_of().sample(frac=1, random_state=1), "laptop").csv

    rows = pd.read_csv(StringIO(text))
    assert rows["branch"].unique().tolist() == ["warmup", "ce", "passn_n4", "passn_n64"]
    assert rows["k"].tolist() == [1, 16, 64] * 4
    header, first = text.splitlines()[:2]
    assert header == (
        "item,family,branch,label,metric,k,unit,value,value_low,value_high,gain,gain_low,gain_high,"
        "seeds,problems,paper_value,paper_gain"
    )
    assert first == ("table2,sft_passn,warmup,Warm-up,pass@k,1,percent,14,12,17,-2,-4,1,3,500,,")


def test_a_summary_without_one_of_the_items_branches_is_a_programming_error() -> None:
    summary = summary_of()
    with pytest.raises(ValueError, match="table2 lacks: passn_n4, warmup"):
        tables.render(ITEM, summary[summary["branch"].isin(["ce", "passn_n64"])], "laptop")


# --- the paper's values ---------------------------------------------------------------------


def test_a_figure_draws_on_the_rows_of_every_table_of_its_family() -> None:
    branches = ("ce", "passn_n8", "passn_n64")
    item = ITEM.model_copy(update={"branches": branches, "budgets": (1, 2, 64)})

    values = paper_values(item).set_index(["branch", "k"])

    assert values.loc[("ce", 1), "paper_value"] == 15.8  # table2
    assert values.loc[("ce", 2), "paper_value"] == 22.05  # fig1
    assert values.loc[("passn_n8", 64), "paper_gain"] == pytest.approx(64.8 - 59.8)  # fig1 - table2
    assert len(values) == 9


def test_values_of_two_families_of_the_paper_can_stand_side_by_side() -> None:
    sweep = {"family": "sft_majority", "metric": "maj@k", "budgets": (64, 128)}
    sweep |= {"branches": ("ce", "majority_n64_k22", "majority_n64_k26")}
    item = ITEM.model_copy(update=sweep | {"reported": ("sft_majority", "majority_sweep")})

    values = paper_values(item).set_index(["branch", "k"])

    assert values.loc[("majority_n64_k22", 64), "paper_value"] == 24.82  # fig_sweep
    assert values.loc[("majority_n64_k22", 64), "paper_gain"] == pytest.approx(24.82 - 23.9)
    assert values.loc[("majority_n64_k26", 128), "origin"].startswith("fig2")
    assert len(values) == 6
    alone = paper_values(item.model_copy(update={"reported": ("sft_majority",)}))
    assert alone["branch"].unique().tolist() == ["ce", "majority_n64_k26"]


def test_a_family_that_the_paper_does_not_report_is_named() -> None:
    item = ITEM.model_copy(update={"reported": ("sft_pasn",)})

    with pytest.raises(InputError, match=r"no family 'sft_pasn'.*did you mean 'sft_passn'"):
        paper_values(item)


def test_the_printed_table_is_preferred_to_the_saved_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = {"family": "sft_passn", "metric": "pass@k", "budget": 1, "unit": "percent"}
    rows = [
        {"branch": "passn_n4", "table": "figX", "value": 10.91, "source": "authors' saved curve"},
        {"branch": "passn_n4", "table": "tableX", "value": 10.9, "source": "printed table"},
        {"branch": "ce", "table": "tableX", "value": 9.9, "source": "printed table"},
        {"branch": "ce", "table": "figX", "value": 9.94, "source": "authors' saved curve"},
    ]
    monkeypatch.setattr(reported, "read_reported", lambda: pd.DataFrame(rows).assign(**shared))

    values = paper_values(ITEM).set_index("branch")

    assert values["paper_value"].to_dict() == {"ce": 9.9, "passn_n4": 10.9}
    assert values.loc["passn_n4", "paper_gain"] == pytest.approx(1.0)
    assert set(values["origin"]) == {"tableX, printed table"}


def test_gains_of_the_paper_are_known_even_where_an_item_leaves_the_baseline_out() -> None:
    values = paper_values(ITEM.model_copy(update={"branches": ("passn_n4",)}))

    assert values["branch"].unique().tolist() == ["passn_n4"]
    assert values["paper_gain"].tolist() == pytest.approx([-0.6, 2.9, 4.0])


def test_every_reported_unit_is_the_one_that_its_metric_is_shown_in() -> None:
    units = read_reported().groupby("metric")["unit"].unique()

    assert {metric: list(found) for metric, found in units.items()} == {
        name: [metric.unit] for name, metric in METRICS.items()
    }


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "the file is missing"),
        ("table,family\ntable2,sft_passn\n", "branch"),
        (
            "table,family,branch,metric,budget,value,unit,source\nt,f,b,pass@k,1,high,percent,x\n",
            "high",
        ),
    ],
)
def test_a_broken_file_of_reported_values_is_named(
    content: str | None, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "paper_reported.csv").write_text(content)
    monkeypatch.setattr(study, "CONFIG", tmp_path)

    with pytest.raises(InputError, match=problem) as caught:
        read_reported()
    assert caught.value.where == str(tmp_path / "paper_reported.csv")


# --- Markdown -------------------------------------------------------------------------------


def markdown_panels(text: str) -> dict[str, list[list[str]]]:
    """Heading to the table's rows of cells, its header first and without its rule."""
    panels = {}
    for section in text.split("\n## ")[1:]:
        heading, *lines = section.splitlines()
        rows = [line for line in lines if line.startswith("|") and not line.startswith("|:")]
        panels[heading] = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    return panels


def test_markdown_shows_our_levels_our_gains_and_the_papers_values_apart() -> None:
    panels = markdown_panels(tables.render(ITEM, summary_of(), "laptop").md)

    assert panels == {
        "This run (scale laptop): pass@k in percent": [
            ["", "k=1", "k=16", "k=64"],
            [
                "Warm-up",
                "14.0<br>[12.0, 17.0]",
                "40.0<br>[38.0, 43.0]",
                "50.6<br>[48.6, 53.6]",
            ],
            [
                "Cross-entropy",
                "16.0<br>[14.0, 19.0]",
                "38.0<br>[36.0, 41.0]",
                "45.9<br>[43.9, 48.9]",
            ],
            ["Pass@4", "16.0<br>[14.0, 19.0]", "41.0<br>[39.0, 44.0]", "48.0<br>[46.0, 51.0]"],
            ["Pass@64", "12.0<br>[10.0, 15.0]", "44.0<br>[42.0, 47.0]", "59.1<br>[57.1, 62.1]"],
        ],
        "This run (scale laptop): gain over Cross-entropy in percentage points": [
            ["", "k=1", "k=16", "k=64"],
            [
                "Warm-up",
                "-2.0<br>[-4.0, 1.0]",
                "+2.0<br>[0.0, 5.0]",
                "**+4.7**<br>[2.7, 7.7]",
            ],
            ["Pass@4", "+0.0<br>[-2.0, 3.0]", "**+3.0**<br>[1.0, 6.0]", "**+2.1**<br>[0.1, 5.1]"],
            [
                "Pass@64",
                "**-4.0**<br>[-6.0, -1.0]",
                "**+6.0**<br>[4.0, 9.0]",
                "**+13.2**<br>[11.2, 16.2]",
            ],
        ],
        "The paper's reported values (Mistral-7B on MATH; not from this run): pass@k in percent": [
            ["", "k=1", "k=16", "k=64"],
            ["Cross-entropy", "15.8", "46.3", "59.8"],
            ["Pass@4", "15.2", "49.2", "63.8"],
            ["Pass@64", "13.5", "49.4", "67.6"],
        ],
    }


def test_budgets_that_were_not_sampled_are_dashes_beside_the_papers_values() -> None:
    md = tables.render(ITEM, summary_of(budgets=(1, 16)), "smoke").md
    levels, _, paper = markdown_panels(md).values()

    assert [row[3] for row in levels[1:]] == ["–"] * 4
    assert paper[3] == ["Pass@64", "13.5", "49.4", "67.6"]
    assert "A dash (–): not sampled" in md
    assert "A dash" not in tables.render(ITEM, summary_of(), "smoke").md


def test_without_reported_values_the_papers_panel_is_left_out() -> None:
    md = tables.render(ITEM.model_copy(update={"metric": "maj@k"}), summary_of(), "laptop").md

    assert len(markdown_panels(md)) == 2
    assert "The paper's values: none reported." in md


def caption_of(md: str) -> str:
    return md.split("\n\n")[1]


def test_the_caption_says_what_the_numbers_and_their_intervals_are() -> None:
    assert caption_of(tables.render(ITEM, summary_of(), "laptop").md) == (
        "Scale laptop: means over 3 seeds and 500 problems; brackets are 95% intervals from "
        "problems (bootstrap) and seeds (t, 2 degrees of freedom). Gains are paired with "
        "Cross-entropy by problem and seed, bold where the interval is clear of zero."
    )


def test_with_one_seed_the_caption_says_that_the_interval_covers_problems_only() -> None:
    caption = caption_of(tables.render(ITEM, summary_of(seeds=1), "laptop").md)

    assert "means over 1 seed and 500 problems" in caption
    assert "95% intervals from problems (bootstrap) only, since one seed says nothing" in caption
    assert "degrees of freedom" not in caption


def test_with_one_problem_the_caption_speaks_of_seeds_only() -> None:
    caption = caption_of(tables.render(ITEM, summary_of().assign(problems=1), "laptop").md)

    assert "over 3 seeds and 1 problem;" in caption
    assert "intervals from seeds (t, 2 degrees of freedom)." in caption


def test_a_caption_never_speaks_of_one_count_where_rows_have_several() -> None:
    summary = summary_of()
    summary.loc[summary["branch"] == "ce", "problems"] = 499
    with pytest.raises(ValueError, match="differ in problems"):
        tables.render(ITEM, summary, "laptop")


@given(st.text(st.sampled_from("ab|*_`\\<"), max_size=12))
def test_escaped_markdown_has_no_live_sign_and_reads_back_as_it_was(text: str) -> None:
    escaped = escape_markdown(text)

    assert not re.search(r"[`*_|<]", re.sub(r"\\.", "", escaped))
    assert re.sub(r"\\(.)", r"\1", escaped) == text


# --- LaTeX ----------------------------------------------------------------------------------


def latex_rows(tex: str) -> list[list[str]]:
    body = tex.split(r"\toprule")[1].split(r"\bottomrule")[0]
    rows = [line.removesuffix(r" \\") for line in body.splitlines() if line.endswith(r"\\")]
    return [re.split(r"(?<!\\)&", row) for row in rows]


def test_every_latex_row_has_a_cell_for_the_label_and_each_budget() -> None:
    rows = latex_rows(tables.render(ITEM, summary_of(), "laptop").tex)
    headings = [row for row in rows if row[0].startswith(r"\multicolumn{4}{l}")]

    assert len(headings) == 3
    # 1 header; 4 levels and 3 gains, each with a row of intervals; 3 of the paper's
    assert len(rows) - len(headings) == 1 + 2 * 4 + 2 * 3 + 3
    assert {len(row) for row in rows if row not in headings} == {4}


def test_latex_shows_the_same_three_panels() -> None:
    tex = tables.render(ITEM, summary_of(), "laptop").tex

    assert r"Pass@64 & \textbf{$-$4.0} & \textbf{+6.0} & \textbf{+13.2} \\" in tex
    assert r" & {\scriptsize [$-$6.0,\,$-$1.0]} & {\scriptsize [4.0,\,9.0]} & " in tex
    ours, papers = tex.split("The paper's reported values (Mistral-7B on MATH; not from this run)")
    assert "59.8" in papers
    assert "59.8" not in ours
    assert r"Pass@64 & 13.5 & 49.4 & 67.6 \\" in papers


def test_latex_is_balanced_and_escaped_throughout() -> None:
    tex = tables.render(ITEM, summary_of(), "laptop_2").tex

    opened = re.findall(r"\\begin\{(\w+)\}", tex)
    assert opened == ["table", "tabular"]
    assert re.findall(r"\\end\{(\w+)\}", tex) == opened[::-1]
    unescaped = re.sub(r"\\[{}]", "", tex)
    assert unescaped.count("{") == unescaped.count("}")
    assert r"\caption{Pass@k \& more. Scale laptop\_2: means over" in tex
    assert r"95\% intervals" in tex
    # a bare per cent sign would hide the rest of its line; one comment stands at the top
    assert re.findall(r"(?m)^.*(?<!\\)%.*$", tex) == [r"% needs \usepackage{booktabs}"]


def test_a_dash_in_latex_is_a_dash_and_its_interval_empty() -> None:
    panel = Panel("ours", {"Pass@4": [Cell("1.0", "[0.5, 1.5]"), Cell("–")]})
    sheet = Sheet("t", "Title", "Caption.", budgets=(1, 2), panels=[panel], note="")

    assert latex_rows(to_latex(sheet))[-2:] == [
        ["Pass@4 ", " 1.0 ", " --"],
        [" ", r" {\scriptsize [0.5,\,1.5]} ", " "],
    ]


LATEX_MEANING = {
    r"\textbackslash{}": "\\",
    r"\textasciitilde{}": "~",
    r"\textasciicircum{}": "^",
    r"\textless{}": "<",
    r"\textgreater{}": ">",
    r"\textbar{}": "|",
    r"$\times$": "×",
    "{[}": "[",
    "{*}": "*",
    "--": "–",
} | {f"\\{sign}": sign for sign in "{}&%$#_"}
LATEX_TOKEN = re.compile("|".join(map(re.escape, LATEX_MEANING)) + "|[ab ]")


@given(st.text(st.sampled_from("ab \\{}&%$#_~^<>|[*–×"), max_size=12))
def test_escaped_latex_reads_back_as_the_text_it_was(text: str) -> None:
    tokens = LATEX_TOKEN.findall(escape_latex(text))

    assert "".join(tokens) == escape_latex(text)
    assert "".join(LATEX_MEANING.get(token, token) for token in tokens) == text


# --- forms ----------------------------------------------------------------------------------


def test_an_unknown_form_names_the_row_and_the_known_forms() -> None:
    item = ITEM.model_copy(update={"form": "level"})

    with pytest.raises(InputError) as caught:
        tables.render(item, summary_of(), "laptop")
    assert caught.value.where.endswith("paper_items.tsv: table2")
    assert "no table form 'level'" in caught.value.problem
    assert "levels" in caught.value.remedy


def test_rewards_are_shown_with_two_decimals_in_their_own_unit() -> None:
    summary = summary_of().assign(metric="expected_max@k")
    item = ITEM.model_copy(update={"metric": "expected_max@k"})

    levels, gains = markdown_panels(tables.render(item, summary, "laptop").md).items()

    assert levels[0] == "This run (scale laptop): expected max@k in reward"
    assert gains[1][2][1] == "-0.04<br>[-2.04, 2.96]"
