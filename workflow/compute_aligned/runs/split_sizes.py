"""How many problems each split of a family has, as far as that is known before anything has run."""

from dataclasses import dataclass

from compute_aligned.configuration.settings import Problems
from compute_aligned.configuration.sources import HubSource, Source
from compute_aligned.errors import InputError
from compute_aligned.problems import split_problems
from compute_aligned.records import Problem


@dataclass(frozen=True)
class SplitSizes:
    """Problems in each split; with ``rl: train`` those of ``rl`` are the ones of ``train``.

    Attributes:
        train: For the warm-up and for fine-tuning.
        rl: For reinforcement learning.
        validation: To choose settings on.
        test: To evaluate on.
        exact: Whether ``train`` is known; else it is the most that there can be.

    """

    train: int
    rl: int
    validation: int
    test: int
    exact: bool = True

    @property
    def total(self) -> int:
        """Problems that are written down, one that stands in two splits twice."""
        return self.train + self.rl + self.validation + self.test


def split_sizes(
    settings: Problems, source: Source, raw: list[Problem] | None, seed: int
) -> SplitSizes:
    """The sizes of a family's splits: as the settings say, or counted where they say ``all``.

    Args:
        settings: The family's problems.
        source: Where they come from.
        raw: The source's problems; None where they are not at hand.
        seed: Decides which problems are for training.

    Raises:
        InputError: The settings say ``all``, the problems are not at hand, and the source does not
            say how many it has.

    """
    train, exact = _train(settings, source, raw, seed)
    rl = train if settings.rl == "train" else settings.rl
    return SplitSizes(train, rl, settings.validation, settings.test, exact)


def _train(
    settings: Problems, source: Source, raw: list[Problem] | None, seed: int
) -> tuple[int, bool]:
    """How many training problems, and whether that is exact."""
    if settings.train != "all":
        return settings.train, True
    if raw is not None:
        return len(split_problems(raw, settings, seed)["train"]), True
    if not isinstance(source, HubSource) or source.size is None:
        raise InputError(
            f"source {settings.source}",
            "a family takes all of its problems, and how many there are is not known yet",
            "write the source's size in the scale's file, or fetch it first",
        )
    others = settings.validation + settings.test
    return source.size - others - (0 if settings.rl == "train" else settings.rl), False
