"""The step of the rules ``train_warmup``, ``train_sft`` and ``train_rl``: a model each, or many."""

from pathlib import Path
from typing import Annotated

import typer

from compute_aligned.config.options import Device, Family, Fetched, Problems, Scale, Seed
from compute_aligned.config.settings import Rl
from compute_aligned.config.study import read_study
from compute_aligned.files.errors import in_brief
from compute_aligned.files.locks import sole_maker
from compute_aligned.files.progress import notice
from compute_aligned.files.provenance import STARTED, Clock
from compute_aligned.train.place import Place
from compute_aligned.train.training import Training


def train(
    context: typer.Context,
    scale: Scale,
    family: Family,
    branch: Annotated[str, typer.Option(help="A branch of the family, or warmup.")],
    seed: Seed,
    problems: Problems,
    model: Annotated[Path, typer.Option(help="Folder that the trained model goes to.")],
    steps: Annotated[Path, typer.Option(help="Where the record of every step goes.")],
    start: Annotated[
        Path | None, typer.Option(help="Model folder to start from, of a branch; the reference.")
    ] = None,
    ahead: Annotated[
        str | None,
        typer.Option(help="Folder of a branch, * for its name: train all of them too, and keep."),
    ] = None,
    rl_problems: Annotated[
        Path | None, typer.Option(help="The problems of branches that are trained ahead by RL.")
    ] = None,
    fetched: Fetched = None,
    device: Device = None,
) -> None:
    """Train a family's warm-up, or a branch from its start, by fine-tuning or by RL.

    A model that was trained ahead, from the same settings, problems and start, is only put in
    place. Starting Python and torch takes as long as training a tiny model: with --ahead one
    process does it once for all models of a family and seed.
    """
    study = read_study(scale)
    experiment, place = study.experiment(family), Place(model, steps)
    context.with_resource(sole_maker(model))
    training = Training(experiment, branch, seed, problems, start, fetched, device)
    _keep(training, place)
    if ahead and study.settings.train_together:
        places = {branch: place}
        for name in experiment.in_order:
            folder = Path(ahead.replace("*", name))
            places[name] = Place(folder / "model", folder / "steps.parquet")
            by_rl = isinstance(experiment.branch(name).training, Rl)
            begin = places[experiment.start_of(name)].kept
            if begin.key is None:
                continue  # it could not be trained either
            asked = rl_problems if by_rl and rl_problems else problems
            context.with_resource(sole_maker(places[name].model))
            _try_to_keep(
                Training(experiment, name, seed, asked, begin.model, fetched, device), places[name]
            )
    place.take()


def _keep(training: Training, place: Place, since: Clock = STARTED) -> None:
    """Train a model, unless one is kept that was trained from the same."""
    kept = place.kept.key
    if kept is None or kept != training.key:
        training.run(place, since)


def _try_to_keep(training: Training, place: Place) -> None:
    """Train a model ahead; what stands against it is left to its own job to say."""
    try:
        _keep(training, place, Clock.now())
    except Exception as error:  # of any kind: the warm-up, and other branches, are none the worse
        notice(f"{training.name} could not be trained ahead: {in_brief(error)}")
