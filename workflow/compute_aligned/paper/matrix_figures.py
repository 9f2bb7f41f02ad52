"""The alignment matrix as a figure: all metrics of a family side by side."""

import numpy as np
import pandas as pd
import seaborn
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from compute_aligned.config.study import Item
from compute_aligned.paper import matrix, style


def alignment_matrix(item: Item, outcomes: pd.DataFrame) -> Figure:
    """What training for one strategy gives under each other; a frame marks a branch's own.

    Args:
        item: The item.
        outcomes: As ``summary.read_outcomes`` gives them.

    """
    labels = item.experiment.labels
    found = matrix.of_item(item, outcomes)
    branches, heads = (list(dict.fromkeys(found[name])) for name in ("branch", "column"))
    gains = found.pivot(index="branch", columns="column", values="gain").loc[branches, heads]
    clear = (found["gain_low"] > 0) | (found["gain_high"] < 0)
    marks = found.assign(text=found["gain"].map("{:+z.1f}".format) + np.where(clear, "*", ""))
    figure = Figure(figsize=(style.WIDTH, 1.6 + 0.34 * len(branches)), layout="constrained")
    axes = figure.subplots()
    most = float(np.nanmax(np.abs(gains.to_numpy())))
    baseline = item.experiment.baseline_label
    seaborn.heatmap(
        gains,
        annot=marks.pivot(index="branch", columns="column", values="text").loc[branches, heads],
        fmt="",
        annot_kws={"fontsize": 7},
        cmap="vlag_r",
        vmin=-most,
        vmax=most,
        linewidths=0.5,
        xticklabels=heads,
        yticklabels=[labels[branch] for branch in branches],
        cbar_kws={"label": f"Gain over {baseline}\n(percentage points)"},
        ax=axes,
    )
    for row in found[found["own"]].itertuples():
        corner = (heads.index(row.column), branches.index(row.branch))
        axes.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor="black", linewidth=2))
    axes.set_xlabel("Evaluated under (framed: trained for; *: 95% interval clear of zero)")
    axes.set_ylabel("")
    axes.tick_params(axis="x", rotation=45)
    for label in axes.get_xticklabels():
        label.set(ha="right", rotation_mode="anchor")
    axes.tick_params(axis="y", rotation=0)
    style.title(figure, f"{item.row.title} (scale {item.experiment.scale})")
    return figure
