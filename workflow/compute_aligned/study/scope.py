"""How much of a scale a run covers: which seeds, which families.

Without pandas: Snakemake asks this module before any job, in an environment of its own.
"""

from compute_aligned import config
from compute_aligned.configuration.settings import Run


def seeds_of(run: Run, scale: str, family: str) -> tuple[int, ...]:
    """The run's own seeds if it was given any, else those of the family."""
    return run.seeds or config.read_family(scale, family).seeds


def families_shown(scale: str) -> list[str]:
    """The families of a scale that some table or figure shows; others are not run."""
    shown = {item.family for item in config.read_paper_items().values()}
    return [family for family in config.read_scale(scale).families if family in shown]
