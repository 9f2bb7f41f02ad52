from pathlib import Path

import pandas as pd
import pytest
from paper.paper_parts import BUDGETS, SHOWN, item_of, summary_of

from compute_aligned.files.errors import InputError
from compute_aligned.method.metrics import METRICS
from compute_aligned.paper.reported import (
    COLUMNS,
    beside_paper,
    paper_values,
    read_reported,
    reported_levels,
)

REPORTED = read_reported()
ITEM = item_of("table2", branches=SHOWN, budgets=BUDGETS)


def test_the_papers_printed_values_land_in_their_own_columns_and_nowhere_else() -> None:
    frame = beside_paper(ITEM, summary_of().sample(frac=1, random_state=1), REPORTED)

    assert frame["branch"].tolist() == [branch for branch in ("warmup", *SHOWN) for _ in BUDGETS]
    assert frame["k"].tolist() == [*BUDGETS] * 4
    rows = frame.set_index(["branch", "k"])
    assert rows.loc[("ce", 64), "paper_value"] == 59.8
    assert rows.loc[("passn_n64", 64), ["value", "paper_value"]].tolist() == [59.1, 67.6]
    assert rows.loc[("passn_n64", 64), "paper_gain"] == pytest.approx(7.8)
    assert not rows["value"].isin([59.8, 67.6]).any()
    assert not rows["gain"].round(6).isin([7.8]).any()
    assert rows.loc["warmup", ["paper_value", "paper_gain"]].isna().all(axis=None)
    assert rows.drop("warmup", level=0)["paper_value"].notna().all()


def test_a_summary_without_one_of_the_items_branches_is_a_programming_error() -> None:
    summary = summary_of()
    with pytest.raises(ValueError, match="table2 lacks: passn_n4, warmup"):
        beside_paper(ITEM, summary[summary["branch"].isin(["ce", "passn_n64"])], REPORTED)


def test_an_item_draws_on_the_rows_of_every_table_of_its_family() -> None:
    item = item_of("figure1", branches=("ce", "passn_n8", "passn_n64"), budgets=(1, 2, 64))
    values = paper_values(item, REPORTED).set_index(["branch", "k"])

    assert values.loc[("ce", 1), "paper_value"] == 15.8  # table2
    assert values.loc[("ce", 2), "paper_value"] == 22.05  # fig1
    assert values.loc[("passn_n8", 64), "paper_gain"] == pytest.approx(64.8 - 59.8)  # fig1 - table2
    assert len(values) == 9


def test_values_of_two_families_of_the_paper_can_stand_side_by_side() -> None:
    branches = ("ce", "majority_n64_k22", "majority_n64_k26")
    both, one = (
        paper_values(
            item_of("table_sweep", branches=branches, budgets=(64, 128), reported=families),
            REPORTED,
        )
        for families in (("sft_majority", "majority_sweep"), ("sft_majority",))
    )

    values = both.set_index(["branch", "k"])
    assert values.loc[("majority_n64_k22", 64), "paper_value"] == 24.82  # fig_sweep
    assert values.loc[("majority_n64_k22", 64), "paper_gain"] == pytest.approx(24.82 - 23.9)
    assert values.loc[("majority_n64_k26", 128), "origin"].startswith("fig2")
    assert len(values) == 6
    assert one["branch"].unique().tolist() == ["ce", "majority_n64_k26"]


def test_a_family_that_the_paper_does_not_report_is_named() -> None:
    with pytest.raises(InputError, match=r"no family 'sft_pasn'.*did you mean 'sft_passn'") as e:
        paper_values(item_of("table2", reported=("sft_pasn",)), REPORTED)
    assert e.value.where.endswith("paper_items.tsv: table2")


def test_the_printed_table_is_preferred_to_the_saved_curve() -> None:
    rows = [
        ("passn_n4", "figX", 10.91, "authors' saved curve"),
        ("passn_n4", "tableX", 10.9, "printed table"),
        ("ce", "tableX", 9.9, "printed table"),
        ("ce", "figX", 9.94, "authors' saved curve"),
    ]
    reported = pd.DataFrame(rows, columns=["branch", "table", "value", "source"]).assign(
        family="sft_passn", metric="pass@k", budget=1, unit="percent"
    )

    values = paper_values(ITEM, reported).set_index("branch")

    assert values["paper_value"].to_dict() == {"ce": 9.9, "passn_n4": 10.9}
    assert values.loc["passn_n4", "paper_gain"] == pytest.approx(1.0)
    assert set(values["origin"]) == {"tableX, printed table"}
    of_family = {("passn_n4", "pass@k", 1): 10.9, ("ce", "pass@k", 1): 9.9}
    assert reported_levels(reported, ["sft_passn"]) == of_family
    assert reported_levels(reported, ["rl_passn"]) == {}


def test_gains_of_the_paper_are_known_even_where_an_item_leaves_the_baseline_out() -> None:
    values = paper_values(item_of("table2", branches=("passn_n4",), budgets=BUDGETS), REPORTED)

    assert values["branch"].unique().tolist() == ["passn_n4"]
    assert values["paper_gain"].tolist() == pytest.approx([-0.6, 2.9, 4.0])


def test_every_reported_unit_is_the_one_that_its_metric_is_shown_in() -> None:
    units = REPORTED.groupby("metric")["unit"].unique()

    assert {metric: list(found) for metric, found in units.items()} == {
        name: [metric.unit] for name, metric in METRICS.items()
    }


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "the file is missing"),
        ("table,family\ntable2,sft_passn\n", "branch"),
        (f"{','.join(COLUMNS)}\nt,f,b,pass@k,1,high,percent,x\n", "high"),
    ],
)
def test_a_broken_file_of_reported_values_is_named(
    content: str | None, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "paper_reported.csv"
    if content is not None:
        path.write_text(content)

    with pytest.raises(InputError, match=problem) as caught:
        read_reported(path)
    assert caught.value.where == str(path)


def test_what_follows_from_the_paper_s_values_is_added_and_nothing_that_it_gives_itself() -> None:
    frame = read_reported()
    keys = ["family", "branch", "metric", "budget"]
    rows = frame.drop_duplicates(keys).set_index(keys)["value"].to_dict()

    # Table A.7 gives maj@64 and pass@1, and prints their difference
    assert rows["token_margin", "pairwise", "aggregation_gain@k", 64] == pytest.approx(5.73)
    assert rows["token_margin", "pairwise", "maj@k", 1] == 12.47
    # Table 3 has votes of one itself, and Table 2 no votes at all
    assert rows["sft_majority", "ce", "maj@k", 1] == 21.9
    assert ("sft_passn", "ce", "maj@k", 1) not in rows
