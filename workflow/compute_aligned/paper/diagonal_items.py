"""The figures and tables of rho, alike for votes and for Best-of-N (PAPER sections 6 and 7)."""

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogFormatter
from scipy.stats import gaussian_kde

from compute_aligned.config.sheets import WARMUP
from compute_aligned.config.study import Item
from compute_aligned.method.intervals import FloatArray
from compute_aligned.method.metrics import Needs
from compute_aligned.paper import style
from compute_aligned.paper.captions import count
from compute_aligned.paper.diagonal import BUDGET, of_scores, summarise
from compute_aligned.paper.sheets import Entry, Grid, Rendered, Sheet, missing, rendered, words
from compute_aligned.paper.tables import sources

BINS = 30
CURVE_POINTS = 400
BAR_COLOUR = "0.85"


# colour, line and key of what is marked
MARKS = {
    "one": (style.BASELINE_COLOUR, "-", "1, which rho cannot be below (algebra)"),
    "mean": (style.COLOURS[1], "--", "mean"),
    "median": (style.COLOURS[2], ":", "median"),
}


def figure(item: Item, scores: Sequence[Path]) -> Figure:
    """A panel a model: how the logarithm of rho is distributed, with lines at 1 and at the mean.

    The axis is logarithmic, as rho has no upper limit; densities are per factor of ten, the curve
    smoothed with a kernel as wide as a bar. What is undefined is counted in the panel's title.

    Args:
        item: The item.
        scores: Files of graded samples, one a seed.

    """
    models = item.models
    ratios = of_scores(item.experiment, scores, models)
    found = {str(row["branch"]): row for row in summarise(ratios, models).to_dict("records")}
    drawn = Figure(figsize=(style.WIDTH, style.HEIGHT), layout="constrained")
    panels = drawn.subplots(1, len(models), sharex=True, sharey=True, squeeze=False)[0]
    highest = ratios.loc[ratios["branch"].isin(models), "ratio"].max()
    decades = 1.0 if np.isnan(highest) else float(np.log10(highest))
    labels = item.experiment.labels
    for axes, model in zip(panels, models, strict=True):
        mine = ratios.loc[ratios["branch"] == model, "ratio"].dropna().to_numpy()
        _draw_ratios(axes, mine, decades)
        _draw_marks(axes, {"one": 1.0} | found[model])
        axes.set_title(f"{labels[model]}\n{_facts(found[model])}")
        axes.set_xlabel(f"rho at N = {BUDGET}")
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(LogFormatter())
        axes.xaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1, 0.5)))
        axes.set_xlim(10 ** (-0.03 * decades), 10 ** (1.03 * decades))
    panels[0].set_ylabel("Density, per factor of ten")
    style.title(drawn, item.row.title)
    seeds, problems = (found[WARMUP][name] for name in ("seeds", "problems"))
    size = f"{count(seeds, 'seed')}, {count(problems, 'problem')} each"
    label = f"scale {item.experiment.scale}, {size}"
    keys = [Patch(color=BAR_COLOUR, label=label), *panels[0].get_lines()[-len(MARKS) :]]
    drawn.legend(handles=keys, loc="outside lower center", ncols=2)
    return drawn


def _facts(found: Mapping[Hashable, Any]) -> str:
    """What the panel leaves out, problems without a rho, under the mean and median of the rest."""
    undefined, never, always = (
        f"{100 * found[name]:.1f}%" for name in ("undefined", "never", "always")
    )
    left_out = f"undefined: {undefined} ({never} p = 0, {always} p = 1)"
    if np.isnan(found["mean"]):
        return left_out
    return f"mean {found['mean']:,.2f}, median {found['median']:,.2f}\n{left_out}"


def _draw_ratios(axes: Axes, ratios: FloatArray, decades: float) -> None:
    """One model's ratios, shape (R,), as bars and a curve."""
    if not ratios.size:
        axes.text(0.5, 0.5, "none defined", transform=axes.transAxes, ha="center")
        return
    logs, edges = np.log10(ratios), np.linspace(0, decades, BINS + 1)
    heights, _ = np.histogram(logs, edges, density=True)
    axes.stairs(heights, 10**edges, fill=True, color=BAR_COLOUR)
    at = np.linspace(0, decades, CURVE_POINTS)
    axes.plot(10**at, log_density(logs, at, edges[1]), color=style.COLOURS[0], linewidth=1)


def _draw_marks(axes: Axes, values: Mapping[Hashable, Any]) -> None:
    """A vertical line for each of :data:`MARKS`."""
    for name, (colour, line, label) in MARKS.items():
        axes.axvline(values[name], color=colour, linestyle=line, linewidth=1, label=label)


def log_density(logs: FloatArray, at: FloatArray, bandwidth: float) -> FloatArray:
    """Smoothed density of values of 0 or more, with none of it below 0.

    The values are mirrored at 0, where a kernel estimate would else leak to the other side.

    Args:
        logs: Shape (R,), not all 0.
        at: Where, shape (X,), 0 or more.
        bandwidth: Standard deviation of the Gaussian kernel, in the unit of ``logs``.

    """
    mirrored = np.concatenate([logs, -logs])
    kernel = gaussian_kde(mirrored, bw_method=bandwidth / mirrored.std(ddof=1))
    return 2 * kernel(at)


# --- the table of rho ------------------------------------------------------------------------

NUMBERS = ("Mean", "Median", "Largest")
SHARES = ("Undefined", "p = 0", "p = 1")
TARGETS: dict[Needs, str] = {
    "answers": (
        f"Strict plurality of {BUDGET} votes, ties lost: the target is the right answer; "
        "samples without an answer use up votes and cannot win."
    ),
    "rewards": (
        f"Best-of-{BUDGET}: the target is the highest reward among a prompt's samples; equal "
        f"rewards are one outcome. If one of m samples has it, rho is (m/(m - 1))^{BUDGET - 1}, "
        "whatever the model."
    ),
}


def table(item: Item, scores: Sequence[Path]) -> Rendered:
    """Mean, median and largest rho of each model, and how often there is none.

    Args:
        item: The item.
        scores: Files of graded samples, one a seed.

    """
    labels = item.experiment.labels
    found = summarise(of_scores(item.experiment, scores, item.models), item.models)
    names = found["branch"].map(labels)
    frame = found.assign(item=item.row.item, family=item.row.family, label=names)
    first = ["item", "family", "branch", "label"]
    frame = frame[[*first, *(name for name in frame if name not in first)]]
    seeds, problems = int(found["seeds"].iloc[0]), int(found["problems"].iloc[0])
    sheet = Sheet(
        name=item.row.item,
        title=item.row.title,
        caption=(
            f"{TARGETS[item.experiment.settings.gives]} The distribution is that of a problem's "
            f"samples, rho is exact for it; {count(seeds, 'seed')}, {count(problems, 'problem')} "
            f"each. Brackets are 95% intervals of the mean, from {sources(seeds, problems)}."
        ),
        grids=[
            Grid(
                f"This run (scale {item.experiment.scale}): rho at N = {BUDGET}",
                [words(text) for text in ("Model", *NUMBERS, *SHARES)],
                [[words(row["label"]), *_cells(row)] for row in frame.to_dict("records")],
            )
        ],
        note=(
            "rho = a/(a - C), where a is the derivative that the scalar update keeps and C what "
            "the rivals' proportional decay takes back. That rho is 1 or more is algebra, since "
            "C >= 0 (claim C11); what is measured is how large it is. It has no upper limit: it "
            "grows as p, the share of samples that hit the target, nears 1, and then the mean "
            "hangs on few problems. Where p is 0 or 1, or a - C vanishes, rho is undefined: such "
            "problems are counted in the last columns and left out of the others."
        ),
    )
    return rendered(frame, sheet)


def _cells(row: Mapping[Hashable, Any]) -> list[Entry]:
    mean, low, high, median, largest = (
        f"{row[name]:z,.2f}" for name in ("mean", "mean_low", "mean_high", "median", "largest")
    )
    interval = "" if np.isnan(row["mean_low"]) else f" [{low}, {high}]"
    numbers = [words(f"{mean}{interval}"), words(median), words(largest)]
    shares = [words(f"{100 * row[name]:.1f}%") for name in ("undefined", "never", "always")]
    return [*([missing()] * 3 if np.isnan(row["mean"]) else numbers), *shares]
