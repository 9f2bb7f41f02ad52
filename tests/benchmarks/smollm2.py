"""Evaluation samples of SmolLM2, 135 million parameters, in the ways of the tiny model."""

import tempfile
from pathlib import Path

from benchmarks.compare import Comparison, Way, clocked
from benchmarks.sampling import AUTHORS, check, start
from compute_aligned.config import study
from compute_aligned.files.records import Problem
from compute_aligned.files.writing import write_text
from compute_aligned.models import checkpoints, fetching
from compute_aligned.prepare import problems
from compute_aligned.sample.engines import ENGINES

FAMILY = "sft_majority"  # of the small scale: sums, put to the model in its chat template
NUM_SAMPLES = 32


def sums(count: int) -> list[Problem]:
    """The first problems of the family's source."""
    source = study.read_family("small", FAMILY).problems.source
    raw, _ = problems.raw_problems(study.read_source("small", source))
    return raw[:count]


def comparisons(num_problems: int = 8, slow_problems: int = 2) -> list[Comparison]:
    """Drawing alone, with the checkpoint loaded.

    Args:
        num_problems: As many as a core draws for in a minute.
        slow_problems: On which the authors' way is timed, extrapolated to all of them.

    """
    temporary = tempfile.TemporaryDirectory(prefix="benchmarks-")  # gone with the comparisons
    family = study.read_family("small", FAMILY)
    record = Path(temporary.name) / "checkpoint.json"
    write_text(record, fetching.fetch(family.model, record).model_dump_json())
    shape = checkpoints.pinned(family.model, record)
    folder = checkpoints.local_folder(shape)
    settings = family.sampling.model_copy(update={"num_samples": NUM_SAMPLES})
    chosen = sums(num_problems)
    engines = {way: start(way, folder, chosen, settings, shape) for way in ENGINES}
    slow = start(AUTHORS, folder, chosen[:slow_problems], settings, shape)

    def checked() -> None:
        assert temporary  # kept until the draws are done
        check([*engines.values(), slow])

    return [
        Comparison(
            f"SmolLM2, {num_problems} x {NUM_SAMPLES} samples of at most "
            f"{settings.max_new_tokens} tokens",
            (
                *(Way(way, clocked(draw)) for way, draw in engines.items()),
                Way(
                    f"{AUTHORS} ({slow_problems} problems, extrapolated)",
                    clocked(slow, slow_problems / num_problems),
                ),
            ),
            checked,
        )
    ]
