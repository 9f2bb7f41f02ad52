"""Ways of doing the same work, timed in turns, and the table of what they took.

Times are CPU seconds, user and system, of this process or of the one that it starts: on a machine
that others use too, the clock on the wall mostly says what the others do. A comparison may also be
of something else that a way takes, such as memory.
"""

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

WIDTH = 130  # characters of the table, at least; a log file would get 80


@dataclass(frozen=True)
class Way:
    """One of several ways to do the same work.

    Attributes:
        name: What the table calls it.
        measure: Does the work once and returns what it took.
        size: How much work it is, where ways differ in that and the growth is wanted.

    """

    name: str
    measure: Callable[[], float]
    size: float | None = None


@dataclass(frozen=True)
class Comparison:
    """Ways to do the same work; times are given relative to the first of them.

    Attributes:
        name: What is compared.
        ways: At least two.
        check: Raises AssertionError unless the ways give the same result.
        warm_up: Whether a first turn, which does not count, is of use; not to other processes.
        unit: Of what the ways take.

    """

    name: str
    ways: tuple[Way, ...]
    check: Callable[[], None]
    warm_up: bool = True
    unit: str = "CPU s"


def clocked(function: Callable[[], object], share: float = 1.0, calls: int = 1) -> Callable:
    """A function that returns the CPU seconds of one call of ``function``.

    Args:
        function: What to time.
        share: Of the whole work that it does; the seconds are those of the whole.
        calls: How many calls one measurement consists of.

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
    """One row a way: median, least and most of what it takes and of its ratio to the first way.

    Ratios are those of the same turn. Where the ways have sizes, ``exponent`` is the slope of the
    log of what they take over log size, fitted to every turn; it stands in the last row.
    """
    columns = ("median", "min", "max")
    found = []
    ratios = taken / taken[:, :1]
    for index, way in enumerate(comparison.ways):
        row = {"comparison": comparison.name, "way": way.name, "size": way.size}
        row |= {"unit": comparison.unit, "repeats": len(taken)}
        for name, values in (("taken", taken[:, index]), ("ratio", ratios[:, index])):
            row |= dict(zip([f"{name}_{c}" for c in columns], spread(values), strict=True))
        found.append(row)
    exponents = [(None, None, None)] * len(found)
    if all(way.size is not None for way in comparison.ways):
        sizes = np.log([way.size for way in comparison.ways])
        slopes = np.polyfit(sizes, np.log(taken).T, 1)[0]
        exponents[-1] = spread(slopes)
    return pd.DataFrame(found).join(
        pd.DataFrame(exponents, columns=[f"exponent_{c}" for c in columns], dtype=float)
    )


def spread(values: np.ndarray) -> tuple[float, float, float]:
    """Median, least and most."""
    return float(np.median(values)), float(np.min(values)), float(np.max(values))


def show(summaries: Sequence[pd.DataFrame], heading: str) -> None:
    """Print the summaries as one table; brackets are least and most of the repeats."""
    table = Table(title=heading, title_justify="left")
    table.add_column("comparison", max_width=30)
    table.add_column("way", max_width=34)
    for column in ("taken", "times the first", "exponent"):
        table.add_column(column, justify="right", no_wrap=True)
    for frame in summaries:
        for index, row in frame.iterrows():
            cells = [_cell(row, name) for name in ("taken", "ratio", "exponent")]
            title = f"{row['comparison']} ({row['unit']})" if index == 0 else ""
            table.add_row(title, row["way"], *cells, end_section=index == len(frame) - 1)
    console = Console()
    Console(width=max(console.width, WIDTH)).print(table)


def _cell(row: pd.Series, name: str) -> str:
    middle, low, high = (row[f"{name}_{column}"] for column in ("median", "min", "max"))
    if pd.isna(middle):
        return ""
    return "1" if low == high == 1 else f"{middle:.3g} [{low:.3g}, {high:.3g}]"
