import re
from typing import Any, get_args

import pytest

from compute_aligned.config.fields import Settings
from compute_aligned.config.settings import Problems
from compute_aligned.config.sources import (
    GeneratedSource,
    LeadingDigitsSource,
    MultiplicationSource,
    ProteinPairsSource,
    ProteinSequencesSource,
    Seeded,
    Source,
)
from compute_aligned.prepare import proteins
from compute_aligned.prepare.generated import generate
from compute_aligned.prepare.problems import raw_problems
from compute_aligned.prepare.splits import split_problems


def products(low: int, high: int, seed: int = 42) -> GeneratedSource:
    return GeneratedSource(source="generated:products", low=low, high=high, seed=seed)


def is_fair(pairs: list[tuple[int, int]]) -> bool:
    """Whether the smaller factor stands first in half of them, to four standard deviations."""
    smaller_first = [a < b for a, b in pairs if a != b]
    return abs(sum(smaller_first) / len(smaller_first) - 0.5) < 2 / len(smaller_first) ** 0.5


@pytest.mark.parametrize("kind", [get_args(kind)[0] for kind in get_args(get_args(Source)[0])])
def test_every_kind_of_source_has_its_function(kind: Any) -> None:
    assert raw_problems.dispatch(kind) is not raw_problems.dispatch(object)
    if issubclass(kind, Seeded | MultiplicationSource):
        assert generate.dispatch(kind) is not generate.dispatch(object)


@pytest.mark.parametrize("function", [raw_problems, generate])
def test_a_kind_without_a_function_is_named(function: Any) -> None:
    with pytest.raises(TypeError, match="the problems of a Settings"):
        function(Settings())


@pytest.mark.parametrize(
    ("low", "high", "seed"), [(2, 99, 42), (1, 12, 0), (7, 7, 3), (95, 105, 1)]
)
def test_every_unordered_pair_is_there_once_with_its_product(
    low: int, high: int, seed: int
) -> None:
    found, revision = raw_problems(products(low, high, seed))
    width = len(str(high))
    pairs = []
    for problem in found:
        match = re.fullmatch(rf"(\d{{{width}}})\*(\d{{{width}}})=", problem.prompt)
        assert match
        pairs.append((int(match[1]), int(match[2])))
        assert problem.answer == str(pairs[-1][0] * pairs[-1][1])

    numbers = range(low, high + 1)
    assert revision == f"generated, seed {seed}"
    expected = [(a, b) for a in numbers for b in numbers if a <= b]
    assert sorted(map(tuple, map(sorted, pairs))) == expected
    assert len({p.id for p in found}) == len({p.group for p in found}) == len(found)
    assert len(pairs) < 100 or is_fair(pairs)


def test_which_factor_stands_first_depends_on_the_seed() -> None:
    first, again, other = (list(generate(products(2, 30, seed))) for seed in (42, 42, 43))

    assert first == again
    assert [p.prompt for p in first] != [p.prompt for p in other]
    assert [p.group for p in first] == [p.group for p in other]


def test_multiplications_of_all_numbers_of_a_length_have_padded_answers() -> None:
    source = MultiplicationSource(source="generated:multiplication", digits=2)
    found, revision = raw_problems(source)

    assert revision == "generated, 2 digits"
    factors = [tuple(map(int, re.findall(r"\d+", problem.prompt))) for problem in found]
    assert sorted(factors) == [(a, b) for a in range(10, 100) for b in range(2, 10)]
    for (a, b), problem in zip(factors, found, strict=True):
        assert (len(problem.answer), int(problem.answer)) == (3, a * b)
    assert len({problem.group for problem in found}) == len(found)


def test_leading_digits_are_those_of_every_product_of_an_unordered_pair() -> None:
    source = LeadingDigitsSource(source="generated:leading_digits", high=40, seed=7)
    found, revision = raw_problems(source)

    assert revision == "generated, seed 7"
    pairs = [tuple(map(int, problem.prompt.removesuffix(" =").split())) for problem in found]
    for (a, b), problem in zip(pairs, found, strict=True):
        product = a * b
        while product > 99:
            product //= 10
        assert problem.answer == str(product)
        assert problem.group == f"{min(a, b)}*{max(a, b)}"
    expected = [(a, b) for a in range(1, 41) for b in range(a, 41)]
    assert sorted(map(tuple, map(sorted, pairs))) == expected
    assert is_fair(pairs)


def test_proteins_come_through_with_their_seed_and_empty_prompts_stay_apart() -> None:
    pairs = ProteinPairsSource(source="generated:protein_pairs", size=5, seed=3)
    named = ProteinSequencesSource(source="generated:protein_sequences", size=40, lengths=(12, 16))

    assert raw_problems(pairs) == (list(proteins.pairs(pairs)), "generated, seed 3")
    found = raw_problems(named)[0]
    assert found == list(proteins.sequences(named))
    splits = split_problems(found, Problems(source="x", train=30, rl=4, test=1), seed=0)
    assert {p.prompt for split in splits.values() for p in split} == {""}
    assert len({p.id for split in splits.values() for p in split}) == 35
