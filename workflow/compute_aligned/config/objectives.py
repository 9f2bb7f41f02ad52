"""The objective that a branch of reinforcement learning is trained with."""

from compute_aligned.config.settings import ANSWER, Rl
from compute_aligned.config.study import Branch
from compute_aligned.files.errors import InputError
from compute_aligned.method.objectives import GroupObjective
from compute_aligned.method.strategies import Strategy, UpdateForm
from compute_aligned.method.strategy_text import parse_strategy
from compute_aligned.method.update_weights import estimate_named


def group_objective(strategy: Strategy, form: UpdateForm, settings: Rl) -> GroupObjective:
    """The objective of a strategy and form under these settings.

    Raises:
        InputError: There is no such estimate.

    """
    return GroupObjective(
        strategy,
        form,
        estimate_named(settings.success_estimate),
        settings.advantage_scale,
        settings.advantage_limit,
        settings.all_wrong_penalty,
    )


def objective_of(branch: Branch) -> GroupObjective:
    """The objective of a branch, all of whose parts go together.

    Raises:
        InputError: They do not, or the branch is not trained by reinforcement learning.

    """
    row, settings = branch.row, branch.training
    if not isinstance(settings, Rl) or row.weight_form == "-":
        problem = "it is fine-tuned, and has no such objective"
        raise InputError(f"{row.family} {row.branch}", problem, "name a branch with log or raw")
    objective = group_objective(parse_strategy(row.strategy), row.weight_form, settings)
    objective.check(settings.group_size, settings.reward == ANSWER)
    return objective
