"""Where a trained model is kept until its own job puts it in place.

A model is first kept in a hidden folder beside its place, with a key that says what it was trained
from. So a job can train models ahead of the jobs that make them, in one process, and a job that is
killed after a training leaves the model for its rerun.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from compute_aligned.config.fingerprints import fingerprint
from compute_aligned.files import provenance, writing
from compute_aligned.files.digests import digest


@dataclass(frozen=True)
class Place:
    """The outputs of a training.

    Attributes:
        model: Folder of the model.
        steps: The record of every step.

    """

    model: Path
    steps: Path

    @property
    def checkpoint(self) -> Path:
        """Where its progress is kept: beside the model, outside the declared outputs."""
        return self.model.with_name(f".{self.model.name}.checkpoint.pt")

    @property
    def kept(self) -> "Kept":
        """What is kept for it."""
        return Kept(self.model.with_name(f".{self.model.name}.trained"))

    def take(self) -> None:
        """Put what is kept in place."""
        self.model.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self.kept.steps, self.steps)
        recorded, record = (provenance.file_of(kind.model) for kind in (self.kept, self))
        shutil.copyfile(recorded, record)
        with writing.replacing(self.model) as folder:
            # what is kept stays whole until the model is in place
            shutil.copytree(self.kept.model, folder, copy_function=_link)
        shutil.rmtree(self.kept.folder)


def _link(source: str, target: str) -> None:
    """One file under two names; a copy on a file system without that."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@dataclass(frozen=True)
class Kept:
    """A trained model that its job has not asked for yet, with its record and provenance."""

    folder: Path

    @property
    def model(self) -> Path:
        """The model's folder."""
        return self.folder / "model"

    @property
    def steps(self) -> Path:
        """The record of every step."""
        return self.folder / "steps.parquet"

    @property
    def key(self) -> str | None:
        """What the model was trained from; None where none is kept."""
        path = self.folder / "key"
        return path.read_text() if self.model.is_dir() and path.is_file() else None

    @contextlib.contextmanager
    def make(self, key: str) -> Iterator["Kept"]:
        """Keep what the body puts there, whole or not at all."""
        with writing.replacing(self.folder) as folder:
            folder.mkdir()
            yield Kept(folder)
            (folder / "key").write_text(key)


def key_of(settings: str, seed: int, *inputs: Path | None) -> str:
    """What a training depends on, its code too, as a short hash.

    Args:
        settings: Its fingerprint.
        seed: The run's seed.
        *inputs: Files, and folders of a model.

    """
    sources = provenance.code_version()["sources"]
    read = [file for path in inputs if path for file in _files(path)]
    return fingerprint(settings, seed, sources, *(file.name for file in read), digest(read))


def _files(path: Path) -> list[Path]:
    """A file itself, or all files of a folder but hidden ones."""
    found = [path] if path.is_file() else sorted(path.rglob("*"))
    return [file for file in found if file.is_file() and not file.name.startswith(".")]
