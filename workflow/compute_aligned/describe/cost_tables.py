"""The estimate of a run's cost for reading, and as a tidy file."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.filesize import pick_unit_and_suffix
from rich.table import Table

from compute_aligned.config.scales import Scale
from compute_aligned.describe.cost import TOTAL, Cost, Line
from compute_aligned.describe.jobs import SHARED

DASH = "-"
WIDEST = 1000  # characters that the table is measured in
COUNTS = {
    "jobs": "jobs",
    "steps": "steps",
    "training_tokens": "training\ntokens",
    "rollout_tokens": "rollout\ntokens",
    "samples": "samples",
    "sampled_tokens": "sampled\ntokens",
}


def tidy(lines: Sequence[Line]) -> str:
    """The lines as CSV, totals left out: counts, seconds, bytes."""
    text = io.StringIO()
    rows = [_plain(line) for line in lines if line.stage != TOTAL]
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _plain(line: Line) -> dict[str, object]:
    cost = asdict(line.cost)
    work = cost.pop("work")
    del work["memory_bytes"]  # part of the job's
    return {"family": line.family, "stage": line.stage, **work, **cost}


def show(lines: Sequence[Line], notes: Sequence[str], scale: str, settings: Scale) -> None:
    """Print the estimate: the table, its notes, and the totals in a sentence."""
    shown = table(lines, settings)
    # as wide as it has to be: a narrow terminal breaks its lines, and nothing is left out
    console = Console(width=WIDEST, highlight=False)
    console.width = console.measure(shown).maximum
    console.print(shown)
    for note in notes:
        console.print(f"  {note}", markup=False)
    if settings.throughput is None:
        console.print(
            f"No times and no memory: config/scales/{scale}.yaml has no block throughput for "
            f"device {settings.device}; config/README.md says what stands in it.",
            markup=False,
        )
    console.print(summary(lines[-1].cost, scale), markup=False)


def summary(whole: Cost, scale: str) -> str:
    """The totals in a sentence."""
    parts = [f"{whole.work.jobs:,} jobs", f"{size(whole.work.disk_bytes)} of disk"]
    for seconds, unit in ((whole.cpu_seconds, "CPU"), (whole.gpu_seconds, "GPU")):
        if seconds:
            parts.append(f"{seconds:,.0f} {unit}-seconds ({seconds / 3600:,.1f} {unit}-hours)")
    if whole.memory_bytes:
        parts.append(f"{size(whole.memory_bytes)} of memory for the largest job")
    return f"Scale {scale}: {', '.join(parts)}."


def table(lines: Sequence[Line], settings: Scale) -> Table:
    """The lines as a table for a terminal.

    Columns of what no job has (rollouts, a GPU, benchmark files) are left out.
    """
    whole = lines[-1].cost
    estimated = settings.throughput is not None
    counts = {key: title for key, title in COUNTS.items() if getattr(whole.work, key)}
    made = Table(box=None, pad_edge=False, padding=(0, 0, 0, 2), header_style="bold")
    made.add_column("family, stage")
    times = ["CPU\ntime"] + (["GPU\ntime"] if settings.device == "cuda" else [])
    actual = ["jobs\nrun", "estimate\nof these", "actual", "ratio", "actual\nmemory"]
    for title in [*counts.values(), *times, "disk", "memory", *(actual if whole.finished else [])]:
        made.add_column(title, justify="right")
    for line in lines:
        cost = line.cost
        cells = [short(getattr(cost.work, key)) for key in counts]
        cells.append(duration(cost.cpu_seconds) if estimated else DASH)
        if settings.device == "cuda":
            cells.append(duration(cost.gpu_seconds) if estimated else DASH)
        cells += [size(cost.work.disk_bytes), size(cost.memory_bytes)]
        if whole.finished:
            ratio = DASH if cost.ratio is None else f"{cost.ratio:.2f}"
            cells += [
                short(cost.finished),
                duration(cost.expected_seconds),
                duration(cost.actual_seconds),
                ratio,
                size(cost.actual_memory_bytes),
            ]
        made.add_row(_heading(line), *cells, style="bold" if line.stage == TOTAL else None)
    return made


def _heading(line: Line) -> str:
    if line.family == TOTAL:
        return "in total"
    if line.stage == TOTAL:
        return "shared" if line.family == SHARED else line.family
    return f"  {line.stage}"


def short(number: float) -> str:
    """A count in three digits or so: ``864k``, ``1.2M``; a dash for none."""
    if not number:
        return DASH
    unit, suffix = pick_unit_and_suffix(round(number), ["", "k", "M", "G", "T", "P"], 1000)
    value = number / unit
    return f"{value:.1f}{suffix}" if suffix and value < 99.95 else f"{value:.0f}{suffix}"


def size(num_bytes: float) -> str:
    """Bytes: ``1.2GB``."""
    return short(num_bytes) + ("B" if num_bytes else "")


def duration(seconds: float) -> str:
    """A time in the unit that suits it: ``45 s``, ``68 min``, ``12.3 h``."""
    if not seconds:
        return DASH
    if seconds < 600:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 2 * 3600 else f"{seconds / 3600:,.1f} h"
