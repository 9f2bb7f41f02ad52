"""The checkpoints that a run starts from: had once, where the internet is, and read from then on.

A checkpoint is a name on the Hugging Face Hub, a folder, or a Python package with a GGUF file.
The module ``fetching`` has it whole on this machine and says which revision it is; the record of
that is what trainings depend on. Nothing else downloads: a node of a cluster may have no internet.
"""

import json
import zipfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict
from safetensors import SafetensorError, safe_open

from compute_aligned.config.models import PretrainedModel
from compute_aligned.files.errors import InputError
from compute_aligned.files.parsing import read_text, validated

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


def converted(record: Path) -> Path:
    """The folder that the checkpoint of a package is converted to: beside its record."""
    return record.with_suffix("")


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
