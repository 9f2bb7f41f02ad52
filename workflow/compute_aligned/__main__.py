"""``python -m compute_aligned``: runs a verb; a user's mistake ends in a message, no traceback.

A verb is a step of the pipeline, in the module ``steps`` of its room: it reads its settings from
config/, does one thing and publishes. Heavy libraries are imported by the verb that needs them, so
that the others start at once.
"""

import errno
import gc
import os
import sys

import typer

from compute_aligned.claims.steps import claims
from compute_aligned.describe.steps import (
    cost,
    describe,
    predict,
    reference,
    report,
    schemas,
    timings,
)
from compute_aligned.files.errors import InputError
from compute_aligned.paper.steps import cell, figure, table
from compute_aligned.prepare.steps import fetch, fetch_model, prepare
from compute_aligned.sample.steps import sample, sample_temperatures
from compute_aligned.score.steps import score, score_temperatures
from compute_aligned.train.steps import train

app = typer.Typer(
    name="compute_aligned",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Steps of the Compute Aligned Training study; Snakemake calls them, you may too.",
)

for verb in (
    *(fetch, fetch_model, prepare),
    *(train, sample, sample_temperatures, score, score_temperatures),
    *(cell, table, figure, claims),
    *(describe, timings, report, reference, cost, predict, schemas),
):
    app.command()(verb)


def main() -> None:
    """Run the command line. Exit code 2 for a mistake in what the user gave, 1 for a full disk."""
    # torch, transformers and vLLM make a million objects that live to the end; looking through them
    # for garbage again and again, as they are imported, costs a fifth of that time
    gc.set_threshold(100_000, 50, 50)
    try:
        app()
    except SystemExit as done:  # how typer ends
        _leave(done)
    except InputError as error:
        sys.exit(_report(f"error: {error}", 2))
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.exit(
            _report(
                f"error: {error.filename or 'a write'}: the disk is full\n"
                "  remedy: free some space and run the same command again: finished work is kept",
                1,
            )
        )


def _leave(done: SystemExit) -> None:
    """End at once where all went well: all is written, and taking torch apart costs a second."""
    if done.code not in (None, 0):
        raise done
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _report(message: str, code: int) -> int:
    print(f"\n{message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
