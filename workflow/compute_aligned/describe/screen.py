"""What a run shows in the terminal while it works: one bar, or a line for each finished job.

Snakemake's own output has about ten lines a job. It goes to its log file all the same, and with
``--verbose`` to the terminal. Snakemake's plug-ins for loggers do not serve: a profile that names
one keeps Snakemake from starting where it is not installed. So its handler of the terminal, one of
Python's ``logging``, is replaced. Whatever is not known here is shown as Snakemake shows it.
"""

import importlib.util
import logging
import re
import shlex
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from compute_aligned.config.claims import read_claims
from compute_aligned.config.scales import Run
from compute_aligned.describe import terminal
from compute_aligned.describe.forecast import Pace, pace_of
from compute_aligned.describe.terminal import Failed

SNAKEMAKE_S_OWN = "DefaultStreamHandler"
# events of Snakemake's (snakemake_interface_logger_plugins.common) that are not shown
UNSHOWN = {
    *("workflow_started", "run_info", "resources_info", "progress"),
    *("job_started", "job_finished", "shellcmd"),
}
# and messages that belong to no event
NOISE = re.compile(
    r"Assuming unrestricted|Using shell|Conda environments: ignored|Select jobs|"
    r"Removing output files of failed job|Exiting because a job execution failed|Elapsed time|"
    r"RuleException:\s+CalledProcessError"
)

STOPPING = re.compile(r"Terminating processes on user request|Will exit after finishing")
NOT_BEGUN = Pace({}, None, 0.0)


def attach(logger: logging.Logger, settings: Any) -> "Screen | None":
    """Take the place of Snakemake's handler; None where that is not wanted, or not possible.

    Args:
        logger: Snakemake's.
        settings: Its settings of the output.

    """
    own = [handler for handler in logger.handlers if handler.name == SNAKEMAKE_S_OWN]
    asked_for = settings.verbose or settings.quiet or settings.dryrun or settings.debug_dag
    if asked_for or len(own) != 1 or importlib.util.find_spec("rich") is None:
        return None
    screen = Screen(logger, own[0])
    logger.removeHandler(own[0])
    logger.addHandler(screen)
    return screen


class Screen(logging.Handler):
    """The handler in the place of Snakemake's own, to which it passes on what it does not know."""

    def __init__(self, logger: logging.Logger, own: Any) -> None:
        super().__init__()
        self.logger, self.own = logger, own
        self.bar: Any = None  # a Live of rich; none where there is no terminal
        self.pace = NOT_BEGUN
        self.scale, self.reported = "", True
        self.names: dict[str, str] = {}
        self.jobs: dict[int, str] = {}
        self.failed: dict[int, Failed] = {}
        self.stopped = self.gave_up = False

    def start(self, run: Run, rules: Mapping[str, str], cores: int | None) -> None:
        """Jobs begin: say what they make and how long that takes, and draw the bar from now on.

        Args:
            run: What the user chose to run.
            rules: The jobs by their benchmark files, each with its rule.
            cores: How many they share; None on a cluster.

        """
        if not rules:  # the target rule alone was forced
            return
        self.pace = pace_of(run, rules, cores)
        self.scale = Path(next(iter(rules))).parts[1]
        self.reported = not run.seeds
        time_words = terminal.time_words(self.scale, self.pace.whole, cores)
        verdicts = len(read_claims())
        counts = Counter(rules.values())
        self.logger.info(terminal.opening(self.scale, counts, verdicts, time_words))
        self._draw_bar()

    def succeed(self) -> None:
        """All went well: say so, the verdicts, and where to look."""
        self._remove_bar()
        if self.pace is NOT_BEGUN:
            return
        judged = f"results/{self.scale}/benchmarks/claims/all.tsv" in self.pace.finished
        claims = Path("results", self.scale, "claims.csv") if judged else None
        done = len(self.pace.finished)
        self.logger.info(terminal.closing(self.scale, done, self.taken, claims, self.reported))

    def fail(self) -> None:
        """Jobs failed, or the user stopped them: say which, why, and how to go on."""
        self._remove_bar()
        if self.pace is NOT_BEGUN:
            return
        done, total = len(self.pace.finished), len(self.pace.seconds)
        command = shlex.join(["snakemake", *sys.argv[1:]])
        failed = list(self.failed.values())
        self.logger.error(terminal.failure(failed, done, total, command))

    @property
    def taken(self) -> float:
        """Seconds since the jobs began."""
        return time.monotonic() - self.pace.began

    def emit(self, record: logging.LogRecord) -> None:
        """Show a message of Snakemake's, or what it means."""
        if self.gave_up:
            self.own.handle(record)
            return
        try:
            self._take(record)
        except Exception as error:  # whatever it is, the run goes on, with Snakemake's own output
            self._remove_bar()
            self.pace, self.gave_up = NOT_BEGUN, True
            self.logger.warning(f"From here on, Snakemake's own output: {error}")
            self.own.handle(record)

    def _take(self, record: Any) -> None:
        event = str(getattr(record, "event", None))
        if event == "job_info":
            self._started(record)
        elif event == "job_finished" and record.job_id in self.jobs:
            self._finished(self.jobs[record.job_id])
        elif event == "job_error" and record.jobid in self.jobs:
            self._failed(record)
        elif event not in UNSHOWN and not NOISE.match(str(record.msg)):
            self.stopped |= bool(STOPPING.match(str(record.msg)))
            self._aside(lambda: self.own.handle(record))

    def _started(self, record: Any) -> None:
        if record.benchmark is None:  # the target rule
            return
        if record.benchmark not in self.pace.seconds:
            raise LookupError("the run did not say what it has to do, as with --no-hooks")
        self.failed.pop(record.jobid, None)  # it is tried again
        self.jobs[record.jobid] = record.benchmark
        self.names[record.benchmark] = terminal.job_name(record.rule_name, record.wildcards)
        self.pace.running[record.benchmark] = time.monotonic()

    def _finished(self, job: str) -> None:
        began = self.pace.running.pop(job)
        self.pace.finished.add(job)
        if self.bar is None:
            done, total = len(self.pace.finished), len(self.pace.seconds)
            took = time.monotonic() - began
            self._write(terminal.finished(done, total, self.names[job], took))

    def _failed(self, record: Any) -> None:
        job = self.jobs[record.jobid]
        self.pace.running.pop(job, None)
        if self.stopped:  # it was ended along with the run
            return
        self.failed[record.jobid] = Failed(self.names[job], record.log)
        self._write(f"failed: {self.names[job]}; what does not need it goes on")

    def _write(self, line: str) -> None:
        self._aside(lambda: print(line, file=self.own.stream, flush=True))

    def _aside(self, show: Callable[[], object]) -> None:
        """Show something above the bar."""
        was_drawn = self.bar is not None
        self._remove_bar()
        show()
        if was_drawn:
            self._draw_bar()

    def _picture(self) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        now = time.monotonic()
        share, left = self.pace.share(now), self.pace.left(now)
        done, total = len(self.pace.finished), len(self.pace.seconds)
        line = Table.grid(padding=(0, 1))
        words = f"{share:.0%}  {terminal.progress(done, total, self.taken, left)}"
        line.add_row(ProgressBar(total=1.0, completed=share, width=30), words)
        running = (
            f"{self.names[job]} ({terminal.duration(now - at)})"
            for job, at in list(self.pace.running.items())
        )
        return Group(line, Text(f"now: {', '.join(running)}", no_wrap=True, overflow="ellipsis"))

    def _draw_bar(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self.own.stream)
        if console.is_terminal:
            self.bar = Live(
                get_renderable=self._picture, console=console, refresh_per_second=2, transient=True
            )
            self.bar.start()

    def _remove_bar(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def close(self) -> None:
        """Take the bar away, whatever ended the run."""
        self._remove_bar()
        super().close()
