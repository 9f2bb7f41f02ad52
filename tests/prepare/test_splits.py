import random
import re
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_aligned.config.settings import Problems
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import Problem
from compute_aligned.prepare.splits import SPLITS, split_problems

SIZES: dict[str, int] = {"train": 20, "rl": 10, "validation": 8, "test": 12}


def problem(group: str, **more: Any) -> Problem:
    return Problem(id=group, group=group, prompt=f"<{group}>", answer="1", **more)


POOL = [problem(f"g{i}") for i in range(60)]


def split(seed: int = 0, pool: list[Problem] = POOL, **changes: Any) -> dict[str, list[Problem]]:
    return split_problems(pool, Problems(source="numbers", **{**SIZES, **changes}), seed)


def groups(problems: list[Problem]) -> list[str]:
    return [problem.group for problem in problems]


def test_splits_have_the_sizes_asked_for_and_share_no_group() -> None:
    splits = split()

    assert {name: len(found) for name, found in splits.items()} == SIZES
    assert tuple(splits) == SPLITS
    for a, b in combinations(SPLITS, 2):
        assert not set(groups(splits[a])) & set(groups(splits[b]))


def test_rl_has_the_training_problems_where_it_is_told_to_and_the_rest_stays_apart() -> None:
    shared = split(rl="train")

    assert shared == split() | {"rl": shared["train"]}


def test_the_run_seed_decides_training_and_the_split_seed_the_rest() -> None:
    runs = [split(seed) for seed in range(5)]

    for name in ("test", "validation"):
        assert all(run[name] == runs[0][name] for run in runs)
        assert set(groups(split(split_seed=1)[name])) != set(groups(runs[0][name]))
    for name in ("train", "rl"):
        assert len({frozenset(groups(run[name])) for run in runs}) == len(runs)


def test_a_larger_training_split_keeps_the_smaller_one_and_the_test_problems() -> None:
    larger, smaller = split(3, train=25, rl=0), split(3)

    assert larger["train"][:20] == smaller["train"]
    assert larger["test"] == smaller["test"]


def test_all_training_problems_are_those_that_the_other_splits_leave() -> None:
    everything, some = split(3, train="all"), split(3)

    assert sorted(g for found in everything.values() for g in groups(found)) == sorted(groups(POOL))
    assert len(everything["rl"]) == len(some["rl"])
    assert (everything["test"], everything["validation"]) == (some["test"], some["validation"])
    assert everything["train"][:20] == some["train"]
    shared = split(3, train="all", rl="train")
    assert shared["rl"] == shared["train"]


LISTED = st.lists(
    st.builds(
        Problem,
        id=st.sampled_from("abc"),
        group=st.sampled_from([f"g{i}" for i in range(12)]),
        prompt=st.sampled_from(["x", "x "]),
        answer=st.sampled_from(["1", "2"]),
        level=st.sampled_from([None, 1, 2]),
        official_split=st.sampled_from([None, "train", "test"]),
    ),
    max_size=40,
)


@settings(max_examples=60)
@given(LISTED, st.integers(0, 3), st.randoms(use_true_random=False))
def test_splits_are_disjoint_and_do_not_depend_on_how_the_source_lists_its_problems(
    listed: list[Problem], seed: int, shuffler: random.Random
) -> None:
    sizes = {"train": 2, "rl": 1, "validation": 1, "test": 2, "levels": (1, 2)}
    shuffled = list(listed)
    shuffler.shuffle(shuffled)
    try:
        splits = split(seed, listed, **sizes)
    except InputError as error:
        with pytest.raises(InputError, match=re.escape(error.problem)):
            split(seed, shuffled, **sizes)
        return

    assert split(seed, shuffled, **sizes) == splits
    used = [problem for found in splits.values() for problem in found]
    assert len(set(groups(used))) == len(used) == 6
    assert {problem.level for problem in used} <= {1, 2}
    official = {p.group for p in listed if p.official_split == "test"}
    if official:
        assert set(groups(splits["test"])) <= official
        assert not official & {p.group for name in SPLITS[:3] for p in splits[name]}


OFFICIAL = [problem(f"o{i}", official_split="test", level=5) for i in range(30)]
OFFICIAL += [problem(f"t{i}", official_split="train", level=1) for i in range(60)]
TRAIN = [problem(f"g{i}", official_split="train") for i in range(60)]
TWINS = [problem(f"g{i}", official_split="test", level=2) for i in range(12)]


def test_official_test_problems_are_used_for_tests_and_nothing_else() -> None:
    firsts = {n: {g[0] for g in groups(found)} for n, found in split(pool=OFFICIAL).items()}

    assert firsts == {"train": {"t"}, "rl": {"t"}, "validation": {"t"}, "test": {"o"}}
    # one that is a training problem too is a test problem
    assert set(groups(split(pool=TRAIN + TWINS)["test"])) == set(groups(TWINS))


def test_only_the_levels_asked_for_are_used() -> None:
    pool = [problem(f"g{i}", level=i % 5 + 1) for i in range(130)]
    splits = split(pool=pool, levels=(1, 3))

    assert {p.level for found in splits.values() for p in found} == {1, 3}


@pytest.mark.parametrize(
    ("pool", "changes", "short", "wanted", "left"),
    [
        (POOL, {"test": 61}, "test", 61, "60 left for it"),
        (POOL, {"validation": 49}, "validation", 49, "48 left"),
        (POOL, {"train": 41}, "train", 41, "40 left"),
        (POOL, {"train": "all", "rl": "train", "test": 60, "validation": 0}, "train", 1, "0 left"),
        (POOL, {"rl": 21}, "rl", 21, "20 left"),
        (POOL, {"levels": (4, 5)}, "test", 12, "0 left for it of levels 4, 5"),
        # not another split's, and not those whose level as a training problem would let them in
        (OFFICIAL, {"levels": (1,)}, "test", 12, "0 left for it of levels 1"),
        (TRAIN + TWINS, {"levels": (2,), "train": 1, "rl": 0}, "validation", 8, "0 left"),
    ],
)
def test_too_few_problems_are_an_error_with_the_counts(
    pool: list[Problem], changes: dict, short: str, wanted: int, left: str
) -> None:
    with pytest.raises(InputError) as caught:
        split(pool=pool, **changes)
    assert caught.value.where == f"problems.{short}"
    assert caught.value.problem.startswith(f"{wanted} problems wanted, and source 'numbers' has ")
    assert left in caught.value.problem


def test_the_prompt_is_put_around_every_problem_and_braces_in_it_stay() -> None:
    pool = [problem(f"{{x}}{i} {{problem}}") for i in range(60)]

    for found in split(pool=pool, prompt="Problem:\n{problem}\n{}").values():
        assert all(p.prompt == f"Problem:\n<{p.group}>\n{{}}" for p in found)
