"""Problems that are made here: products, leading digits, proteins.

A kind of source has a function, registered for its class with ``generate.register``.
"""

from collections.abc import Iterator
from functools import singledispatch
from itertools import combinations_with_replacement, product

from compute_aligned.config.sources import (
    GeneratedSource,
    LeadingDigitsSource,
    MultiplicationSource,
    Seeded,
)
from compute_aligned.files.records import Problem
from compute_aligned.prepare import proteins
from compute_aligned.prepare.splits import order_key


@singledispatch
def generate(source: Seeded | MultiplicationSource) -> Iterator[Problem]:
    """The problems of a source, in the order that they are made."""
    raise TypeError(f"no function makes the problems of a {type(source).__name__}")


generate.register(proteins.pairs)
generate.register(proteins.sequences)


@generate.register
def products(source: GeneratedSource) -> Iterator[Problem]:
    """One problem ``aa*bb=`` for every unordered pair of factors, which comes first being random.

    Factors are padded to the width of ``high``, so that every prompt has the same length.
    """
    width = len(str(source.high))
    for group, a, b in _factor_pairs(source.low, source.high, source.seed):
        yield Problem(
            id=f"products/{group}",
            group=group,
            prompt=f"{a:0{width}d}*{b:0{width}d}=",
            answer=str(a * b),
        )


@generate.register
def multiplications(source: MultiplicationSource) -> Iterator[Problem]:
    """One problem ``aaaa*b=`` for every a of ``digits`` digits and every b from 2 to 9.

    Answers have ``digits + 1`` digits throughout, so that every completion has the same length.
    """
    digits = source.digits
    for a, b in product(range(10 ** (digits - 1), 10**digits), range(2, 10)):
        yield Problem(
            id=f"multiplication/{a}*{b}",
            group="*".join(map(str, sorted((a, b)))),
            prompt=f"{a}*{b}=",
            answer=f"{a * b:0{digits + 1}d}",
        )


@generate.register
def leading_digits(source: LeadingDigitsSource) -> Iterator[Problem]:
    """One problem ``a b =`` for every unordered pair of factors, which comes first being random.

    The answer is the two leading digits of the product, or the product where it has only one.
    """
    for group, a, b in _factor_pairs(1, source.high, source.seed):
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
