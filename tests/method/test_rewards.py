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
        ("MKVL", "MKVL"),
        ("  mkv l\n", "MKVL"),
        ("MKV\nLAA\r\n\tGG", "MKVLAAGG"),
        ("", ""),
        (" \n", ""),
        ("MKBL", None),  # B, J, O, U, X, Z are no amino acids here
        ("MKXL", None),
        ("MK-L", None),
        ("MK1L", None),
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


@given(st.text(max_size=20))
def test_any_text_has_a_finite_reward(text):
    assert math.isfinite(unconditional_reward(text))
    assert math.isfinite(conditional_reward(text, "MKVL"))


@given(proteins)
def test_the_hydrophobic_share_counts_residues(residues):
    count = sum(residues.count(letter) for letter in "AILMFWYV")
    assert hydrophobic_share(residues) == count / len(residues)


@pytest.mark.parametrize("text", ["", "mkvl", "MKX"])
def test_the_share_of_what_is_no_protein_is_refused(text):
    with pytest.raises(ValueError, match="not a protein"):
        hydrophobic_share(text)


# --- the unconditional task -------------------------------------------------------------------


def test_every_amino_acid_once_has_share_two_fifths():
    # 4 exp(-.05) + 12 exp(-.1225/.015), just below the valley
    expected = 4 * 0.951229424500714 + 12 * 2.839623e-4
    assert unconditional_reward("ACDEFGHIKLMNPQRSTVWY") == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("num_hydrophobic", "num_polar", "reward"),
    [
        (7, 13, 4 + 12 * math.exp(-0.16 / 0.015)),  # h = .35, the low hill
        (15, 5, 12 + 4 * math.exp(-0.16 / 0.05)),  # h = .75, the high hill
        (5, 5, 4 * math.exp(-0.45) + 12 * math.exp(-0.0625 / 0.015) - 2),  # h = .5, the valley
        (0, 10, 4 * math.exp(-2.45) + 12 * math.exp(-37.5)),
        (10, 0, 4 * math.exp(-8.45) + 12 * math.exp(-0.0625 / 0.015)),
    ],
)
def test_the_unconditional_reward_has_two_hills_and_a_valley(num_hydrophobic, num_polar, reward):
    assert unconditional_reward(protein(num_hydrophobic, num_polar)) == pytest.approx(reward)


@pytest.mark.parametrize(("share", "edge"), [(9 / 20, 0.45), (12 / 20, 0.60)])
def test_the_edges_of_the_valley_are_outside_it(share, edge):
    hills = 4 * math.exp(-((share - 0.35) ** 2) / 0.05) + 12 * math.exp(
        -((share - 0.75) ** 2) / 0.015
    )
    assert unconditional_landscape(share) == pytest.approx(hills)
    inside = edge + (1e-9 if edge < 0.5 else -1e-9)
    assert unconditional_landscape(inside) == pytest.approx(hills - 2, abs=1e-6)


def test_leaving_the_low_hill_costs_before_it_pays():
    low, valley, high = (unconditional_landscape(h) for h in (0.35, 0.55, 0.75))
    assert valley < low < high
    assert valley == pytest.approx(4 * math.exp(-0.8) + 12 * math.exp(-0.04 / 0.015) - 2)
    assert max(unconditional_landscape(i / 1000) for i in range(1001)) == pytest.approx(
        high, abs=0.1
    )


def test_nine_residues_are_too_few_and_ten_are_enough():
    assert unconditional_reward(protein(4, 5)) == -5
    assert unconditional_reward(protein(4, 6)) == unconditional_landscape(0.4)
    assert unconditional_reward(" " * 20 + protein(4, 5)) == -5
    assert unconditional_reward("") == -5
    assert unconditional_reward(protein(10, 10) + "X") == -5


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
    ],
)
def test_the_conditional_reward_wants_the_opposite_share(output, source, reward):
    assert conditional_reward(output, source) == pytest.approx(reward)


@pytest.mark.parametrize("tenths", range(9))
def test_a_share_exactly_a_tenth_away_is_no_copy(tenths):
    share, input_share = (tenths + 1) / 10, tenths / 10
    for a, b in ((share, input_share), (input_share, share)):
        hill = 10 * math.exp(-((a - (1 - b)) ** 2) / 0.05)
        assert conditional_landscape(a, b) == pytest.approx(hill)


@pytest.mark.parametrize("input_share", [0.4, 0.6])
def test_an_input_exactly_a_tenth_from_one_half_may_be_copied(input_share):
    hill = 10 * math.exp(-((2 * input_share - 1) ** 2) / 0.05)
    assert conditional_landscape(input_share, input_share) == pytest.approx(hill)


@given(st.integers(0, 40), st.integers(0, 40))
def test_swapping_the_classes_of_input_and_output_keeps_the_reward(output, source):
    h, h_in = output / 40, source / 40
    assert conditional_landscape(h, h_in) == pytest.approx(conditional_landscape(1 - h, 1 - h_in))


def test_four_residues_are_too_few_and_five_are_enough():
    source = protein(3, 2)
    assert conditional_reward(protein(2, 2), source) == -5
    assert conditional_reward(protein(2, 3), source) == pytest.approx(10)
    assert conditional_reward("KKLZL", source) == -5


def test_the_input_is_read_like_a_completion():
    assert conditional_reward("kkkLL", " lll\nkk ") == pytest.approx(10)


@pytest.mark.parametrize("source", ["", "  ", "Input: MKVL"])
def test_an_input_that_is_no_protein_is_a_programming_error(source):
    with pytest.raises(ValueError, match="input is not a protein"):
        conditional_reward("MKVLA", source)
