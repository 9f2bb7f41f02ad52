import functools
import math
from collections import Counter
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_aligned.method.objectives import GroupObjective
from compute_aligned.method.policy import policy_gradient_loss
from compute_aligned.method.strategies import BestOfN, MajorityVote, PassAtN, SingleSample
from compute_aligned.method.update_weights import SequenceProbability, SmoothedSuccess
from compute_aligned.paper.alignment import (
    COMPARISONS,
    Comparison,
    ToyPolicy,
    cosine,
    expected_reward,
    expected_update,
    policy_alignment,
    true_gradient,
)


def toy(probabilities, rewards):
    table = torch.tensor(probabilities, dtype=torch.float64)
    return ToyPolicy("toy", table, torch.tensor(rewards, dtype=torch.float64).expand_as(table))


@st.composite
def toys(draw, max_prompts=3, rewards=(1, 1, 0, 0)):
    num_prompts = draw(st.integers(1, max_prompts))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return toy(rng.dirichlet(np.ones(len(rewards)) * 2, num_prompts) * 0.98 + 0.005, rewards)


# --- the true side ----------------------------------------------------------------------------


def at_least(k):
    return lambda rewards: float(sum(rewards) >= k)


@pytest.mark.parametrize(
    ("strategy", "rewards", "outcome"),
    [
        (SingleSample(), [3.0, -1.0, 0.5], max),
        (PassAtN(n=4), [1.0, 0.0, 0.0], max),
        (PassAtN(n=3), [1.0, 0.0, 1.0], max),
        (MajorityVote(n=5, k=3), [1.0, 0.0, 0.0], at_least(3)),
        (MajorityVote(n=4, k=2), [0.0, 1.0, 1.0], at_least(2)),
        (BestOfN(n=4), [3.0, -5.0, 0.5], max),
        (BestOfN(n=3), [2.0, 2.0, 7.0], max),
    ],
)
def test_the_expected_reward_equals_the_sum_over_all_draws(strategy, rewards, outcome):
    probabilities = [0.5, 0.3, 0.2]
    n = strategy.tail.n
    expected = sum(
        math.prod(probabilities[a] for a in draws) * outcome([rewards[a] for a in draws])
        for draws in product(range(3), repeat=n)
    )
    policy = toy([probabilities], rewards)
    value = expected_reward(policy.probabilities[0].log(), policy.rewards[0], strategy)
    assert value.item() == pytest.approx(expected)


def test_the_true_gradient_equals_finite_differences():
    policy = toy([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]], [3.0, -1.0, 0.5])
    strategy, step = BestOfN(n=4), 1e-6
    gradient = true_gradient(policy, strategy)
    for prompt, answer in product(range(2), range(3)):
        values = []
        for sign in (1, -1):
            logits = policy.probabilities.log()
            logits[prompt, answer] += sign * step
            values.append(expected_reward(logits[prompt], policy.rewards[prompt], strategy).item())
        slope = (values[0] - values[1]) / (2 * step)
        assert gradient[prompt, answer].item() == pytest.approx(slope, abs=1e-8)


@settings(max_examples=25)
@given(toys(), st.sampled_from([PassAtN(n=4), MajorityVote(n=5, k=3), SingleSample()]))
def test_weights_at_the_exact_p_give_the_true_gradient_of_every_prompt(policy, strategy):
    # the paper's identity: A = R - p, w = S'(p), answers weighed by their probability
    logits = policy.probabilities.log().requires_grad_()
    p = (policy.probabilities * policy.rewards).sum(dim=1, keepdim=True)
    weights = strategy.update_weight(p.log().clamp(max=0), "raw")
    gains = policy.probabilities * (policy.rewards - p) * weights
    loss = policy_gradient_loss(torch.log_softmax(logits, dim=1).flatten(), gains.flatten())
    loss.backward()
    torch.testing.assert_close(-logits.grad * logits.numel(), true_gradient(policy, strategy))


# --- the expected update ----------------------------------------------------------------------


def plain_weight(comparison, drawn, rollout, probabilities, rewards):
    """w of one rollout up to a constant factor, in plain arithmetic from the paper's formulas."""
    group_size, n = len(drawn), comparison.strategy.tail.n
    if comparison.success_estimate == "group_quantile":
        q = (sum(rewards[a] < rewards[drawn[rollout]] for a in drawn) + 1) / (group_size + 1)
        return q ** (n - 1)
    if comparison.success_estimate == "sequence_probability":
        p, k, cap = probabilities[drawn[rollout]], 1, 50
    else:
        p = (sum(rewards[a] > 0 for a in drawn) + 1) / (group_size + 2)
        wrong = Counter(a for a in drawn if rewards[a] <= 0)
        k = max(2, min(n // 2 + 1, math.floor(n * max([*wrong.values(), 0]) / group_size) + 1))
        cap = 10
    slope = n * math.comb(n - 1, k - 1) * p ** (k - 1) * (1 - p) ** (n - k)
    success = sum(math.comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k, n + 1))
    return min(slope * (p / success if comparison.form == "log" else 1), cap)


def plain_update(policy, group_size, weight):
    """Expected update as a loop over every ordered group of rollouts."""
    update = np.zeros(policy.probabilities.shape)
    for prompt, (row, reward_row) in enumerate(
        zip(policy.probabilities.tolist(), policy.rewards.tolist(), strict=True)
    ):
        for drawn in product(range(len(row)), repeat=group_size):
            rewards = [reward_row[a] for a in drawn]
            chance = math.prod(row[a] for a in drawn)
            for rollout, answer in enumerate(drawn):
                advantage = (rewards[rollout] - np.mean(rewards)) / (np.std(rewards, ddof=1) + 1e-4)
                gain = advantage * weight(drawn, rollout, row, reward_row) / group_size
                score = np.eye(len(row))[answer] - np.array(row)
                update[prompt] += chance * gain * score
    return update


def plain_cosine(first, second):
    return (first * second).sum() / math.sqrt((first**2).sum() * (second**2).sum())


def test_every_cosine_of_the_table_equals_a_loop_over_all_rollouts():
    records = policy_alignment(COMPARISONS, group_size=3)
    assert len(set(records)) == len(COMPARISONS)
    for c, r in zip(COMPARISONS, records, strict=True):
        labels = (c.policy.name, c.strategy.label, c.form, c.success_estimate)
        assert (r.policy, r.strategy, r.form, r.success_estimate) == labels
        assert c.policy.probabilities.sum(dim=1).numpy() == pytest.approx(1)
        gradient = true_gradient(c.policy, c.strategy).numpy()
        update = plain_update(c.policy, 3, functools.partial(plain_weight, c))
        standard = plain_update(c.policy, 3, lambda *group: 1.0)
        assert r.cosine == pytest.approx(plain_cosine(update, gradient)), c
        assert r.standard_cosine == pytest.approx(plain_cosine(standard, gradient)), c


def test_the_expected_update_has_the_scale_of_the_loop_where_nothing_is_normalised():
    policy = toy([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]], [1.0, 0.0, 0.0])
    comparison = Comparison(policy, PassAtN(n=4), "raw", "sequence_probability")
    objective = GroupObjective(PassAtN(n=4), "raw", SequenceProbability())
    update = expected_update(policy, objective, group_size=4)
    loop = plain_update(policy, 4, functools.partial(plain_weight, comparison))
    torch.testing.assert_close(update, torch.tensor(loop))


@settings(max_examples=25)
@given(toys(max_prompts=1), st.sampled_from(["log", "raw"]), st.integers(2, 5))
def test_on_one_prompt_a_weight_of_the_success_rate_keeps_the_true_direction(policy, form, size):
    for strategy in (PassAtN(n=4), SingleSample()):
        update = expected_update(policy, GroupObjective(strategy, form, SmoothedSuccess()), size)
        assert cosine(update, true_gradient(policy, strategy)) == pytest.approx(1)
        assert cosine(update, true_gradient(policy, MajorityVote(n=8, k=5))) == pytest.approx(1)


@settings(max_examples=25)
@given(toys(max_prompts=1, rewards=(1, 1, 0)), st.sampled_from(["log", "raw"]))
def test_a_single_wrong_answer_makes_the_majority_update_exact_in_direction(policy, form):
    # its votes are M minus the successes, so the dynamic threshold follows from the success rate
    strategy = MajorityVote(n=8, k=5)
    update = expected_update(policy, GroupObjective(strategy, form, SmoothedSuccess()), 5)
    assert cosine(update, true_gradient(policy, strategy)) == pytest.approx(1)


def test_several_wrong_answers_bend_the_majority_update_a_little():
    # the threshold looks at which wrong answer leads, so wrong answers are no longer exchangeable
    policy = toy([[0.3, 0.4, 0.2, 0.1]], [1.0, 0.0, 0.0, 0.0])
    for form in ("log", "raw"):
        comparison = Comparison(policy, MajorityVote(n=8, k=5), form, "smoothed_success")
        (record,) = policy_alignment([comparison])
        assert 0.99 < record.cosine < 1 - 1e-5
        assert record.standard_cosine == pytest.approx(1)


def test_own_probabilities_miss_the_direction_the_more_the_larger_n():
    policy = toy([[0.2, 0.1, 0.4, 0.2, 0.1]], [1.0, 1.0, 0.0, 0.0, 0.0])
    by_n = policy_alignment(
        [Comparison(policy, PassAtN(n=n), "raw", "sequence_probability") for n in (1, 2, 4, 16)]
    )
    cosines = [record.cosine for record in by_n]
    assert cosines[0] == pytest.approx(1)
    assert cosines == sorted(cosines, reverse=True)
    assert cosines[-1] < 0.9


def test_best_of_n_weights_are_biased_but_closer_than_the_standard_update():
    policy = toy([[0.2, 0.1, 0.4, 0.2, 0.1]], [10.0, 7.0, 5.0, 2.0, 1.0])
    for n in (2, 4, 8):
        (record,) = policy_alignment([Comparison(policy, BestOfN(n=n), "raw", "group_quantile")])
        assert record.standard_cosine < record.cosine < 1 - 1e-4
