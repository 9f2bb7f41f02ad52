"""Synthetic proteins: the conditional task's pairs, and sequences to pretrain a small model on.

Every generator is a stream from one seed: the first n problems of a longer draw are the draw of n.
The answer of a problem is the protein that the model is trained to write.
"""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from compute_aligned.config.sources import Lengths, ProteinPairsSource, ProteinSequencesSource
from compute_aligned.files.records import Problem
from compute_aligned.method.rewards import AMINO_ACIDS, HYDROPHOBIC, POLAR

PROMPT = "Input: {sequence} \n Output:"

# Percent of residues in UniProtKB/Swiss-Prot, release 2013_04 (A. Bairoch, release notes, April
# 2013; also the scale "A.A. composition in Swiss-Prot" of ExPASy ProtScale).
SWISS_PROT_PERCENT = {
    **{"A": 8.25, "R": 5.53, "N": 4.06, "D": 5.45, "C": 1.37, "Q": 3.93, "E": 6.75, "G": 7.07},
    **{"H": 2.27, "I": 5.96, "L": 9.66, "K": 5.84, "M": 2.42, "F": 3.86, "P": 4.70, "S": 6.56},
    **{"T": 5.34, "W": 1.08, "Y": 2.92, "V": 6.87},
}


def pairs(source: ProteinPairsSource) -> Iterator[Problem]:
    """Pairs of a random protein and one of the opposite hydrophobic share (PAPER section 4).

    The input's residues are uniform over the 20 amino acids. The output has the number of
    hydrophobic residues that is nearest to 1 - h_in of its length (an exact half goes to the even
    number), in random places; within a class its residues are uniform too. Lengths are uniform.
    """
    rng = np.random.default_rng(source.seed)
    for index in range(source.size):
        sequence = _draw_residues(rng, AMINO_ACIDS, _draw_length(rng, source.input_lengths))
        length = _draw_length(rng, source.output_lengths)
        num_polar = sum(residue in POLAR for residue in sequence)
        num_hydrophobic = round(Fraction(num_polar * length, len(sequence)))
        target = _shuffle(
            rng,
            _draw_residues(rng, HYDROPHOBIC, num_hydrophobic)
            + _draw_residues(rng, POLAR, length - num_hydrophobic),
        )
        yield Problem(
            id=f"pair-{source.seed}-{index}",
            group=sequence,
            prompt=PROMPT.format(sequence=sequence),
            answer=target,
            input_sequence=sequence,
        )


def sequences(source: ProteinSequencesSource) -> Iterator[Problem]:
    """Sequences that stand in for the natural proteins of the paper's pretrained model.

    Each draws a hydrophobic share from a normal distribution, again until it is in [0, 1], and has
    the nearest number of hydrophobic residues in random places. Within a class, residues follow
    :data:`SWISS_PROT_PERCENT`. The paper has no such step (it takes ProtGPT2); the constants are
    those of DESIGN section 8.
    """
    rng = np.random.default_rng(source.seed)
    hydrophobic_p = _natural_frequencies(HYDROPHOBIC)
    polar_p = _natural_frequencies(POLAR)
    for index in range(source.size):
        length = _draw_length(rng, source.lengths)
        num_hydrophobic = round(_draw_share(rng, source.share_mean, source.share_sd) * length)
        target = _shuffle(
            rng,
            _draw_residues(rng, HYDROPHOBIC, num_hydrophobic, hydrophobic_p)
            + _draw_residues(rng, POLAR, length - num_hydrophobic, polar_p),
        )
        yield Problem(id=f"protein-{source.seed}-{index}", group=target, prompt="", answer=target)


def _draw_length(rng: np.random.Generator, lengths: Lengths) -> int:
    """Residues of a protein, uniform from the shortest to the longest, both included."""
    return int(rng.integers(*lengths, endpoint=True))


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
