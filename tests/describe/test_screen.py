import io
import logging
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.runs import copy_repository, snakemake

from compute_aligned.config.scales import Run
from compute_aligned.describe.screen import SNAKEMAKE_S_OWN, Screen, attach

JOBS = {f"results/smoke/benchmarks/prepare/sft_passn/seed{seed}.tsv": "prepare" for seed in (0, 1)}
TABLE, LOG = "results/smoke/tables/table1.csv", "results/smoke/logs/table/table1.log"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def settings(**given: bool) -> SimpleNamespace:
    names = ("verbose", "quiet", "dryrun", "debug_dag")
    return SimpleNamespace(**(dict.fromkeys(names, False) | given))


def logger_on(stream: io.StringIO) -> logging.Logger:
    logger = logging.Logger("snakemake")
    own = logging.StreamHandler(stream)
    own.name = SNAKEMAKE_S_OWN
    logger.addHandler(own)
    return logger


@pytest.fixture(params=[io.StringIO, Terminal])
def begun(request: pytest.FixtureRequest) -> Iterator[tuple[Screen, io.StringIO]]:
    stream = request.param()
    screen = attach(logger_on(stream), settings())
    assert screen is not None
    screen.start(Run(scale="smoke"), JOBS, 2)
    yield screen, stream
    screen.close()


def tell(screen: Screen, event: str | None, message: str = "unshown", **values: object) -> None:
    screen.logger.info(message, extra={"event": event, **values})


def begin(screen: Screen, seed: int) -> None:
    wildcards = {"scale": "smoke", "family": "sft_passn", "seed": str(seed)}
    job = {"jobid": seed, "benchmark": list(JOBS)[seed], "rule_name": "prepare"}
    tell(screen, "job_info", wildcards=wildcards, **job)


def test_jobs_are_a_bar_in_a_terminal_and_a_line_each_elsewhere(
    begun: tuple[Screen, io.StringIO],
) -> None:
    screen, stream = begun
    tell(screen, "job_info", jobid=9, benchmark=None)  # the target rule
    tell(screen, None, "Select jobs to execute...")
    begin(screen, 0)
    if screen.bar is not None:
        screen.bar.refresh()
    tell(screen, "job_finished", job_id=0)
    tell(screen, "job_finished", job_id=9)
    tell(screen, None, "Creating conda environment")
    screen.succeed()

    shown = stream.getvalue()
    assert "smoke: 2 jobs, about " in shown
    assert "Creating conda environment\n" in shown
    assert "Done: 1 job in 0 s" in shown
    assert "unshown" not in shown
    assert "Select jobs" not in shown
    in_a_terminal = isinstance(stream, Terminal)
    assert ("now: prepare sft_passn seed 0 (0 s)" in shown) == in_a_terminal
    assert ("of 2 jobs" in shown) == in_a_terminal
    assert ("1/2 prepare sft_passn seed 0 (0 s)\n" in shown) != in_a_terminal


def test_a_failed_job_is_named_at_once_and_at_the_end_unless_a_second_try_succeeds(
    begun: tuple[Screen, io.StringIO],
) -> None:
    screen, stream = begun
    for seed in (0, 1):
        begin(screen, seed)
        tell(screen, "job_error", jobid=seed, log=[])
    begin(screen, 1)
    tell(screen, "job_finished", job_id=1)
    screen.fail()

    assert "failed: prepare sft_passn seed 1; what" in stream.getvalue()
    end = stream.getvalue().partition("1 job failed, 1 of 2 jobs finished:\n")[2]
    assert end.startswith("  prepare sft_passn seed 0\n")


def test_jobs_that_end_because_the_user_stopped_the_run_have_not_failed(
    begun: tuple[Screen, io.StringIO],
) -> None:
    screen, stream = begun
    begin(screen, 0)
    tell(screen, None, "Terminating processes on user request, this might take some time.")
    tell(screen, "job_error", jobid=0, log=[])
    screen.fail()

    assert "failed" not in stream.getvalue()
    assert "Stopped with 0 of 2 jobs finished" in stream.getvalue()


def test_what_it_does_not_understand_gives_snakemake_its_own_output_back() -> None:
    stream = io.StringIO()
    screen = attach(logger_on(stream), settings())
    assert screen is not None

    screen.start(Run(scale="smoke"), {}, 2)  # nothing is announced, as with --no-hooks
    begin(screen, 0)
    tell(screen, "job_finished", "as Snakemake says it")
    screen.succeed()

    first, *others = stream.getvalue().splitlines()
    assert "--no-hooks" in first
    assert others == ["unshown", "as Snakemake says it"]


@pytest.mark.parametrize("asked_for", ["verbose", "quiet", "dryrun", "debug_dag"])
def test_who_asks_for_snakemake_s_own_output_has_it(asked_for: str) -> None:
    logger = logger_on(io.StringIO())
    assert attach(logger, settings(**{asked_for: True})) is None
    assert len(logger.handlers) == 1
    assert attach(logging.Logger("with a plug-in"), settings()) is None


def test_a_run_of_snakemake_says_this_and_no_more(tmp_path: Path) -> None:
    folder = copy_repository(tmp_path)
    run = ("--cores", "1", "--config", "scale=smoke", "--", TABLE)
    done = snakemake(folder, *run)
    said = done.stderr.splitlines()

    first = ["Using", "Building", "smoke:", "1/1", "Done:", "Complete"]
    assert [line.split()[0] for line in said] == first
    assert said[2].startswith("smoke: 1 job for 1 table, about ")
    log = Path(said[-1].removeprefix("Complete log(s): ")).read_text()
    assert "reason: Missing output files" in log
    assert "Shell command: python -m compute_aligned table" in log

    (folder / TABLE).unlink()
    steps = folder / "workflow" / "compute_aligned" / "paper" / "steps.py"
    steps.write_text('raise SystemExit("it broke here")\n')
    failed = snakemake(folder, *run)

    assert failed.returncode == 1
    assert "1 job failed, 0 of 1 job finished:\n  table table1\n" in failed.stderr
    assert f"The end of {LOG}:\n  | it broke here\n" in failed.stderr
    assert f"Continue with:\n  snakemake {' '.join(run)}\n" in failed.stderr
    assert len(failed.stderr.splitlines()) < 35
