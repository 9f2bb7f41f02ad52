"""The step of the rule ``score``: grade samples and compute every metric."""

from pathlib import Path
from typing import Annotated

import typer

from compute_aligned.config.fingerprints import scoring_fingerprint
from compute_aligned.config.options import Family, Problems, Scale
from compute_aligned.config.study import read_study
from compute_aligned.files import provenance, records, streams


def score(
    scale: Scale,
    family: Family,
    samples: Annotated[Path, typer.Option(help="The samples of one seed.")],
    problems: Problems,
    scores: Annotated[Path, typer.Option(help="Where votes and correctness go.")],
    outcomes: Annotated[Path, typer.Option(help="Where the metrics go.")],
) -> None:
    """Grade samples, and compute every metric of every problem at every budget."""
    from compute_aligned.score import scoring
    from compute_aligned.score.tasks import TASKS

    experiment = read_study(scale).experiment(family)
    settings, task = experiment.settings, TASKS[experiment.settings.reward]
    # twice, for all of them at once would take too much memory
    ids = dict.fromkeys(problem.id for problem in records.each_problem(problems))
    asked = records.each_problem(problems)
    drawn = scoring.complete(
        scoring.by_problem(streams.read_batches(samples, records.SAMPLES, "scoring")),
        ids,
        settings.sampling.num_samples,
        samples,
    )
    rows = scoring.score(drawn, asked, task, settings.grader)
    with (
        streams.writing(scores, task.schema) as scored,
        streams.writing(outcomes, records.OUTCOMES) as measured,
    ):
        for row in rows:
            scored.add_rows([row])
            measured.add_rows(scoring.outcomes([row], settings.metrics))
    for path in (scores, outcomes):
        provenance.record(
            path,
            scale=scale,
            family=family,
            grader=settings.grader,
            inputs=[str(samples), str(problems)],
            config_hash=scoring_fingerprint(experiment),
        )
