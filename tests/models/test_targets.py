from pathlib import Path

import numpy as np
import pytest
import torch

from compute_aligned.files.errors import InputError
from compute_aligned.files.records import Problem, read_problems
from compute_aligned.models import loading
from compute_aligned.models.targets import ROWS, target_log_p


@torch.no_grad()
def by_hand(folder: Path, problem: Problem) -> float:
    """Each token of the answer, and the end of it, from its own prefix alone."""
    model, tokenizer = loading.load(folder, torch.float32)
    ids, total = tokenizer(problem.prompt)["input_ids"], 0.0
    answer = tokenizer(problem.answer, add_special_tokens=False)["input_ids"]
    for token in [*answer, tokenizer.eos_token_id]:
        logits = model(torch.tensor([ids])).logits[0, -1]
        total += (logits[token] - logits.logsumexp(0)).item()
        ids = [*ids, token]
    return total


def test_log_p_is_the_sum_over_the_target_of_each_problem_in_order(
    warmup: Path, splits: Path
) -> None:
    problems = read_problems(splits / "test.jsonl")[: ROWS + 3]

    found = target_log_p(warmup / "model", problems, "answer")

    assert found.dtype == np.float64
    assert found == pytest.approx([by_hand(warmup / "model", p) for p in problems], abs=1e-4)


def test_a_problem_without_the_target_is_named(warmup: Path, splits: Path) -> None:
    problems = read_problems(splits / "test.jsonl")[:1]

    with pytest.raises(InputError, match="it has no solution"):
        target_log_p(warmup / "model", problems, "solution")
