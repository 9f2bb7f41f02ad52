"""LaTeX formulas as pictures in a page of HTML, set by matplotlib: no script, no LaTeX."""

import base64
import functools
import io

import matplotlib
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import MathTextParser

from compute_aligned.layout.pages import Html, escape

SIZE = 12  # points
FRACTION, LARGE_FRACTION = r"\frac", r"\dfrac"
MARGIN = 1  # points around a formula, so that no stroke is cut


@functools.cache
def picture(latex: str) -> Html:
    """A formula on the line of the text around it; as code where matplotlib cannot set it.

    Args:
        latex: Without dollar signs.

    """
    # fractions as large as in a formula that stands alone: there is room in a cell
    text = f"${latex.replace(FRACTION, LARGE_FRACTION)}$"
    font = FontProperties(size=SIZE)
    try:
        width, height, depth, *_ = MathTextParser("path").parse(text, dpi=72, prop=font)
    except ValueError:  # one of the reader's own, in more of LaTeX than matplotlib knows
        return Html(f"<code>{escape(latex)}</code>")
    across, up = width + 2 * MARGIN, height + 2 * MARGIN
    figure = Figure(figsize=(across / 72, up / 72))
    place = (MARGIN / across, (depth + MARGIN) / up)
    figure.text(*place, text, fontproperties=font)
    drawn = io.BytesIO()
    # the same formula gives the same bytes: no date, and ids that are not random
    with matplotlib.rc_context({"svg.hashsalt": latex, "svg.fonttype": "path"}):
        figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
    data = base64.b64encode(drawn.getvalue()).decode()
    return Html(
        f'<img alt="{escape(latex)}" src="data:image/svg+xml;base64,{data}" '
        f'style="height:{up:.2f}pt;vertical-align:-{depth + MARGIN:.2f}pt">'
    )
