"""From a source of raw problems to the disjoint splits of one family and seed.

``raw_problems`` reads a source whole; ``split_problems`` is pure. Order comes from hashing, so that
a split depends on the seed and on the problems, never on the order in which a source lists them.
"""

import hashlib
import string
from collections.abc import Iterable, Iterator
from itertools import combinations_with_replacement
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from compute_aligned.errors import InputError
from compute_aligned.records import Problem, read_json_lines
from compute_aligned.settings import (
    GeneratedSource,
    HubSource,
    JsonlSource,
    Problems,
    ReasoningGymSource,
    Source,
)

SPLITS = ("train", "rl", "validation", "test")


def raw_problems(source: Source, known_revision: str | None = None) -> tuple[list[Problem], str]:
    """Every problem of a source, and the revision that identifies what was read.

    Args:
        source: Where problems come from.
        known_revision: The revision an earlier run recorded; a Hub data set must still have it,
            unless the configuration names a revision itself.

    Raises:
        InputError: A row is broken, two rows share an id, or the revision has moved.

    """
    if isinstance(source, GeneratedSource):
        return list(
            products(source.low, source.high, source.seed)
        ), f"generated, seed {source.seed}"
    if isinstance(source, ReasoningGymSource):
        return _reasoning_gym(source)
    if isinstance(source, JsonlSource):
        return _json_lines(source)
    return _hub(source, known_revision)


def products(low: int, high: int, seed: int) -> Iterator[Problem]:
    """One problem ``aa*bb=`` for every unordered pair of factors, which comes first being random.

    Factors are padded to the width of ``high``, so that every prompt has the same length.
    """
    width = len(str(high))
    for pair in combinations_with_replacement(range(low, high + 1), 2):
        group = "*".join(map(str, pair))
        a, b = pair if _order_key(seed, group)[0] % 2 else pair[::-1]
        yield Problem(
            id=f"products/{group}",
            group=group,
            prompt=f"{a:0{width}d}*{b:0{width}d}=",
            answer=str(a * b),
        )


def split_problems(
    problems: Iterable[Problem], settings: Problems, seed: int
) -> dict[str, list[Problem]]:
    """The splits of one family and run seed, disjoint in ``Problem.group``, prompts filled in.

    Test and validation problems depend on ``split_seed`` alone, the rest on the run seed too.
    Where the source names official splits, test problems come from its ``test`` only and all
    others from the rest.

    Raises:
        InputError: The source has fewer problems than the splits need.

    """
    pool: dict[str, Problem] = {}
    for problem in problems:
        if settings.levels is None or problem.level in settings.levels:
            pool.setdefault(problem.group, problem)  # a group is used once: no twins in any split
    fixed = sorted(pool.values(), key=lambda p: _order_key(settings.split_seed, p.group))
    official = any(p.official_split == "test" for p in fixed)
    testable = [p for p in fixed if p.official_split == "test" or not official]
    test = _take(testable, settings.test, "test", settings)
    taken = {p.group for p in test}
    rest = [p for p in fixed if p.group not in taken and not (official and p in testable)]
    validation = _take(rest, settings.validation, "validation", settings)
    seeded = sorted(rest[settings.validation :], key=lambda p: _order_key(seed, p.group))
    train = _take(seeded, settings.train, "train", settings)
    rl = _take(seeded[settings.train :], settings.rl, "rl", settings)
    splits = {"train": train, "rl": rl, "validation": validation, "test": test}
    return {name: [_prompted(p, settings.prompt) for p in split] for name, split in splits.items()}


def _take(pool: list[Problem], count: int, split: str, settings: Problems) -> list[Problem]:
    if len(pool) < count:
        raise InputError(
            f"problems.{split}",
            f"{count} problems wanted, and source {settings.source!r} has {len(pool)} left"
            + (f" of levels {list(settings.levels)}" if settings.levels else ""),
            "ask for fewer, or give a larger source",
        )
    return pool[:count]


def _prompted(problem: Problem, template: str) -> Problem:
    return problem.model_copy(update={"prompt": template.replace("{problem}", problem.prompt)})


def _order_key(seed: int, group: str) -> bytes:
    return hashlib.blake2b(f"{seed}:{group}".encode(), digest_size=16).digest()


def _reasoning_gym(source: ReasoningGymSource) -> tuple[list[Problem], str]:
    import reasoning_gym

    task = source.source.removeprefix("reasoning_gym:")
    try:
        dataset = reasoning_gym.create_dataset(
            task, size=source.size, seed=source.seed, **source.parameters
        )
    except (ValueError, TypeError, AssertionError) as error:
        raise InputError(
            source.source,
            f"reasoning-gym refuses the task: {error}",
            "check the task's name and its parameters",
        ) from None
    rows = [
        (
            f"{source.source}#{index}",
            {"problem": entry["question"], "answer": entry["answer"]},
        )
        for index, entry in enumerate(dataset)
    ]
    version = getattr(reasoning_gym, "__version__", "unknown")
    return _problems(rows, {}), f"reasoning-gym {version}, seed {source.seed}"


def _json_lines(source: JsonlSource) -> tuple[list[Problem], str]:
    path = Path(source.source.removeprefix("jsonl:"))
    rows = read_json_lines(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return _problems(rows, source.fields), f"sha256 {digest}"


def _hub(source: HubSource, known_revision: str | None) -> tuple[list[Problem], str]:
    """A data set of the Hub; its revision is the commit that the cache names the snapshot by."""
    from datasets import load_dataset
    from huggingface_hub import snapshot_download

    name = source.source.removeprefix("hub:")
    try:
        snapshot = Path(snapshot_download(name, repo_type="dataset", revision=source.revision))
    except Exception as error:  # the Hub client has no common base for what can go wrong here
        raise InputError(
            source.source,
            f"the data set cannot be had: {type(error).__name__}: {str(error).splitlines()[0]}",
            "check the name and the network, or download it first where there is one",
        ) from None
    revision = snapshot.name
    if source.revision is None and known_revision not in (None, revision):
        raise InputError(
            source.source,
            f"its revision is now {revision}; an earlier run recorded {known_revision}",
            "set the source's revision to the one you want",
        )
    splits = load_dataset(str(snapshot), source.configuration)
    rows = [
        (f"{source.source} {split}[{index}]", dict(row) | {"official_split": kind})
        for kind, split in source.splits.items()
        for index, row in enumerate(_split_of(splits, split, source))
    ]
    return _problems(rows, source.fields), revision


def _split_of(splits: Any, name: str, source: HubSource) -> Any:
    if name not in splits:
        raise InputError(
            source.source, f"it has no split {name!r}", f"choose from: {', '.join(splits)}"
        )
    return splits[name]


def _problems(rows: Iterable[tuple[str, dict]], fields: dict[Any, str]) -> list[Problem]:
    """Rows of any source as problems; ``fields`` renames keys. The group is the problem's text."""
    problems: list[Problem] = []
    for where, row in rows:
        values = {name: row.get(fields.get(name, name)) for name in ("problem", "answer")}
        empty = [name for name, value in values.items() if value in (None, "")]
        if empty:
            key = fields.get(empty[0], empty[0])
            raise InputError(where, f"key {key!r} is missing or empty", "mend or drop the row")
        text = str(values["problem"])
        level = row.get(fields.get("level", "level"))
        try:
            problems.append(
                Problem(
                    id=hashlib.blake2b(text.encode(), digest_size=8).hexdigest(),
                    group=" ".join(text.split()),
                    prompt=text,
                    answer=str(values["answer"]),
                    solution=row.get(fields.get("solution", "solution")),
                    level=_level(level),
                    official_split=row.get("official_split"),
                )
            )
        except (ValidationError, ValueError) as error:
            raise InputError(where, str(error).splitlines()[0], "mend or drop the row") from None
    return problems


def _level(value: Any) -> int | None:
    """A level given as ``3`` or ``Level 3``; MATH has a few ``Level ?``, which is no level."""
    digits = str(value).strip(string.ascii_letters + " ")
    return int(digits) if digits.isdigit() else None
