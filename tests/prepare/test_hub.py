"""Data sets of the Hugging Face Hub, read offline from a cache as its client lays it out."""

import json
from typing import Any

import pytest
from support import hub, jobs

NAME = "nlile/hendrycks-MATH-benchmark"
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


def row(number: int, level: str) -> dict:
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
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What each of several sources gives, read in one process that has a cache and no network."""
    home = tmp_path_factory.mktemp("hub")
    train, test = [row(1, "Level 3"), row(2, "Level ?")], [row(3, "Level 5")]
    broken = [*train, train[0] | {"answer": None}]
    for name, commit, of_train, of_test in [
        (NAME, hub.OLD, train[:1], test),
        (NAME, hub.NEW, train, test),
        ("owner/broken", hub.OLD, broken, test),
        ("owner/damaged", hub.OLD, train, [{"x": "y"}]),
    ]:
        files = tmp_path_factory.mktemp("files")
        for split, rows in [("train", of_train), ("test", of_test)]:
            (files / f"{split}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
        hub.cached(home / "hub", name, files, commit, kind="datasets")
    ours = {"source": f"hub:{NAME}"}
    cases: dict[str, tuple[dict, str | None]] = {
        "newest": (ours, None),
        "unchanged": (ours, f"{NAME}@{hub.NEW}"),
        "changed": (ours, f"{NAME}@{hub.OLD}"),
        "pinned": (ours | {"revision": hub.OLD}, f"{NAME}@{hub.NEW}"),
        "known of another source": (ours, "generated, seed 42"),
        "only train": (ours | {"splits": {"train": "train"}}, None),
        "no such data set": ({"source": "hub:owner/nothing"}, None),
        "no such revision": (ours | {"revision": "f" * 40}, None),
        "no such configuration": (ours | {"configuration": "hard"}, None),
        "no such split": (ours | {"splits": {"test": "testing"}}, None),
        "broken row": ({"source": "hub:owner/broken"}, None),
        "damaged": ({"source": "hub:owner/damaged"}, None),
    }
    places = {"HF_HOME": home, "HF_HUB_CACHE": home / "hub", "HF_DATASETS_CACHE": home / "datasets"}
    offline = {"HF_HUB_OFFLINE": "1", **{name: str(place) for name, place in places.items()}}
    done = jobs.start("-c", READ_ALL, json.dumps(list(cases.values())), **offline)
    assert done.returncode == 0, done.stderr
    return dict(zip(cases, json.loads(done.stdout), strict=True))


def test_a_data_set_of_the_hub_is_read_with_its_official_splits(answers: dict) -> None:
    rows, revision = answers["newest"]

    assert revision == f"{NAME}@{hub.NEW}"
    assert [(r["prompt"], r["answer"], r["level"], r["official_split"]) for r in rows] == [
        ("What is 1 + 1?", "2", 3, "train"),
        ("What is 2 + 1?", "3", None, "train"),
        ("What is 3 + 1?", "4", 5, "test"),
    ]
    assert rows[0]["solution"] == "It is $\\boxed{2}$."
    assert answers["unchanged"] == answers["known of another source"] == answers["newest"]


def test_the_revision_and_the_splits_that_are_asked_for_are_read(answers: dict) -> None:
    rows, revision = answers["pinned"]

    assert revision == f"{NAME}@{hub.OLD}"
    assert [row["prompt"] for row in rows] == ["What is 1 + 1?", "What is 3 + 1?"]
    assert [row["official_split"] for row in answers["only train"][0]] == ["train", "train"]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("no such data set", "hub:owner/nothing: the data set cannot be had: "),
        ("no such revision", f"hub:{NAME}: the data set cannot be had: "),
        ("no such configuration", "BuilderConfig 'hard' not found"),
        ("no such split", "it has no split 'testing'\n  remedy: choose from: train, test"),
        ("broken row", "hub:owner/broken train[2]: key 'answer' is missing or empty"),
        ("damaged", "hub:owner/damaged: the data set cannot be read: "),
        (
            "changed",
            f"its revision is now {hub.NEW}; an earlier run recorded {hub.OLD}",
        ),
        ("changed", "remedy: set the source's revision to the one you want"),
    ],
)
def test_what_the_hub_does_not_have_is_named(answers: dict, case: str, message: str) -> None:
    assert message in answers[case]
    assert len(answers[case].splitlines()) == 2
