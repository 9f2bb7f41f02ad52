"""What a scale does otherwise than the paper's method, found by comparing two files of settings.

Size is no deviation: what a scale has less of, or other problems and models. All other keys are
compared, so that a new one is shown unless it is entered in :data:`SIZES`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from compute_aligned.config.reading import read_scale, scale_file
from compute_aligned.config.scales import Family, Scale
from compute_aligned.config.settings import Duration, Sft
from compute_aligned.config.study import Study

# blocks and keys that say how large an experiment is, how fast it learns, or what it is about
SIZES = (
    *("model", "seeds", "metrics", "expected_hold", "problems.source", "problems.prompt"),
    *("problems.levels", "problems.train", "problems.rl", "problems.validation", "problems.test"),
    *("problems.split_seed", "max_new_tokens", "num_samples", "block_size", "shards"),
    *("learning_rate", "batch_size", "micro_batch_size", "prompts_per_step", "checkpoint_every"),
    *("longest", "rl.steps"),
)
# families that the paper's scale has under another name
NAMESAKES = {"sft_solutions": "sft_majority"}
NONE = "none"
PAPER = "paper"  # the scale with the paper's own settings


@dataclass(frozen=True)
class Deviation:
    """A key that families have otherwise than the paper's scale.

    Attributes:
        key: Its blocks and name, with dots between.
        here: The value at this scale, as text.
        paper: The value at the paper's scale.
        families: Those that differ so.

    """

    key: str
    here: str
    paper: str
    families: tuple[str, ...]


def from_paper(study: Study) -> list[Deviation]:
    """What a study does otherwise than the scale ``paper``; nothing where there is none."""
    there = scale_file(PAPER, study.folder).exists()
    return deviations(study.settings, read_scale(PAPER, study.folder)) if there else []


def deviations(scale: Scale, paper: Scale) -> list[Deviation]:
    """Every key of the method that a scale has otherwise, in the order of the settings.

    Args:
        scale: A scale.
        paper: The scale with the paper's own settings; families that it lacks are left out.

    """
    found: dict[tuple[str, str, str], list[str]] = {}
    for family, settings in scale.families.items():
        counterpart = paper.families.get(NAMESAKES.get(family, family))
        if counterpart is None:
            continue
        here, there = dict(_keys(settings)), dict(_keys(counterpart))
        for key in dict.fromkeys([*here, *there]):
            block = key.partition(".")[0]
            alone = key != block and (block in here) != (block in there)
            values = (here.get(key, NONE), there.get(key, NONE))
            if values[0] != values[1] and not alone and not _is_size(key):
                found.setdefault((key, *values), []).append(family)
    order = list(dict.fromkeys(key for key, _, _ in found))
    rows = sorted(found.items(), key=lambda row: order.index(row[0][0]))
    return [Deviation(*values, families=tuple(families)) for values, families in rows]


def _is_size(key: str) -> bool:
    return any(f".{key}.".find(f".{size}.") >= 0 for size in SIZES)


def _keys(family: Family) -> Iterator[tuple[str, str]]:
    """Every key of a family with its value as text; training lengths in epochs."""
    for name, block in family:
        if isinstance(block, Sft):
            # a whole block that is missing says so once, and not key by key
            yield name, "given"
            others = block.model_dump(mode="json", exclude={"hold", "decay", "stop_at_probability"})
            yield from _flat(others, f"{name}.")
            yield f"{name}.length", _length(block, family)
        else:
            yield from _flat({name: family.model_dump(mode="json")[name]}, "")


def _flat(block: Mapping[str, Any], above: str) -> Iterator[tuple[str, str]]:
    for key, value in block.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{key}.")
        elif value is not None:
            yield f"{above}{key}", str(value)


def _length(training: Sft, family: Family) -> str:
    """How long a training holds its rate and then lowers it, or until what it holds it."""
    parts = []
    if training.stop_at_probability is not None:
        parts.append(f"until p is {training.stop_at_probability:g}")
    elif training.hold.count:
        parts.append(f"{_epochs(training.hold, training, family)} at a constant rate")
    if training.decay.count:
        parts.append(f"{_epochs(training.decay, training, family)} to a rate of 0")
    return ", ".join(parts)


def _epochs(length: Duration, training: Sft, family: Family) -> str:
    size = family.problems.train
    if length.unit == "epochs" or size == "all":
        return f"{length.count} {length.unit}"
    return f"{length.count * training.batch_size / size:.3g} epochs"
