"""Synthetic proteins: the conditional task's pairs, and sequences to pretrain a small model on.

Every generator is a stream from one seed: the first n examples of a longer draw are the draw of n.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

import numpy as np

from compute_aligned.method.rewards import AMINO_ACIDS, HYDROPHOBIC, POLAR

PROMPT = "Input: {sequence} \n Output:"

# Percent of residues in UniProtKB/Swiss-Prot, release 2013_04 (A. Bairoch, release notes, April
# 2013; also the scale "A.A. composition in Swiss-Prot" of ExPASy ProtScale).
SWISS_PROT_PERCENT = {
    **{"A": 8.25, "R": 5.53, "N": 4.06, "D": 5.45, "C": 1.37, "Q": 3.93, "E": 6.75, "G": 7.07},
    **{"H": 2.27, "I": 5.96, "L": 9.66, "K": 5.84, "M": 2.42, "F": 3.86, "P": 4.70, "S": 6.56},
    **{"T": 5.34, "W": 1.08, "Y": 2.92, "V": 6.87},
}


@dataclass(frozen=True)
class ProteinExample:
    """One row of protein data.

    Attributes:
        id: Unique within the data that one seed makes.
        prompt: What the model reads; empty for the unconditional task, where it reads BOS only.
        target: The protein that the model is trained to write.
        input_sequence: The protein inside the prompt, which the conditional reward needs; empty
            for the unconditional task.

    """

    id: str
    prompt: str
    target: str
    input_sequence: str


@dataclass(frozen=True)
class LengthRange:
    """Lengths in residues, uniform from ``low`` to ``high``, both included."""

    low: int
    high: int

    def __post_init__(self) -> None:
        if not 1 <= self.low <= self.high:
            raise ValueError(f"no such range of lengths: {self.low} to {self.high}")

    def draw(self, rng: np.random.Generator) -> int:
        """One length."""
        return int(rng.integers(self.low, self.high, endpoint=True))


PAPER_LENGTHS = LengthRange(10, 19)


def conditional_pairs(
    num_pairs: int,
    seed: int,
    input_lengths: LengthRange = PAPER_LENGTHS,
    output_lengths: LengthRange = PAPER_LENGTHS,
) -> list[ProteinExample]:
    """Pairs of a random protein and one of the opposite hydrophobic share (PAPER section 4).

    The input's residues are uniform over the 20 amino acids. The output has the number of
    hydrophobic residues that is nearest to 1 - h_in of its length (an exact half goes to the even
    number), in random places; within a class its residues are uniform too.

    Args:
        num_pairs: How many to draw.
        seed: Seeds the stream; the prompts of different splits come from different seeds, or from
            different stretches of one draw.
        input_lengths: Residues of the inputs.
        output_lengths: Residues of the outputs.

    """
    return list(islice(_stream_pairs(seed, input_lengths, output_lengths), num_pairs))


def pretraining_sequences(
    num_sequences: int,
    seed: int,
    lengths: LengthRange,
    share_mean: float = 0.40,
    share_sd: float = 0.095,
) -> list[ProteinExample]:
    """Sequences that stand in for the natural proteins of the paper's pretrained model.

    Each draws a hydrophobic share from a normal distribution, again until it is in [0, 1], and has
    the nearest number of hydrophobic residues in random places. Within a class, residues follow
    :data:`SWISS_PROT_PERCENT`. The paper has no such step (it takes ProtGPT2); the constants are
    those of DESIGN section 8.

    Args:
        num_sequences: How many to draw.
        seed: Seeds the stream.
        lengths: Residues of a sequence.
        share_mean: Mean of the normal distribution, in [0, 1] so that few draws are rejected.
        share_sd: Its standard deviation.

    Raises:
        ValueError: The mean is outside [0, 1] or the standard deviation is negative.

    """
    if not 0 <= share_mean <= 1 or share_sd < 0:
        raise ValueError(f"no distribution of shares: mean {share_mean}, sd {share_sd}")
    return list(islice(_stream_sequences(seed, lengths, share_mean, share_sd), num_sequences))


def _stream_pairs(
    seed: int, input_lengths: LengthRange, output_lengths: LengthRange
) -> Iterator[ProteinExample]:
    rng = np.random.default_rng(seed)
    index = 0
    while True:
        sequence = _draw_residues(rng, AMINO_ACIDS, input_lengths.draw(rng))
        length = output_lengths.draw(rng)
        num_polar = sum(residue in POLAR for residue in sequence)
        num_hydrophobic = round(Fraction(num_polar * length, len(sequence)))
        target = _shuffle(
            rng,
            _draw_residues(rng, HYDROPHOBIC, num_hydrophobic)
            + _draw_residues(rng, POLAR, length - num_hydrophobic),
        )
        prompt = PROMPT.format(sequence=sequence)
        yield ProteinExample(f"pair-{seed}-{index}", prompt, target, sequence)
        index += 1


def _stream_sequences(
    seed: int, lengths: LengthRange, share_mean: float, share_sd: float
) -> Iterator[ProteinExample]:
    rng = np.random.default_rng(seed)
    hydrophobic_p = _natural_frequencies(HYDROPHOBIC)
    polar_p = _natural_frequencies(POLAR)
    index = 0
    while True:
        length = lengths.draw(rng)
        num_hydrophobic = round(_draw_share(rng, share_mean, share_sd) * length)
        target = _shuffle(
            rng,
            _draw_residues(rng, HYDROPHOBIC, num_hydrophobic, hydrophobic_p)
            + _draw_residues(rng, POLAR, length - num_hydrophobic, polar_p),
        )
        yield ProteinExample(f"protein-{seed}-{index}", "", target, "")
        index += 1


def _draw_share(rng: np.random.Generator, mean: float, sd: float) -> float:
    """A normal variate, drawn again until it is in [0, 1]."""
    while not 0 <= (share := rng.normal(mean, sd)) <= 1:
        pass
    return float(share)


def _natural_frequencies(residues: str) -> np.ndarray:
    """Swiss-Prot frequencies of these residues, normalised among themselves."""
    percent = np.array([SWISS_PROT_PERCENT[residue] for residue in residues])
    return percent / percent.sum()


def _draw_residues(
    rng: np.random.Generator, alphabet: str, count: int, p: np.ndarray | None = None
) -> str:
    return "".join(rng.choice(list(alphabet), size=count, p=p))


def _shuffle(rng: np.random.Generator, residues: str) -> str:
    return "".join(rng.permutation(list(residues)))
