import math
from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from compute_aligned.config.sources import ProteinPairsSource, ProteinSequencesSource
from compute_aligned.files.records import Problem
from compute_aligned.method.rewards import (
    AMINO_ACIDS,
    HYDROPHOBIC,
    POLAR,
    conditional_reward,
    hydrophobic_share,
)
from compute_aligned.prepare import proteins

NUM_DRAWS = 2000
LENGTHS = st.tuples(st.integers(1, 40), st.integers(0, 20)).map(lambda t: (t[0], sum(t)))
SEEDS = st.integers(0, 2**31 - 1)


def draw_pairs(size: int = NUM_DRAWS, seed: int = 3, **more: Any) -> list[Problem]:
    named = {"source": "generated:protein_pairs", "size": size, "seed": seed}
    return list(proteins.pairs(ProteinPairsSource(**named, **more)))


def draw_sequences(size: int = NUM_DRAWS, seed: int = 3, **more: Any) -> list[Problem]:
    named = {"source": "generated:protein_sequences", "size": size, "seed": seed}
    return list(proteins.sequences(ProteinSequencesSource(**named, **{"lengths": (5, 40), **more})))


@pytest.fixture(scope="module")
def pairs() -> list[Problem]:
    return draw_pairs()


@pytest.fixture(scope="module")
def sequences() -> list[str]:
    return [problem.answer for problem in draw_sequences(lengths=(200, 200))]


def exact_share(residues: str) -> Fraction:
    return Fraction(sum(r in HYDROPHOBIC for r in residues), len(residues))


def assert_counts_fit(found: Counter, expected: dict[Any, float]) -> None:
    """Chi-square test at 1e-4 of the shares among these; the seeds are fixed, so the outcome is."""
    counts = [found[key] for key in expected]
    wanted = np.array(list(expected.values())) / sum(expected.values()) * sum(counts)
    assert stats.chisquare(counts, wanted).pvalue > 1e-4, (counts, wanted)


# --- the conditional task's pairs --------------------------------------------------------------


@settings(max_examples=30)
@given(SEEDS, LENGTHS, LENGTHS)
def test_outputs_have_the_opposite_share_to_the_nearest_residue(
    seed: int, inputs: tuple[int, int], outputs: tuple[int, int]
) -> None:
    for pair in draw_pairs(5, seed, input_lengths=inputs, output_lengths=outputs):
        # one protein given twice is one problem, whatever the answers
        assert pair.input_sequence == pair.group
        assert pair.prompt == "Input: " + pair.group + " \n Output:"
        assert inputs[0] <= len(pair.group) <= inputs[1]
        assert outputs[0] <= len(pair.answer) <= outputs[1]
        assert set(pair.group + pair.answer) <= set(AMINO_ACIDS)
        gap = abs(exact_share(pair.answer) - (1 - exact_share(pair.group)))
        assert gap <= Fraction(1, 2 * len(pair.answer))


def test_inputs_are_uniform_over_amino_acids_and_lengths(pairs: list[Problem]) -> None:
    assert_counts_fit(Counter("".join(p.group for p in pairs)), dict.fromkeys(AMINO_ACIDS, 1))
    for texts in ([p.group for p in pairs], [p.answer for p in pairs]):
        lengths = Counter(map(len, texts))
        assert sorted(lengths) == list(range(10, 20))
        assert_counts_fit(lengths, dict.fromkeys(range(10, 20), 1))


@pytest.mark.parametrize("residues", [HYDROPHOBIC, POLAR])
def test_residues_within_a_class_are_uniform_or_follow_swiss_prot(
    pairs: list[Problem], sequences: list[str], residues: str
) -> None:
    assert_counts_fit(Counter("".join(p.answer for p in pairs)), dict.fromkeys(residues, 1))
    percent = {residue: proteins.SWISS_PROT_PERCENT[residue] for residue in residues}
    assert_counts_fit(Counter("".join(sequences)), percent)


def test_output_shares_average_to_the_opposite_of_uniform_inputs(pairs: list[Problem]) -> None:
    # given its length n, an input's share is Bin(n, 8/20)/n: mean .4, variance .24/n; the output
    # follows it to half a residue in at least ten, which adds at most .05^2 to the variance
    variance = 0.24 * sum(1 / n for n in range(10, 20)) / 10 + 0.05**2
    shares = [hydrophobic_share(p.answer) for p in pairs]
    assert np.mean(shares) == pytest.approx(0.6, abs=4 * math.sqrt(variance / NUM_DRAWS))


@pytest.mark.parametrize("place", [0, -1])
def test_hydrophobic_residues_stand_anywhere_in_the_output(
    pairs: list[Problem], place: int
) -> None:
    # exchangeable places: given its share h, the first residue is hydrophobic with probability h
    shares = np.array([hydrophobic_share(pair.answer) for pair in pairs])
    hits = sum(pair.answer[place] in HYDROPHOBIC for pair in pairs)
    assert abs(hits - shares.sum()) < 4 * math.sqrt((shares * (1 - shares)).sum())


def test_pairs_earn_nearly_the_highest_reward(pairs: list[Problem]) -> None:
    # at most half a residue of ten away: 10 exp(-.05^2/.05); inputs near one half excepted, no copy
    rewards = [conditional_reward(pair.answer, pair.group) for pair in pairs]
    assert min(rewards) >= 10 * math.exp(-(0.05**2) / 0.05) - 1e-9
    assert max(rewards) <= 10


# --- pretraining sequences ---------------------------------------------------------------------


def test_the_cited_composition_is_complete() -> None:
    assert set(proteins.SWISS_PROT_PERCENT) == set(AMINO_ACIDS)
    assert sum(proteins.SWISS_PROT_PERCENT.values()) == pytest.approx(100, abs=0.5)


def test_shares_follow_the_normal_distribution_to_the_nearest_residue(sequences: list[str]) -> None:
    # a two-hundredth is little beside .095, and 0 is four standard deviations away
    shares = np.array([hydrophobic_share(sequence) for sequence in sequences])
    assert shares.mean() == pytest.approx(0.40, abs=4 * 0.095 / math.sqrt(NUM_DRAWS))
    assert shares.std() == pytest.approx(0.095, abs=4 * 0.095 / math.sqrt(2 * NUM_DRAWS))
    assert stats.kstest(shares, stats.norm(0.40, 0.095).cdf).pvalue > 1e-4


def test_shares_outside_0_and_1_are_drawn_again_and_not_cut_off() -> None:
    # cutting off at 0 would put nearly half of the sequences there
    mean, sd, length = 0.01, 0.2, 100
    drawn = draw_sequences(lengths=(length, length), share_mean=mean, share_sd=sd)
    shares = np.array([hydrophobic_share(problem.answer) for problem in drawn])
    truncated = stats.truncnorm(-mean / sd, (1 - mean) / sd, loc=mean, scale=sd)
    none = truncated.cdf(0.5 / length)
    error = math.sqrt(none * (1 - none) * NUM_DRAWS)
    assert abs((shares == 0).sum() - none * NUM_DRAWS) < 4 * error + 1
    tolerance = 4 * truncated.std() / math.sqrt(NUM_DRAWS)
    assert shares.mean() == pytest.approx(truncated.mean(), abs=tolerance)


@settings(max_examples=30)
@given(SEEDS, LENGTHS)
def test_sequences_of_a_fixed_share_have_the_nearest_number_of_residues_and_no_prompt(
    seed: int, lengths: tuple[int, int]
) -> None:
    for problem in draw_sequences(5, seed, lengths=lengths, share_sd=0.0):
        length = len(problem.answer)
        assert lengths[0] <= length <= lengths[1]
        assert round(hydrophobic_share(problem.answer) * length) == round(0.4 * length)
        assert set(problem.answer) <= set(AMINO_ACIDS)
        assert (problem.prompt, problem.input_sequence) == ("", None)
        assert problem.group == problem.answer


@pytest.mark.parametrize("draw", [draw_pairs, draw_sequences])
def test_a_longer_draw_begins_with_the_shorter_one_and_seeds_share_nothing(draw: Any) -> None:
    longer, other = draw(60, 7), draw(60, 8)

    assert all(draw(size, 7) == longer[:size] for size in (1, 17))
    assert not {p.answer for p in longer} & {p.answer for p in other}
    assert len({p.id for p in longer + other}) == 120
