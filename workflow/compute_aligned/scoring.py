"""From samples to scores: votes and correctness of each problem, then every metric and budget.

One grader decides both which samples are correct and which votes are the same answer.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from compute_aligned.answers import extract_answer, graded_votes
from compute_aligned.errors import InputError
from compute_aligned.estimators import expected_max, maj_at_ks, pass_at_k, plurality_correct
from compute_aligned.progress import track
from compute_aligned.records import SAMPLES, Problem
from compute_aligned.seeds import problem_seed
from compute_aligned.settings import Metric, budgets_up_to


def score(samples: pa.Table, problems: list[Problem], grader: str) -> list[dict]:
    """One row a branch and problem (schema ``records.SCORES``), in the samples' order.

    Args:
        samples: Table of ``records.SAMPLES``.
        problems: The problems sampled, with their reference answers.
        grader: ``paper`` or ``symbolic``, see :mod:`compute_aligned.answers`.

    Raises:
        InputError: There are samples of a problem that is not among ``problems``.

    """
    gold = {problem.id: problem.answer for problem in problems}
    unknown = set(samples["problem"].unique().to_pylist()) - gold.keys()
    if unknown:
        raise InputError(
            f"problem {min(unknown)}",
            "it has samples, and is not among the problems given",
            "give the problems that the samples were drawn from, or draw them again",
        )
    rows = []
    groups = list(by_problem(samples))
    for branch, problem, texts, lengths, finished in track(groups, "scoring", len(groups)):
        answers, correct = graded_votes(
            [extract_answer(text) for text in texts], gold[problem], grader
        )
        rows.append(
            {
                "branch": branch,
                "problem": problem,
                "num_samples": len(texts),
                "num_correct": sum(correct),
                "num_invalid": answers.count(None),
                "num_unfinished": finished.count(False),
                "mean_tokens": sum(lengths) / len(lengths),
                "votes": answers,
                "correct": correct,
            }
        )
    return rows


def outcomes(scores: list[dict], metrics: tuple[Metric, ...]) -> list[dict]:
    """Every metric of every score row at budgets 1, 2, 4 ... (schema ``records.OUTCOMES``).

    With maj@k comes ``plurality``, the exact value of a vote over all the samples.
    """
    rows = []
    for row in scores:
        budgets = budgets_up_to(row["num_samples"])
        for metric in metrics:
            rows += [
                {"branch": row["branch"], "problem": row["problem"], "metric": name} | point
                for name, points in _values(row, metric, budgets).items()
                for point in points
            ]
    return rows


def _values(row: dict, metric: Metric, budgets: list[int]) -> dict[str, list[dict]]:
    match metric:
        case "pass@k":
            values = pass_at_k(row["num_samples"], row["num_correct"], budgets)
        case "maj@k":
            # orders of drawing of its own for every problem: errors of their sampling average out
            order_seed = problem_seed(row["problem"], seed=0, num_samples=1)
            values = maj_at_ks(row["votes"], row["correct"], budgets, seed=order_seed)
        case "expected_max@k":
            values = expected_max(row["rewards"], budgets)
    points: dict[str, list[dict]] = {
        metric: [{"k": k, "value": v} for k, v in zip(budgets, values, strict=True)]
    }
    if metric == "maj@k":
        exact = plurality_correct(row["votes"], row["correct"])
        points["plurality"] = [{"k": row["num_samples"], "value": exact}]
    return points


def by_problem(samples: pa.Table) -> Iterator[tuple[str, str, list[Any], list[Any], list[Any]]]:
    """Branch, problem, texts, lengths and finished flags of each run of rows of one problem."""
    columns = [samples[name].to_pylist() for name in SAMPLES.names]
    branch, problem, _, text, tokens, finished = columns
    start = 0
    for end in range(1, len(problem) + 1):
        if end == len(problem) or (branch[end], problem[end]) != (branch[start], problem[start]):
            block = slice(start, end)
            yield branch[start], problem[start], text[block], tokens[block], finished[block]
            start = end
