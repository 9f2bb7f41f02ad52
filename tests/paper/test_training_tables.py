from io import StringIO

import pandas as pd
import pytest

from compute_aligned.config.sheets import PaperItem
from compute_aligned.files.errors import InputError
from compute_aligned.paper import activity
from compute_aligned.paper.activity import significant

ITEM = PaperItem.model_validate(
    {
        "item": "table_activity",
        "output": "table",
        "form": "activity",
        "family": "sft_majority",
        "branches": "ce majority_n64_k26",
        "metric": "weight",
        "budgets": "-",
        "reported": "-",
        "title": "Weights & more",
    }
)


def steps_of(branch: str, run: int, weight: float, clipped: bool) -> pd.DataFrame:
    """Ten steps, the last of which has half the weight of the others."""
    weights = pd.Series([weight] * 9 + [weight / 2])
    columns = {"step": range(10), "branch": branch, "run": run, "clipped": clipped}
    columns |= {f"log_p_q{q}": -value for q, value in (("05", 9.0), ("50", 2.0), ("95", 0.001))}
    columns |= {f"weight_q{q}": weights * by for q, by in (("05", 0), ("50", 1), ("95", 2))}
    return pd.DataFrame(columns)


STEPS = pd.concat(
    [
        steps_of("ce", 0, 1.0, clipped=False),
        steps_of("ce", 1, 1.0, clipped=False),
        steps_of("majority_n64_k26", 2, 20.0, clipped=True),
        steps_of("majority_n64_k26", 3, 24.0, clipped=False),
    ],
    ignore_index=True,
)


def test_a_row_a_branch_shows_medians_and_spreads_at_both_ends() -> None:
    md = activity.render(ITEM, STEPS, "laptop").md

    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in md.splitlines()
        if line.startswith("| ")
    ]
    log_p = "-2.00 (-9.00 to -1e-03)"
    assert rows[0][1:] == ["log p, start", "log p, end", "Weight, start", "Weight, end", "Clipped"]
    assert rows[1] == [
        *("Cross-entropy", log_p, log_p),
        *("1.00 (0.00 to 2.00)", "0.50 (0.00 to 1.00)", "0%"),
    ]
    assert rows[2] == [
        *("Majority, 26 of 64", log_p, log_p),
        *("22.00 (0.00 to 44.00)", "11.00 (0.00 to 22.00)", "50%"),
    ]


def test_the_csv_has_a_row_a_branch_and_phase() -> None:
    frame = pd.read_csv(StringIO(activity.render(ITEM, STEPS, "laptop").csv))

    assert frame.columns[:5].tolist() == ["item", "family", "branch", "label", "phase"]
    keyed = frame.set_index(["branch", "phase"])
    assert keyed.loc[("majority_n64_k26", "end"), "weight_q50"] == 11
    assert keyed.loc[("majority_n64_k26", "start"), "clipped"] == 0.5
    assert (keyed["seeds"] == 2).all()


def test_latex_has_the_same_cells_with_its_signs_escaped() -> None:
    tex = activity.render(ITEM, STEPS, "laptop").tex

    assert r"22.00 (0.00 to 44.00) & 11.00 (0.00 to 22.00) & 50\% \\" in tex
    assert r"\caption{Weights \& more." in tex


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"),
        (-0.0, "0.00"),
        (25.998, "26.00"),
        (-3.14159, "-3.14"),
        (0.005, "0.01"),
        (3.2e-11, "3e-11"),
        (-0.0004, "-4e-04"),
    ],
)
def test_a_small_number_is_not_shown_as_none(value: float, text: str) -> None:
    assert significant(value) == text


def test_an_unknown_form_names_the_row() -> None:
    with pytest.raises(InputError, match="no table form 'active'"):
        activity.render(ITEM.model_copy(update={"form": "active"}), STEPS, "laptop")
