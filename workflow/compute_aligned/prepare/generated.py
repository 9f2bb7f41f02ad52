"""Problems that are made here: products, worked out or not, leading digits, proteins.

A kind of source has a function, registered for its class with ``generate.register``.
"""

from collections.abc import Iterator
from functools import singledispatch
from itertools import combinations_with_replacement, product

from compute_aligned.config.sources import (
    GeneratedSource,
    LeadingDigitsSource,
    MultiplicationSource,
    PartialProductsSource,
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
    for a, b in _long_and_short(source.digits):
        yield Problem(
            id=f"multiplication/{a}*{b}",
            group=_unordered(a, b),
            prompt=f"{a}*{b}=",
            answer=f"{a * b:0{source.digits + 1}d}",
        )


@generate.register
def partial_products(source: PartialProductsSource) -> Iterator[Problem]:
    """The problems of :func:`multiplications`, with solutions such as ``1848+0928=2776``.

    That is 347*8 by way of 231*8 and 116*8. Where a is parted, at one of the a - 1 places, is drawn
    from the seed and the problem, and no model can tell: the log-probability of a solution is at
    most -log(a - 1) on average, however well the answer is known. All numbers have
    ``digits + 1`` digits, so that every solution has the same length.
    """
    width = source.digits + 1
    for a, b in _long_and_short(source.digits):
        group = _unordered(a, b)
        first = 1 + int.from_bytes(order_key(source.seed, group)) % (a - 1)
        summands = "+".join(f"{part * b:0{width}d}" for part in (first, a - first))
        answer = f"{a * b:0{width}d}"
        yield Problem(
            id=f"partial_products/{a}*{b}",
            group=group,
            prompt=f"{a}*{b}=",
            answer=answer,
            solution=f"{summands}={answer}",
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


def _long_and_short(digits: int) -> Iterator[tuple[int, int]]:
    """Every number of so many digits with each of 2 to 9."""
    return product(range(10 ** (digits - 1), 10**digits), range(2, 10))


def _unordered(a: int, b: int) -> str:
    return "*".join(map(str, sorted((a, b))))


def _factor_pairs(low: int, high: int, seed: int) -> Iterator[tuple[str, int, int]]:
    """Every unordered pair as ``small*large``, and its factors in an order from the seed."""
    for pair in combinations_with_replacement(range(low, high + 1), 2):
        name = _unordered(*pair)
        a, b = pair if order_key(seed, name)[0] % 2 else pair[::-1]
        yield name, a, b
