"""Files and folders that appear whole or not at all, and a full disk that is named as such.

Everything goes to a temporary sibling first and is renamed when complete.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from compute_aligned.files.errors import InputError

DISK_BLOCK = 4096  # bytes; with less than one block free, nothing more can be written


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk into an error that says so; everything else passes through."""
    try:
        yield
    except Exception as error:
        if not _disk_is_full(error, path.parent):
            raise
        raise InputError(
            path,
            "the disk is full",
            "free some space and run the same command again: finished work is kept",
        ) from error


def _disk_is_full(error: Exception, folder: Path) -> bool:
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    # safetensors only quotes the system's error and torch not even that, so look at the disk too
    quoted = os.strerror(errno.ENOSPC) in str(error)
    return quoted or shutil.disk_usage(folder).free < DISK_BLOCK


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of ``path`` (file or folder to make), renamed to it on success.

    Whatever happens, ``path`` is whole: what was there before, or what the body made. Only a folder
    that replaces another is missing for the moment between two renames.

    Raises:
        InputError: The disk is full.

    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # one name a path, not a random one: what a killed job left behind is overwritten by its rerun
    temporary = path.with_name(f".{path.name}.partial")
    replaced = path.with_name(f".{path.name}.replaced")
    _tidy(path, temporary, replaced)
    try:
        with disk_errors(path):
            yield temporary
            _sync(temporary)
            if path.is_dir():  # a rename replaces a file, but no folder that holds something
                path.replace(replaced)
            temporary.replace(path)
    finally:
        _tidy(path, temporary, replaced)


def _tidy(path: Path, temporary: Path, replaced: Path) -> None:
    """Put back a folder whose replacement did not arrive; remove what is left over."""
    if replaced.exists() and not path.exists():
        replaced.replace(path)
    _remove(temporary)
    _remove(replaced)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Flush a file, or every file of a folder, so that a rename never outruns its content."""
    for file in [path] if path.is_file() else filter(Path.is_file, path.rglob("*")):
        descriptor = os.open(file, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
