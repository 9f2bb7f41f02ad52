"""The command line: a verb a rule. Each reads its settings from config/, does one step, publishes.

Heavy libraries are imported by the verb that needs them, so that the others start at once.
"""

import typer

from compute_aligned.cli.data import fetch, fetch_model, prepare
from compute_aligned.cli.evaluate import sample, score
from compute_aligned.cli.paper import claims, figure, reference, table
from compute_aligned.cli.plan import cost, schemas
from compute_aligned.cli.report import describe, report, timings
from compute_aligned.cli.train import train_rl, train_sft

app = typer.Typer(
    name="compute_aligned",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Steps of the Compute Aligned Training study; Snakemake calls them, you may too.",
)

for verb in (
    fetch,
    fetch_model,
    prepare,
    train_sft,
    train_rl,
    sample,
    score,
    table,
    figure,
    claims,
    describe,
    timings,
    report,
    reference,
    cost,
    schemas,
):
    app.command()(verb)
