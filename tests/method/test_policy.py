import functools
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

double = functools.partial(torch.tensor, dtype=torch.float64)

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
@pytest.mark.parametrize("shape", [(2, 7), (2, 1)])
def test_equal_rewards_have_advantage_exactly_zero(reward, dtype, shape):
    rewards = torch.full(shape, reward, dtype=dtype)
    assert torch.equal(group_advantages(rewards), torch.zeros(shape, dtype=dtype))


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
        scaled = group_advantages(group * scale)
        torch.testing.assert_close(scaled, advantages, rtol=2e-4, atol=1e-12)
        assert (np.diff(advantages[0][np.argsort(rewards, kind="stable")]) >= 0).all()
        assert advantages[0].std().item() == pytest.approx(1, abs=2e-4)


def test_only_prompts_that_nothing_solved_are_penalised():
    correct = torch.tensor([[True, False], [False, False], [True, True]])
    advantages = group_advantages(correct.double())
    # 1,0: deviations 1/2, variance 1/2
    one = 0.5 / (math.sqrt(0.5) + 1e-4)
    penalised = penalise_all_wrong(advantages, correct, penalty=0.5)
    torch.testing.assert_close(penalised, double([[one, -one], [-0.5, -0.5], [0, 0]]))
    assert torch.equal(penalise_all_wrong(advantages, correct, 0.0), advantages)


# --- losses against slow loops ---------------------------------------------------------------


@st.composite
def batches(draw):
    """Token log-probs of two policies, lengths and weighted advantages of one batch."""
    num_sequences, num_tokens = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    current, other = -rng.exponential(1.0, (2, num_sequences, num_tokens))
    lengths = rng.integers(1, num_tokens, num_sequences, endpoint=True)
    return current, other, lengths, rng.normal(size=num_sequences)


def mask_of(lengths, num_tokens):
    return torch.arange(num_tokens) < torch.as_tensor(lengths).unsqueeze(1)


def with_poison(values, mask):
    """Values that must not matter outside the mask: NaN and -inf."""
    poison = torch.where(torch.arange(values.shape[1]) % 2 == 0, math.nan, -math.inf)
    return torch.where(mask, torch.as_tensor(values), poison.double()).requires_grad_()


# what one token adds to each loss and to its slope, before the mean


def gradient_token(current, other, gain):
    return -gain * current, -gain


def kl_token(current, reference, gain):
    d = reference - current
    return math.exp(d) - d - 1, 1 - math.exp(d)


@pytest.mark.parametrize("token", [gradient_token, kl_token])
@settings(max_examples=40)
@given(batch=batches())
def test_each_loss_and_its_gradient_equal_a_loop_over_tokens(token, batch):
    current, other, lengths, gains = batch
    mask = mask_of(lengths, current.shape[1])
    log_probs, constant = with_poison(current, mask), with_poison(other, mask)
    weighted, of_tokens = double(gains).requires_grad_(), token is kl_token
    if of_tokens:
        loss = kl_penalty(log_probs, constant, mask)
    else:
        loss = policy_gradient_loss(sequence_log_prob(log_probs, mask), weighted)
    loss.backward()

    terms, gradient = [], np.zeros_like(current)
    for b, length in enumerate(lengths):
        share = len(lengths) * (length if of_tokens else 1)
        for t in range(length):
            found = np.array(token(current[b, t], other[b, t], gains[b])) / share
            terms.append(found[0])
            gradient[b, t] = found[1]
    assert loss.item() == pytest.approx(math.fsum(terms), abs=1e-12)
    torch.testing.assert_close(log_probs.grad, double(gradient))
    assert weighted.grad is None  # advantages, weights and other policies are constants
    assert constant.grad is None


def test_the_kl_penalty_weighs_completions_alike_and_equal_ones_as_often_as_there_are():
    # d = log 2 on the only token of one completion, and on one of the three of the other
    current, reference = -torch.ones(2, 3).double(), -torch.ones(2, 3).double()
    reference[:, 0] += math.log(2)
    mask = mask_of([1, 3], 3)
    d = 2 - math.log(2) - 1
    assert kl_penalty(current, reference, mask).item() == pytest.approx((d + d / 3) / 2)
    counted = kl_penalty(current, reference, mask, counts=torch.tensor([5, 2]))
    assert counted.item() == pytest.approx((5 * d + 2 * d / 3) / 7)


def test_the_kl_penalty_averages_to_the_divergence_under_the_policy():
    policy, reference = double([0.7, 0.2, 0.1]), double([0.3, 0.3, 0.4])
    average = sum(
        p * kl_penalty(p.log().view(1, 1), q.log().view(1, 1), mask_of([1], 1))
        for p, q in zip(policy, reference, strict=True)
    )
    torch.testing.assert_close(average, (policy * (policy / reference).log()).sum())


def test_tiny_policy_changes_keep_their_digits_in_the_kl_penalty():
    d = 1e-7
    penalty = kl_penalty(double([[-1.0 - d]]), double([[-1.0]]), mask_of([1], 1))
    assert penalty.item() == pytest.approx(d * d / 2, rel=1e-3, abs=0)


# --- refusals -------------------------------------------------------------------------------

ZEROS, MASK = torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_reward_that_is_no_number_names_its_prompt(bad):
    rewards = torch.zeros(4, 3)
    rewards[2, 1] = bad
    with pytest.raises(InputError, match="prompt 2, rollout 1"):
        group_advantages(rewards)


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (group_advantages, (torch.zeros(3),), "prompts x rollouts"),
        (group_advantages, (torch.zeros(2, 3, dtype=torch.int64),), "prompts x rollouts"),
        (penalise_all_wrong, (ZEROS, MASK, -0.5), "a penalty is not negative"),
        (kl_penalty, (ZEROS, ZEROS, ~MASK), "no token"),
        # shapes that would broadcast
        (kl_penalty, (ZEROS, ZEROS[:1], MASK), "shapes differ"),
        (policy_gradient_loss, (torch.zeros(2), torch.zeros(2, 1)), "shapes differ"),
        (sequence_log_prob, (ZEROS, MASK[:1]), "shapes differ"),
    ],
)
def test_programming_errors_are_refused(function, arguments, message):
    with pytest.raises(ValueError, match=message):
        function(*arguments)
