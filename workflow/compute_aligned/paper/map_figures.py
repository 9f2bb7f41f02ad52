"""Figures of a map of regimes: gains along the settings that are varied; activity against gain."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from compute_aligned.config.sheets import PaperItem
from compute_aligned.config.study import Study
from compute_aligned.method.metrics import metric_of
from compute_aligned.paper import style
from compute_aligned.paper.map_tables import (
    NO_INTERVAL,
    NOT_RUN,
    correlation_of,
    correlation_words,
    points_of,
)

DODGE = 0.08  # between the points of neighbouring branches; cells stand 1 apart
PANEL_HEIGHT = 2.1  # inches


def gains(row: PaperItem, study: Study, cells: pd.DataFrame) -> Figure:
    """Gain over the baseline along the last setting that is varied, a line a branch.

    Columns of panels are budgets, rows are values of the other settings.

    Args:
        row: The item's row, of one family.
        study: The map.
        cells: As ``cells.read_cells`` gives them.

    """
    runs = study.cells_of(row)
    first = study.experiment(runs[0])
    has = [branch for branch in row.branches if branch in first.branches]
    branches = [branch for branch in has if branch != first.baseline]
    shown = cells[
        (cells["against"] == first.baseline)
        & (cells["metric"] == row.metric)
        & cells["branch"].isin(branches)
        & cells["k"].isin(row.budgets)
    ].drop_duplicates(["run", "branch", "k"])
    above: dict[str, list[str]] = {}  # values of the other settings to the cells that have them
    for run in runs:
        *before, _ = study.cell(run).settings.items()
        above.setdefault(", ".join(f"{key}={value}" for key, value in before), []).append(run)
    budgets = sorted(shown["k"].unique())
    metric = metric_of(row.metric)
    figure = Figure(figsize=(style.WIDTH, 0.9 + PANEL_HEIGHT * len(above)), layout="constrained")
    panels = figure.subplots(len(above), len(budgets), sharey=True, squeeze=False)
    for of_row, (others, mine) in zip(panels, above.items(), strict=True):
        for axes, k in zip(of_row, budgets, strict=True):
            _draw_gains(axes, study, shown[shown["k"] == k], mine, branches)
            axes.set_title("\n".join(filter(None, (others, metric.at(int(k))))))
        of_row[0].set_ylabel(f"Gain over {first.baseline_label}\n({metric.gain_unit})")
    key = list(study.cell(runs[0]).settings)[-1]
    known = shown["train_p"].notna().any()
    for axes in panels[-1]:
        axes.set_xlabel(f"{key}\n(p: the baseline's, at the end)" if known else key)
    style.title(figure, f"{row.title} (scale {study.scale})")
    handles = panels[0, 0].get_legend_handles_labels()[0]
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _draw_gains(
    axes: Axes, study: Study, frame: pd.DataFrame, runs: list[str], branches: list[str]
) -> None:
    """One panel: some cells side by side."""
    experiment = study.experiment(runs[0])
    looks, labels = style.looks_of(experiment), experiment.labels
    axes.axhline(0, color=style.BASELINE_COLOUR, linewidth=1, label=experiment.baseline_label)
    for place, branch in enumerate(branches):
        mine = frame[frame["branch"] == branch].set_index("run").reindex(runs)
        values = mine["gain"].to_numpy(dtype=float)
        ends = np.abs(mine[["low", "high"]].to_numpy(dtype=float).T - values)
        axes.errorbar(
            np.arange(len(runs)) + DODGE * (place - (len(branches) - 1) / 2),
            values,
            yerr=np.nan_to_num(ends),
            color=looks[branch].colour,
            marker=looks[branch].marker,
            linewidth=1,
            elinewidth=0.8,
            label=labels[branch],
        )
    axes.set_xlim(-0.5, len(runs) - 0.5)
    axes.set_xticks(range(len(runs)), [_tick(study, frame, run) for run in runs])


def _tick(study: Study, frame: pd.DataFrame, run: str) -> str:
    """The last setting of a cell; below it how far its training came, or why it shows less."""
    value = list(study.cell(run).settings.values())[-1]
    mine = frame[frame["run"] == run]
    if mine["gain"].isna().all():
        return f"{value}\n{NOT_RUN}"
    remarks = [] if mine["train_p"].isna().all() else [f"p = {mine['train_p'].iloc[0]:.2f}"]
    return "\n".join([value, *remarks, *([NO_INTERVAL] if mine["low"].isna().all() else [])])


def activity(row: PaperItem, study: Study, cells: pd.DataFrame) -> Figure:
    """Gain against the share of training at which the weight was active: a point a cell, branch.

    Args:
        row: The item's row.
        study: The map.
        cells: As ``cells.read_cells`` gives them.

    """
    points = points_of(cells, study)
    units = list(dict.fromkeys(points["unit"]))
    families = list(dict.fromkeys(points["family"]))
    figure = Figure(figsize=(style.WIDTH, style.HEIGHT + 0.4), layout="constrained")
    panels = figure.subplots(1, max(len(units), 1), squeeze=False)[0]
    for axes, unit in zip(panels, units, strict=False):
        mine = points[points["unit"] == unit]
        axes.axhline(0, color=style.BASELINE_COLOUR, linewidth=1)
        for family, found in mine.groupby("family", sort=False):
            place = families.index(family)
            ends = np.abs(found[["low", "high"]].to_numpy().T - found["gain"].to_numpy())
            axes.errorbar(
                100 * found["share_active"],
                found["gain"],
                yerr=np.nan_to_num(ends),
                fmt=style.MARKERS[place % len(style.MARKERS)],
                color=style.COLOURS[place % len(style.COLOURS)],
                elinewidth=0.6,
                alpha=0.8,
                label=family,
            )
        correlated = "\n".join(correlation_words(correlation_of(mine))).strip()
        axes.set_title(f"Rank correlation: {correlated}")
        axes.set_xlabel("Active weights (percent of training)")
        axes.set_ylabel(f"Gain over the baseline ({unit})")
    if families:
        figure.legend(loc="outside lower center", ncols=4)
    style.title(figure, f"{row.title} (scale {study.scale})")
    return figure
