"""Each branch under each strategy: what training for one test-time strategy gives under another.

Rows are branches, columns strategies at test time: one sample, pass@k and votes of k samples at
k = 4, 8, 16, 64 as far as samples go, and every strategy that a branch is trained for. A cell is
the gain over the baseline, paired by problem and seed. The paper's thesis is that a branch is best
under its own strategy (section 1): that cell is marked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from compute_aligned.config import study
from compute_aligned.config.sheets import PaperItem
from compute_aligned.files.records import SCORES, read_table
from compute_aligned.method.intervals import Interval, paired_interval
from compute_aligned.method.metrics import METRICS, Metric, UnderStrategy
from compute_aligned.method.strategies import PassAtN, SingleSample
from compute_aligned.method.strategy_text import parse_strategy
from compute_aligned.paper.summary import check_pairs, interval_columns, seeds_by_problems

COVERAGES = (4, 16, 64)  # k of pass@k
VOTES = (8, 16, 64)  # k of maj@k


@dataclass(frozen=True)
class Column:
    """A strategy at test time: a metric at one budget."""

    metric: Metric
    k: int

    @property
    def label(self) -> str:
        """What a reader sees."""
        if isinstance(self.metric, UnderStrategy):
            return self.metric.strategy.label
        return self.metric.at(self.k)


def own_column(strategy: str) -> Column:
    """The column in which a branch's strategy is evaluated as itself."""
    parsed = parse_strategy(strategy)
    if isinstance(parsed, SingleSample | PassAtN):
        return Column(METRICS["pass@k"], parsed.tail.n)
    return Column(UnderStrategy(strategy), getattr(parsed, "n", 1))


def columns(strategies: Sequence[str], num_samples: int) -> list[Column]:
    """The columns of a family's matrix: usual ones, and those of its branches' strategies.

    Args:
        strategies: As the branches' rows spell them.
        num_samples: Samples of a problem; no strategy needs more.

    """
    own = [own_column(strategy) for strategy in strategies]
    coverages = {*COVERAGES} | {c.k for c in own if c.metric.name == "pass@k"} | {1}
    found = [Column(METRICS["pass@k"], k) for k in sorted(coverages)]
    found += [Column(METRICS["maj@k"], k) for k in VOTES]
    for column in own:
        if isinstance(column.metric, UnderStrategy):
            estimate = column.metric.strategy.estimate(num_samples, 0)
            found += [column] if estimate is not None else []
    return [column for column in dict.fromkeys(found) if column.k <= num_samples]


def read(scores: Sequence[Path], columns: Sequence[Column]) -> pd.DataFrame:
    """What every branch is worth under each column: branch, problem, metric, k, value, seed.

    Args:
        scores: Files of ``records.SCORES``, one a seed.
        columns: What is wanted.

    """
    return pd.concat(
        [
            pd.DataFrame(_values(read_table(path, SCORES).to_pylist(), columns)).assign(seed=seed)
            for seed, path in enumerate(scores)
        ],
        ignore_index=True,
    )


def _values(rows: Sequence[dict], columns: Sequence[Column]) -> Iterator[dict]:
    budgets: dict[Metric, list[int]] = {}
    for column in columns:
        budgets.setdefault(column.metric, []).append(column.k)
    for row in rows:
        for metric, wanted in budgets.items():
            for k, value in metric.points(row, wanted):
                if k in wanted:
                    named = {"metric": metric.name, "k": k, "value": value}
                    yield {"branch": row["branch"], "problem": row["problem"]} | named


def matrix(
    family: str, branches: Sequence[str], values: pd.DataFrame, columns: Sequence[Column]
) -> pd.DataFrame:
    """The gain of each branch over the family's baseline under each column, in percentage points.

    Args:
        family: The family.
        branches: Those of its branches to show; the warm-up and no baseline.
        values: As :func:`read` gives them.
        columns: What they were read for.

    Returns:
        Columns branch, metric, k, column (its label), own (whether the branch is trained for it),
        gain, gain_low, gain_high, seeds, problems; a row a branch and column.

    Raises:
        InputError: A branch has no scores, or not on the baseline's seeds and problems.

    """
    baseline = study.baseline_of(family)
    rows = []
    for column in columns:
        at = values[(values["metric"] == column.metric.name) & (values["k"] == column.k)]
        reference = seeds_by_problems(at, baseline) * column.metric.factor
        for branch in branches:
            found = seeds_by_problems(at, branch) * column.metric.factor
            check_pairs(branch, found, baseline, reference)
            gain: Interval = paired_interval((found - reference).to_numpy())
            rows.append(
                {"branch": branch, "metric": column.metric.name, "k": column.k}
                | {"column": column.label, "own": _own(family, branch, column)}
                | interval_columns("gain", gain)
                | {"seeds": gain.num_seeds, "problems": gain.num_problems}
            )
    order = {branch: place for place, branch in enumerate(branches)}
    frame = pd.DataFrame(rows)
    return frame.sort_values("branch", key=lambda c: c.map(order), kind="stable", ignore_index=True)


def of_item(item: PaperItem, scores: Sequence[Path], scale: str) -> pd.DataFrame:
    """The :func:`matrix` of an item's branches and the warm-up, without the baseline."""
    strategies = [study.read_branch(item.family, branch).strategy for branch in item.branches]
    wanted = columns(strategies, study.read_family(scale, item.family).sampling.num_samples)
    baseline = study.baseline_of(item.family)
    shown = [study.WARMUP, *(branch for branch in item.branches if branch != baseline)]
    return matrix(item.family, shown, read(scores, wanted), wanted)


def _own(family: str, branch: str, column: Column) -> bool:
    if branch == study.WARMUP:
        return False
    return own_column(study.read_branch(family, branch).strategy) == column
