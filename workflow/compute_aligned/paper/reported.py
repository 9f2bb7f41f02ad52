"""This run's numbers beside the paper's: the frame that tables print and figures draw.

The paper's numbers are ``config/paper_reported.csv`` (PAPER.md section 5 and its tables); an item
names the families there that it is shown beside. They are joined on branch, metric and budget, and
never share a column with this run's.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from compute_aligned.config.reading import REPORTED, sheet_file
from compute_aligned.config.study import Item
from compute_aligned.files.errors import InputError
from compute_aligned.files.parsing import near
from compute_aligned.method.metrics import Needs, metric_of

COLUMNS = ["table", "family", "branch", "metric", "budget", "value", "unit", "source"]
MODEL = ["family", "branch"]  # what tells the paper's models apart


# what the paper measured a metric on, by what it is made from: its model and its problems
MEASURED_ON: dict[Needs, tuple[str, str]] = {
    "answers": ("Mistral-7B", "MATH"),
    "rewards": ("ProtGPT2", "protein sequences"),
}


def read_reported(path: Path = REPORTED) -> pd.DataFrame:
    """All rows of ``config/paper_reported.csv``, and what follows from them, columns ``COLUMNS``.

    A vote of one sample is that sample, and what a vote adds is its difference from a single one.

    Raises:
        InputError: The file is missing, lacks a column, or holds a budget or value that is no
            number.

    """
    try:
        printed = pd.read_csv(path, usecols=COLUMNS, dtype={"budget": int, "value": float})
    except FileNotFoundError:
        raise InputError(path, "the file is missing", "restore it, for instance from git") from None
    except ValueError as error:
        raise InputError(path, str(error), f"its columns are: {', '.join(COLUMNS)}") from None
    return pd.concat([printed, *_derived(printed)], ignore_index=True)


def _derived(printed: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Votes of one sample, where the paper gives larger votes only; and what votes add."""
    single = printed[(printed["metric"] == "pass@k") & (printed["budget"] == 1)]
    voted = printed[printed["metric"] == "maj@k"]
    models = voted[MODEL].apply(tuple, axis=1)
    wanted = set(models) - set(models[voted["budget"] == 1])
    of_one = single[single[MODEL].apply(tuple, axis=1).isin(wanted)]
    both = voted[voted["budget"] > 1].merge(
        single[[*MODEL, "value"]], on=MODEL, suffixes=("", "_alone")
    )
    gains = both.assign(
        metric="aggregation_gain@k",
        value=both["value"] - both["value_alone"],
        unit="percentage points",
    )
    return of_one.assign(metric="maj@k"), gains[COLUMNS]


def paper_values(item: Item, reported: pd.DataFrame) -> pd.DataFrame:
    """What the paper reports for an item's branches and budgets, in the families that it names.

    A point counts whichever table of the paper it stands in. Where the paper gives one twice, the
    printed table is preferred to the saved curve.

    Returns:
        Columns branch, k, paper_value, paper_gain (over the family's baseline at the same k, empty
        where the paper has none), origin (table and kind of source); in the order of the item's
        branches, then k. No rows if the paper reports none of it.

    Raises:
        InputError: The item names a family of which the paper reports nothing.

    """
    baseline = item.experiment.baseline
    known = reported["family"].unique()
    for family in item.row.reported:
        if family not in known:
            raise InputError(
                f"{sheet_file('paper_items')}: {item.row.item}",
                f"paper_reported.csv has no family {family!r}{near(family, known)}",
                f"choose from: {', '.join(known)}; or write - in the column reported",
            )
    points = reported[
        reported["family"].isin(item.row.reported)
        & (reported["metric"] == item.row.metric)
        & reported["budget"].isin(item.row.budgets)
        & reported["branch"].isin([*item.row.branches, baseline])
    ]
    unique = _printed_first(points).drop_duplicates(["branch", "budget"])
    reference = unique[unique["branch"] == baseline].set_index("budget")["value"]
    values = pd.DataFrame(
        {
            "branch": unique["branch"],
            "k": unique["budget"],
            "paper_value": unique["value"],
            "paper_gain": unique["value"] - unique["budget"].map(reference),
            "origin": unique["table"] + ", " + unique["source"],
        }
    )
    return in_order(values, item.row.branches)


def _printed_first(points: pd.DataFrame) -> pd.DataFrame:
    """The rows with those of a printed table before those of a saved curve."""
    saved = ~points["source"].str.startswith("printed")
    return points.assign(saved=saved).sort_values("saved", kind="stable")


def reported_levels(
    reported: pd.DataFrame, families: Sequence[str]
) -> dict[tuple[str, str, int], float]:
    """What the paper reports in some families: its value of a branch, metric and budget.

    Where the paper gives one twice, the printed table is preferred to the saved curve.
    """
    points = _printed_first(reported[reported["family"].isin(families)])
    unique = points.drop_duplicates(["branch", "metric", "budget"])
    keys = zip(unique["branch"], unique["metric"], unique["budget"], strict=True)
    return dict(zip(keys, unique["value"], strict=True))


def beside_paper(item: Item, summary: pd.DataFrame, reported: pd.DataFrame) -> pd.DataFrame:
    """Join a run's summary with the paper's values, warm-up first, then the item's branches.

    Args:
        item: The item.
        summary: As ``summary.summarise`` gives it, with the warm-up among its branches; for
            ``maj@k`` it may have rows of the metric ``plurality`` too.
        reported: As :func:`read_reported` gives it.

    Returns:
        One row a branch, metric and k: item, family, branch, label, metric, k, unit, value,
        value_low, value_high, gain, gain_low, gain_high, seeds, problems, paper_value, paper_gain.
        The last two are the paper's and empty where it has none; gains are in the unit of the
        values.

    Raises:
        ValueError: ``summary`` lacks the warm-up or one of the item's branches.

    """
    missing = sorted(set(item.models) - set(summary["branch"]))
    if missing:
        raise ValueError(f"the summary of {item.row.item} lacks: {', '.join(missing)}")
    constant = {
        "item": item.row.item,
        "family": item.experiment.family,
        "unit": metric_of(item.row.metric).unit,
    }
    labels = summary["branch"].map(item.experiment.labels)
    frame = summary.assign(**constant, label=labels).merge(
        paper_values(item, reported).assign(metric=item.row.metric),
        on=["branch", "metric", "k"],
        how="left",
        validate="one_to_one",
    )
    columns = ["item", "family", "branch", "label", "metric", "k", "unit"]
    ours = [f"{name}{end}" for name in ("value", "gain") for end in ("", "_low", "_high")]
    paper = ["paper_value", "paper_gain"]
    return in_order(frame, item.models)[[*columns, *ours, "seeds", "problems", *paper]]


def in_order(frame: pd.DataFrame, branches: Sequence[str]) -> pd.DataFrame:
    """The rows of the given branches, in their order, then by k."""
    position = {branch: i for i, branch in enumerate(branches)}
    return (
        frame[frame["branch"].isin(branches)]
        .sort_values(["branch", "k"], key=lambda c: c.map(position) if c.name == "branch" else c)
        .reset_index(drop=True)
    )
