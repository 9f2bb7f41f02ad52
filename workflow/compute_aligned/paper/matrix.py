"""Each branch under each strategy: what training for one test-time strategy gives under another.

Rows are branches, columns strategies at test time, of the metrics that the family has: pass@k and
votes at some k, and strategies as themselves. A cell is the gain over the baseline, paired by
problem and seed. The paper's thesis is that a branch is best under its own strategy (section 1):
that cell is marked.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from compute_aligned.config.sheets import WARMUP
from compute_aligned.config.study import Item
from compute_aligned.method.intervals import paired_interval
from compute_aligned.method.metrics import Metric, UnderStrategy, metric_of
from compute_aligned.method.strategies import PassAtN, SingleSample
from compute_aligned.method.strategy_text import parse_strategy
from compute_aligned.paper.summary import check_pairs, interval_columns, seeds_by_problems

SHOWN = {"pass@k": (1, 4, 16, 64), "maj@k": (8, 16, 64)}  # budgets of metrics that have many


@dataclass(frozen=True)
class Column:
    """A strategy at test time: a metric at one budget."""

    metric: Metric
    k: int

    @property
    def label(self) -> str:
        """What a reader sees."""
        return self.metric.at(self.k)


def own_column(strategy: str) -> Column:
    """The column in which a branch's strategy is evaluated as itself."""
    parsed = parse_strategy(strategy)
    if isinstance(parsed, SingleSample | PassAtN):
        return Column(metric_of("pass@k"), parsed.tail.n)
    return Column(UnderStrategy(strategy), getattr(parsed, "n", 1))


def columns(measured: Iterable[tuple[str, int]], strategies: Sequence[str]) -> list[Column]:
    """The columns of a matrix, out of all that was measured, metric by metric.

    Args:
        measured: Names of metrics and budgets.
        strategies: Of the branches, as their rows spell them; each has its own column where it was
            measured.

    """
    own = set(map(own_column, strategies))
    found = []
    for name, k in measured:
        column = Column(metric_of(name), k)
        itself = isinstance(column.metric, UnderStrategy) and own_column(name) == column
        if column in own or itself or k in SHOWN.get(name, ()):
            found.append(column)
    order = {name: place for place, name in enumerate(SHOWN)}
    return sorted(dict.fromkeys(found), key=lambda c: order.get(c.metric.name, len(order)))


def of_item(item: Item, outcomes: pd.DataFrame) -> pd.DataFrame:
    """The gain of an item's branches, and of the warm-up, over the baseline under each column.

    Args:
        item: The item.
        outcomes: As ``summary.read_outcomes`` gives them.

    Returns:
        Columns branch, metric, k, column (its label), own (whether the branch is trained for it),
        gain, gain_low, gain_high in percentage points, seeds, problems; a row a branch and column.

    Raises:
        InputError: A branch has no outcomes, or not on the baseline's seeds and problems.

    """
    baseline = item.experiment.baseline
    strategies = {b: item.experiment.branch(b).row.strategy for b in item.row.branches}
    shown = [WARMUP, *(branch for branch in item.row.branches if branch != baseline)]
    pairs = outcomes[["metric", "k"]].drop_duplicates().itertuples(index=False)
    rows = []
    for column in columns(((name, int(k)) for name, k in pairs), list(strategies.values())):
        at = outcomes[(outcomes["metric"] == column.metric.name) & (outcomes["k"] == column.k)]
        reference = seeds_by_problems(at, baseline) * column.metric.factor
        for branch in shown:
            found = seeds_by_problems(at, branch) * column.metric.factor
            check_pairs(branch, found, baseline, reference)
            gain = paired_interval((found - reference).to_numpy())
            own = branch in strategies and own_column(strategies[branch]) == column
            rows.append(
                {"branch": branch, "metric": column.metric.name, "k": column.k}
                | {"column": column.label, "own": own}
                | interval_columns("gain", gain)
                | {"seeds": gain.num_seeds, "problems": gain.num_problems}
            )
    order = {branch: place for place, branch in enumerate(shown)}
    frame = pd.DataFrame(rows)
    return frame.sort_values("branch", key=lambda c: c.map(order), kind="stable", ignore_index=True)
