"""A family at a scale with its branches, as every step is told of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from compute_aligned.config.reading import chosen
from compute_aligned.config.scales import Family, Run
from compute_aligned.config.settings import Rl, Sft, Temperatures
from compute_aligned.config.sheets import FROM_WARMUP, WARMUP, BranchRow
from compute_aligned.files.errors import InputError

WARMUP_LABEL = "Warm-up"


@dataclass(frozen=True)
class Branch:
    """A branch: its row, and its family's ``sft`` or ``rl`` with the row's overrides laid over."""

    row: BranchRow
    training: Sft | Rl


@dataclass(frozen=True)
class Experiment:
    """A family at a scale: its settings, and the branches that are trained from its warm-up.

    Attributes:
        scale: The scale's name.
        family: The family's name.
        settings: What the scale's file says of the family.
        dtype: What models compute in.
        branches: By their ids, in the order of ``config/branches.tsv``.

    """

    scale: str
    family: str
    settings: Family
    dtype: str
    branches: Mapping[str, Branch]

    @property
    def models(self) -> list[str]:
        """The ids of all models that are sampled: the warm-up, then the branches."""
        return [WARMUP, *self.branches]

    @property
    def labels(self) -> dict[str, str]:
        """Model id to what a reader sees."""
        return {WARMUP: WARMUP_LABEL} | {b: each.row.label for b, each in self.branches.items()}

    @property
    def baseline(self) -> str:
        """The branch that every gain is taken over."""
        return next(b for b, each in self.branches.items() if each.row.role == "baseline")

    @property
    def baseline_label(self) -> str:
        """What a reader sees of it."""
        return self.labels[self.baseline]

    @property
    def is_pool(self) -> bool:
        """Whether rewards are measured on one prompt, so that its samples are all there is."""
        return self.settings.problems.test == 1 and self.settings.gives == "rewards"

    @property
    def sweep(self) -> Temperatures:
        """The temperatures that its models are sampled at besides their own.

        Raises:
            InputError: It has none.

        """
        sweep = self.settings.temperatures
        if sweep is None:
            raise InputError(
                f"family {self.family}",
                f"it is sampled at one temperature only at scale {self.scale}",
                f"add the block temperatures to it in config/scales/{self.scale}.yaml",
            )
        return sweep

    def branch(self, name: str) -> Branch:
        """One of the branches.

        Raises:
            InputError: There is no such branch.

        """
        problem = f"family {self.family!r} has no branch {name!r}"
        return chosen(self.branches, name, "config/branches.tsv", problem)

    def start_of(self, name: str) -> str:
        """The id of the model that a branch is trained from: the warm-up's, or another branch's."""
        start = self.branch(name).row.start
        return WARMUP if start == FROM_WARMUP else start

    @property
    def in_order(self) -> list[str]:
        """The branches, each after the one that it starts from."""
        ordered: list[str] = []
        while len(ordered) < len(self.branches):
            ordered += [
                name
                for name in self.branches
                if name not in ordered and self.start_of(name) in (WARMUP, *ordered)
            ]
        return ordered

    def seeds_in(self, run: Run) -> tuple[int, ...]:
        """The run's own seeds if it was given any, else those of the family."""
        return run.seeds or self.settings.seeds
