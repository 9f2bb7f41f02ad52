"""Options that several verbs share, and how their values are read."""

from pathlib import Path
from typing import Annotated

import typer

from compute_aligned.config import settings
from compute_aligned.files.errors import InputError

Scale = Annotated[str, typer.Option(help="A file of config/scales/, without .yaml.")]
Family = Annotated[str, typer.Option(help="A family of that scale.")]
Seed = Annotated[int, typer.Option(help="The run's seed.", min=0)]
Seeds = Annotated[
    list[int] | None, typer.Option(help="A seed, once a seed; default: each family's own.")
]
Item = Annotated[str, typer.Option(help="A row of config/paper_items.tsv.")]
Outcomes = Annotated[
    list[Path] | None,
    typer.Argument(help="The outcomes, a file a seed; an analytic item needs none."),
]
Scores = Annotated[
    list[Path] | None,
    typer.Option(help="The scores, once a seed, for items that are made from single samples."),
]
Steps = Annotated[
    list[str] | None,
    typer.Option(help="BRANCH=FILE, once a branch and seed, for items about the training."),
]
Cells = Annotated[
    list[str] | None,
    typer.Option(help="FAMILY=FILE, once a cell that was run, for items about cells of a map."),
]
Reported = Annotated[Path, typer.Option(help="The paper's own numbers.")]
Device = Annotated[
    settings.Device | None, typer.Option(help="Where to compute; default: the scale's device.")
]
Fetched = Annotated[
    Path | None,
    typer.Argument(help="Record of the checkpoint that was fetched, where the model is one."),
]
Problems = Annotated[Path, typer.Option(help="Problems as JSON lines.")]


def named(option: str, values: list[str], kind: str = "branch") -> list[tuple[str, Path]]:
    """Branches, or families, and their paths, from the values ``BRANCH=PATH`` of an option."""
    named = []
    for value in values:
        name, _, path = value.partition("=")
        if not name or not path:
            raise InputError(
                f"{option} {value}", f"no {kind} with its path", f"{kind.upper()}=PATH"
            )
        named.append((name, Path(path)))
    return named


def grouped(option: str, values: list[str]) -> dict[str, list[Path]]:
    """The paths of each family, from the values ``FAMILY=PATH`` of an option."""
    paths: dict[str, list[Path]] = {}
    for family, path in named(option, values, "family"):
        paths.setdefault(family, []).append(path)
    return paths
