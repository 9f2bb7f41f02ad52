import hashlib
import json
import os
import random
import re
import subprocess
import sys
from importlib import metadata
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import compute_aligned
from compute_aligned.config.settings import Problems
from compute_aligned.config.sources import (
    GeneratedSource,
    JsonlSource,
    LeadingDigitsSource,
    MultiplicationSource,
    ProteinPairsSource,
    ProteinSequencesSource,
    ReasoningGymSource,
)
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import Problem
from compute_aligned.prepare.generated import products
from compute_aligned.prepare.problems import raw_problems
from compute_aligned.prepare.proteins import LengthRange, conditional_pairs, pretraining_sequences
from compute_aligned.prepare.splits import SPLITS, split_problems


def groups(split: list[Problem]) -> list[str]:
    return [problem.group for problem in split]


# --- generated problems ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "seed"), [(2, 99, 42), (1, 12, 0), (7, 7, 3), (95, 105, 1)]
)
def test_every_unordered_pair_is_there_once_with_its_product(
    low: int, high: int, seed: int
) -> None:
    found = list(products(low, high, seed))
    width = len(str(high))
    pairs = []
    for problem in found:
        match = re.fullmatch(rf"(\d{{{width}}})\*(\d{{{width}}})=", problem.prompt)
        assert match
        a, b = int(match[1]), int(match[2])
        assert problem.answer == str(a * b)
        pairs.append(tuple(sorted((a, b))))

    numbers = range(low, high + 1)
    assert len(pairs) == len(numbers) * (len(numbers) + 1) // 2
    assert set(pairs) == {(a, b) for a in numbers for b in numbers if a <= b}
    assert len({problem.id for problem in found}) == len({p.group for p in found}) == len(found)


def test_which_factor_stands_first_is_a_fair_and_seeded_choice() -> None:
    found = [problem.prompt for problem in products(2, 99, 42)]
    first_smaller = sum(p[:2] < p[3:5] for p in found) / sum(p[:2] != p[3:5] for p in found)
    # 4,753 fair coins: four standard deviations are 0.029
    assert abs(first_smaller - 0.5) < 0.029

    assert found == [problem.prompt for problem in products(2, 99, 42)]
    assert found != [problem.prompt for problem in products(2, 99, 43)]


def test_multiplications_of_all_numbers_of_a_length_have_padded_answers() -> None:
    found, revision = raw_problems(
        MultiplicationSource(source="generated:multiplication", digits=2)
    )

    assert revision == "generated, 2 digits"
    factors = [tuple(map(int, re.findall(r"\d+", problem.prompt))) for problem in found]
    assert sorted(factors) == [(a, b) for a in range(10, 100) for b in range(2, 10)]
    for (a, b), problem in zip(factors, found, strict=True):
        assert (len(problem.answer), int(problem.answer)) == (3, a * b)
    assert len({problem.group for problem in found}) == len(found)


def test_leading_digits_are_those_of_every_product_of_an_unordered_pair() -> None:
    found, revision = raw_problems(
        LeadingDigitsSource(source="generated:leading_digits", high=40, seed=7)
    )

    assert revision == "generated, seed 7"
    pairs = [tuple(map(int, problem.prompt.removesuffix(" =").split())) for problem in found]
    assert sorted(tuple(sorted(pair)) for pair in pairs) == [
        (a, b) for a in range(1, 41) for b in range(a, 41)
    ]
    for (a, b), problem in zip(pairs, found, strict=True):
        product = a * b
        while product > 99:
            product //= 10
        assert problem.answer == str(product)
        assert problem.group == f"{min(a, b)}*{max(a, b)}"
    # 780 fair coins: four standard deviations are .072
    different = [(a, b) for a, b in pairs if a != b]
    assert abs(sum(a < b for a, b in different) / len(different) - 0.5) < 0.072


def test_the_generated_source_gives_its_settings_to_the_generator() -> None:
    source = GeneratedSource(source="generated:products", low=3, high=11, seed=7)

    assert raw_problems(source) == (list(products(3, 11, 7)), "generated, seed 7")


def test_protein_pairs_become_problems_whose_input_the_reward_can_see() -> None:
    source = ProteinPairsSource(
        source="generated:protein_pairs", size=50, seed=3, output_lengths=(30, 40)
    )

    found, revision = raw_problems(source)

    pairs = conditional_pairs(50, 3, output_lengths=LengthRange(30, 40))
    assert [(p.prompt, p.answer, p.input_sequence) for p in found] == [
        (pair.prompt, pair.target, pair.input_sequence) for pair in pairs
    ]
    # one protein given twice is one problem, whatever the answers
    assert [p.group for p in found] == [pair.input_sequence for pair in pairs]
    assert revision == "generated, seed 3"


def test_sequences_to_pretrain_on_are_problems_with_an_empty_prompt() -> None:
    source = ProteinSequencesSource(
        source="generated:protein_sequences", size=40, lengths=(12, 16), share_sd=0.2
    )

    found, _ = raw_problems(source)
    splits = split_problems(found, Problems(source="x", train=30, rl=4, test=1), seed=0)

    sequences = pretraining_sequences(40, 42, LengthRange(12, 16), share_sd=0.2)
    assert [p.answer for p in found] == [sequence.target for sequence in sequences]
    assert {p.prompt for split in splits.values() for p in split} == {""}
    assert {p.input_sequence for p in found} == {None}
    assert len({p.id for split in splits.values() for p in split}) == 35


# --- splits ---------------------------------------------------------------------------------


def problem(group: str, **more: Any) -> Problem:
    return Problem(id=group, group=group, prompt=f"<{group}>", answer="1", **more)


POOL = [problem(f"g{i}") for i in range(60)]
SIZES: dict[str, int] = {"train": 20, "rl": 10, "validation": 8, "test": 12}
SETTINGS = Problems(source="numbers", **SIZES)


def test_splits_have_the_sizes_asked_for_and_share_no_group() -> None:
    splits = split_problems(POOL, SETTINGS, seed=0)

    assert {name: len(split) for name, split in splits.items()} == SIZES
    assert tuple(splits) == SPLITS
    for a, b in combinations(SPLITS, 2):
        assert not set(groups(splits[a])) & set(groups(splits[b]))


def test_rl_has_the_training_problems_where_it_is_told_to_and_the_rest_stays_apart() -> None:
    splits = split_problems(POOL, SETTINGS.model_copy(update={"rl": "train"}), seed=0)
    apart = split_problems(POOL, SETTINGS, seed=0)

    assert splits["rl"] == splits["train"]
    assert {n: splits[n] for n in SPLITS if n != "rl"} == {n: apart[n] for n in SPLITS if n != "rl"}


def test_the_run_seed_changes_training_and_leaves_test_and_validation_alone() -> None:
    runs = [split_problems(POOL, SETTINGS, seed) for seed in range(5)]

    for name in ("test", "validation"):
        assert all(run[name] == runs[0][name] for run in runs)
    for name in ("train", "rl"):
        assert len({frozenset(groups(run[name])) for run in runs}) == len(runs)


def test_the_split_seed_changes_test_and_validation() -> None:
    other = split_problems(POOL, SETTINGS.model_copy(update={"split_seed": 1}), seed=0)

    for name in ("test", "validation"):
        assert set(groups(other[name])) != set(groups(split_problems(POOL, SETTINGS, 0)[name]))


def test_a_larger_training_split_keeps_the_smaller_one_and_the_test_problems() -> None:
    larger = split_problems(POOL, SETTINGS.model_copy(update={"train": 25, "rl": 0}), seed=3)
    smaller = split_problems(POOL, SETTINGS, seed=3)

    assert larger["train"][:20] == smaller["train"]
    assert larger["test"] == smaller["test"]


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


@given(LISTED, st.integers(0, 3), st.randoms(use_true_random=False))
def test_splits_are_disjoint_and_do_not_depend_on_how_the_source_lists_its_problems(
    listed: list[Problem], seed: int, shuffler: random.Random
) -> None:
    settings = Problems(source="numbers", levels=(1, 2), train=2, rl=1, validation=1, test=2)
    shuffled = list(listed)
    shuffler.shuffle(shuffled)
    try:
        splits = split_problems(listed, settings, seed)
    except InputError as error:
        with pytest.raises(InputError, match=re.escape(error.problem)):
            split_problems(shuffled, settings, seed)
        return

    assert split_problems(shuffled, settings, seed) == splits
    used = [problem for split in splits.values() for problem in split]
    assert len(set(groups(used))) == len(used) == 6
    assert {problem.level for problem in used} <= {1, 2}
    official = {p.group for p in listed if p.official_split == "test"}
    if official:
        assert set(groups(splits["test"])) <= official
        assert not official & {p.group for name in SPLITS[:3] for p in splits[name]}


def test_all_training_problems_are_those_that_the_other_splits_leave() -> None:
    everything = split_problems(POOL, SETTINGS.model_copy(update={"train": "all"}), seed=3)
    some = split_problems(POOL, SETTINGS, seed=3)

    used = [problem for split in everything.values() for problem in split]
    assert sorted(groups(used)) == sorted(groups(POOL))
    assert [len(everything[name]) for name in SPLITS[1:]] == [
        len(some[name]) for name in SPLITS[1:]
    ]
    assert everything["test"] == some["test"]
    assert everything["validation"] == some["validation"]
    assert everything["train"][: len(some["train"])] == some["train"]

    shared = SETTINGS.model_copy(update={"train": "all", "rl": "train"})
    assert split_problems(POOL, shared, seed=3)["rl"] == split_problems(POOL, shared, 3)["train"]
    with pytest.raises(InputError, match="1 problems wanted, and source 'numbers' has 0 left"):
        split_problems(POOL, shared.model_copy(update={"test": 60, "validation": 0}), seed=3)


def test_official_test_problems_are_used_for_tests_and_nothing_else() -> None:
    pool = [problem(f"o{i}", official_split="test") for i in range(30)]
    pool += [problem(f"t{i}", official_split="train") for i in range(40)]
    splits = split_problems(pool, SETTINGS, seed=0)

    assert {group[0] for group in groups(splits["test"])} == {"o"}
    for name in ("train", "rl", "validation"):
        assert {group[0] for group in groups(splits[name])} == {"t"}


def test_a_training_problem_that_is_an_official_test_problem_too_is_a_test_problem() -> None:
    pool = [problem(f"g{i}", official_split="train") for i in range(60)]
    twins = [problem(f"g{i}", official_split="test", level=2) for i in range(12)]
    splits = split_problems(pool + twins, SETTINGS, seed=0)

    assert set(groups(splits["test"])) == {twin.group for twin in twins}
    # and also where its level, as the training half gives it, would let it in
    only_2 = Problems(source="numbers", levels=(2,), train=1, test=12)
    with pytest.raises(InputError, match="1 problems wanted, and source 'numbers' has 0 left"):
        split_problems(pool + twins, only_2, seed=0)


def test_only_the_levels_asked_for_are_used() -> None:
    pool = [problem(f"g{i}", level=i % 5 + 1) for i in range(100)]
    settings = Problems(source="numbers", levels=(1, 3), train=25, test=15)
    splits = split_problems(pool, settings, seed=0)

    assert {p.level for split in splits.values() for p in split} == {1, 3}


@pytest.mark.parametrize(
    ("change", "where", "problem"),
    [
        ({"test": 61}, "problems.test", "61 problems wanted, and source 'numbers' has 60 left"),
        ({"validation": 49}, "problems.validation", "49 problems wanted, and source 'numbers'"),
        ({"train": 41}, "problems.train", "41 problems wanted, and source 'numbers' has 40 left"),
        ({"rl": 21}, "problems.rl", "21 problems wanted, and source 'numbers' has 20 left"),
        (
            {"levels": (4, 5)},
            "problems.test",
            "12 problems wanted, and source 'numbers' has 0 left",
        ),
    ],
)
def test_too_few_problems_are_an_error_with_the_counts(
    change: dict, where: str, problem: str
) -> None:
    with pytest.raises(InputError) as caught:
        split_problems(POOL, SETTINGS.model_copy(update=change), seed=0)
    assert caught.value.where == where
    assert problem in caught.value.problem


def test_levels_that_no_official_test_problem_has_are_an_error_and_not_another_split() -> None:
    pool = [problem(f"o{i}", official_split="test", level=5) for i in range(20)]
    pool += [problem(f"t{i}", official_split="train", level=1) for i in range(60)]

    with pytest.raises(InputError, match="has 0 left for it of levels 1"):
        split_problems(pool, SETTINGS.model_copy(update={"levels": (1,)}), seed=0)


def test_the_prompt_is_put_around_every_problem_and_braces_in_it_stay() -> None:
    pool = [problem(f"{{x}}{i} {{problem}}") for i in range(60)]
    settings = SETTINGS.model_copy(update={"prompt": "Problem:\n{problem}\n{}"})

    for split in split_problems(pool, settings, seed=0).values():
        for found in split:
            assert found.prompt == f"Problem:\n<{found.group}>\n{{}}"


# --- local files ----------------------------------------------------------------------------


def jsonl(path: Path, *rows: dict | str, **settings: Any) -> JsonlSource:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines))
    return JsonlSource(source=f"jsonl:{path}", **settings)


def test_rows_of_a_local_file_become_problems(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    source = jsonl(
        path,
        {"problem": "What is\n 1 + 1?", "answer": 2, "solution": "Two.", "level": "Level 3"},
        {"problem": "pi?", "answer": "3.14", "level": 1.0, "official_split": "test", "id": "x"},
    )
    found, revision = raw_problems(source)

    assert found == [
        Problem(
            id=hashlib.blake2b(b"What is\n 1 + 1?", digest_size=8).hexdigest(),
            group="What is 1 + 1?",
            prompt="What is\n 1 + 1?",
            answer="2",
            solution="Two.",
            level=3,
        ),
        Problem(
            id=hashlib.blake2b(b"pi?", digest_size=8).hexdigest(),
            group="pi?",
            prompt="pi?",
            answer="3.14",
            level=1,
            official_split="test",
        ),
    ]
    assert revision == f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_fields_of_other_names_are_found_under_them(tmp_path: Path) -> None:
    source = jsonl(
        tmp_path / "a.jsonl",
        {"question": "1+1?", "gold": "2", "worked": "Two.", "grade": 4, "answer": "not this"},
        fields={"problem": "question", "answer": "gold", "solution": "worked", "level": "grade"},
    )
    found = raw_problems(source)[0][0]

    assert (found.prompt, found.answer, found.solution, found.level) == ("1+1?", "2", "Two.", 4)


@pytest.mark.parametrize("level", ["Level ?", "hard", None, "", "²", "1-3", True])
def test_what_is_no_level_is_none(tmp_path: Path, level: Any) -> None:
    source = jsonl(tmp_path / "a.jsonl", {"problem": "1+1?", "answer": "2", "level": level})

    assert raw_problems(source)[0][0].level is None


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"problem": "1+2?"}, "key 'answer' is missing or empty"),
        ({"problem": "1+2?", "answer": None}, "key 'answer' is missing or empty"),
        ({"problem": " \n", "answer": "3"}, "key 'problem' is missing or empty"),
        ({"problem": "1+2?", "answer": ["3"]}, "key 'answer' holds neither text nor a number"),
        ({"problem": "1+2?", "answer": True}, "key 'answer' holds neither text nor a number"),
        ({"problem": "1+2?", "answer": "3", "solution": 3}, "solution: Input should be a valid"),
        ({"problem": "1+2?\ud800", "answer": "3"}, "half a surrogate pair is no text"),
        ('{"problem": "1+2?", "ans', "not valid JSON (Unterminated string starting at)"),
        ("[]", "expected a JSON object"),
    ],
)
def test_a_broken_row_is_named_with_its_line(tmp_path: Path, row: dict | str, problem: str) -> None:
    path = tmp_path / "a.jsonl"
    source = jsonl(path, {"problem": "1+1?", "answer": "2"}, "", row)

    with pytest.raises(InputError) as caught:
        raw_problems(source)
    assert caught.value.where == f"{path}:3"
    assert problem in caught.value.problem


def test_a_missing_field_is_named_as_the_file_would_call_it(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a.jsonl", {"problem": "1+1?"}, fields={"answer": "gold"})

    with pytest.raises(InputError, match="key 'gold' is missing or empty"):
        raw_problems(source)


def test_an_empty_or_missing_local_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with pytest.raises(InputError, match=r"a\.jsonl: the file holds no rows"):
        raw_problems(jsonl(path))
    path.unlink()
    with pytest.raises(InputError, match=r"a\.jsonl: the file is missing"):
        raw_problems(JsonlSource(source=f"jsonl:{path}"))


def test_problems_that_differ_in_white_space_only_never_meet_in_two_splits(tmp_path: Path) -> None:
    rows = [{"problem": f"{i} +{gap}1?", "answer": i + 1} for i in range(6) for gap in " \n\t"]
    found = raw_problems(jsonl(tmp_path / "a.jsonl", *rows))[0]
    assert len(found) == 18

    splits = split_problems(found, Problems(source="mine", train=3, test=3), seed=0)
    used = groups(splits["train"] + splits["test"])
    assert sorted(used) == [f"{i} + 1?" for i in range(6)]
    with pytest.raises(InputError, match="4 problems wanted, and source 'mine' has 3 left"):
        split_problems(found, Problems(source="mine", train=4, test=3), seed=0)


# --- reasoning-gym --------------------------------------------------------------------------


def gym(task: str, size: int, **more: Any) -> ReasoningGymSource:
    return ReasoningGymSource(source=f"reasoning_gym:{task}", size=size, **more)


def test_a_task_of_reasoning_gym_gives_problems_whose_answers_are_right() -> None:
    parameters = {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 2}
    found, revision = raw_problems(gym("chain_sum", 50, parameters=parameters))

    assert revision == f"reasoning-gym {metadata.version('reasoning-gym')}, seed 42"
    assert len(found) == 50
    for problem in found:
        match = re.search(r"(\d+) ([+-]) (\d+) =", problem.prompt)
        assert match
        a, b = int(match[1]), int(match[3])
        assert int(problem.answer) == (a + b if match[2] == "+" else a - b)


def test_a_larger_size_keeps_the_problems_of_a_smaller_one_and_the_seed_changes_them() -> None:
    few, many = (raw_problems(gym("gsm_symbolic", size, seed=3))[0] for size in (10, 30))

    assert many[:10] == few
    assert raw_problems(gym("gsm_symbolic", 10, seed=4))[0] != few


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (gym("chain_sums", 3), "has no task 'chain_sums' (did you mean 'chain_sum'?)"),
        (gym("chain_sum", 3, parameters={"min_term": 2}), "unexpected keyword argument 'min_term'"),
        (
            gym("chain_sum", 3, parameters={"min_terms": 0}),
            "refuses the parameters: AssertionError",
        ),
        (
            gym("chain_sum", 3, parameters={"size": 5}),
            "multiple values for keyword argument 'size'",
        ),
        (gym("chain_sum", 3, parameters={"min_terms": "2"}), "refuses the parameters: TypeError"),
    ],
)
def test_what_reasoning_gym_does_not_know_is_named(
    source: ReasoningGymSource, problem: str
) -> None:
    with pytest.raises(InputError) as caught:
        raw_problems(source)
    assert caught.value.where == source.source
    assert problem in caught.value.problem


# --- the Hugging Face Hub, offline ----------------------------------------------------------

OLD, NEW = "0" * 39 + "a", "0" * 39 + "b"
READ_ALL = """
import json, sys
from compute_aligned.files.errors import InputError
from compute_aligned.prepare.problems import raw_problems
from compute_aligned.config.sources import HubSource
answers = []
for source, known in json.loads(sys.argv[1]):
    try:
        problems, revision = raw_problems(HubSource(**source), known)
        answers.append([[p.model_dump() for p in problems], revision])
    except InputError as error:
        answers.append(str(error))
print(json.dumps(answers))
"""


def commit(repository: Path, revision: str, **splits: list[dict]) -> None:
    """Put a revision into the Hub's cache as its client does: blobs, links to them, a reference."""
    snapshot = repository / "snapshots" / revision
    for folder in (snapshot, repository / "blobs", repository / "refs"):
        folder.mkdir(parents=True, exist_ok=True)
    for split, rows in splits.items():
        content = "".join(json.dumps(row) + "\n" for row in rows)
        blob = repository / "blobs" / hashlib.sha256(content.encode()).hexdigest()
        blob.write_text(content)
        (snapshot / f"{split}.jsonl").symlink_to(os.path.relpath(blob, snapshot))
    (repository / "refs" / "main").write_text(revision)


def row_of_math(number: int, level: str) -> dict:
    """A row with the fields of the paper's data set."""
    return {
        "problem": f"What is {number} + 1?",
        "solution": f"It is $\\boxed{{{number + 1}}}$.",
        "answer": str(number + 1),
        "subject": "Algebra",
        "level": level,
        "unique_id": f"test/algebra/{number}.json",
    }


@pytest.fixture(scope="module")
def hub_answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each of several sources gives, read in one process that has a cache and no network."""
    home = tmp_path_factory.mktemp("hub")
    repository = home / "hub" / "datasets--nlile--hendrycks-MATH-benchmark"
    train, test = (
        [row_of_math(1, "Level 3"), row_of_math(2, "Level ?")],
        [row_of_math(3, "Level 5")],
    )
    commit(repository, OLD, train=train[:1], test=test)
    commit(repository, NEW, train=train, test=test)
    broken = home / "hub" / "datasets--owner--broken"
    commit(broken, OLD, train=[*train, train[0] | {"answer": None}], test=test)
    commit(home / "hub" / "datasets--owner--damaged", OLD, train=train, test=[{"x": "y"}])
    name = "hub:nlile/hendrycks-MATH-benchmark"
    known = f"nlile/hendrycks-MATH-benchmark@{OLD}"
    cases: dict[str, tuple[dict, str | None]] = {
        "newest": ({"source": name}, None),
        "unchanged": ({"source": name}, known.replace(OLD, NEW)),
        "changed": ({"source": name}, known),
        "pinned": ({"source": name, "revision": OLD}, known.replace(OLD, NEW)),
        "known of another source": ({"source": name}, "generated, seed 42"),
        "no such data set": ({"source": "hub:owner/nothing"}, None),
        "no such revision": ({"source": name, "revision": "f" * 40}, None),
        "no such configuration": ({"source": name, "configuration": "hard"}, None),
        "no such split": ({"source": name, "splits": {"test": "testing"}}, None),
        "broken row": ({"source": "hub:owner/broken"}, None),
        "damaged": ({"source": "hub:owner/damaged"}, None),
        "only train": ({"source": name, "splits": {"train": "train"}}, None),
    }
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, json.dumps(list(cases.values()))],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ
        | {
            "HF_HOME": str(home),
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_DATASETS_CACHE": str(home / "datasets"),
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": str(Path(compute_aligned.__file__).parents[1]),
        },
    )
    return dict(zip(cases, json.loads(done.stdout), strict=True))


def test_a_data_set_of_the_hub_is_read_with_its_official_splits(hub_answers: dict) -> None:
    rows, revision = hub_answers["newest"]

    assert revision == f"nlile/hendrycks-MATH-benchmark@{NEW}"
    assert [(r["prompt"], r["answer"], r["level"], r["official_split"]) for r in rows] == [
        ("What is 1 + 1?", "2", 3, "train"),
        ("What is 2 + 1?", "3", None, "train"),
        ("What is 3 + 1?", "4", 5, "test"),
    ]
    assert rows[0]["solution"] == "It is $\\boxed{2}$."
    assert hub_answers["unchanged"] == hub_answers["newest"]
    assert hub_answers["known of another source"] == hub_answers["newest"]


def test_a_data_set_that_has_changed_since_an_earlier_run_is_an_error(hub_answers: dict) -> None:
    message = hub_answers["changed"]

    assert f"its revision is now {NEW}; an earlier run recorded {OLD}" in message
    assert "remedy: set the source's revision to the one you want" in message


def test_the_revision_that_is_asked_for_is_read(hub_answers: dict) -> None:
    rows, revision = hub_answers["pinned"]

    assert revision == f"nlile/hendrycks-MATH-benchmark@{OLD}"
    assert [row["prompt"] for row in rows] == ["What is 1 + 1?", "What is 3 + 1?"]


def test_a_split_that_is_not_asked_for_is_not_read(hub_answers: dict) -> None:
    rows, _ = hub_answers["only train"]

    assert [row["official_split"] for row in rows] == ["train", "train"]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("no such data set", "hub:owner/nothing: the data set cannot be had: "),
        ("no such revision", "hub:nlile/hendrycks-MATH-benchmark: the data set cannot be had: "),
        ("no such configuration", "BuilderConfig 'hard' not found"),
        ("no such split", "it has no split 'testing'\n  remedy: choose from: train, test"),
        ("broken row", "hub:owner/broken train[2]: key 'answer' is missing or empty"),
        ("damaged", "hub:owner/damaged: the data set cannot be read: "),
    ],
)
def test_what_the_hub_does_not_have_is_named(hub_answers: dict, case: str, message: str) -> None:
    assert message in hub_answers[case]
    assert len(hub_answers[case].splitlines()) == 2
