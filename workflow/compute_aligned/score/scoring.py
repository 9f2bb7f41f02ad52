"""From samples to scores: the worth of every sample, then every metric and budget of a problem."""

import itertools
import operator
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from compute_aligned.config.settings import budgets_up_to
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import SAMPLES, Problem
from compute_aligned.method.metrics import WITH, metric_of
from compute_aligned.score.tasks import Task


def score(
    samples: Iterable["Drawn"], problems: Iterable[Problem], task: Task, grader: str
) -> Iterator[dict]:
    """One row a branch and problem (the task's schema), in the samples' order.

    Args:
        samples: Of problems that are all among ``problems``, see :func:`complete`.
        problems: The problems sampled, with their reference answers.
        task: What samples are measured by.
        grader: ``paper`` or ``symbolic``, see :mod:`compute_aligned.score.answers`.

    """
    asked = {problem.id: problem for problem in problems}
    for drawn in samples:
        problem = asked[drawn.problem]
        grades = task.grade(problem, drawn.texts, grader)
        yield {
            "branch": drawn.branch,
            "problem": drawn.problem,
            "num_samples": len(drawn.texts),
            "num_invalid": grades.valid.count(False),
            "num_unfinished": drawn.finished.count(False),
            "mean_tokens": sum(drawn.num_tokens) / len(drawn.num_tokens),
        } | task.columns(problem, drawn.texts, grades)


def outcomes(scores: Iterable[dict], metrics: Sequence[str]) -> Iterator[dict]:
    """Every metric of every score row at budgets 1, 2, 4 ... (schema ``records.OUTCOMES``).

    With maj@k comes ``plurality``, the exact value of a vote over all the samples.
    """
    for row in scores:
        budgets = budgets_up_to(row["num_samples"])
        for name in metrics:
            for measured in (metric_of(name), *WITH.get(name, ())):
                of_row = {"branch": row["branch"], "problem": row["problem"]}
                for k, value in measured.points(row, budgets):
                    yield of_row | {"metric": measured.name, "k": k, "value": value}


@dataclass(frozen=True)
class Drawn:
    """The samples of one branch and problem: texts, lengths in tokens, and which of them ended."""

    branch: str
    problem: str
    texts: tuple[str, ...]
    num_tokens: tuple[int, ...]
    finished: tuple[bool, ...]


def by_problem(samples: Iterable[pa.RecordBatch]) -> Iterator[Drawn]:
    """Each run of rows (schema ``records.SAMPLES``) of one branch and problem, over all batches."""
    rows = itertools.chain.from_iterable(
        zip(*(batch[name].to_pylist() for name in SAMPLES.names), strict=True) for batch in samples
    )
    for (branch, problem), run in itertools.groupby(rows, key=operator.itemgetter(0, 1)):
        _, _, _, texts, num_tokens, finished = zip(*run, strict=True)
        yield Drawn(branch, problem, texts, num_tokens, finished)


def complete(
    samples: Iterable[Drawn],
    problems: Collection[str],
    num_samples: int,
    path: Path,
    rule: str = "sample",
) -> Iterator[Drawn]:
    """The same samples, once they are known to be whole; what is absent shows at their end.

    Args:
        samples: Those of a file.
        problems: The ids of all problems that each branch has samples of.
        num_samples: How many it has of each.
        path: The file, for the error.
        rule: What makes it, for the error.

    Raises:
        InputError: A branch lacks samples, or has some in two places or of another problem.

    """

    def refusal(problem: str) -> InputError:
        return InputError(
            path,
            problem,
            "give the problems that they were drawn from, or draw them again: "
            f"snakemake --forcerun {rule}",
        )

    done: dict[str, set[str]] = {}
    for drawn in samples:
        before = done.setdefault(drawn.branch, set())
        if drawn.problem not in problems:
            raise refusal(f"there are samples of {drawn.problem}, which is not among the problems")
        if drawn.problem in before:
            raise refusal(f"{drawn.branch} has samples of {drawn.problem} in two places")
        if len(drawn.texts) != num_samples:
            count = len(drawn.texts)
            raise refusal(
                f"{drawn.branch} has {count} samples of {drawn.problem}, not {num_samples}"
            )
        before.add(drawn.problem)
        yield drawn
    if not done:
        raise refusal("there are no samples")
    for branch, sampled in done.items():
        lacking = [problem for problem in problems if problem not in sampled]
        if lacking:
            share = f"{len(lacking)} of {len(problems)}"
            raise refusal(f"{branch} has no samples of {share} problems, first of {lacking[0]}")
