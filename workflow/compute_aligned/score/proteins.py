"""From samples to the scores of proteins: rewards and hydrophobic shares (PAPER section 4)."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from compute_aligned.config.settings import RewardName
from compute_aligned.files.records import PROTEIN_SCORES, Problem, read_table
from compute_aligned.method.rewards import hydrophobic_share, read_residues
from compute_aligned.score.grading import REWARDS
from compute_aligned.score.scoring import Drawn


def score(
    samples: Iterable[Drawn],
    problems: Iterable[Problem],
    reward: RewardName,
    grader: str,
) -> Iterator[dict]:
    """One row a branch and problem (schema ``records.PROTEIN_SCORES``), in the samples' order.

    Args:
        samples: Of problems that are all among ``problems``, see :func:`scoring.complete`.
        problems: The problems sampled.
        reward: One of the protein rewards of :data:`compute_aligned.score.grading.REWARDS`.
        grader: Passed on to the reward.

    """
    known = {problem.id: problem for problem in problems}
    for drawn in samples:
        problem = known[drawn.problem]
        grades = REWARDS[reward](problem, drawn.texts, grader)
        proteins = [
            read_residues(text) if valid else None
            for text, valid in zip(drawn.texts, grades.valid, strict=True)
        ]
        yield {
            "branch": drawn.branch,
            "problem": drawn.problem,
            "num_samples": len(drawn.texts),
            "num_invalid": grades.valid.count(False),
            "num_unfinished": drawn.finished.count(False),
            "mean_tokens": sum(drawn.num_tokens) / len(drawn.num_tokens),
            "input_share": input_share(problem),
            "rewards": grades.rewards,
            "shares": [p and hydrophobic_share(p) for p in proteins],
            "residues": [p and len(p) for p in proteins],
        }


def input_share(problem: Problem) -> float | None:
    """The hydrophobic share of the protein in the prompt; None where there is none."""
    sequence = problem.input_sequence
    return None if sequence is None else hydrophobic_share(sequence)


def read_scores(paths: Sequence[Path]) -> pd.DataFrame:
    """The samples of several seeds, one row each.

    Args:
        paths: Files of ``records.PROTEIN_SCORES``, one a seed.

    Returns:
        Columns seed (a file's number in ``paths``), branch, problem, sample, reward, share,
        residues, input_share. What is no protein has neither share nor residues, a prompt without a
        protein no ``input_share``: they are NaN.

    """
    names = {"rewards": "reward", "shares": "share"}
    frames = [
        read_table(path, PROTEIN_SCORES)
        .to_pandas()
        .assign(seed=seed)
        .rename(columns=names)
        .explode(["reward", "share", "residues"], ignore_index=True)
        for seed, path in enumerate(paths)
    ]
    frame = pd.concat(frames, ignore_index=True)
    frame["sample"] = frame.groupby(["seed", "branch", "problem"], sort=False).cumcount()
    numbers = ["reward", "share", "residues", "input_share"]
    return frame.astype(dict.fromkeys(numbers, float))[
        ["seed", "branch", "problem", "sample", *numbers]
    ]
