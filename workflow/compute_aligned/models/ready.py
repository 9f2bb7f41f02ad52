"""What a job makes sure of before it spends any time: a GPU, memory, its checkpoint."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from compute_aligned.config.models import Model, PretrainedModel
from compute_aligned.config.settings import Device
from compute_aligned.config.study import read_study
from compute_aligned.files.errors import InputError
from compute_aligned.files.locks import sole_maker
from compute_aligned.models.size import ModelSize, model_size

if TYPE_CHECKING:
    import typer

GIGABYTE = 10**9
MEMORY_INFO = Path("/proc/meminfo")
CONTROL_GROUPS = Path("/sys/fs/cgroup")  # where a scheduler or container limits memory
OWN_GROUP = Path("/proc/self/cgroup")


def require_device(device: Device) -> None:
    """Check that the device that a job is to compute on is there.

    Raises:
        InputError: It is a GPU, and there is none that torch can use.

    """
    import torch

    if device != "cuda" or torch.cuda.is_available():
        return
    if torch.version.cuda is None and torch.version.hip is None:
        problem = f"torch {torch.__version__} is a build for CPUs"
        remedy = "install its CUDA build (--use-conda does)"
    else:
        problem = "torch sees no GPU on this machine"
        remedy = (
            "ask the cluster for one (workflow/profiles/slurm does), see that nvidia-smi lists it"
        )
    raise InputError(
        "device: cuda", problem, f"{remedy}, or, with patience: snakemake --config device=cpu"
    )


def require_memory(device: Device, needed: float, what: str) -> None:
    """Check that what a job needs at the least has room in the device's memory.

    Args:
        device: Where the model is.
        needed: Bytes of weights, gradients and an optimiser's moments; activations come on top.
        what: The model and what is done with it, for the error.

    Raises:
        InputError: There is less free than that.

    """
    free = free_memory(device)
    if free is None or needed <= free:
        return
    place = "the GPU" if device == "cuda" else "main memory"
    raise InputError(
        what,
        f"it takes {needed / GIGABYTE:.1f} GB at the least, and of {place} "
        f"{free / GIGABYTE:.1f} GB are free",
        "end what else runs there, take a larger one (on a cluster, for a CPU, a larger mem_mb), "
        "or set model.lora or model.quantization",
    )


def free_memory(device: Device) -> int | None:
    """Bytes of the device's memory that a new job could have; None where nothing tells."""
    if device == "cuda":
        import torch

        return torch.cuda.mem_get_info()[0]
    known = [_available(MEMORY_INFO), *_allowed(CONTROL_GROUPS, OWN_GROUP)]
    return min((free for free in known if free is not None), default=None)


def _available(memory_info: Path) -> int | None:
    """What Linux says could be had without swapping."""
    if not memory_info.exists():
        return None
    lines = dict(line.split(":", 1) for line in memory_info.read_text().splitlines() if ":" in line)
    found = lines.get("MemAvailable")
    return None if found is None else 1024 * int(found.split()[0])


def _allowed(groups: Path, own: Path) -> Iterator[int]:
    """What the control groups that a process is in still allow, of those that have a limit.

    What they hold of files' contents is given back when memory is asked for.
    """
    if not own.exists():
        return
    name = own.read_text().strip().rpartition(":")[2].strip("/")
    for group in (groups / name, *(groups / name).parents):
        limit, stat = group / "memory.max", group / "memory.stat"
        if not (limit.exists() and stat.exists()) or limit.read_text().strip() == "max":
            continue
        held = dict(line.split() for line in stat.read_text().splitlines())
        used = int((group / "memory.current").read_text())
        files = int(held["inactive_file"]) + int(held["active_file"])
        yield int(limit.read_text()) - used + files


# --- a job -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ready:
    """What a job works with.

    Attributes:
        model: The family's model; of a checkpoint, as it was fetched.
        device: Where it computes.

    """

    model: Model
    device: Device


def open_job(context: "typer.Context", output: Path) -> None:
    """Begin a verb that trains or samples: until its end nobody else makes its output.

    Raises:
        InputError: Another process makes it.

    """
    import torch

    context.with_resource(sole_maker(output))
    torch.set_num_threads(1)  # so that the bytes of a result repeat


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
    from compute_aligned.models import checkpoints

    study = read_study(scale)
    at, model = study.settings, study.experiment(family).settings.model
    chosen = device or at.device
    require_device(chosen)
    if isinstance(model, PretrainedModel):
        if fetched is not None:
            model = checkpoints.pinned(model, fetched)
        checkpoints.local_folder(model)
    size = model_size(model, at.dtype)
    require_memory(chosen, needed(size), f"{family}, {size.parameters:,} parameters")
    return Ready(model, chosen)
