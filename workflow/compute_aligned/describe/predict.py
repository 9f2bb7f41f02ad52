"""Whether a strategy can help a model, before anything is trained: is its weight active?

A weight that is the same on all problems is a constant factor, and training by it is training the
baseline (PAPER section 5, the regime note). The map of regimes holds what was measured in trainings
whose weights were as active.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from compute_aligned.config.reading import read_branches
from compute_aligned.config.sheets import DASH
from compute_aligned.describe.success import Success
from compute_aligned.files.errors import InputError
from compute_aligned.method.activity import LEVELS, active_share
from compute_aligned.method.foresight import Kind, is_constant, kinds_of, weight, weight_range
from compute_aligned.method.metrics import metric_of
from compute_aligned.method.ranks import Correlation, rank_correlation
from compute_aligned.method.strategies import Strategy
from compute_aligned.method.strategy_text import parse_strategy

MAPS = ("results/regimes/tables/regime_map.csv", "results/reference/regimes/tables/regime_map.csv")
MAP_COLUMNS = (
    *("claim", "family", "cell", "run", "branch", "label", "against", "strategy", "metric", "k"),
    *("share_active", "gain", "low", "high", "seeds"),
)


@dataclass(frozen=True)
class Outlook:
    """How active a strategy's weight is on a user's problems.

    Attributes:
        strategy: The strategy.
        kind: Which of its weights.
        share_active: As ``activity.active_share`` has it, of the problems.
        mean_weight: Over the problems.
        largest_weight: Over all p.

    """

    strategy: Strategy
    kind: Kind
    share_active: float
    mean_weight: float
    largest_weight: float


def strategies_of_branches() -> list[Strategy]:
    """The strategies of ``config/branches.tsv`` whose weight is not the same everywhere."""
    texts = dict.fromkeys(row.strategy for row in read_branches().values())
    strategies = dict.fromkeys(map(parse_strategy, texts))
    return [strategy for strategy in strategies if not is_constant(strategy)]


def outlooks(success: Success, strategies: Iterable[Strategy]) -> list[Outlook]:
    """Every weight of the strategies on some problems."""
    log_p = torch.from_numpy(success.log_p)
    found = []
    for strategy in strategies:
        for kind in kinds_of(strategy):
            weights = weight(strategy, log_p, kind).numpy()[success.row_of]
            share = active_share(np.quantile(weights, LEVELS))
            largest = weight_range(strategy, kind)[1]
            found.append(Outlook(strategy, kind, float(share), float(weights.mean()), largest))
    return found


# --- the map of regimes ----------------------------------------------------------------------


def find_map(root: Path) -> Path | None:
    """The map of regimes of a repository: that of a run of its own, else the committed one."""
    return next((path for name in MAPS if (path := root / name).is_file()), None)


def read_map(path: Path) -> pd.DataFrame:
    """The trainings of a map, a row a branch in a cell: its gain over the baseline.

    It is that at the largest k at which a claim compares the branch with the baseline.

    Args:
        path: ``regime_map.csv``, a row an effect.

    Returns:
        ``MAP_COLUMNS`` and ``kind``, the weight that the branch was trained with; trainings that
        were not run, or whose branch ``config/branches.tsv`` does not have, are left out.

    Raises:
        InputError: The file is missing, or lacks a column.

    """
    try:
        effects = pd.read_csv(path, keep_default_na=False, na_values=[""])
    except FileNotFoundError:
        raise InputError(path, "the file is missing", "make the map, or check the path") from None
    lacking = [name for name in MAP_COLUMNS if name not in effects]
    if lacking:
        problem = f"it is no map of regimes: column {lacking[0]!r} is missing"
        raise InputError(path, problem, f"name the file that ends in {Path(MAPS[0]).name}")
    rows = read_branches()
    baselines = {row.family: row.branch for row in rows.values() if row.role == "baseline"}
    forms = {place: row.weight_form for place, row in rows.items()}
    places = zip(effects["family"], effects["branch"], strict=True)
    effects["kind"] = ["sft" if (f := forms.get(p)) == DASH else f for p in places]
    gains = effects[
        (effects["against"] == effects["family"].map(baselines))
        & (effects["claim"] != DASH)
        & effects[["gain", "share_active", "kind"]].notna().all(axis=1)
    ]
    ordered = gains.sort_values("k", ascending=False, kind="stable")
    return ordered.drop_duplicates(["run", "branch"]).sort_index()


def nearest(outlook: Outlook, trainings: pd.DataFrame) -> pd.Series | None:
    """Of trainings with the same kind of strategy and weight, that which was most nearly as active.

    Of several, one with the same strategy; None where the map has none of the kind.
    """
    name = type(outlook.strategy).__name__
    alike = trainings[
        (trainings["kind"] == outlook.kind) & trainings["strategy"].str.startswith(f"{name}(")
    ]
    if alike.empty:
        return None
    distance = (alike["share_active"] - outlook.share_active).abs()
    other = alike["strategy"] != repr(outlook.strategy)
    order = alike.assign(distance=distance, other=other).sort_values(["distance", "other"])
    return order.iloc[0]


def correlation(trainings: pd.DataFrame) -> Correlation:
    """Rank correlation of share and gain over trainings."""
    return rank_correlation(trainings["share_active"], trainings["gain"], trainings["run"])


def in_points(trainings: pd.DataFrame) -> pd.DataFrame:
    """Those whose gain is in percentage points."""
    return trainings[trainings["metric"].map(lambda name: metric_of(name).is_share).astype(bool)]


def tidy(success: Success, found: Sequence[Outlook]) -> str:
    """A row a weight as CSV, with the quantiles of log p."""
    quantiles = log_p_quantiles(success)
    return pd.DataFrame(
        [
            {"strategy": repr(each.strategy), "label": each.strategy.label, "kind": each.kind}
            | {"problems": len(success.row_of), "share_active": each.share_active}
            | {"mean_weight": each.mean_weight, "largest_weight": each.largest_weight}
            | {f"log_p_q{100 * level:02.0f}": q for level, q in quantiles.items()}
            for each in found
        ]
    ).to_csv(index=False, float_format="%.6g", lineterminator="\n")


def log_p_quantiles(success: Success) -> dict[float, float]:
    """The quantiles of log p over problems that training records too, by their level."""
    found = np.quantile(success.log_p[success.row_of], LEVELS)
    return dict(zip(LEVELS, found.tolist(), strict=True))
