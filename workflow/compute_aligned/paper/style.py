"""One look for all figures: sizes, fonts, and a colour and marker for every branch."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

import matplotlib.style
import seaborn
from matplotlib.figure import Figure

from compute_aligned.config.experiments import Experiment
from compute_aligned.config.sheets import WARMUP

WIDTH = 6.5  # inches, the text width of a page
HEIGHT = 3.3
DPI = 200

BASELINE_COLOUR = "0.15"
WARMUP_COLOUR = "0.5"
PAPER_BACKGROUND = "#f6f5f1"

# seaborn's colour-blind palette without its grey, which is the warm-up's, and with neighbours far
# apart; a marker besides, so that lines stay apart in black and white
_BLUE, _ORANGE, _GREEN, _RED, _PURPLE, _BROWN, _PINK, _GREY, _YELLOW, _SKY = seaborn.color_palette(
    "colorblind"
).as_hex()
COLOURS = (_BLUE, _ORANGE, _GREEN, _PURPLE, _RED, _SKY, _BROWN, _PINK, _YELLOW)
MARKERS = ("o", "s", "D", "^", "v", "P", "X")

_RC = {
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "pdf.fonttype": 42,
    # the one font that matplotlib brings along: the same bytes on every machine
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.7,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "0.9",
    "grid.linewidth": 0.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "figure.titlesize": 9,
    "figure.constrained_layout.wspace": 0.06,
    "lines.linewidth": 1.5,
    "lines.markersize": 4,
    "lines.markeredgewidth": 0.6,
    "lines.markeredgecolor": "white",
}


@dataclass(frozen=True)
class Look:
    """How a model's line is drawn: its colour, marker and line style."""

    colour: str
    marker: str
    line: str = "-"


def context() -> AbstractContextManager[None]:
    """Draw and save in the project's style, whatever the user's matplotlibrc says."""
    return matplotlib.style.context([seaborn.axes_style("ticks"), _RC], after_reset=True)


def title(figure: Figure, text: str) -> None:
    """Put a title above a figure, from its left edge on, in as many lines as it takes."""
    figure.suptitle(text, x=0.01, ha="left", weight="bold", wrap=True)


def level_looks_of(experiment: Experiment) -> dict[str, Look]:
    """The looks of :func:`looks_of`, and after the warm-up's one for the baseline."""
    warmup, *branches = looks_of(experiment).items()
    baseline = Look(BASELINE_COLOUR, marker="h")
    return dict([warmup, (experiment.baseline, baseline), *branches])


def looks_of(experiment: Experiment) -> dict[str, Look]:
    """Every model's look: the warm-up's, then the branches' by place in ``config/branches.tsv``.

    A branch looks the same in every figure of its family. The baseline has no look: gains are
    drawn against it, as the zero line.
    """
    branches = [b for b in experiment.branches if b != experiment.baseline]
    return {WARMUP: Look(WARMUP_COLOUR, marker="", line="--")} | {
        branch: Look(COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)])
        for i, branch in enumerate(branches)
    }
