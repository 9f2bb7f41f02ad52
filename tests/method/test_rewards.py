import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute_aligned.method.rewards import (
    AMINO_ACIDS,
    HYDROPHOBIC,
    POLAR,
    conditional_landscape,
    conditional_reward,
    hydrophobic_share,
    read_residues,
    unconditional_landscape,
    unconditional_reward,
)

proteins = st.text(AMINO_ACIDS, min_size=1, max_size=60)


def protein(num_hydrophobic, num_polar):
    return "L" * num_hydrophobic + "K" * num_polar


def test_the_classes_split_the_twenty_amino_acids():
    assert set(HYDROPHOBIC) == set("AILMFWYV")
    assert set(AMINO_ACIDS) == set("ABCDEFGHIJKLMNOPQRSTUVWXYZ") - set("BJOUXZ")
    assert len(AMINO_ACIDS) == len(set(AMINO_ACIDS)) == 20
    assert not set(HYDROPHOBIC) & set(POLAR)


# --- reading a completion ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "residues"),
    [
        ("MKV\nLAA\r\n\tGG", "MKVLAAGG"),
        ("", ""),
        (" \n", ""),
        *[(f"MK{letter}L", None) for letter in "BJOUXZ-1"],
        ("<|endoftext|>", None),
        ("MKßL", None),  # its upper case is SS
        ("MKﬁL", None),  # the ligature's upper case is FI
        ("MKıL", None),  # the dotless i's upper case is I
    ],
)
def test_a_completion_reads_as_a_protein_or_not_at_all(text, residues):
    assert read_residues(text) == residues


@given(proteins, st.data())
def test_white_space_and_case_do_not_matter(residues, data):
    cut = data.draw(st.integers(0, len(residues)))
    text = f"\n{residues[:cut].lower()} \t{residues[cut:]} "
    assert read_residues(text) == residues
    assert unconditional_reward(text) == unconditional_reward(residues)
    assert conditional_reward(text, text) == conditional_reward(residues, residues)


@given(st.text(max_size=20))
def test_any_text_has_a_finite_reward(text):
    assert math.isfinite(unconditional_reward(text))
    assert math.isfinite(conditional_reward(text, "MKVL"))


@given(proteins)
def test_the_hydrophobic_share_counts_residues(residues):
    count = sum(residues.count(letter) for letter in "AILMFWYV")
    assert hydrophobic_share(residues) == count / len(residues)


# --- the unconditional task -------------------------------------------------------------------


def hills(share):
    return 4 * math.exp(-((share - 0.35) ** 2) / 0.05) + 12 * math.exp(
        -((share - 0.75) ** 2) / 0.015
    )


@pytest.mark.parametrize(
    ("text", "reward"),
    [
        (protein(7, 13), 4 + 12 * math.exp(-0.16 / 0.015)),  # h = .35, the low hill
        (protein(15, 5), 12 + 4 * math.exp(-0.16 / 0.05)),  # h = .75, the high hill
        (protein(5, 5), 4 * math.exp(-0.45) + 12 * math.exp(-0.0625 / 0.015) - 2),  # the valley
        (protein(0, 10), 4 * math.exp(-2.45) + 12 * math.exp(-37.5)),
        (protein(10, 0), 4 * math.exp(-8.45) + 12 * math.exp(-0.0625 / 0.015)),
        # every amino acid once: h = .4, just below the valley
        ("ACDEFGHIKLMNPQRSTVWY", 4 * 0.951229424500714 + 12 * 2.839623e-4),
    ],
)
def test_the_unconditional_reward_has_two_hills_and_a_valley(text, reward):
    assert unconditional_reward(text) == pytest.approx(reward)


@pytest.mark.parametrize(("edge", "inside"), [(9 / 20, 0.45 + 1e-9), (12 / 20, 0.60 - 1e-9)])
def test_the_edges_of_the_valley_are_outside_it(edge, inside):
    assert unconditional_landscape(edge) == pytest.approx(hills(edge))
    assert unconditional_landscape(inside) == pytest.approx(hills(edge) - 2, abs=1e-6)


def test_leaving_the_low_hill_costs_before_it_pays():
    low, valley, high = (unconditional_landscape(h) for h in (0.35, 0.55, 0.75))
    assert hills(0.55) - 2 == pytest.approx(valley)
    assert valley < low < high
    assert high > max(unconditional_landscape(i / 1000) for i in range(1001)) - 0.1


# --- the conditional task ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "source", "reward"),
    [
        (protein(2, 8), protein(8, 2), 10),  # the opposite share
        (protein(8, 2), protein(8, 2), 10 * math.exp(-0.36 / 0.05) - 2),  # a copy
        (protein(5, 5), protein(8, 2), 10 * math.exp(-0.09 / 0.05)),
        (protein(5, 5), protein(5, 5), 10),  # a copy that is right
        (protein(6, 4), protein(5, 5), 10 * math.exp(-0.2)),
        (protein(6, 4), protein(6, 4), 10 * math.exp(-0.04 / 0.05)),  # .6 is not beyond .1 of .5
        (protein(13, 7), protein(13, 7), 10 * math.exp(-0.09 / 0.05) - 2),
        ("kkkLL", " lll\nkk ", 10),  # the input is read like a completion
    ],
)
def test_the_conditional_reward_wants_the_opposite_share(output, source, reward):
    assert conditional_reward(output, source) == pytest.approx(reward)


@pytest.mark.parametrize(
    ("share", "input_share"),
    [
        *[(tenths / 10, (tenths + 1) / 10) for tenths in range(9)],
        *[((tenths + 1) / 10, tenths / 10) for tenths in range(9)],
        *[(0.4, 0.4), (0.6, 0.6)],  # an input exactly a tenth from one half
    ],
)
def test_a_share_exactly_a_tenth_away_is_no_copy(share, input_share):
    hill = 10 * math.exp(-((share - (1 - input_share)) ** 2) / 0.05)
    assert conditional_landscape(share, input_share) == pytest.approx(hill)


@given(st.integers(0, 40), st.integers(0, 40))
def test_swapping_the_classes_of_input_and_output_keeps_the_reward(output, source):
    h, h_in = output / 40, source / 40
    assert conditional_landscape(h, h_in) == pytest.approx(conditional_landscape(1 - h, 1 - h_in))


# --- what is too short or no protein ----------------------------------------------------------


def test_ten_residues_are_enough_and_five_where_there_is_an_input():
    for too_few in (protein(4, 5), " " * 20 + protein(4, 5), "", protein(10, 10) + "X"):
        assert unconditional_reward(too_few) == -5
    assert unconditional_reward(protein(4, 6)) == unconditional_landscape(0.4)

    for too_few in (protein(2, 2), "KKLZL"):
        assert conditional_reward(too_few, protein(3, 2)) == -5
    assert conditional_reward(protein(2, 3), protein(3, 2)) == pytest.approx(10)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        *[(hydrophobic_share, [text], "not a protein") for text in ("", "mkvl", "MKX")],
        *[
            (conditional_reward, ["MKVLA", source], "the input is not a protein")
            for source in ("", "  ", "Input: MKVL")
        ],
    ],
)
def test_the_share_and_the_input_of_what_is_no_protein_are_refused(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)
