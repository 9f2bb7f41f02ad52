import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from compute_aligned.method.rewards import (
    AMINO_ACIDS,
    HYDROPHOBIC,
    POLAR,
    conditional_reward,
    hydrophobic_share,
)
from compute_aligned.prepare.proteins import (
    SWISS_PROT_PERCENT,
    LengthRange,
    conditional_pairs,
    pretraining_sequences,
)

NUM_DRAWS = 2000
ranges = st.tuples(st.integers(1, 40), st.integers(0, 20)).map(lambda t: LengthRange(t[0], sum(t)))


@pytest.fixture(scope="module")
def pairs():
    return conditional_pairs(NUM_DRAWS, seed=3)


@pytest.fixture(scope="module")
def sequences():
    return [
        e.target for e in pretraining_sequences(NUM_DRAWS, seed=3, lengths=LengthRange(200, 200))
    ]


def exact_share(residues):
    return Fraction(sum(r in HYDROPHOBIC for r in residues), len(residues))


def assert_counts_fit(counts, probabilities):
    """Chi-square test at 1e-4; the seeds are fixed, so that the outcome is too."""
    total = sum(counts)
    expected = np.array(probabilities) * total
    assert stats.chisquare(counts, expected).pvalue > 1e-4, (counts, expected)


# --- the conditional task's pairs --------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), ranges, ranges)
def test_outputs_have_the_opposite_share_to_the_nearest_residue(seed, inputs, outputs):
    for pair in conditional_pairs(5, seed, inputs, outputs):
        assert inputs.low <= len(pair.input_sequence) <= inputs.high
        assert outputs.low <= len(pair.target) <= outputs.high
        assert set(pair.input_sequence + pair.target) <= set(AMINO_ACIDS)
        gap = abs(exact_share(pair.target) - (1 - exact_share(pair.input_sequence)))
        assert gap <= Fraction(1, 2 * len(pair.target))


def test_the_prompt_is_written_as_in_the_paper(pairs):
    pair = pairs[0]
    assert pair.prompt == "Input: " + pair.input_sequence + " \n Output:"


def test_ids_are_unique_within_and_across_seeds(pairs):
    other = conditional_pairs(50, seed=4)
    assert len({pair.id for pair in [*pairs, *other]}) == NUM_DRAWS + 50


def test_inputs_are_uniform_over_amino_acids_and_lengths(pairs):
    letters = Counter("".join(pair.input_sequence for pair in pairs))
    assert_counts_fit([letters[a] for a in AMINO_ACIDS], [1 / 20] * 20)
    for lengths in (
        Counter(len(p.input_sequence) for p in pairs),
        Counter(len(p.target) for p in pairs),
    ):
        assert sorted(lengths) == list(range(10, 20))
        assert_counts_fit([lengths[n] for n in range(10, 20)], [1 / 10] * 10)


def test_output_residues_are_uniform_within_their_class(pairs):
    letters = Counter("".join(pair.target for pair in pairs))
    for residues in (HYDROPHOBIC, POLAR):
        assert_counts_fit([letters[a] for a in residues], [1 / len(residues)] * len(residues))


def test_output_shares_average_to_the_opposite_of_uniform_inputs(pairs):
    # given its length n, an input's share is Bin(n, 8/20)/n: mean .4, variance .24/n; the output
    # follows it to half a residue in at least ten, which adds at most .05^2 to the variance
    variance = 0.24 * sum(1 / n for n in range(10, 20)) / 10 + 0.05**2
    error = math.sqrt(variance / NUM_DRAWS)
    assert np.mean([hydrophobic_share(p.target) for p in pairs]) == pytest.approx(
        0.6, abs=4 * error
    )


def test_hydrophobic_residues_stand_anywhere_in_the_output(pairs):
    # exchangeable places: given its share h, the first residue is hydrophobic with probability h
    shares = np.array([hydrophobic_share(pair.target) for pair in pairs])
    for place in (0, -1):
        hits = np.array([pair.target[place] in HYDROPHOBIC for pair in pairs])
        error = math.sqrt((shares * (1 - shares)).sum())
        assert abs(hits.sum() - shares.sum()) < 4 * error


def test_pairs_earn_nearly_the_highest_reward(pairs):
    # at most half a residue of ten away: 10 exp(-.05^2/.05); inputs near one half excepted, no copy
    rewards = [conditional_reward(pair.target, pair.input_sequence) for pair in pairs]
    assert min(rewards) >= 10 * math.exp(-(0.05**2) / 0.05) - 1e-9
    assert max(rewards) <= 10


# --- pretraining sequences ---------------------------------------------------------------------


def test_the_cited_composition_is_complete():
    assert set(SWISS_PROT_PERCENT) == set(AMINO_ACIDS)
    assert sum(SWISS_PROT_PERCENT.values()) == pytest.approx(100, abs=0.5)


def test_shares_follow_the_normal_distribution_to_the_nearest_residue(sequences):
    # a two-hundredth is little beside .095, and 0 is four standard deviations away
    shares = np.array([hydrophobic_share(sequence) for sequence in sequences])
    assert shares.mean() == pytest.approx(0.40, abs=4 * 0.095 / math.sqrt(NUM_DRAWS))
    assert shares.std() == pytest.approx(0.095, abs=4 * 0.095 / math.sqrt(2 * NUM_DRAWS))
    assert stats.kstest(shares, stats.norm(0.40, 0.095).cdf).pvalue > 1e-4


def test_residues_within_a_class_follow_swiss_prot(sequences):
    letters = Counter("".join(sequences))
    for residues in (HYDROPHOBIC, POLAR):
        percent = np.array([SWISS_PROT_PERCENT[a] for a in residues])
        assert_counts_fit([letters[a] for a in residues], percent / percent.sum())


def test_shares_outside_0_and_1_are_drawn_again_and_not_cut_off():
    # cutting off at 0 would put half of the sequences there
    mean, sd, length = 0.0, 0.2, 100
    examples = pretraining_sequences(NUM_DRAWS, 5, LengthRange(length, length), mean, sd)
    shares = np.array([hydrophobic_share(example.target) for example in examples])
    half_normal = stats.truncnorm(0, 1 / sd, loc=mean, scale=sd)
    none = half_normal.cdf(0.5 / length)
    error = math.sqrt(none * (1 - none) * NUM_DRAWS)
    assert abs((shares == 0).sum() - none * NUM_DRAWS) < 4 * error + 1
    tolerance = 4 * half_normal.std() / math.sqrt(NUM_DRAWS)
    assert shares.mean() == pytest.approx(half_normal.mean(), abs=tolerance)


def test_a_fixed_share_gives_the_nearest_number_of_residues():
    for example in pretraining_sequences(20, 0, LengthRange(10, 32), share_mean=0.4, share_sd=0.0):
        length = len(example.target)
        assert round(hydrophobic_share(example.target) * length) == round(0.4 * length)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), ranges)
def test_pretraining_sequences_are_proteins_without_a_prompt(seed, lengths):
    for example in pretraining_sequences(5, seed, lengths):
        assert lengths.low <= len(example.target) <= lengths.high
        assert set(example.target) <= set(AMINO_ACIDS)
        assert example.prompt == example.input_sequence == ""


@pytest.mark.parametrize(("mean", "sd"), [(-0.1, 0.1), (1.1, 0.1), (0.4, -0.1)])
def test_shares_that_could_be_rejected_for_ever_are_refused(mean, sd):
    with pytest.raises(ValueError, match="no distribution"):
        pretraining_sequences(1, 0, LengthRange(10, 10), mean, sd)


# --- streams -----------------------------------------------------------------------------------


def draw_pairs(num, seed):
    return conditional_pairs(num, seed)


def draw_sequences(num, seed):
    return pretraining_sequences(num, seed, LengthRange(5, 40))


@pytest.mark.parametrize("draw", [draw_pairs, draw_sequences])
def test_a_longer_draw_begins_with_the_shorter_one(draw):
    longer = draw(60, 7)
    for num in (0, 1, 17, 60):
        assert draw(num, 7) == longer[:num]


@pytest.mark.parametrize("draw", [draw_pairs, draw_sequences])
def test_seeds_give_different_examples(draw):
    assert not {e.target for e in draw(50, 1)} & {e.target for e in draw(50, 2)}


@pytest.mark.parametrize(("low", "high"), [(0, 5), (6, 5), (-3, -1)])
def test_an_impossible_range_of_lengths_is_refused(low, high):
    with pytest.raises(ValueError, match="no such range"):
        LengthRange(low, high)


@given(st.integers(0, 2**32 - 1), ranges)
def test_lengths_include_both_ends_and_nothing_else(seed, lengths):
    rng = np.random.default_rng(seed)
    assert all(lengths.low <= lengths.draw(rng) <= lengths.high for _ in range(20))
