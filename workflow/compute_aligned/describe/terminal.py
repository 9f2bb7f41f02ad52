"""What a run says of itself in the terminal, in words: at its start, of each job, at its end.

``screen`` shows them, in place of the ten lines that Snakemake has for each job.
"""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compute_aligned.files.parsing import read_text

LAST_LINES = 15  # of the log of a job that failed
MOST_NAMED = 5  # of the jobs that failed
UNITS = (("s", 1, 100), ("min", 60, 100), ("h", 3600, 100), ("days", 86400, float("inf")))


def job_name(rule: str, wildcards: Mapping[str, str]) -> str:
    """A job as one would name it: ``train_sft sft_passn ce seed 0``."""
    named = (
        f"{name} {value}" if name in ("seed", "shard") else value
        for name, value in wildcards.items()
        if name != "scale"
    )
    return " ".join([rule, *named])


def duration(seconds: float) -> str:
    """A time in the unit that suits it: ``14 s``, ``52 min``, ``20 days``."""
    return next(
        f"{seconds / unit:.0f} {name}" for name, unit, most in UNITS if seconds / unit < most
    )


def counted(number: int, noun: str) -> str:
    """``1 job``, ``392 jobs``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


# --- at the start ----------------------------------------------------------------------------


def opening(scale: str, rules: Counter[str], verdicts: int, time: str) -> str:
    """What a run will make, and about how long that takes.

    Args:
        scale: Its scale.
        rules: How many jobs it has of each rule.
        verdicts: How many claims are judged, if any are.
        time: How long, from :func:`time_words`.

    """
    made = [
        counted(number, noun)
        for noun, number in (
            ("table", rules["table"]),
            ("figure", rules["figure"]),
            ("verdict", verdicts if rules["claims"] else 0),
        )
        if number
    ]
    listed = " and ".join(filter(None, [", ".join(made[:-1]), *made[-1:]]))
    jobs = counted(rules.total(), "job")
    return f"{scale}: {jobs}{' for ' if listed else ''}{listed}, {time}"


def time_words(scale: str, seconds: float | None, cores: int | None) -> str:
    """About how long, on so many cores, or on a cluster (None)."""
    more = f"(make cost SCALE={scale} says more)"
    if cores is None:
        return f"as long as the cluster takes {more}"
    if seconds is None:
        return f"how long is not known {more}"
    return f"about {duration(seconds)} on {counted(cores, 'core')} {more}"


# --- while it runs ---------------------------------------------------------------------------


def finished(done: int, total: int, name: str, seconds: float) -> str:
    """A job that has finished, on a line where there is no bar."""
    return f"{done}/{total} {name} ({duration(seconds)})"


def progress(done: int, total: int, taken: float, left: float | None) -> str:
    """How far a run is, beside its bar."""
    rest = "" if left is None else f", about {duration(left)} left"
    return f"{done} of {counted(total, 'job')}, {duration(taken)}{rest}"


# --- at the end ------------------------------------------------------------------------------


def closing(scale: str, done: int, taken: float, claims: Path | None, reported: bool) -> str:
    """That all went well, the verdicts where there are any, and where to look.

    Args:
        scale: The scale.
        done: Jobs that have run.
        taken: Seconds.
        claims: The verdicts, if the run has made them.
        reported: Whether ``make report`` makes a page of it; not of a run with seeds of its own.

    """
    places = f"results/{scale}/, paper_figures/{scale}/"
    lines = [f"Done: {counted(done, 'job')} in {duration(taken)}, see {places}"]
    if claims is not None:
        report = f"; as a page: make report SCALE={scale}" if reported else ""
        lines.append(f"{verdicts(claims)}, see results/{scale}/claims.md{report}")
    return "\n".join(lines)


def verdicts(path: Path) -> str:
    """The verdicts of a run counted: ``20 claims: 9 reproduced, 7 not shown, ...``."""
    rows = csv.DictReader(read_text(path).splitlines())
    found = Counter({row["claim"]: row["claim_verdict"] for row in rows}.values())
    each = ", ".join(f"{number} {verdict}" for verdict, number in found.most_common())
    return f"{counted(found.total(), 'claim')}: {each}"


@dataclass(frozen=True)
class Failed:
    """A job that failed: its name, and the files that it may have logged to."""

    name: str
    logs: Sequence[str]


def failure(failed: Sequence[Failed], done: int, total: int, command: str) -> str:
    """What failed, the end of the first one's log, and how to go on; of none: that it was stopped.

    Args:
        failed: The jobs that failed.
        done: How many have finished.
        total: How many there were to do.
        command: What was typed.

    """
    kept = "Finished work is kept, and what was cut goes on where it was. Continue with:"
    far = f"{done} of {counted(total, 'job')} finished"
    if not failed:
        return f"\nStopped with {far}.\n{kept}\n  {command}"
    names = [f"  {job.name}" for job in failed[:MOST_NAMED]]
    if len(failed) > MOST_NAMED:
        names.append(f"  and {len(failed) - MOST_NAMED} more")
    log = next(filter(None, map(log_end, failed[0].logs)), ["  It has left no log."])
    heading = f"\n{counted(len(failed), 'job')} failed, {far}:"
    return "\n".join([heading, *names, *log, "", kept, f"  {command}"])


def log_end(path: str) -> list[str]:
    """A log's last lines under its path; nothing of an empty or missing one.

    Of a line that was written over again and again, as progress is, the last state counts.
    """
    try:
        text = Path(path).read_bytes().decode(errors="replace")
    except OSError:
        return []
    lines = [line.rstrip().rpartition("\r")[2] for line in text.split("\n")]
    last = [line for line in lines if line.strip()][-LAST_LINES:]
    return ["", f"The end of {path}:", *(f"  | {line}" for line in last)] if last else []
