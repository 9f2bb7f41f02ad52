"""Progress of long work: a bar on a terminal, a line every ten seconds in a log file; notices."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def notice(message: str) -> None:
    """Say something that the user should know, without breaking a bar."""
    tqdm.write(message, file=sys.stderr)


def track(
    items: Iterable[Item], description: str, total: int, done: int = 0, unit: str = "step"
) -> "tqdm[Item]":
    """Iterate with progress; ``done`` counts what an earlier, interrupted run had finished."""
    terminal = sys.stderr.isatty()
    return tqdm(
        items,
        desc=description,
        total=total,
        initial=done,
        unit=unit,
        mininterval=0.2 if terminal else 10,
        dynamic_ncols=terminal,
    )
