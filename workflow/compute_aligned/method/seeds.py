"""The seed that the samples of a problem are drawn with."""

import hashlib

SEEDS = 2**32  # torch's generator takes more bits of a seed on a GPU, but these on a CPU


def problem_seed(problem: str, seed: int, num_samples: int) -> int:
    """The seed of a problem's first sample; sample i of the problem uses this plus i.

    Seeds of two problems are at least ``num_samples`` apart, or equal with probability
    ``num_samples / 2**32``.
    """
    digest = hashlib.blake2b(f"{seed}:{problem}".encode(), digest_size=16).digest()
    return int.from_bytes(digest, "big") % (SEEDS // num_samples) * num_samples
