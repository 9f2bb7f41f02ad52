"""Ways of doing the same work, timed in turns, and what they took.

Times are CPU seconds of this process or of the one that it starts: on a machine that others use
too, the clock on the wall mostly says what the others do.
"""

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from tqdm import tqdm


@dataclass(frozen=True)
class Way:
    """One way to do the work; ``measure`` does it once and returns the CPU seconds that it took."""

    name: str
    measure: Callable[[], float]


@dataclass(frozen=True)
class Comparison:
    """Ways to do the same work; what they take is also given relative to the first of them.

    ``check`` raises AssertionError unless they give the same result. ``warm_up`` says whether a
    first turn, which does not count, is of use: not to other processes.
    """

    name: str
    ways: tuple[Way, ...]
    check: Callable[[], None]
    warm_up: bool = True


def clocked(function: Callable[[], object], share: float = 1.0, calls: int = 1) -> Callable:
    """A function that returns the CPU seconds of one of ``calls`` calls of ``function``.

    Where that does only a share of the work, the seconds are extrapolated to the whole.
    """

    def seconds() -> float:
        start = time.process_time()
        for _ in range(calls):
            function()
        return (time.process_time() - start) / calls / share

    return seconds


def children_seconds(run: Callable[[], object]) -> float:
    """CPU seconds of the processes that ``run`` starts and waits for, and of theirs."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def timed(comparison: Comparison, repeats: int) -> np.ndarray:
    """What every way takes, in turns, shape (repeats, W)."""
    comparison.check()
    if comparison.warm_up:
        for way in comparison.ways:
            way.measure()
    turns = tqdm(range(repeats), desc=comparison.name, unit="repeat")
    return np.array([[way.measure() for way in comparison.ways] for _ in turns])


def summary(comparison: Comparison, taken: np.ndarray) -> pd.DataFrame:
    """A row a way: median, least and most of its seconds and of their ratio to the first way's.

    Ratios are those of the same turn.
    """
    found = {"taken": taken, "ratio": taken / taken[:, :1]}
    spread = {"": np.median, "_low": np.min, "_high": np.max}
    columns = {n + e: of(v, axis=0) for n, v in found.items() for e, of in spread.items()}
    facts = {"comparison": comparison.name, "unit": "CPU s", "repeats": len(taken)}
    return pd.DataFrame({"way": [way.name for way in comparison.ways], **columns}).assign(**facts)
