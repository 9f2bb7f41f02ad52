"""The figures that need no training: weight curves, their support, the variance example.

Strategies of the branch sheet
whose kind is none of the paper's join by themselves, in panels of their own.
"""

from collections.abc import Sequence
from itertools import cycle
from typing import NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from compute_aligned.config.sheets import PaperItem
from compute_aligned.method.strategies import BestOfN, MajorityVote, PassAtN, SingleSample, Strategy
from compute_aligned.paper import style
from compute_aligned.paper.analytic import (
    BUDGETS,
    VARIANCE_BUDGETS,
    Quantity,
    evaluate,
    further_strategies,
    pivotal_variances,
    unit_crossings,
)

# the open interval: at its ends weights are 0, which a logarithmic axis has no place for
CURVE = np.linspace(0, 1, 1001)[1:-1]
SMALL_P_CURVE = np.geomspace(1e-3, 1, 601)[:-1]
WEIGHT_RANGE = (1e-2, 100)
VARIANCE_RANGE = (1e-6, 100)
# the thresholds of the paper's RL curves at n = 64
THRESHOLDS = (6, 16, 24, 33)
SUPPORT = (PassAtN(n=16), MajorityVote(n=16, k=4))
LINES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1, 1, 1, 1, 1)))
ESTIMATORS = {
    "sampled": "sampled: one pivotal index of n draws",
    "summed": "summed: its expectation over the index",
    "weighted": "weighted: its expectation given that draw, the RL weight",
    "averaged": "averaged: mean of n weighted draws",
}


class Curves(NamedTuple):
    """A panel of weight curves: its title, what is along x, and label to strategy."""

    title: str
    x_label: str
    strategies: dict[str, Strategy]


def weights_sft(row: PaperItem, strategies: Sequence[str]) -> Figure:
    """SFT weights against p (PAPER section 6), a panel a kind of strategy."""
    best = Curves("Best-of-N: as Pass@N", _P, {f"n = {n}": BestOfN(n=n) for n in BUDGETS})
    panels = [_pass_curves(), _majority_curves(), best, *_further_curves(strategies)]
    return _weight_curves(row, "sft_weight", "SFT weight, d log S / d log p", panels)


def weights_rl(row: PaperItem, strategies: Sequence[str]) -> Figure:
    """RL weights against p or q (PAPER section 6), a panel a kind and one of thresholds."""
    best = Curves("Best-of-N", _Q, {f"n = {n}": BestOfN(n=n) for n in BUDGETS})
    thresholds = {f"k = {k}": MajorityVote(n=64, k=k) for k in THRESHOLDS}
    by_threshold = Curves("Majority vote, n = 64", _P, {"n = 1": SingleSample(), **thresholds})
    panels = [_pass_curves(), _majority_curves(), best, by_threshold, *_further_curves(strategies)]
    return _weight_curves(row, "rl_weight", "RL weight, dS/dp", panels)


def support(row: PaperItem, strategies: Sequence[str]) -> Figure:
    """Where SFT weights are above and below 1, cross-entropy's (PAPER section 6)."""
    shown = [*SUPPORT, *further_strategies(strategies)]
    figure, panels = _panels(row, len(shown))
    for axes, strategy in zip(panels, shown, strict=True):
        weight = evaluate(strategy, "sft_weight", CURVE)
        axes.axhline(1, color=style.BASELINE_COLOUR, linewidth=1, label="Cross-entropy")
        axes.plot(CURVE, weight, color=style.COLOURS[0], label="The strategy")
        for where, colour, label in (
            (weight >= 1, style.COLOURS[2], "more weight than cross-entropy"),
            (weight <= 1, style.COLOURS[1], "less weight than cross-entropy"),
        ):
            axes.fill_between(
                CURVE, weight, 1, where, True, facecolor=colour, alpha=0.3, label=label
            )
        for crossing in unit_crossings(strategy, CURVE):
            axes.annotate(f"p = {crossing:.2f}", (crossing, 1), (4, 4), textcoords="offset points")
        axes.set_title(strategy.label)
        axes.set_xlabel(_P)
        axes.set_xlim(0, 1)
        axes.set_ylabel("SFT weight, d log S / d log p")
        axes.set_ylim(bottom=0)
    figure.legend(handles=_handles(panels[0]), loc="outside lower center", ncols=2)
    return figure


def rao_blackwell(row: PaperItem, strategies: Sequence[str]) -> Figure:
    """Variances of Pass@N gradient estimators against p (PAPER section 6, Appendix F/G)."""
    figure, panels = _panels(row, len(VARIANCE_BUDGETS), sharey=True)
    for axes, n in zip(panels, VARIANCE_BUDGETS, strict=True):
        frame = pivotal_variances(n, SMALL_P_CURVE)
        looks = zip(style.COLOURS, LINES, strict=False)
        for (column, label), (colour, line) in zip(ESTIMATORS.items(), looks, strict=False):
            axes.plot(frame["p"], frame[column], color=colour, linestyle=line, label=label)
        axes.set_title(f"n = {n}")
        axes.set_xlabel(_P)
        axes.set_xscale("log")
        axes.set_xlim(SMALL_P_CURVE[0], 1)
        axes.set_yscale("log")
        axes.set_ylim(VARIANCE_RANGE)
        axes.xaxis.set_major_formatter(_DECIMAL)
    panels[0].set_ylabel("Variance of the estimate\nof dS / d logit")
    figure.legend(handles=_handles(panels[0]), loc="outside lower center", ncols=2)
    return figure


# --- weight curves --------------------------------------------------------------------------

_P = "Success probability, p"
_Q = "Quantile of the reward, q"
_DECIMAL = FuncFormatter(lambda value, _: f"{value:g}")


def _pass_curves() -> Curves:
    return Curves("Pass@N", _P, {f"n = {n}": PassAtN(n=n) for n in BUDGETS})


def _majority_curves() -> Curves:
    by_budget: dict[str, Strategy] = {f"n = {n}": MajorityVote(n=n, k=n // 2 + 1) for n in BUDGETS}
    return Curves("Majority vote, k = ⌊n/2⌋ + 1", _P, by_budget)


def _further_curves(strategies: Sequence[str]) -> list[Curves]:
    """One more panel if the branch sheet has kinds of strategy that the paper has not."""
    further = {s.label: s for s in further_strategies(strategies)}
    if not further:
        return []
    return [Curves("Further strategies", _P, {"n = 1": SingleSample(), **further})]


def _weight_curves(
    row: PaperItem, quantity: Quantity, y_label: str, panels: Sequence[Curves]
) -> Figure:
    """Weights on one logarithmic axis; the first line of each panel is the baseline, weight 1."""
    figure, all_axes = _panels(row, len(panels), sharey=True)
    for axes, panel in zip(all_axes, panels, strict=True):
        looks = zip(cycle((style.BASELINE_COLOUR, *style.COLOURS)), cycle(LINES), strict=False)
        for (label, strategy), (colour, line) in zip(panel.strategies.items(), looks, strict=False):
            weight = evaluate(strategy, quantity, CURVE)
            axes.plot(CURVE, weight, color=colour, linestyle=line, label=label)
        axes.set_title(panel.title)
        axes.set_xlabel(panel.x_label)
        axes.set_xlim(0, 1)
        axes.set_yscale("log")
        axes.set_ylim(WEIGHT_RANGE)
        axes.yaxis.set_major_formatter(_DECIMAL)
        axes.legend(labelspacing=0.2)
    figure.supylabel(y_label, fontsize="medium")
    return figure


# --- parts ----------------------------------------------------------------------------------


def _panels(row: PaperItem, count: int, sharey: bool = False) -> tuple[Figure, list[Axes]]:
    """A titled figure and so many panels in it, two side by side, or all three."""
    columns = 3 if count == 3 else 2
    num_rows = -(-count // columns)
    height = style.HEIGHT if num_rows == 1 else 0.8 * style.HEIGHT * num_rows
    figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
    style.title(figure, row.title)
    places = figure.subplots(num_rows, columns, squeeze=False, sharey=sharey).flatten().tolist()
    for unused in places[count:]:
        unused.remove()
    return figure, places[:count]


def _handles(axes: Axes) -> list[Artist]:
    """What a legend shows of a panel that stands for all."""
    return axes.get_legend_handles_labels()[0]
