import hashlib
import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from compute_aligned.config.settings import Problems
from compute_aligned.config.sources import JsonlSource, ReasoningGymSource
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import Problem
from compute_aligned.prepare.problems import raw_problems
from compute_aligned.prepare.splits import split_problems

# --- local files ----------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mine.jsonl"


def jsonl(path: Path, *rows: dict | str, **settings: Any) -> JsonlSource:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("\n".join(lines))
    return JsonlSource(source=f"jsonl:{path}", **settings)


def test_rows_of_a_local_file_become_problems(path: Path) -> None:
    first = {"problem": "What is\n 1 + 1?", "answer": 2, "solution": "Two.", "level": "Level 3"}
    more = {"answer": "3.14", "level": 1.0, "official_split": "test"}
    found, revision = raw_problems(jsonl(path, first, {"problem": "pi?", **more, "id": "x"}))

    ids = [hashlib.blake2b(t, digest_size=8).hexdigest() for t in (b"What is\n 1 + 1?", b"pi?")]
    one = {"prompt": "What is\n 1 + 1?", "answer": "2", "solution": "Two.", "level": 3}
    assert found == [
        Problem(id=ids[0], group="What is 1 + 1?", **one),
        Problem(id=ids[1], group="pi?", prompt="pi?", **{**more, "level": 1}),
    ]
    assert revision == f"sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_fields_of_other_names_are_found_under_them(path: Path) -> None:
    row = {"question": "1+1?", "gold": "2", "worked": "Two.", "grade": 4, "answer": "not this"}
    names = {"problem": "question", "answer": "gold", "solution": "worked", "level": "grade"}
    found = raw_problems(jsonl(path, row, fields=names))[0][0]

    assert (found.prompt, found.answer, found.solution, found.level) == ("1+1?", "2", "Two.", 4)
    with pytest.raises(InputError, match="key 'gold' is missing or empty"):
        raw_problems(jsonl(path, row | {"gold": ""}, fields=names))


@pytest.mark.parametrize("level", ["Level ?", "hard", None, "", "²", "1-3", True])
def test_what_is_no_level_is_none(path: Path, level: Any) -> None:
    source = jsonl(path, {"problem": "1+1?", "answer": "2", "level": level})

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
def test_a_broken_row_is_named_with_its_line(path: Path, row: dict | str, problem: str) -> None:
    source = jsonl(path, {"problem": "1+1?", "answer": "2"}, "", row)

    with pytest.raises(InputError) as caught:
        raw_problems(source)
    assert caught.value.where == f"{path}:3"
    assert problem in caught.value.problem


def test_an_empty_or_missing_local_file_is_named(path: Path) -> None:
    source = jsonl(path)
    with pytest.raises(InputError, match=r"mine\.jsonl: the file holds no rows"):
        raw_problems(source)
    path.unlink()
    with pytest.raises(InputError, match=r"mine\.jsonl: the file is missing"):
        raw_problems(source)


def test_problems_that_differ_in_white_space_only_never_meet_in_two_splits(path: Path) -> None:
    rows = [{"problem": f"{i} +{gap}1?", "answer": i + 1} for i in range(6) for gap in " \n\t"]
    found = raw_problems(jsonl(path, *rows))[0]

    splits = split_problems(found, Problems(source="mine", train=3, test=3), seed=0)
    used = [problem.group for split in splits.values() for problem in split]
    assert (len(found), sorted(used)) == (18, [f"{i} + 1?" for i in range(6)])
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
    few, many, other = (
        raw_problems(gym("gsm_symbolic", size, seed=seed))[0]
        for size, seed in [(10, 3), (30, 3), (10, 4)]
    )

    assert many[:10] == few != other


@pytest.mark.parametrize(
    ("task", "parameters", "problem"),
    [
        ("chain_sums", {}, "has no task 'chain_sums' (did you mean 'chain_sum'?)"),
        ("chain_sum", {"min_term": 2}, "unexpected keyword argument 'min_term'"),
        ("chain_sum", {"min_terms": 0}, "refuses the parameters: AssertionError"),
        ("chain_sum", {"size": 5}, "multiple values for keyword argument 'size'"),
        ("chain_sum", {"min_terms": "2"}, "refuses the parameters: TypeError"),
    ],
)
def test_what_reasoning_gym_does_not_know_is_named(
    task: str, parameters: dict, problem: str
) -> None:
    with pytest.raises(InputError) as caught:
        raw_problems(gym(task, 3, parameters=parameters))
    assert caught.value.where == f"reasoning_gym:{task}"
    assert problem in caught.value.problem
