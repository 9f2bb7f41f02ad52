import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from support import claim_parts
from support.claim_parts import ABSENT, RHO, SIZES, judged, reviewed

from compute_aligned.claims import figure as claim_figure
from compute_aligned.config.claims import read_claims
from compute_aligned.paper import style


def test_every_contrast_has_its_row_with_effect_interval_verdict_and_the_paper_beside_it() -> None:
    (axes,) = claim_figure.draw(reviewed(), "laptop").axes

    # row 0 is the claim's heading, then three contrasts and two controls
    points = [line for line in axes.get_lines() if len(line.get_xdata()) == 1]
    effects, papers = (
        {p.get_ydata()[0]: p.get_xdata()[0] for p in points if (p.get_marker() == "D") == of_paper}
        for of_paper in (False, True)
    )
    assert effects == dict(enumerate(SIZES.values(), start=1))
    assert papers == pytest.approx({1: 4.0, 2: 6.4, 3: 7.8})
    bars = [line.get_xdata() for line in axes.get_lines() if len(line.get_xdata()) == 2]
    assert [pytest.approx([2.5 - 1.96, 2.5 + 1.96], abs=1e-3)] == [bars[1]]  # after the zero line
    words = [(text.get_position()[1], text.get_text()) for text in axes.texts]
    assert (0, "reproduced") in words
    assert (1, "Pass@4 − Cross-entropy, pass@64") in words
    assert [word for y, word in words if y == 4] == ["Pass@4 − Warm-up, pass@64", "explains it"]
    assert axes.get_xlabel() == "Effect (percentage points)"


def test_verdicts_differ_in_marker_as_well_as_in_colour() -> None:
    looks = claim_figure.LOOKS.values()
    assert len({look.marker for look in looks}) == len({look.colour for look in looks}) == 4


def test_what_was_not_run_is_named_and_has_no_panel() -> None:
    figure = claim_figure.draw(reviewed(), "laptop")
    notes = [text.get_text() for text in figure.texts]
    assert len(figure.axes) == 1
    assert any("by algebra: C11" in note and "Not run at this scale: C5a" in note for note in notes)


def test_a_run_without_any_claim_is_drawn_too() -> None:
    claims = [claim_parts.claim(ABSENT), claim_parts.claim(RHO)]
    assert claim_figure.draw(judged(claims), "smoke").axes == []


def test_the_words_of_the_project_s_own_claims_fit_beside_each_other() -> None:
    claims = list(read_claims().values())
    effects = {row: claim_parts.effect(1.0) for claim in claims for row in claim.rows}
    figure = claim_figure.draw(judged(claims, effects), "laptop")
    with style.context():
        renderer = FigureCanvasAgg(figure).get_renderer()
        for axes in figure.axes:
            boxes = [(text.get_window_extent(renderer), text.get_text()) for text in axes.texts]
            verdicts = max(box.x0 for box, _ in boxes)
            assert max(box.x1 for box, _ in boxes) < figure.bbox.x1
            too_long = [text for box, text in boxes if box.x0 < verdicts - 1 and box.x1 > verdicts]
            assert too_long == []
            names = [text for text in axes.texts if text.get_fontweight() != "bold"]
            before = [text.get_window_extent(renderer) for text in names[::2]]
            assert max(box.x1 for box in before) < axes.bbox.x0


def test_columns_are_cut_where_the_taller_is_least_tall() -> None:
    (claim, *_) = reviewed()
    panels = [claim_figure.Panel(str(n), [claim] * n) for n in (30, 2, 3, 4)]
    left, right = claim_figure.in_two(panels)
    assert [panel.family for panel in left] == ["30"]
    assert [panel.family for panel in right] == ["2", "3", "4"]
