"""What every training loop needs: the order of the data, quantiles to record, checkpoints."""

import hashlib
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from compute_aligned.config.settings import Rl, Sft, steps_per_epoch
from compute_aligned.files.progress import notice
from compute_aligned.files.writing import replacing
from compute_aligned.method.activity import LEVELS

Item = TypeVar("Item")

# Keeps dropout apart from the orders of the data and the other noise of the same run seed.
DROPOUT_STREAM = 3


def batch_indices(step: int, num_examples: int, batch_size: int, seed: int) -> list[int]:
    """Which examples a step sees: every epoch is a fresh permutation, seeded by run and epoch."""
    epoch, position = divmod(step, steps_per_epoch(num_examples, batch_size))
    order = np.random.default_rng([seed, epoch]).permutation(num_examples)
    start = position * batch_size
    return order[start : start + batch_size].tolist()


def adamw(parameters: Iterable[torch.Tensor], settings: Sft | Rl) -> torch.optim.AdamW:
    """The optimiser of every training, at the settings' rate, betas and weight decay."""
    return torch.optim.AdamW(
        parameters,
        lr=settings.learning_rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        fused=True,
    )


def of_like_length(
    batch: Sequence[Item], size: int | None, length: Callable[[Item], int]
) -> Iterator[Sequence[Item]]:
    """Cut a batch into forward passes of like length: less padding, the same gradient.

    Args:
        batch: The items of one optimiser step.
        size: How many go into a pass; None for all of them, in the order they have.
        length: Tokens of an item.

    """
    size = size or len(batch)
    ordered = sorted(batch, key=length) if size < len(batch) else batch
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def quantiles(name: str, values: torch.Tensor) -> dict[str, float]:
    """The 5, 25, 50, 75 and 95% quantiles as record columns ``{name}_q05`` and so on."""
    levels = torch.tensor(LEVELS, dtype=torch.float64)
    found = torch.quantile(values.detach().cpu().double().flatten(), levels)
    return {f"{name}_q{int(100 * q):02d}": v for q, v in zip(LEVELS, found.tolist(), strict=True)}


def seed_dropout(seed: int, step: int, device: torch.device) -> None:
    """Make what dropout leaves out, where there is any, a function of seed and step."""
    state = np.random.SeedSequence([seed, step, DROPOUT_STREAM]).generate_state(1, np.uint64)
    # torch.manual_seed would seed every kind of device, which takes seventy times as long
    if device.type == "cuda":
        torch.cuda.manual_seed(int(state[0]))
    else:
        torch.default_generator.manual_seed(int(state[0]))


# --- checkpoints ------------------------------------------------------------------------------


def fingerprint(model: Any, *facts: object) -> str:
    """A hash of all that the result of a training depends on, the weights at its start included.

    Args:
        model: The model before its first step.
        *facts: Settings and data, told apart by their repr.

    """
    content = hashlib.sha256(repr(facts).encode())
    for name, tensor in model.state_dict().items():
        content.update(name.encode())
        content.update(tensor.cpu().contiguous().view(-1).view(torch.uint8).numpy())
    return content.hexdigest()


def save_checkpoint(
    path: Path, identity: str, model: Any, optimizer: torch.optim.Optimizer, progress: object
) -> None:
    """Write all that a rerun needs to continue, whole or not at all.

    Args:
        path: The checkpoint's file.
        identity: The training's :func:`fingerprint`.
        model: Its trained parameters are kept; of adapters, they alone.
        optimizer: Its state is kept.
        progress: A dataclass of plain values, whose fields are kept.

    """
    content = {
        "identity": identity,
        "model": {n: p.detach() for n, p in model.named_parameters() if p.requires_grad},
        "optimizer": optimizer.state_dict(),
        "progress": vars(progress),
    }
    with replacing(path) as temporary:
        torch.save(content, temporary)


def restore_checkpoint(
    path: Path, identity: str, model: Any, optimizer: torch.optim.Optimizer
) -> dict[str, Any]:
    """Load a checkpoint into model and optimizer, and return the fields of the progress it holds.

    Without a usable checkpoint nothing is loaded, and there are no fields: training starts from
    step 0. A file that is damaged is reported and passed over: that costs time, not results.
    """
    if not path.exists():
        return {}
    content = read_checkpoint(path)
    if content is None:
        notice(f"{path}: the file is damaged; training starts from step 0")
        return {}
    if content["identity"] != identity:
        notice(f"{path}: made from other weights, data or settings; training starts from step 0")
        return {}
    model.load_state_dict(content["model"], strict=False)
    optimizer.load_state_dict(content["optimizer"])
    return content["progress"]


def read_checkpoint(path: Path) -> dict[str, Any] | None:
    """What :func:`save_checkpoint` wrote; None if its bytes are not those that were written."""
    try:
        with zipfile.ZipFile(path) as archive:  # torch.load compares no checksums
            whole = archive.testzip() is None
        return torch.load(path, weights_only=True) if whole else None
    except Exception:  # both raise whatever the broken bytes lead to
        return None
