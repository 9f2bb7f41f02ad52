"""The step of the rules ``train_warmup``, ``train_sft`` and ``train_rl``: a model each, or many."""

from pathlib import Path
from typing import Annotated

import typer

from compute_aligned.config.options import Device, Family, Fetched, Problems, Scale, Seed
from compute_aligned.config.settings import Rl
from compute_aligned.config.sheets import WARMUP
from compute_aligned.config.study import read_study
from compute_aligned.files.locks import sole_maker
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
    experiment = read_study(scale).experiment(family)
    places = {branch: Place(model, steps)}
    for name in experiment.in_order if ahead else []:
        folder = Path(str(ahead).replace("*", name))
        places[name] = Place(folder / "model", folder / "steps.parquet")
    since = STARTED
    for name, place in places.items():
        context.with_resource(sole_maker(place.model))
        by_rl = name != WARMUP and isinstance(experiment.branch(name).training, Rl)
        training = Training(
            experiment,
            name,
            seed,
            problems=rl_problems if by_rl and name != branch and rl_problems else problems,
            start=start if name == branch else places[experiment.start_of(name)].kept.model,
            fetched=fetched,
            device=device,
        )
        if place.kept.key is None or place.kept.key != training.key:
            training.run(place, since)
        since = Clock.now()
    places[branch].take()
