"""Objectives and groups of rollouts as tests of them write these."""

import torch

from compute_aligned.method.groups import RolloutGroups
from compute_aligned.method.objectives import GroupObjective
from compute_aligned.method.update_weights import estimate_named


def objective(strategy, estimate, scale="none", form="raw", **changes):
    """An objective by the names that the configuration has for its parts."""
    return GroupObjective(strategy, form, estimate_named(estimate), scale, **changes)


def groups_of(rewards, log_p=None):
    """Groups with rewards (P, M); where these are 0 and 1, of right and wrong answers."""
    rewards = torch.tensor(rewards, dtype=torch.float64)
    log_p = torch.full_like(rewards, -2.0) if log_p is None else log_p
    if not torch.isin(rewards, torch.tensor([0.0, 1.0], dtype=torch.float64)).all():
        return RolloutGroups(log_p, rewards, past_rewards=rewards.flatten())
    answers = [["1" if r else "2" for r in group] for group in rewards.tolist()]
    return RolloutGroups(log_p, rewards, rewards > 0, answers)


def gains_of(objective, rewards):
    """The gains of one group."""
    return objective.gains(groups_of([rewards])).gains[0].tolist()


def right_and_wrong(size, correct):
    """The rewards of a group of that size."""
    return [1.0] * correct + [0.0] * (size - correct)
