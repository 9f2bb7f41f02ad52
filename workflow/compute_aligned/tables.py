"""The paper's tables, each form a function that :data:`FORMS` finds by its name.

A table comes in three spellings: tidy values (csv), for reading (md), for a paper (tex).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from compute_aligned import config
from compute_aligned.forms import chosen, register
from compute_aligned.panels import MISSING, Cell, Panel, Sheet, to_latex, to_markdown
from compute_aligned.reported import DISPLAY, beside_paper, paper_values
from compute_aligned.settings import PaperItem


@dataclass(frozen=True)
class Rendered:
    """The text of a table's three files."""

    csv: str
    md: str
    tex: str


FORMS: dict[str, Callable[[PaperItem, pd.DataFrame, str], Rendered]] = {}


def render(item: PaperItem, summary: pd.DataFrame, scale: str) -> Rendered:
    """Make a table in the form that its row names.

    Args:
        item: The row of ``config/paper_items.tsv``.
        summary: As ``contrasts.summarise`` gives it, with the warm-up among its branches.
        scale: The scale of the run, for headings.

    Raises:
        InputError: There is no such form.
        ValueError: The summary lacks a branch of the item.

    """
    return chosen(FORMS, item)(item, summary, scale)


@register(FORMS, "levels")
def levels(item: PaperItem, summary: pd.DataFrame, scale: str) -> Rendered:
    """Levels and gains of this run with intervals, then the levels that the paper reports."""
    frame = beside_paper(item, summary)
    display = DISPLAY[item.metric]
    baseline = config.baseline_of(item.family)
    baseline_label = config.labels_of(item.family)[baseline]
    paper_frame = paper_values(item)
    sheet = Sheet(
        name=item.item,
        title=item.title,
        caption=caption(frame, scale, baseline_label),
        budgets=item.budgets,
        panels=[
            Panel(
                f"This run (scale {scale}): {display.name} in {display.unit}",
                _rows(item, frame, _level(display.decimals)),
            ),
            Panel(
                f"This run (scale {scale}): gain over {baseline_label} in {display.gain_unit}",
                _rows(item, frame[frame["branch"] != baseline], _gain(display.decimals)),
            ),
            Panel(
                f"The paper's reported values ({display.paper_model} on {display.paper_data}; "
                f"not from this run): {display.name} in {display.unit}",
                _rows(item, paper_frame, _paper_level(display.decimals)),
            ),
        ],
        note=_note(paper_frame),
    )
    return Rendered(to_csv(frame), to_markdown(sheet), to_latex(sheet))


def to_csv(frame: pd.DataFrame) -> str:
    """Tidy values with six significant digits; what is missing is empty."""
    return frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def caption(frame: pd.DataFrame, scale: str, baseline_label: str) -> str:
    """One line that says what the numbers are: means over what, intervals from what, gains how."""
    seeds, problems = (_the_one(frame[column]) for column in ("seeds", "problems"))
    return (
        f"Scale {scale}: means over {count(seeds, 'seed')} and {count(problems, 'problem')}; "
        f"brackets are 95% intervals from {_sources(seeds, problems)}. "
        f"Gains are paired with {baseline_label} by problem and seed, bold where the interval is "
        "clear of zero."
    )


def count(number: int, noun: str) -> str:
    """``1 seed``, ``3 seeds``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _sources(seeds: int, problems: int) -> str:
    over_problems = "problems (bootstrap)"
    over_seeds = f"seeds (t, {seeds - 1} degrees of freedom)"
    if seeds == 1:
        return f"{over_problems} only, since one seed says nothing of how trainings differ"
    return over_seeds if problems == 1 else f"{over_problems} and {over_seeds}"


def _the_one(column: pd.Series) -> int:
    values = column.unique()
    if len(values) != 1:
        raise ValueError(f"the rows of a table differ in {column.name}: {sorted(values)}")
    return int(values[0])


# --- cells ----------------------------------------------------------------------------------

MakeCell = Callable[[pd.Series], Cell]


def _rows(item: PaperItem, frame: pd.DataFrame, make: MakeCell) -> dict[str, list[Cell]]:
    """Label to one cell a budget of the item, missing where the frame has no such row."""
    labels = config.labels_of(item.family)
    return {
        labels[str(branch)]: [_at(rows, k, make) for k in item.budgets]
        for branch, rows in frame.groupby("branch", sort=False)
    }


def _at(rows: pd.DataFrame, k: int, make: MakeCell) -> Cell:
    found = rows[rows["k"] == k]
    return Cell(MISSING) if found.empty else make(found.iloc[0])


def _level(decimals: int) -> MakeCell:
    def cell(row: pd.Series) -> Cell:
        interval = _interval(row["value_low"], row["value_high"], decimals)
        return Cell(f"{row['value']:z.{decimals}f}", interval)

    return cell


def _gain(decimals: int) -> MakeCell:
    def cell(row: pd.Series) -> Cell:
        low, high = row["gain_low"], row["gain_high"]
        interval = _interval(low, high, decimals)
        return Cell(f"{row['gain']:+z.{decimals}f}", interval, bold=low > 0 or high < 0)

    return cell


def _paper_level(decimals: int) -> MakeCell:
    return lambda row: Cell(f"{row['paper_value']:.{decimals}f}")


def _interval(low: float, high: float, decimals: int) -> str:
    return "" if np.isnan(low) else f"[{low:z.{decimals}f}, {high:z.{decimals}f}]"


def _note(paper_frame: pd.DataFrame) -> str:
    """Where the paper's values stand, and what a dash means."""
    origins: Sequence[str] = sorted(paper_frame["origin"].unique())
    where = "; ".join(origins) or "none reported"
    return f"The paper's values: {where}. A dash ({MISSING}): not sampled, or not reported."
