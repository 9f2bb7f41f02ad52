"""The scalar rewards of the reinforcement-learning families (PAPER sections 2 and 4).

A protein is read off a completion once, by :func:`read_residues`; the two landscapes are functions
of hydrophobic shares alone, so that a figure can draw them.
"""

import math

HYDROPHOBIC = "AILMFWYV"
POLAR = "CDEGHKNPQRST"
AMINO_ACIDS = HYDROPHOBIC + POLAR

INVALID_REWARD = -5.0
UNCONDITIONAL_MIN_RESIDUES = 10
CONDITIONAL_MIN_RESIDUES = 5
LOW_HILL = 4.0  # reward at the top of the low hill, where the unconditional task begins


def read_residues(text: str) -> str | None:
    """The protein that a completion spells: no white space, upper case (PAPER section 4).

    Returns:
        The residues, possibly none at all (``""``), or None where a letter is outside the 20 amino
        acids.

    """
    residues = "".join(text.split())
    # before upper(): it turns some foreign letters into ours, such as the German sharp s into SS
    if not residues.isascii():
        return None
    residues = residues.upper()
    return residues if set(residues) <= set(AMINO_ACIDS) else None


def hydrophobic_share(residues: str) -> float:
    """The share h of residues in AILMFWYV (PAPER section 4).

    Raises:
        ValueError: There are no residues, or a letter is not one of the 20 in upper case.

    """
    if not residues or not set(residues) <= set(AMINO_ACIDS):
        raise ValueError(f"not a protein: {residues!r}")
    return sum(residue in HYDROPHOBIC for residue in residues) / len(residues)


def unconditional_landscape(share: float) -> float:
    """Reward of a hydrophobic share: a wide low hill, a valley, a narrow high hill (section 4)."""
    low_hill = LOW_HILL * math.exp(-((share - 0.35) ** 2) / 0.05)
    high_hill = 12 * math.exp(-((share - 0.75) ** 2) / 0.015)
    valley = 2 if 0.45 < share < 0.60 else 0
    return low_hill + high_hill - valley


def conditional_landscape(share: float, input_share: float) -> float:
    """Reward of answering a protein of ``input_share`` with one of ``share`` (PAPER section 4).

    The best answer has share 1 - input_share. Copying the input's share costs 2, unless that share
    is within .1 of one half, where a copy and the best answer are nearly the same.
    """
    hill = 10 * math.exp(-((share - (1 - input_share)) ** 2) / 0.05)
    copies = _distance(share, input_share) < 0.1 and _distance(input_share, 0.5) > 0.1
    return hill - (2 if copies else 0)


def _distance(a: float, b: float) -> float:
    """|a - b| of two shares, with .3 - .2 equal to .1 and not to the .09999999999999998 of floats.

    Shares are ratios of small integers, so differences of exactly .1 are common.
    """
    return round(abs(a - b), 12)


def unconditional_reward(text: str) -> float:
    """Reward of a completion in the unconditional task; -5 where it is no protein of 10 residues.

    Source: PAPER section 4.
    """
    residues = read_residues(text)
    if residues is None or len(residues) < UNCONDITIONAL_MIN_RESIDUES:
        return INVALID_REWARD
    return unconditional_landscape(hydrophobic_share(residues))


def conditional_reward(text: str, input_text: str) -> float:
    """Reward of a completion in the conditional task; -5 where it is no protein of 5 residues.

    Args:
        text: The completion.
        input_text: The protein given in the prompt, without the words around it.

    Raises:
        ValueError: The input is not a protein; only the completion is allowed to be invalid.

    Source: PAPER section 4.

    """
    input_residues = read_residues(input_text)
    if not input_residues:
        raise ValueError(f"the input is not a protein: {input_text!r}")
    residues = read_residues(text)
    if residues is None or len(residues) < CONDITIONAL_MIN_RESIDUES:
        return INVALID_REWARD
    return conditional_landscape(hydrophobic_share(residues), hydrophobic_share(input_residues))
