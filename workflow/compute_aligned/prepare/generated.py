"""Problems that are made here: products, leading digits, proteins."""

from collections.abc import Iterator
from itertools import combinations_with_replacement, product

from compute_aligned.config.sources import ProteinPairsSource, ProteinSequencesSource
from compute_aligned.files.records import Problem
from compute_aligned.prepare.proteins import LengthRange, conditional_pairs, pretraining_sequences
from compute_aligned.prepare.splits import order_key


def products(low: int, high: int, seed: int) -> Iterator[Problem]:
    """One problem ``aa*bb=`` for every unordered pair of factors, which comes first being random.

    Factors are padded to the width of ``high``, so that every prompt has the same length.
    """
    width = len(str(high))
    for group, a, b in _factor_pairs(low, high, seed):
        yield Problem(
            id=f"products/{group}",
            group=group,
            prompt=f"{a:0{width}d}*{b:0{width}d}=",
            answer=str(a * b),
        )


def multiplications(digits: int) -> Iterator[Problem]:
    """One problem ``aaaa*b=`` for every a of ``digits`` digits and every b from 2 to 9.

    Answers have ``digits + 1`` digits throughout, so that every completion has the same length.
    """
    for a, b in product(range(10 ** (digits - 1), 10**digits), range(2, 10)):
        yield Problem(
            id=f"multiplication/{a}*{b}",
            group="*".join(map(str, sorted((a, b)))),
            prompt=f"{a}*{b}=",
            answer=f"{a * b:0{digits + 1}d}",
        )


def leading_digits(high: int, seed: int) -> Iterator[Problem]:
    """One problem ``a b =`` for every unordered pair of factors, which comes first being random.

    The answer is the two leading digits of the product, or the product where it has only one.
    """
    for group, a, b in _factor_pairs(1, high, seed):
        yield Problem(
            id=f"leading_digits/{group}",
            group=group,
            prompt=f"{a} {b} =",
            answer=str(a * b)[:2],
        )


def _factor_pairs(low: int, high: int, seed: int) -> Iterator[tuple[str, int, int]]:
    """Every unordered pair as ``small*large``, and its factors in an order from the seed."""
    for pair in combinations_with_replacement(range(low, high + 1), 2):
        name = "*".join(map(str, pair))
        a, b = pair if order_key(seed, name)[0] % 2 else pair[::-1]
        yield name, a, b


def proteins(source: ProteinPairsSource | ProteinSequencesSource) -> Iterator[Problem]:
    """Synthetic proteins as problems: the answer is the protein that the model learns to write."""
    if isinstance(source, ProteinPairsSource):
        examples = conditional_pairs(
            source.size,
            source.seed,
            LengthRange(*source.input_lengths),
            LengthRange(*source.output_lengths),
        )
    else:
        examples = pretraining_sequences(
            source.size,
            source.seed,
            LengthRange(*source.lengths),
            source.share_mean,
            source.share_sd,
        )
    for example in examples:
        yield Problem(
            id=example.id,
            group=example.input_sequence or example.target,
            prompt=example.prompt,
            answer=example.target,
            input_sequence=example.input_sequence or None,
        )
