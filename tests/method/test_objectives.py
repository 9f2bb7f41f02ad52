"""Every objective against the exact gradient on softmax policies, and what holds for all."""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
import torch
from method.objective_parts import gains_of, groups_of, objective, right_and_wrong
from support.own_strategy import SecondTry

from compute_aligned.files.errors import InputError
from compute_aligned.method.budget_mixtures import MaxRL, Mixture
from compute_aligned.method.groups import RolloutGroups
from compute_aligned.method.objectives import SCALES
from compute_aligned.method.strategies import BestOfN, MajorityVote, PassAtN, SingleSample
from compute_aligned.method.update_weights import (
    SUCCESS_ESTIMATES,
    SuccessEstimate,
    estimate_named,
)

M = 5
BINARY, RATED = (1.0, 0.0, 1.0), (7.0, 2.0, -1.0)
POLICIES = ((0.30, 0.50, 0.20), (0.02, 0.90, 0.08), (0.60, 0.15, 0.25))

ONE = SingleSample()
# of right and wrong answers, and of other rewards; an estimate without an example fails a test
EXAMPLES = [
    *(objective(ONE, "sequence_probability", scale) for scale in SCALES),
    *(objective(PassAtN(n=3), "sequence_probability", "std", form) for form in ("log", "raw")),
    objective(MajorityVote(n=4, k=3), "smoothed_success", "std"),
    objective(PassAtN(n=3), "smoothed_success"),
    objective(PassAtN(n=3), "group_rate"),
    objective(MaxRL(t=4), "group_rate", form="log"),
    *(objective(PassAtN(n=n), "leave_two_out") for n in (1, 2, 4)),
    *(objective(MajorityVote(n=4, k=k), "leave_two_out") for k in (2, 4)),
    *(objective(s, "leave_two_out") for s in (MaxRL(t=4), Mixture(n=3, a=0.25))),
    objective(PassAtN(n=3), "leave_two_out", "success_std"),
    *(objective(PassAtN(n=3), estimate) for estimate in ("max_at_k", "pkpo")),
]
OF_REWARDS = [
    *(objective(ONE, "sequence_probability", scale) for scale in ("std", "none")),
    *(objective(BestOfN(n=n), "max_at_k") for n in (1, 2, 4)),
    *(objective(BestOfN(n=n), "pkpo") for n in (2, 4)),
    objective(BestOfN(n=3), "max_at_k", "std"),
    objective(BestOfN(n=3), "group_quantile", "std"),
    objective(BestOfN(n=3), "history_quantile", "std"),
]
CASES = [(o, BINARY) for o in EXAMPLES] + [(o, RATED) for o in OF_REWARDS]


def test_every_estimate_and_every_divisor_has_an_example():
    examples = [*EXAMPLES, *OF_REWARDS]
    assert {o.estimate.name for o in examples} == set(SUCCESS_ESTIMATES)
    assert {o.scale for o in examples} == set(SCALES)
    for o, rewards in CASES:
        o.check(M, of_answers=rewards is BINARY)


# --- against the exact gradient ---------------------------------------------------------------


def expected_update(objective, policy, rewards):
    """Sum over every ordered group of rollouts: the mean of gain * grad log p, in the logits."""
    draws = list(product(range(len(policy)), repeat=M))
    p = np.array(policy)
    log_p = torch.tensor(np.log(p)[np.array(draws)])
    gains = objective.gains(groups_of([[rewards[a] for a in d] for d in draws], log_p)).gains
    chances = np.prod(p[np.array(draws)], axis=1)
    scores = np.eye(len(policy))[np.array(draws)] - p
    return torch.tensor(np.einsum("g,gm,gma->a", chances, gains.numpy(), scores) / M)


def exact_gradient(strategy, policy, rewards):
    """Gradient in the logits of S(p), or of the best of n, over every outcome of n draws."""
    logits = torch.tensor(np.log(policy), requires_grad=True)
    probabilities = torch.softmax(logits, dim=0)
    if isinstance(strategy, BestOfN):
        draws = list(product(range(len(policy)), repeat=strategy.n))
        chances = torch.stack([probabilities[list(d)].prod() for d in draws])
        value = (chances * torch.tensor([max(rewards[a] for a in d) for d in draws])).sum()
    elif rewards == RATED:  # the mean reward
        value = (probabilities * torch.tensor(rewards)).sum()
    else:
        right = probabilities[torch.tensor(rewards) > 0].sum()
        value = strategy.log_success(right.log()).exp()
    (gradient,) = torch.autograd.grad(value, logits)
    return gradient


@pytest.mark.parametrize(("objective", "rewards"), CASES, ids=str)
def test_the_expected_update_is_what_it_says_or_else_is_biased(objective, rewards):
    target = objective.target(M)
    strategy = objective.strategy if target is None else target.strategy
    updates = [expected_update(objective, policy, rewards) for policy in POLICIES]
    gradients = [exact_gradient(strategy, policy, rewards) for policy in POLICIES]

    if target is not None:
        for update, gradient in zip(updates, gradients, strict=True):
            torch.testing.assert_close(update, target.scale * gradient, rtol=1e-10, atol=1e-12)
    else:  # prompt by prompt in proportion it may be; then the prompts differ in the factor
        update, gradient = torch.cat(updates), torch.cat(gradients)
        cosine = (update @ gradient / (update.norm() * gradient.norm())).item()
        assert 0.3 < cosine < 1 - 1e-5


def test_with_many_rollouts_division_by_std_ascends_two_asin_sqrt_p():
    size, p = 600, torch.tensor([0.1, 0.3, 0.8], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad((2 * torch.asin(p.sqrt())).sum(), p)
    counts = torch.arange(size + 1)
    rewards = (torch.arange(size) < counts.unsqueeze(1)).double()
    groups = RolloutGroups(torch.full_like(rewards, -1.0), rewards)
    gains = objective(ONE, "sequence_probability", "std").gains(groups).gains
    # a right rollout has the score grad p / p, a wrong one -grad p / (1-p)
    right, wrong = (gains * rewards).mean(1), (gains * (1 - rewards)).mean(1)
    for at, expected in zip(p.detach(), slope, strict=True):
        chance = torch.distributions.Binomial(size, at).log_prob(counts.double()).exp()
        found = (chance * (right / at - wrong / (1 - at))).sum()
        assert found.item() == pytest.approx(expected.item(), rel=1e-2)


# --- what holds for all -----------------------------------------------------------------------


@pytest.mark.parametrize(("objective", "rewards"), CASES, ids=str)
def test_equal_rewards_push_nowhere_and_weights_are_not_negative(objective, rewards):
    found = objective.gains(groups_of([[r] * M for r in sorted(rewards)]))
    assert torch.equal(found.gains, torch.zeros_like(found.gains))
    assert (found.weights >= 0).all()


def test_a_group_without_a_right_rollout_has_the_penalty_times_the_weight():
    o = objective(PassAtN(n=2), "leave_two_out", penalty=0.5)
    found = o.gains(groups_of([[0.0] * 4, [1.0, 0.0, 0.0, 0.0]]))
    assert found.gains[0].tolist() == pytest.approx([-0.5 * found.weights[1, 0].item()] * 4)


@dataclass(frozen=True)
class Reciprocal(SuccessEstimate, name="reciprocal"):
    """An estimate such as a user adds, which goes wrong where no rollout is right."""

    def weights(self, strategy, form, groups):
        return 1 / groups.rewards.mean(dim=1, keepdim=True).expand_as(groups.rewards)


del SUCCESS_ESTIMATES["reciprocal"]  # known within one test alone


def test_an_estimate_of_ones_own_is_one_class_and_an_infinite_weight_is_named(monkeypatch):
    monkeypatch.setitem(SUCCESS_ESTIMATES, "reciprocal", Reciprocal)
    o = objective(ONE, "reciprocal")
    maxrl = gains_of(objective(ONE, "sequence_probability", "mean"), right_and_wrong(4, 1))
    assert gains_of(o, right_and_wrong(4, 1)) == maxrl
    with pytest.raises(InputError, match=r"estimate reciprocal: the weight of a rollout is inf"):
        o.gains(groups_of([[0.0] * 4]))
    with pytest.raises(TypeError, match="already is a success estimate named pkpo"):
        type("Again", (Reciprocal,), {}, name="pkpo")


PAIR, OWN = "leave_two_out", "sequence_probability"


@pytest.mark.parametrize(
    ("wrong", "size", "of_answers", "message"),
    [
        (objective(ONE, OWN), 1, True, "group_size: a group of one rollout"),
        (objective(PassAtN(n=4), PAIR), 4, True, "Pass@4 has no unbiased estimate from 3"),
        (objective(SecondTry(chance=0.5), PAIR), 8, True, "has no unbiased estimate from 7"),
        (objective(PassAtN(n=2), PAIR, form="log"), 8, True, "no log form"),
        (objective(PassAtN(n=8), OWN, "success_std"), 4, True, "success_std: Pass@8 has no"),
        (objective(PassAtN(n=4), "pkpo"), 4, True, "n=4 is not below group_size=4"),
        (objective(BestOfN(n=9), "max_at_k"), 8, False, "n=9 is not below group_size=8"),
        (objective(BestOfN(n=1), "pkpo"), 8, False, "no others to compare"),
        (objective(MajorityVote(n=4, k=2), "max_at_k"), 8, True, "not the best of n draws"),
        (objective(Mixture(n=4, a=0.5), "max_at_k"), 8, True, "not the best of n draws"),
        (objective(PassAtN(n=4), "max_at_k", form="log"), 8, True, "no log form"),
        (objective(BestOfN(n=4), OWN, form="log"), 8, True, "Best-of-4 has no log form"),
        (objective(PassAtN(n=4), PAIR), 8, False, "leave_two_out: it counts right answers"),
        (objective(ONE, "group_rate"), 8, False, "group_rate: it counts right answers"),
        (objective(ONE, "smoothed_success"), 8, False, "success: it counts right answers"),
        (objective(ONE, OWN, "mean"), 8, False, "advantage_scale mean: it counts right answers"),
        (objective(BestOfN(n=4), "max_at_k", "mean"), 8, True, "does not go with success_estim"),
        (objective(BestOfN(n=4), "pkpo", "std"), 8, True, "set advantage_scale to none"),
        (objective(BestOfN(n=4), "pkpo", limit=5.0), 8, True, "advantage_limit to null"),
        (objective(PassAtN(n=4), "pkpo", penalty=0.5), 8, True, "all_wrong_penalty to 0"),
    ],
)
def test_what_does_not_go_together_is_refused_before_training(wrong, size, of_answers, message):
    with pytest.raises(InputError, match=message):
        wrong.check(size, of_answers)


def test_a_misspelt_estimate_is_refused_with_those_that_there_are():
    with pytest.raises(InputError, match=r"no success estimate 'pkp'\n.*group_rate"):
        estimate_named("pkp")


def test_clipped_or_penalised_updates_are_exact_for_nothing():
    o = objective(PassAtN(n=2), PAIR)
    assert o.target(M) is not None
    assert replace(o, limit=5.0).target(M) is replace(o, penalty=0.5).target(M) is None
