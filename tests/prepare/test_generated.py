import re
from typing import Any, get_args

import numpy as np
import pytest

from compute_aligned.config.fields import Settings
from compute_aligned.config.settings import Problems
from compute_aligned.config.sources import (
    GeneratedSource,
    LeadingDigitsSource,
    MultiplicationSource,
    PartialProductsSource,
    ProteinPairsSource,
    ProteinSequencesSource,
    Seeded,
    Source,
)
from compute_aligned.prepare import proteins
from compute_aligned.prepare.generated import generate
from compute_aligned.prepare.problems import raw_problems
from compute_aligned.prepare.splits import split_problems
from compute_aligned.score.answers import extract_answer, graded_votes


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


def partial_products(digits: int = 2, seed: int = 42) -> PartialProductsSource:
    return PartialProductsSource(source="generated:partial_products", digits=digits, seed=seed)


@pytest.mark.parametrize(
    ("source", "revision"),
    [
        (MultiplicationSource(source="generated:multiplication", digits=2), "generated, 2 digits"),
        (partial_products(seed=7), "generated, seed 7"),
    ],
)
def test_multiplications_of_all_numbers_of_a_length_have_padded_answers(
    source: Any, revision: str
) -> None:
    found, found_revision = raw_problems(source)

    assert found_revision == revision
    factors = [tuple(map(int, re.findall(r"\d+", problem.prompt))) for problem in found]
    assert sorted(factors) == [(a, b) for a in range(10, 100) for b in range(2, 10)]
    for (a, b), problem in zip(factors, found, strict=True):
        assert (len(problem.answer), int(problem.answer)) == (3, a * b)
    assert len({problem.group for problem in found}) == len(found)


def test_partial_products_are_those_of_two_summands_and_add_up_to_the_answer() -> None:
    places = []
    for problem in generate(partial_products(digits=3)):
        a, b = map(int, re.findall(r"\d+", problem.prompt))
        assert re.fullmatch(r"\d{4}\+\d{4}=\d{4}", problem.target("solution"))
        first, second, total = map(int, re.findall(r"\d+", problem.target("solution")))
        assert first + second == total == a * b
        assert first % b == second % b == 0
        assert min(first, second) > 0
        assert extract_answer(problem.target("solution")) == problem.answer
        places.append((first // b - 0.5) / (a - 1))

    # uniform on 0 to 1: a mean of 1/2 and a variance of 1/12, to four standard errors
    assert abs(np.mean(places) - 1 / 2) < 4 * (1 / 12 / len(places)) ** 0.5
    assert abs(np.var(places) - 1 / 12) < 4 * (1 / 180 / len(places)) ** 0.5


def test_where_a_factor_is_parted_depends_on_the_seed_and_nothing_else_does() -> None:
    first, again, other = (list(generate(partial_products(seed=seed))) for seed in (42, 42, 43))

    assert first == again
    parted = sum(a.solution != b.solution for a, b in zip(first, other, strict=True))
    assert parted > 0.9 * len(first)
    assert [p.model_copy(update={"solution": None}) for p in first] == [
        p.model_copy(update={"solution": None}) for p in other
    ]


def test_solutions_that_part_a_factor_otherwise_vote_together() -> None:
    answers = [extract_answer(text) for text in ("0064+1140=1204", "0600+0604=1204", "0600+0600")]

    assert graded_votes(answers, "1204") == (["1204", "1204", "0600"], [True, True, False])


def test_splits_of_worked_solutions_share_no_unordered_pair() -> None:
    wanted = Problems(source="x", target="solution", train=500, rl=50, validation=50, test=100)
    splits = split_problems(list(generate(partial_products())), wanted, seed=0)

    pairs = [
        tuple(sorted(map(int, re.findall(r"\d+", problem.prompt))))
        for split in splits.values()
        for problem in split
    ]
    assert len(set(pairs)) == len(pairs) == 700


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
