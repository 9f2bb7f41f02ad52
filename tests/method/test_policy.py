import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_aligned.files.errors import InputError
from compute_aligned.method.policy import (
    group_advantages,
    kl_penalty,
    penalise_all_wrong,
    policy_gradient_loss,
    sequence_log_prob,
)


def double(values):
    return torch.tensor(values, dtype=torch.float64)


# --- advantages -----------------------------------------------------------------------------


def test_advantages_use_the_sample_deviation_within_each_prompt():
    # 1,0,0,0: mean 1/4, squared deviations 9/16 + 3/16 = 3/4, over n-1 = 3: variance 1/4, std 1/2
    # 10,0,0,10: mean 5, squared deviations 100, variance 100/3
    rewards = double([[1, 0, 0, 0], [10, 0, 0, 10]])
    std = math.sqrt(100 / 3)
    expected = [[0.75 / 0.5001] + 3 * [-0.25 / 0.5001], [x / (std + 1e-4) for x in (5, -5, -5, 5)]]
    torch.testing.assert_close(group_advantages(rewards), double(expected))


@pytest.mark.parametrize("reward", [0.1, -5.0, 1 / 3, 1e8])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_rewards_have_advantage_exactly_zero(reward, dtype):
    rewards = torch.full((2, 7), reward, dtype=dtype)
    assert torch.equal(group_advantages(rewards), torch.zeros(2, 7, dtype=dtype))


def test_a_single_rollout_has_advantage_zero():
    assert torch.equal(group_advantages(double([[3.0], [-1.0]])), double([[0.0], [0.0]]))


def test_one_winner_among_many_is_clipped_at_the_limit_and_its_rivals_are_not():
    rewards = torch.zeros(1, 100, dtype=torch.float64)
    rewards[0, 7] = 1  # mean .01, variance .0099 * 100/99 = .01, std .1: advantage 9.89
    free, clipped = group_advantages(rewards), group_advantages(rewards, limit=5.0)
    assert free[0, 7].item() == pytest.approx(0.99 / 0.1001)
    assert clipped[0, 7] == 5.0
    assert clipped[0, 0].item() == pytest.approx(-0.01 / 0.1001)
    assert group_advantages(-rewards, limit=5.0)[0, 7] == -5.0


@given(
    rewards=st.lists(st.integers(-40, 40), min_size=2, max_size=12),
    shift=st.integers(-1000, 1000),
    scale=st.integers(1, 50),
)
def test_advantages_sum_to_zero_ignore_shifts_and_keep_the_order(rewards, shift, scale):
    group = double([rewards])
    advantages = group_advantages(group)
    assert advantages.sum().item() == pytest.approx(0, abs=1e-9)
    torch.testing.assert_close(group_advantages(group + shift), advantages)
    if len(set(rewards)) > 1:
        # only the 1e-4 in the denominator sees the scale
        torch.testing.assert_close(
            group_advantages(group * scale), advantages, rtol=2e-4, atol=1e-12
        )
        order = np.argsort(rewards, kind="stable")
        assert (np.diff(advantages[0].numpy()[order]) >= 0).all()
        assert advantages[0].std().item() == pytest.approx(1, abs=2e-4)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_reward_that_is_no_number_names_its_prompt(bad):
    rewards = torch.zeros(4, 3)
    rewards[2, 1] = bad
    with pytest.raises(InputError, match="prompt 2, rollout 1"):
        group_advantages(rewards)


@pytest.mark.parametrize("rewards", [torch.zeros(3), torch.zeros(2, 3, dtype=torch.int64)])
def test_rewards_of_another_shape_or_kind_are_a_programming_error(rewards):
    with pytest.raises(ValueError, match="prompts x rollouts"):
        group_advantages(rewards)


def test_only_prompts_that_nothing_solved_are_penalised():
    correct = torch.tensor([[True, False], [False, False], [True, True]])
    rewards = correct.double()
    penalised = penalise_all_wrong(group_advantages(rewards), correct, penalty=0.5)
    # 1,0: deviations 1/2, variance 1/2
    one = 0.5 / (math.sqrt(0.5) + 1e-4)
    torch.testing.assert_close(penalised, double([[one, -one], [-0.5, -0.5], [0, 0]]))


def test_a_penalty_of_zero_changes_nothing_for_binary_rewards():
    correct = torch.tensor([[True, False], [False, False]])
    advantages = group_advantages(correct.double())
    assert torch.equal(penalise_all_wrong(advantages, correct, 0.0), advantages)


def test_a_negative_penalty_is_refused():
    with pytest.raises(ValueError, match="negative"):
        penalise_all_wrong(torch.zeros(1, 2), torch.zeros(1, 2, dtype=torch.bool), -0.5)


# --- losses against slow loops ---------------------------------------------------------------


@st.composite
def batches(draw):
    """Token log-probs of three policies, lengths and weighted advantages of one batch."""
    num_sequences, num_tokens = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    current, sampled, reference = -rng.exponential(1.0, (3, num_sequences, num_tokens))
    lengths = rng.integers(1, num_tokens, num_sequences, endpoint=True)
    gains = rng.normal(size=num_sequences)
    return current, sampled, reference, lengths, gains


def mask_of(lengths, num_tokens):
    return torch.arange(num_tokens) < torch.as_tensor(lengths).unsqueeze(1)


def with_poison(values, mask):
    """Values that must not matter outside the mask: NaN and -inf."""
    poison = torch.where(torch.arange(values.shape[1]) % 2 == 0, math.nan, -math.inf)
    return torch.where(mask, torch.as_tensor(values), poison.double())


@settings(max_examples=40, deadline=None)
@given(batches())
def test_the_policy_gradient_loss_and_its_gradient_equal_a_loop(batch):
    current, _, _, lengths, gains = batch
    mask = mask_of(lengths, current.shape[1])
    log_probs = with_poison(current, mask).requires_grad_()
    weighted = double(gains).requires_grad_()
    loss = policy_gradient_loss(sequence_log_prob(log_probs, mask), weighted)
    loss.backward()

    expected, gradient = 0.0, np.zeros_like(current)
    for b, length in enumerate(lengths):
        for t in range(length):
            expected -= gains[b] * current[b, t] / len(lengths)
            gradient[b, t] = -gains[b] / len(lengths)
    assert loss.item() == pytest.approx(expected)
    torch.testing.assert_close(log_probs.grad, double(gradient))
    assert weighted.grad is None  # advantages and weights are constants


@settings(max_examples=40, deadline=None)
@given(batches())
def test_the_kl_penalty_and_its_gradient_equal_a_loop(batch):
    current, _, reference, lengths, _ = batch
    mask = mask_of(lengths, current.shape[1])
    log_probs = with_poison(current, mask).requires_grad_()
    other = with_poison(reference, mask).requires_grad_()
    penalty = kl_penalty(log_probs, other, mask)
    penalty.backward()

    terms, gradient = [], np.zeros_like(current)
    for b, length in enumerate(lengths):
        for t in range(length):
            d = reference[b, t] - current[b, t]
            terms.append(math.exp(d) - d - 1)
            gradient[b, t] = (1 - math.exp(d)) / lengths.sum()
    assert penalty.item() == pytest.approx(math.fsum(terms) / lengths.sum(), abs=1e-12)
    assert penalty.item() >= 0
    torch.testing.assert_close(log_probs.grad, double(gradient))
    assert other.grad is None


def test_the_kl_penalty_weighs_tokens_and_not_completions():
    # d = log 2 on the only token of one completion, 0 on the three of the other
    current, reference = torch.zeros(2, 3).double() - 1, torch.zeros(2, 3).double() - 1
    reference[0, 0] += math.log(2)
    penalty = kl_penalty(current, reference, mask_of([1, 3], 3))
    assert penalty.item() == pytest.approx((2 - math.log(2) - 1) / 4)


def test_the_kl_penalty_averages_to_the_divergence_under_the_policy():
    policy, reference = double([0.7, 0.2, 0.1]), double([0.3, 0.3, 0.4])
    ones = torch.ones(1, 1, dtype=torch.bool)
    average = sum(
        p * kl_penalty(p.log().view(1, 1), q.log().view(1, 1), ones)
        for p, q in zip(policy, reference, strict=True)
    )
    divergence = (policy * (policy / reference).log()).sum()
    torch.testing.assert_close(average, divergence)


def test_tiny_policy_changes_keep_their_digits_in_the_kl_penalty():
    d = 1e-7
    penalty = kl_penalty(double([[-1.0 - d]]), double([[-1.0]]), torch.ones(1, 1).bool())
    assert penalty.item() == pytest.approx(d * d / 2, rel=1e-3, abs=0)


def test_parts_of_a_batch_add_up_when_weighted_as_documented():
    rng = np.random.default_rng(0)
    current, reference = -double(rng.exponential(1, (2, 6, 4)))
    mask = mask_of([1, 4, 2, 3, 4, 1], 4)
    gains = double(rng.normal(size=6))
    parts = [slice(0, 4), slice(4, 6)]
    sequences = sequence_log_prob(current, mask)
    loss = sum(policy_gradient_loss(sequences[p], gains[p]) * len(gains[p]) / 6 for p in parts)
    penalty = sum(
        kl_penalty(current[p], reference[p], mask[p]) * mask[p].sum() / mask.sum() for p in parts
    )
    torch.testing.assert_close(loss, policy_gradient_loss(sequences, gains))
    torch.testing.assert_close(penalty, kl_penalty(current, reference, mask))


def test_a_batch_without_completion_tokens_has_no_kl_penalty():
    with pytest.raises(ValueError, match="no completion token"):
        kl_penalty(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(2, 3, dtype=torch.bool))


def test_shapes_that_would_broadcast_are_refused():
    ones = torch.ones(2, 3, dtype=torch.bool)
    with pytest.raises(ValueError, match="shapes differ"):
        policy_gradient_loss(torch.zeros(2), torch.zeros(2, 1))
    with pytest.raises(ValueError, match="shapes differ"):
        kl_penalty(torch.zeros(2, 3), torch.zeros(1, 3), ones)
    with pytest.raises(ValueError, match="shapes differ"):
        sequence_log_prob(torch.zeros(2, 3), ones[:1])
