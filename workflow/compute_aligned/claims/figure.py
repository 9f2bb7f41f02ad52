"""All contrasts in one figure: effect with interval, the paper's beside it, the verdict in words.

A panel a family, since families differ in unit and in the size of their effects. Text stands at
fixed places left and right of the panels, so the layout is given in inches, row by row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import blended_transform_factory

from compute_aligned.claims import words as say
from compute_aligned.claims.review import Compared, Reviewed
from compute_aligned.method.verdicts import Verdict
from compute_aligned.paper import style

COLUMN = 7.4  # inches; there are two of them side by side
LABELS, VERDICTS = 3.5, 1.15  # inches left and right of a panel
ROW = 0.135
PANEL_HEAD, PANEL_FOOT = 0.2, 0.42
TOP, BOTTOM = 0.35, 0.4
FONT = 6.5

# told apart without colour too
LOOKS = {
    Verdict.REPRODUCED: style.Look(style.COLOURS[0], "o"),
    Verdict.CONTRADICTED: style.Look(style.COLOURS[1], "X"),
    Verdict.TOO_SMALL: style.Look("0.35", "v"),
    Verdict.NOT_SHOWN: style.Look("0.55", "s"),
}
PAPER: dict[str, Any] = {
    "marker": "D",
    "markersize": 3.5,
    "markerfacecolor": "none",
    "markeredgecolor": "black",
}


@dataclass(frozen=True)
class Panel:
    """A family's lines: the claims about it as headings, each above its contrasts and controls."""

    family: str
    lines: Sequence[Reviewed | Compared]

    @property
    def height(self) -> float:
        """In inches."""
        return PANEL_HEAD + ROW * len(self.lines) + PANEL_FOOT


def draw(reviewed: Sequence[Reviewed], scale: str) -> Figure:
    """Draw the claims of which something was run.

    Args:
        reviewed: The claims.
        scale: The scale of the run, for the title.

    """
    columns = in_two([panel for panel in panels(reviewed) if _has_effects(panel)])
    height = TOP + max((sum(p.height for p in column) for column in columns), default=0) + BOTTOM
    with style.context():
        figure = Figure(figsize=(2 * COLUMN, height))
        for i, column in enumerate(columns):
            top = height - TOP
            for panel in column:
                _draw_panel(figure, panel, i * COLUMN, top)
                top -= panel.height
        title = f"What holds of the paper's claims (scale {scale})"
        figure.text(0.006, 1 - 0.1 / height, title, weight="bold", va="top", fontsize=9)
        figure.text(0.006, 0.12 / height, _footnote(reviewed), fontsize=FONT)
        figure.legend(handles=_keys(), loc="lower right", ncols=5, fontsize=FONT)
    return figure


def panels(reviewed: Sequence[Reviewed]) -> list[Panel]:
    """A panel a family, in the order of the claims."""
    lines: dict[str, list[Reviewed | Compared]] = {}
    for claim in reviewed:
        compared = [*claim.contrasts, *claim.controls]
        for family in dict.fromkeys(each.row.family for each in compared):
            mine = [each for each in compared if each.row.family == family]
            lines.setdefault(family, []).extend([claim, *mine])
    return [Panel(family, of_family) for family, of_family in lines.items()]


def _has_effects(panel: Panel) -> bool:
    return any(
        isinstance(line, Compared) and line.judgement.interval is not None for line in panel.lines
    )


def in_two(shown: Sequence[Panel]) -> list[Sequence[Panel]]:
    """The panels in two columns, in order, cut where the taller column is least tall."""

    def tallest(cut: int) -> float:
        return max(sum(p.height for p in part) for part in (shown[:cut], shown[cut:]))

    cut = min(range(len(shown) + 1), key=tallest)
    return [shown[:cut], shown[cut:]]


def _draw_panel(figure: Figure, panel: Panel, left: float, top: float) -> None:
    """One panel, its text included; the place of its upper left corner in inches."""
    width, height = figure.get_size_inches()
    rows = ROW * len(panel.lines)
    place = (left + LABELS, top - PANEL_HEAD - rows, COLUMN - LABELS - VERDICTS, rows)
    axes = figure.add_axes(
        (place[0] / width, place[1] / height, place[2] / width, place[3] / height)
    )
    axes.set_ylim(len(panel.lines) - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x", visible=True)
    axes.axvline(0, color=style.BASELINE_COLOUR, linewidth=0.8)
    margin, verdict_at = left + 0.06, left + COLUMN - VERDICTS + 0.06
    _write(axes, margin, -1.1, _panel_title(panel), weight="bold", fontsize=FONT + 0.5)
    for y, line in enumerate(panel.lines):
        if isinstance(line, Reviewed):
            # above the zero line, which would run through the words
            axes.axhspan(y - 0.5, y + 0.5, color=style.PAPER_BACKGROUND, zorder=3, linewidth=0)
            _write(axes, margin, y, f"{line.row.claim}. {line.row.statement}", weight="bold")
            _write(axes, verdict_at, y, say.verdict_words(line), weight="bold")
        else:
            _draw_effect(axes, y, line)
            control = line.row.is_control
            _write(axes, margin + 0.1, y, line.name, style="italic" if control else "normal")
            verdict = line.judgement.verdict
            _write(axes, verdict_at, y, say.of_rival(line) if control else str(verdict))
    unit = "reward" if any(_in_reward(line) for line in panel.lines) else "percentage points"
    axes.set_xlabel(f"Effect ({unit})", fontsize=FONT, labelpad=1)
    axes.tick_params(axis="x", labelsize=FONT)


def _write(axes: Axes, x: float, y: float, text: str, **font: Any) -> None:
    """Text at ``x`` inches from the figure's left edge, in the row ``y`` of a panel."""
    figure = axes.get_figure(root=True)
    if figure is None:
        raise ValueError("the panel belongs to no figure")
    place = blended_transform_factory(figure.transFigure, axes.transData)
    across = x / figure.get_figwidth()
    look: dict[str, Any] = {"va": "center", "fontsize": FONT, "zorder": 4, "clip_on": False} | font
    axes.text(across, y, text, transform=place, **look)


def _in_reward(line: Reviewed | Compared) -> bool:
    return isinstance(line, Compared) and not line.row.is_share


def _panel_title(panel: Panel) -> str:
    """The family, and how many seeds and problems it was measured on."""
    for line in panel.lines:
        interval = line.judgement.interval if isinstance(line, Compared) else None
        if interval is not None:
            seeds = f"{interval.num_seeds} seed" + ("s" if interval.num_seeds > 1 else "")
            pool = "one prompt" if interval.num_problems == 1 else ""
            return f"{panel.family}: {seeds}, {pool or f'{interval.num_problems} problems'}"
    return panel.family


def _draw_effect(axes: Axes, y: int, line: Compared) -> None:
    """This run's effect with its interval, and the paper's."""
    interval = line.judgement.interval
    if interval is not None:
        look = LOOKS[line.judgement.verdict]
        axes.plot([interval.low, interval.high], [y, y], color=look.colour, linewidth=1.2)
        filled = look.colour if line.row.role == "contrast" else "white"
        axes.plot(
            interval.estimate,
            y,
            look.marker,
            color=look.colour,
            markerfacecolor=filled,
            markeredgecolor=look.colour,
        )
    if line.paper is not None:
        axes.plot(line.paper.effect, y, linestyle="none", **PAPER)


def _footnote(reviewed: Sequence[Reviewed]) -> str:
    algebra = [claim.row.claim for claim in reviewed if claim.conclusion is None]
    absent = [
        claim.row.claim
        for claim in reviewed
        if claim.conclusion is not None
        and all(each.judgement.verdict == Verdict.NOT_RUN for each in claim.contrasts)
    ]
    notes = [f"Holds by algebra: {', '.join(algebra)}."] if algebra else []
    notes += [f"Not run at this scale: {', '.join(absent)}."] if absent else []
    return " ".join([*notes, "In italics, with open markers: controls of rival explanations."])


def _keys() -> list[Line2D]:
    """What the markers are."""
    ours = [
        Line2D([], [], color=look.colour, marker=look.marker, label=verdict)
        for verdict, look in LOOKS.items()
    ]
    return [*ours, Line2D([], [], linestyle="none", label="the paper's own effect", **PAPER)]
