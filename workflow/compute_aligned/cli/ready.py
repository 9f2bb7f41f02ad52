"""What a verb that trains or samples makes sure of before it spends any time."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from compute_aligned import config
from compute_aligned.configuration.model_settings import Model, PretrainedModel
from compute_aligned.configuration.settings import Device
from compute_aligned.networks.model_size import ModelSize, model_size


@dataclass(frozen=True)
class Ready:
    """What a job works with.

    Attributes:
        model: The family's model; of a checkpoint, as it was fetched.
        device: Where it computes.

    """

    model: Model
    device: Device


def ready(
    scale: str,
    family: str,
    device: Device | None,
    fetched: Path | None,
    needed: Callable[[ModelSize], float],
) -> Ready:
    """See that a job's device, memory and checkpoint are there.

    Args:
        scale: The job's scale.
        family: Its family.
        device: In place of the scale's.
        fetched: The record of its checkpoint, where the model is one.
        needed: Bytes of memory that the job takes at the least, from the size of its model.

    Raises:
        InputError: Something of it is not.

    """
    from compute_aligned.networks import checkpoints, machine

    at, model = config.read_scale(scale), config.read_family(scale, family).model
    chosen = device or at.device
    machine.require_device(chosen)
    if isinstance(model, PretrainedModel):
        if fetched is not None:
            model = checkpoints.pinned(model, fetched)
        checkpoints.local_folder(model)
    size = model_size(model, at.dtype)
    machine.require_memory(chosen, needed(size), f"{family}, {size.parameters:,} parameters")
    return Ready(model, chosen)
