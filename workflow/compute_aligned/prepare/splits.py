"""The disjoint splits of a family's problems."""

import hashlib
from collections.abc import Iterable

from compute_aligned.config.settings import Problems
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import Problem

SPLITS = ("train", "rl", "validation", "test")


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
        key=lambda p: order_key(settings.split_seed, p.group),
    )
    testable = [p for p in fixed if p.official_split == "test" or not official]
    test = _take(testable, settings.test, "test", settings)
    reserved = {p.group for p in (testable if official else test)}
    rest = [p for p in fixed if p.group not in reserved]
    validation = _take(rest, settings.validation, "validation", settings)
    seeded = sorted(rest[settings.validation :], key=lambda p: order_key(seed, p.group))
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


def order_key(seed: int, group: str) -> bytes:
    """What groups are sorted by, which shuffles them: the same order with and without others."""
    return hashlib.blake2b(f"{seed}:{group}".encode(), digest_size=16).digest()
