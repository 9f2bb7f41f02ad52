"""What :mod:`compute_aligned.describe.predict` finds, on a screen."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from compute_aligned.describe.predict import (
    Outlook,
    correlation,
    find_map,
    in_points,
    log_p_quantiles,
    nearest,
    read_map,
)
from compute_aligned.describe.success import POSTERIOR_SIZE, Success
from compute_aligned.method.activity import LEAST, MOST
from compute_aligned.method.metrics import metric_of
from compute_aligned.paper.captions import count

DASH = "-"
WIDEST = 1000  # characters that tables are measured in
TRAINED_BY = {"sft": "SFT", "log": "RL, log", "raw": "RL, raw"}
ACTIVE = (
    f"Active: the share of problems whose weight is between {LEAST:g} and {MOST:g} of the largest "
    "(the 95% quantile), by straight lines between the five quantiles that training records too. "
    "At 0% the weight is a constant factor, and training by it is training the baseline. The log "
    "form in RL has the SFT weight. p is that of the target in SFT; in RL it is that of each "
    "completion for Pass@N, and the share of right rollouts for a vote, whose k follows the wrong "
    "answers. All of it is how training starts, since training moves p."
)
BY_RANK = "Best-of-N weighs a rollout by the rank of its reward (-), of which p says nothing."
COUNTED = (
    f"Counts leave p open: {POSTERIOR_SIZE} values from Beta(c + 1/2, m - c + 1/2) stand for a "
    "problem with c of m samples right, so few samples say more of the prior than of the model."
)
NO_MAP = (
    "No map of regimes is here (results/regimes/ or results/reference/regimes/), so nothing is "
    "said of gains."
)


def show(success: Success, found: Sequence[Outlook], root: Path, given: Path | None) -> None:
    """Print the shares, and what the map of regimes measured where weights were as active.

    Args:
        success: The problems.
        found: The weights on them.
        root: The repository, where a map is looked for.
        given: The map to take instead.

    Raises:
        InputError: The map is no such file.

    """
    console = Console(highlight=False, markup=False)
    console.print(f"{count(len(success.row_of), 'problem')}, {success.source}.")
    console.print(f"log p: {spread(success)}.\n")
    _print(shares_table(found))
    console.print(f"\n{ACTIVE}")
    if any(len(of) == 1 for of in by_strategy(found).values()):
        console.print(BY_RANK)
    if success.is_counted:
        console.print(COUNTED)
    path = given or find_map(root)
    if path is None:
        console.print(f"\n{NO_MAP}")
        return
    trainings = read_map(path)
    near = [(each, nearest(each, trainings)) for each in found]
    matches = [(each, row) for each, row in near if row is not None]
    console.print(f"\nWhere weights were most nearly as active in the map of regimes, {path}:")
    if matches:
        _print(map_table(matches))
    if len(matches) < len(near):
        console.print(lacking_words([each for each, row in near if row is None]))
    console.print(f"\n{correlation_words(in_points(trainings))}")


def _print(table: Table) -> None:
    """A table as wide as it has to be: a narrow terminal breaks its lines, nothing is left out."""
    console = Console(width=WIDEST, highlight=False, markup=False)
    console.width = console.measure(table).maximum
    console.print(table)


def spread(success: Success) -> str:
    """Quantiles of log p in words."""
    quantiles = log_p_quantiles(success).items()
    return ", ".join(f"{value:z.2f} ({100 * level:.0f}%)" for level, value in quantiles)


def by_strategy(found: Sequence[Outlook]) -> dict[str, dict[str, Outlook]]:
    """The weights of each strategy by their kind."""
    grouped: dict[str, dict[str, Outlook]] = {}
    for each in found:
        grouped.setdefault(each.strategy.label, {})[each.kind] = each
    return grouped


def _table(*columns: str) -> Table:
    made = Table(box=None, pad_edge=False, padding=(0, 0, 0, 2), header_style="bold")
    for place, title in enumerate(columns):
        made.add_column(title, justify="right" if place else "left")
    return made


def shares_table(found: Sequence[Outlook]) -> Table:
    """A row a strategy: how active its SFT weight and its raw RL weight are."""
    made = _table("strategy", "SFT weight\nactive", "mean", "RL weight, raw\nactive", "mean")
    for label, of in by_strategy(found).items():
        cells = [_cells(of.get(kind)) for kind in ("sft", "raw")]
        made.add_row(label, *(cell for pair in cells for cell in pair))
    return made


def _cells(outlook: Outlook | None) -> tuple[str, str]:
    if outlook is None:
        return DASH, DASH
    mean = f"{outlook.mean_weight:.2g} of {outlook.largest_weight:.3g}"
    return _percent(outlook.share_active), mean


def _percent(share: float) -> str:
    return f"{100 * share:.0f}%"


# --- the map -----------------------------------------------------------------------------------


def map_table(matches: Sequence[tuple[Outlook, pd.Series]]) -> Table:
    """A row a training of the map: how active its weight was, its gain, and what it is nearest to.

    Args:
        matches: Weights, each with the training that is nearest to it.

    """
    made = _table("trained by", "training in the map", "active", "gain", "seeds", "nearest to")
    made.columns[1].justify = made.columns[5].justify = "left"
    places = {(row["run"], row["branch"]): (each.kind, row) for each, row in matches}
    for place, (kind, row) in places.items():
        near = [
            f"{each.strategy.label} ({_percent(each.share_active)})"
            for each, other in matches
            if (other["run"], other["branch"]) == place
        ]
        name = f"{row['label']}, {row['family']}, {row['cell']}"
        cells = (_percent(row["share_active"]), gain_words(row), f"{row['seeds']:.0f}")
        made.add_row(TRAINED_BY[kind], name, *cells, ", ".join(near))
    return made


def lacking_words(found: Sequence[Outlook]) -> str:
    """Weights of which the map has no training."""
    kinds = dict.fromkeys(f"{type(e.strategy).__name__} by {TRAINED_BY[e.kind]}" for e in found)
    return f"The map has no training of: {'; '.join(kinds)}."


def gain_words(row: pd.Series) -> str:
    """The gain with its interval, and in what."""
    metric = metric_of(row["metric"])
    digits = metric.decimals
    interval = "no interval"
    if not np.isnan(row["low"]):
        interval = f"[{row['low']:z.{digits}f}, {row['high']:z.{digits}f}]"
    unit = "points" if metric.is_share else metric.gain_unit
    return f"{metric.at(int(row['k']))} {row['gain']:+z.{digits}f} {interval} {unit}"


def correlation_words(trainings: pd.DataFrame) -> str:
    """How well the share has foretold the gain, over trainings of the map."""
    counted = f"{count(len(trainings), 'training')} in {count(trainings['run'].nunique(), 'cell')}"
    found = correlation(trainings)
    if np.isnan(found.estimate):
        return f"Whether the share foretells the gain cannot be said: {counted}, too much alike."
    interval = f"[{found.low:z.2f}, {found.high:z.2f}]"
    if np.isnan(found.low):
        interval = "(too few cells for an interval)"
    return (
        "How well the share foretells the gain: rank correlation "
        f"{found.estimate:+z.2f} {interval} over the map ({counted}; gains of shares of problems, "
        "at the largest k of a claim). What is nearest is no forecast for another model or task."
    )
