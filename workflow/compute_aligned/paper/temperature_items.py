"""Sampling at other temperatures: a table of gains, and a figure of levels."""

from typing import Any

import pandas as pd
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from compute_aligned.config.study import Item
from compute_aligned.method.metrics import metric_of
from compute_aligned.paper import style, temperatures
from compute_aligned.paper.captions import count
from compute_aligned.paper.sheets import (
    Entry,
    Grid,
    Rendered,
    Sheet,
    budget,
    label,
    measured,
    rendered,
    words,
)
from compute_aligned.paper.tables import sources


def table(item: Item, sweep: pd.DataFrame) -> Rendered:
    """Gains at the family's temperature and with each model at its own best, and which those are.

    Args:
        item: The item.
        sweep: As ``temperatures.read_sweeps`` gives it.

    """
    experiment, metric = item.experiment, metric_of(item.row.metric)
    labels, baseline = experiment.labels, experiment.baseline_label
    found = temperatures.gains_of(item, sweep)
    budgets = list(dict.fromkeys(found["k"]))
    gains = found[found["branch"] != experiment.baseline]

    def grid(heading: str, frame: pd.DataFrame, entry: Any) -> Grid:
        rows = [
            [label(labels[str(branch)]), *map(entry, of_branch.to_dict("records"))]
            for branch, of_branch in frame.groupby("branch", sort=False)
        ]
        return Grid(heading, [words(""), *map(budget, budgets)], rows)

    def gain(column: str) -> Any:
        return lambda row: _gain(row, column, metric.decimals)

    usual = experiment.settings.sampling.temperature
    seeds, problems = int(found["seeds"].iloc[0]), int(found["problems"].iloc[0])
    over = f"gain in {metric.title} over {baseline} in {metric.gain_unit}"
    sheet = Sheet(
        name=item.row.item,
        title=item.row.title,
        caption=(
            f"Scale {experiment.scale}: means over {count(seeds, 'seed')} and {problems} test "
            f"problems; brackets are 95% intervals from {sources(seeds, problems)}, paired by "
            "problem and seed, bold where clear of zero. Each model's best temperature, "
            f"{baseline}'s too, is that of the highest mean over {problems} validation problems "
            "and all seeds; of equal ones the nearest to the family's."
        ),
        grids=[
            grid(f"All at temperature {usual:g}: {over}", gains, gain("gain")),
            grid(f"Each model at its own best temperature: {over}", gains, gain("best_gain")),
            grid(
                "The best temperature, chosen on validation problems",
                found,
                lambda row: words(f"{row['best_temperature']:g}"),
            ),
        ],
        note=(
            f"Sampled at {', '.join(f'{t:g}' for t in experiment.sweep.values)}, all else of the "
            "decoding as usual. Where a gain is smaller in the second part, a higher or lower "
            "temperature would do as much for the baseline. Intervals take the chosen "
            "temperatures as given. The paper samples at one temperature only."
        ),
    )
    frame = found.assign(
        item=item.row.item, family=item.row.family, label=found["branch"].map(labels)
    )
    return rendered(frame[["item", "family", "branch", "label", *found.columns[1:]]], sheet)


def _gain(row: dict[Any, Any], column: str, decimals: int) -> Entry:
    low, high = row[f"{column}_low"], row[f"{column}_high"]
    interval = f"[{low:z.{decimals}f}, {high:z.{decimals}f}]"
    return measured(f"{row[column]:+z.{decimals}f}", interval, bold=low > 0 or high < 0)


def figure(item: Item, sweep: pd.DataFrame) -> Figure:
    """The level of each model against the temperature, at the largest budget of the item.

    Args:
        item: The item.
        sweep: As ``temperatures.read_sweeps`` gives it.

    """
    experiment, metric = item.experiment, metric_of(item.row.metric)
    found = temperatures.levels_of(item, sweep)
    drawn = Figure(figsize=(style.WIDTH, style.HEIGHT), layout="constrained")
    axes = drawn.subplots()
    usual = experiment.settings.sampling.temperature
    axes.axvline(usual, color=style.BASELINE_COLOUR, linewidth=0.8, linestyle=":")
    for branch, look in style.level_looks_of(experiment).items():
        rows = found[found["branch"] == branch]
        if rows.empty:
            continue
        axes.fill_between(
            rows["temperature"],
            rows["value_low"],
            rows["value_high"],
            facecolor=to_rgba(look.colour, 0.1),
            edgecolor=to_rgba(look.colour, 0.5),
            linewidth=0.5,
        )
        axes.plot(
            rows["temperature"],
            rows["value"],
            color=look.colour,
            marker=look.marker,
            linestyle=look.line,
            label=experiment.labels[branch],
        )
    seeds, problems, k = (int(found[name].iloc[0]) for name in ("seeds", "problems", "k"))
    axes.set_xticks(experiment.sweep.values)
    axes.set_xlabel(f"Sampling temperature (dotted: {usual:g}, at which all else is sampled)")
    axes.set_ylabel(f"{metric.at(k)} ({metric.unit})")
    drawn.legend(
        loc="outside lower center",
        ncols=4,
        title=f"Bands: 95% intervals, {count(seeds, 'seed')}, {problems} test problems",
        title_fontsize=7.5,
    )
    style.title(drawn, f"{item.row.title} (scale {experiment.scale})")
    return drawn
