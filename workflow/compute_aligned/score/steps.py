"""The steps of the rules ``score`` and ``score_temperatures``: grade samples, compute metrics."""

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from compute_aligned.config.fingerprints import scoring_fingerprint, sweep_scoring_fingerprint
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


def score_temperatures(
    scale: Scale,
    family: Family,
    samples: Annotated[Path, typer.Option(help="The samples of one seed's sweep.")],
    validation: Annotated[Path, typer.Option(help="Problems to choose a temperature on.")],
    problems: Problems,
    outcomes: Annotated[Path, typer.Option(help="Where the metrics go.")],
) -> None:
    """Grade the samples of a sweep: every metric of every problem, temperature and budget."""
    import pyarrow.compute as pc

    from compute_aligned.score import scoring
    from compute_aligned.score.tasks import TASKS

    experiment = read_study(scale).experiment(family)
    settings, sweep = experiment.settings, experiment.sweep
    asked = {
        split: {p.id: p for p in islice(records.each_problem(path), sweep.problems)}
        for split, path in {"validation": validation, "test": problems}.items()
    }
    with streams.writing(outcomes, records.SWEPT_OUTCOMES) as measured:
        for split, of_split in asked.items():
            for temperature in sweep.values:
                at = {"split": split, "temperature": temperature}
                chosen = (pc.field("split") == split) & (pc.field("temperature") == temperature)
                drawn = scoring.complete(
                    scoring.by_problem(
                        batch.filter(chosen)
                        for batch in streams.read_batches(
                            samples, records.SWEPT_SAMPLES, f"scoring {split} at {temperature}"
                        )
                    ),
                    of_split,
                    sweep.num_samples,
                    samples,
                    "sample_temperatures",
                )
                for row in scoring.score(
                    drawn, of_split.values(), TASKS[settings.reward], settings.grader
                ):
                    of_row = scoring.outcomes([row], settings.swept_metrics)
                    measured.add_rows(at | outcome for outcome in of_row)
    provenance.record(
        outcomes,
        scale=scale,
        family=family,
        grader=settings.grader,
        inputs=[str(path) for path in (samples, validation, problems)],
        config_hash=sweep_scoring_fingerprint(experiment),
    )
