"""From a source of raw problems to the disjoint splits of one family and seed.

``raw_problems`` reads a source whole; ``split_problems`` is pure. Order comes from hashing, so that
a split depends on the seed and on the problems, never on the order in which a source lists them.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from functools import singledispatch
from importlib import metadata
from pathlib import Path
from typing import Any

from compute_aligned.config.sources import (
    HubSource,
    JsonlSource,
    MultiplicationSource,
    ReasoningGymSource,
    RowKey,
    Seeded,
    Source,
)
from compute_aligned.files.errors import InputError, in_brief
from compute_aligned.files.parsing import near, validated
from compute_aligned.files.records import MEND_ROW, Problem, read_json_lines
from compute_aligned.prepare.generated import generate

Raw = tuple[list[Problem], str]  # problems, and the revision that identifies what was read


@singledispatch
def raw_problems(source: Source | Seeded, known_revision: str | None = None) -> Raw:
    """Every problem of a source, and the revision that identifies what was read.

    A kind of source has a function, registered for its class with ``raw_problems.register``.

    Args:
        source: Where problems come from.
        known_revision: The revision an earlier run recorded; a Hub data set must still have it,
            unless the configuration names a revision itself.

    Raises:
        InputError: The source cannot be had, a row is broken, or the revision has moved.

    """
    raise TypeError(f"no function reads the problems of a {type(source).__name__}")


@raw_problems.register
def _seeded(source: Seeded, known_revision: str | None = None) -> Raw:
    return list(generate(source)), f"generated, seed {source.seed}"


@raw_problems.register
def _seedless(source: MultiplicationSource, known_revision: str | None = None) -> Raw:
    return list(generate(source)), f"generated, {source.digits} digits"


@raw_problems.register
def _reasoning_gym(source: ReasoningGymSource, known_revision: str | None = None) -> Raw:
    try:
        import reasoning_gym
        from reasoning_gym.factory import DATASETS
    except ModuleNotFoundError as error:
        raise InputError(
            source.source,
            f"reasoning-gym cannot be imported: there is no {error.name} in this environment",
            "with a C compiler (cc), which pycosat needs, set the environment up again:"
            " with --use-conda delete .snakemake/conda, else delete .venv",
        ) from error

    task = source.source.removeprefix("reasoning_gym:")
    if task not in DATASETS:
        raise InputError(
            source.source,
            f"reasoning-gym has no task {task!r}{near(task, DATASETS)}",
            "its documentation lists the tasks",
        )
    try:
        entries = list(
            reasoning_gym.create_dataset(
                task, size=source.size, seed=source.seed, **source.parameters
            )
        )
    except (ValueError, TypeError, AssertionError) as error:
        raise InputError(
            source.source,
            f"reasoning-gym refuses the parameters: {type(error).__name__} {error}".rstrip(),
            "compare them with the task's configuration class",
        ) from error
    rows = [
        (f"{source.source}[{index}]", {"problem": entry["question"], "answer": entry["answer"]})
        for index, entry in enumerate(entries)
    ]
    version = metadata.version("reasoning-gym")
    return _problems(rows, {}), f"reasoning-gym {version}, seed {source.seed}"


@raw_problems.register
def _json_lines(source: JsonlSource, known_revision: str | None = None) -> Raw:
    path = Path(source.source.removeprefix("jsonl:"))
    problems = _problems(read_json_lines(path), source.fields)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return problems, f"sha256 {digest}"


@raw_problems.register
def _hub(source: HubSource, known_revision: str | None = None) -> Raw:
    """A data set of the Hub; its revision is ``name@commit``, the commit as the cache has it."""
    from datasets import load_dataset

    name = source.source.removeprefix("hub:")
    snapshot = _snapshot(source, name)
    known_name, _, known_commit = (known_revision or "").partition("@")
    if source.revision is None and known_name == name and known_commit != snapshot.name:
        raise InputError(
            source.source,
            f"its revision is now {snapshot.name}; an earlier run recorded {known_commit}",
            "set the source's revision to the one you want",
        )
    try:
        splits = load_dataset(str(snapshot), source.configuration)
    except Exception as error:  # from wrong names of configurations to files of any kind
        raise InputError(
            source.source,
            f"the data set cannot be read: {in_brief(error.__cause__ or error)}",
            f"check the source's configuration, and the files in {snapshot}",
        ) from error
    rows = [
        (f"{source.source} {split}[{index}]", dict(row) | {"official_split": kind})
        for kind, split in source.splits.items()
        for index, row in enumerate(_split_of(splits, split, source))
    ]
    return _problems(rows, source.fields), f"{name}@{snapshot.name}"


def _snapshot(source: HubSource, name: str) -> Path:
    """The folder of the data set's files in the cache, named by the commit; downloads if it can."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, repo_type="dataset", revision=source.revision))
    except Exception as error:  # the client has no common base for what can go wrong
        raise InputError(
            source.source,
            f"the data set cannot be had: {in_brief(error)}",
            "check the name and the network, or download it first where there is one",
        ) from error


def _split_of(splits: Any, name: str, source: HubSource) -> Any:
    if name not in splits:
        raise InputError(
            source.source, f"it has no split {name!r}", f"choose from: {', '.join(splits)}"
        )
    return splits[name]


def _problems(rows: Iterable[tuple[str, dict]], fields: Mapping[RowKey, str]) -> list[Problem]:
    """Rows of any source, each with its place, as problems; ``fields`` renames keys."""
    return [_problem(where, row, fields) for where, row in rows]


def _problem(where: str, row: dict, fields: Mapping[RowKey, str]) -> Problem:
    """A row as a problem. Its group is its text, so that twins never come into two splits."""
    text = _text(where, row, fields.get("problem", "problem"))
    content = {
        # half a surrogate pair has no UTF-8: validation refuses it, and says where it is
        "id": hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest(),
        "group": " ".join(text.split()),
        "prompt": text,
        "answer": _text(where, row, fields.get("answer", "answer")),
        "solution": row.get(fields.get("solution", "solution")),
        "level": _level(row.get(fields.get("level", "level"))),
        "official_split": row.get("official_split"),
    }
    return validated(Problem, content, where, MEND_ROW)


def _text(where: str, row: dict, key: str) -> str:
    """A value that every row has to have; numbers are spelt out."""
    value = row.get(key)
    if value is None or not str(value).strip():
        raise InputError(where, f"key {key!r} is missing or empty", MEND_ROW)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(where, f"key {key!r} holds neither text nor a number: {value}", MEND_ROW)
    return str(value)


def _level(value: Any) -> int | None:
    """A level given as ``3`` or ``Level 3``; MATH has a few ``Level ?``, which is no level."""
    match = re.fullmatch(r"\D*(\d+)(\.0)?", str(value))
    return int(match[1]) if match else None
