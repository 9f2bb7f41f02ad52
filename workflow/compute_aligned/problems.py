"""From a source of raw problems to the disjoint splits of one family and seed.

``raw_problems`` reads a source whole; ``split_problems`` is pure. Order comes from hashing, so that
a split depends on the seed and on the problems, never on the order in which a source lists them.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from itertools import combinations_with_replacement, product
from pathlib import Path
from typing import Any

from compute_aligned.configuration.settings import Problems
from compute_aligned.configuration.sources import (
    GeneratedSource,
    HubSource,
    JsonlSource,
    LeadingDigitsSource,
    MultiplicationSource,
    ProteinPairsSource,
    ProteinSequencesSource,
    ReasoningGymSource,
    RowKey,
    Source,
)
from compute_aligned.configuration.validation import near, validated
from compute_aligned.errors import InputError, in_brief
from compute_aligned.proteins import LengthRange, conditional_pairs, pretraining_sequences
from compute_aligned.records import MEND_ROW, Problem, read_json_lines

SPLITS = ("train", "rl", "validation", "test")


def raw_problems(source: Source, known_revision: str | None = None) -> tuple[list[Problem], str]:
    """Every problem of a source, and the revision that identifies what was read.

    Args:
        source: Where problems come from.
        known_revision: The revision an earlier run recorded; a Hub data set must still have it,
            unless the configuration names a revision itself.

    Raises:
        InputError: The source cannot be had, a row is broken, or the revision has moved.

    """
    if isinstance(source, GeneratedSource):
        problems = list(products(source.low, source.high, source.seed))
        return problems, f"generated, seed {source.seed}"
    if isinstance(source, MultiplicationSource):
        return list(multiplications(source.digits)), f"generated, {source.digits} digits"
    if isinstance(source, LeadingDigitsSource):
        return list(leading_digits(source.high, source.seed)), f"generated, seed {source.seed}"
    if isinstance(source, ProteinPairsSource | ProteinSequencesSource):
        return list(proteins(source)), f"generated, seed {source.seed}"
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
    for group, a, b in _factor_pairs(low, high, seed):
        yield Problem(
            id=f"products/{group}",
            group=group,
            prompt=f"{a:0{width}d}*{b:0{width}d}=",
            answer=str(a * b),
        )


def multiplications(digits: int) -> Iterator[Problem]:
    """One problem ``aaaa*b=`` for every a of ``digits`` digits and every b from 2 to 9.

    Answers have ``digits + 1`` digits throughout, so that every completion has the same length.
    """
    for a, b in product(range(10 ** (digits - 1), 10**digits), range(2, 10)):
        yield Problem(
            id=f"multiplication/{a}*{b}",
            group="*".join(map(str, sorted((a, b)))),
            prompt=f"{a}*{b}=",
            answer=f"{a * b:0{digits + 1}d}",
        )


def leading_digits(high: int, seed: int) -> Iterator[Problem]:
    """One problem ``a b =`` for every unordered pair of factors, which comes first being random.

    The answer is the two leading digits of the product, or the product where it has only one.
    """
    for group, a, b in _factor_pairs(1, high, seed):
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
        a, b = pair if _order_key(seed, name)[0] % 2 else pair[::-1]
        yield name, a, b


def proteins(source: ProteinPairsSource | ProteinSequencesSource) -> Iterator[Problem]:
    """Synthetic proteins as problems: the answer is the protein that the model learns to write."""
    if isinstance(source, ProteinPairsSource):
        examples = conditional_pairs(
            source.size,
            source.seed,
            LengthRange(*source.input_lengths),
            LengthRange(*source.output_lengths),
        )
    else:
        examples = pretraining_sequences(
            source.size,
            source.seed,
            LengthRange(*source.lengths),
            source.share_mean,
            source.share_sd,
        )
    for example in examples:
        yield Problem(
            id=example.id,
            group=example.input_sequence or example.target,
            prompt=example.prompt,
            answer=example.target,
            input_sequence=example.input_sequence or None,
        )


def split_problems(
    problems: Iterable[Problem], settings: Problems, seed: int
) -> dict[str, list[Problem]]:
    """The splits of one family and run seed, disjoint in ``Problem.group``, prompts filled in.

    Test and validation problems depend on ``split_seed`` alone, the rest on the run seed too. With
    ``rl: train`` the splits ``rl`` and ``train`` are one; ``train: all`` is all but the others.
    Where the source names official splits, test problems come from its ``test`` only and all
    others from the rest. Of several problems in a group one is used, whichever order they come in.

    Raises:
        InputError: The source has fewer problems than the splits need.

    """
    pool = _one_a_group(problems)
    official = any(p.official_split == "test" for p in pool)
    fixed = sorted(
        (p for p in pool if settings.levels is None or p.level in settings.levels),
        key=lambda p: _order_key(settings.split_seed, p.group),
    )
    testable = [p for p in fixed if p.official_split == "test" or not official]
    test = _take(testable, settings.test, "test", settings)
    reserved = {p.group for p in (testable if official else test)}
    rest = [p for p in fixed if p.group not in reserved]
    validation = _take(rest, settings.validation, "validation", settings)
    seeded = sorted(rest[settings.validation :], key=lambda p: _order_key(seed, p.group))
    kept_for_rl = 0 if settings.rl == "train" else settings.rl
    num_train = max(len(seeded) - kept_for_rl, 1) if settings.train == "all" else settings.train
    train = _take(seeded, num_train, "train", settings)
    unused = seeded[num_train:]
    rl = train if settings.rl == "train" else _take(unused, settings.rl, "rl", settings)
    splits = zip(SPLITS, (train, rl, validation, test), strict=True)
    return {name: [_prompted(p, settings.prompt) for p in split] for name, split in splits}


def _one_a_group(problems: Iterable[Problem]) -> list[Problem]:
    """One problem of each group: that of the official test split, else the first by its content."""
    chosen: dict[str, Problem] = {}
    for problem in problems:
        other = chosen.get(problem.group, problem)
        chosen[problem.group] = min(problem, other, key=_precedence)
    return list(chosen.values())


def _precedence(problem: Problem) -> tuple[bool, str]:
    return problem.official_split != "test", problem.model_dump_json()


def _take(pool: list[Problem], count: int, split: str, settings: Problems) -> list[Problem]:
    if len(pool) < count:
        raise InputError(
            f"problems.{split}",
            f"{count} problems wanted, and source {settings.source!r} has {len(pool)} left for it"
            + (f" of levels {', '.join(map(str, settings.levels))}" if settings.levels else ""),
            "ask for fewer, or give a larger source",
        )
    return pool[:count]


def _prompted(problem: Problem, template: str) -> Problem:
    return problem.model_copy(update={"prompt": template.replace("{problem}", problem.prompt)})


def _order_key(seed: int, group: str) -> bytes:
    return hashlib.blake2b(f"{seed}:{group}".encode(), digest_size=16).digest()


def _reasoning_gym(source: ReasoningGymSource) -> tuple[list[Problem], str]:
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


def _json_lines(source: JsonlSource) -> tuple[list[Problem], str]:
    path = Path(source.source.removeprefix("jsonl:"))
    problems = _problems(read_json_lines(path), source.fields)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return problems, f"sha256 {digest}"


def _hub(source: HubSource, known_revision: str | None) -> tuple[list[Problem], str]:
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
