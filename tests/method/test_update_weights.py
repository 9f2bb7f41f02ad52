import functools
import json
import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from compute_aligned.files.errors import InputError
from compute_aligned.method import subsets  # noqa: F401 - its estimates become known
from compute_aligned.method.groups import RewardHistory, RolloutGroups
from compute_aligned.method.strategies import BestOfN, MajorityVote, PassAtN, SingleSample
from compute_aligned.method.update_weights import (
    SUCCESS_ESTIMATES,
    GroupQuantile,
    HistoryQuantile,
    SequenceProbability,
    SmoothedSuccess,
    dynamic_threshold,
    most_wrong_votes,
)

GOLD = "7"
groups_of_6 = st.lists(st.sampled_from([GOLD, "1", "2", None]), min_size=6, max_size=6)
double = functools.partial(torch.tensor, dtype=torch.float64)


def answered(*groups):
    """Rollout groups of problems whose right answer is GOLD."""
    correct = torch.tensor([[answer == GOLD for answer in group] for group in groups])
    rewards = correct.double()
    return RolloutGroups(torch.full_like(rewards, -3.0), rewards, correct, groups)


def rated(rewards, past=None):
    """Rollout groups of a task that has rewards only."""
    rewards = double(rewards)
    past = None if past is None else double(past)
    return RolloutGroups(log_p=torch.full_like(rewards, -30.0), rewards=rewards, past_rewards=past)


def majority_weight(n, k, p, form):
    """n C(n-1,k-1) p^(k-1) (1-p)^(n-k), or k C(n,k) p^k (1-p)^(n-k) / S, in plain arithmetic."""
    if form == "raw":
        return n * math.comb(n - 1, k - 1) * p ** (k - 1) * (1 - p) ** (n - k)
    success = sum(math.comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k, n + 1))
    return k * math.comb(n, k) * p**k * (1 - p) ** (n - k) / success


# --- the sequence's own probability -----------------------------------------------------------


def test_pass_at_n_weighs_each_completion_by_its_own_probability_without_normalising():
    p = double([[0.5, 0.25], [0.1, 1.0]])
    groups = RolloutGroups(log_p=p.log(), rewards=torch.zeros(2, 2))
    raw = SequenceProbability().weights(PassAtN(n=4), "raw", groups)
    log = SequenceProbability().weights(PassAtN(n=4), "log", groups)
    torch.testing.assert_close(raw, 4 * (1 - p) ** 3)
    torch.testing.assert_close(log, 4 * p * (1 - p) ** 3 / (1 - (1 - p) ** 4))


def test_log_p_is_floored_at_minus_50_and_the_weight_capped_at_50():
    # raw Pass@64 is 64 (1-p)^63: 64 at a vanishing p, 50 at p = 1 - (50/64)^(1/63) = .0039
    log_p = double([[-10000.0, math.log(0.001), math.log(0.01)]])
    groups = RolloutGroups(log_p=log_p, rewards=torch.zeros(1, 3))
    estimate = SequenceProbability()
    assert estimate.log_probability(groups).tolist() == [[-50.0, log_p[0, 1], log_p[0, 2]]]
    weights = estimate.weights(PassAtN(n=64), "raw", groups)
    assert weights[0].tolist() == [50.0, 50.0, pytest.approx(64 * 0.99**63)]


# --- the smoothed success of a prompt ---------------------------------------------------------


def test_the_success_rate_is_smoothed_and_shared_by_the_prompt():
    groups = answered([GOLD, GOLD, "1", None], ["1", "2", "3", "4"], [GOLD] * 4)
    p = SmoothedSuccess().log_probability(groups).exp()
    torch.testing.assert_close(p, double([[3 / 6] * 4, [1 / 6] * 4, [5 / 6] * 4]))


@given(st.integers(2, 80), st.integers(1, 40), st.data())
def test_the_threshold_is_one_vote_above_the_expected_rival(n, group_size, data):
    votes = data.draw(st.integers(0, group_size))
    enough = [k for k in range(2, n // 2 + 1) if k * group_size > n * votes]
    assert dynamic_threshold(n, group_size, votes) == min([*enough, n // 2 + 1])


@pytest.mark.parametrize(
    ("n", "group_size", "wrong_votes", "k"),
    [
        (8, 8, 0, 2),  # no rival: still two votes
        (8, 8, 8, 5),  # never more than a strict majority
        (2, 4, 4, 2),
        (8, 16, 3, 2),  # 8*3/16 = 1.5
        (49, 7, 1, 8),  # exactly 7 expected rivals, where floats may round
    ],
)
def test_the_threshold_is_a_possible_vote(n, group_size, wrong_votes, k):
    assert dynamic_threshold(n, group_size, wrong_votes) == k


@given(st.lists(groups_of_6, min_size=1, max_size=4))
def test_the_most_frequent_wrong_answer_equals_a_count(answers):
    expected = []
    for group in answers:
        votes = Counter(a if a is not None else "unparseable" for a in group)
        del votes[GOLD]
        expected.append(max([*votes.values(), 0]))
    assert most_wrong_votes(answered(*answers)) == expected


@pytest.mark.parametrize("form", ["raw", "log"])
def test_majority_weights_follow_each_prompts_own_threshold_then_have_mean_one(form):
    groups = answered(
        [GOLD, GOLD, "1", "1"],  # p = 3/6, 2 rivals of 4: k = floor(8*2/4)+1 = 5
        [GOLD, "1", "2", "3"],  # p = 2/6, 1 rival: k = 3
        ["1", "1", "1", "1"],  # p = 1/6, 4 rivals: k = 5, as high as it goes
        [None, None, None, None],  # the same
    )
    raw = [majority_weight(8, k, p, form) for k, p in ((5, 1 / 2), (3, 1 / 3), (5, 1 / 6))]
    raw.append(raw[-1])
    assert max(raw) < 10
    expected = double([[w] * 4 for w in raw]) / (sum(raw) / 4)
    for k in (2, 5, 7):  # which that of the branch's row gives way to
        weights = SmoothedSuccess().weights(MajorityVote(n=8, k=k), form, groups)
        torch.testing.assert_close(weights, expected)


def test_a_batch_of_one_prompt_is_not_divided_by_its_mean():
    groups = answered([GOLD, "1", "2", "3"])
    weights = SmoothedSuccess().weights(MajorityVote(n=8, k=5), "raw", groups)
    expected = torch.full_like(weights, majority_weight(8, 3, 1 / 3, "raw"))
    torch.testing.assert_close(weights, expected)


def test_the_cap_of_10_comes_before_the_division():
    # M = 64 and n = 64: p = 3/66 with k = 2 has raw weight 64*63*p*(1-p)^62 = 10.2,
    # p = 33/66 with k = 33 has 64*C(63,32)*2^-63 = 6.4
    first = [GOLD] * 2 + [str(i) for i in range(100, 162)]
    groups = answered(first, [GOLD] * 32 + ["1"] * 32)
    uncapped = [majority_weight(64, 2, 3 / 66, "raw"), majority_weight(64, 33, 1 / 2, "raw")]
    assert uncapped[0] > 10 > uncapped[1]
    weights = SmoothedSuccess().weights(MajorityVote(n=64, k=33), "raw", groups)
    mean = (10 + uncapped[1]) / 2
    torch.testing.assert_close(weights[:, 0], double([10 / mean, uncapped[1] / mean]))


def test_strategies_that_count_no_votes_take_the_smoothed_success_as_it_is():
    groups = answered([GOLD, "1", "1", "1"], [GOLD, GOLD, GOLD, "1"])
    raw = 4 * (1 - double([2 / 6, 4 / 6])) ** 3
    weights = SmoothedSuccess().weights(PassAtN(n=4), "raw", groups)
    torch.testing.assert_close(weights[:, 0], raw / raw.mean())


@given(st.lists(groups_of_6, min_size=2, max_size=5), st.integers(2, 16))
def test_majority_weights_are_equal_within_a_prompt_and_average_to_one(answers, n):
    for form in ("raw", "log"):
        weights = SmoothedSuccess().weights(MajorityVote(n=n, k=2), form, answered(*answers))
        assert (weights == weights[:, :1]).all()
        assert (weights >= 0).all()
        assert weights.mean().item() == pytest.approx(1)


# --- the quantile of a reward -----------------------------------------------------------------


def test_ties_share_the_quantile_of_the_strictly_smaller_rewards_of_their_group():
    groups = rated([[3, 1, 1, 2], [8, 9, 7, 6], [-5, -5, -5, -5]])
    q = double([[4, 1, 1, 3], [3, 4, 2, 1], [1, 1, 1, 1]]) / 5
    torch.testing.assert_close(GroupQuantile().log_probability(groups).exp(), q)
    weights = GroupQuantile().weights(BestOfN(n=4), "raw", groups)
    torch.testing.assert_close(weights, q**3 / (q**3).mean())


def test_quantile_weights_have_mean_one_in_a_batch_of_one_too():
    weights = GroupQuantile().weights(BestOfN(n=2), "raw", rated([[0, 1, 2]]))
    torch.testing.assert_close(weights, double([[0.5, 1.0, 1.5]]))


def test_the_history_quantile_is_kept_off_0_and_1_and_is_one_half_at_first():
    late, first = rated([[-1, 5000, 3, 4]], list(range(4000))), rated([[1, 2], [3, 4]], [])
    q = HistoryQuantile().log_probability(late).exp()
    torch.testing.assert_close(q, double([[0.001, 0.999, 0.001, 5 / 4002]]))
    assert HistoryQuantile().log_probability(first).exp().tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert HistoryQuantile().weights(BestOfN(n=8), "raw", first).tolist() == [[1, 1], [1, 1]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_history_ties_survive_either_precision(dtype):
    history = RewardHistory()
    rewards = torch.tensor([[0.1, 0.3]], dtype=dtype)
    history.add(rewards)
    groups = RolloutGroups(log_p=torch.zeros(1, 2), rewards=rewards, past_rewards=history.rewards())
    q = HistoryQuantile().log_probability(groups).exp()
    torch.testing.assert_close(q, torch.tensor([[1 / 4, 2 / 4]], dtype=dtype))


@given(
    st.lists(st.integers(-3, 3), min_size=1, max_size=30),
    st.lists(st.integers(-4, 4), min_size=1, max_size=5),
)
def test_the_history_quantile_equals_a_count(past, rewards):
    q = HistoryQuantile().log_probability(rated([rewards], past)).exp()
    expected = [(sum(r < reward for r in past) + 1) / (len(past) + 2) for reward in rewards]
    torch.testing.assert_close(q, double([expected]))


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=12), st.integers(2, 16))
def test_quantile_weights_average_to_one_and_rise_with_the_reward(rewards, n):
    weights = GroupQuantile().weights(BestOfN(n=n), "raw", rated([rewards]))
    assert weights.mean().item() == pytest.approx(1)
    for reward, weight in zip(rewards, weights[0], strict=True):
        assert all((weight > w) == (reward > r) for r, w in zip(rewards, weights[0], strict=True))


# --- all estimates ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimate", "strategy", "groups"),
    [
        # solved nowhere: p = 1/18, and 501 of 1000 votes needed: 1e-400
        (SmoothedSuccess(), MajorityVote(n=1000, k=501), answered(["1"] * 16, ["2"] * 16)),
        # .001^(n-1) underflows
        (HistoryQuantile(), BestOfN(n=256), rated([[-1.0, -1.0]], past=list(range(4000)))),
    ],
)
def test_weights_that_are_all_zero_stay_zero(estimate, strategy, groups):
    weights = estimate.weights(strategy, "raw", groups)
    assert torch.equal(weights, torch.zeros_like(groups.rewards))


@pytest.mark.parametrize("form", ["log", "raw"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", SUCCESS_ESTIMATES)
def test_a_single_sample_has_weight_one_under_every_estimate(name, dtype, form):
    answers = [[GOLD, "1", None], ["1", "1", "2"], [GOLD, GOLD, GOLD]]
    correct = torch.tensor([[a == GOLD for a in group] for group in answers])
    log_p = torch.tensor([[-0.0, -1.0, -80.0], [-2.0, -5000.0, -3.0], [-0.1, -0.2, -7]])
    past = double([0, 0, 1])
    groups = RolloutGroups(log_p.to(dtype), correct.to(dtype), correct, answers, past)
    weights = SUCCESS_ESTIMATES[name]().weights(SingleSample(), form, groups)
    assert weights.dtype == dtype
    torch.testing.assert_close(weights, torch.ones(3, 3, dtype=dtype), rtol=0, atol=1e-6)


# --- the history ------------------------------------------------------------------------------


@given(st.integers(1, 9), st.lists(st.lists(st.integers(-5, 5), min_size=3, max_size=3)))
def test_the_history_keeps_the_latest_rewards_in_order_also_from_a_checkpoint(capacity, batches):
    history, seen = RewardHistory(capacity), []
    for batch in batches:
        state = history.state_dict()
        history.add(torch.tensor([batch], dtype=torch.float32))
        assert state["rewards"] == seen[-capacity:]  # what was saved stays as it was
        resumed = RewardHistory()
        resumed.load_state_dict(json.loads(json.dumps(state)))
        resumed.add(double([batch]))
        seen += batch
        assert history.rewards().tolist() == resumed.rewards().tolist() == seen[-capacity:]


def test_the_history_keeps_4000_rewards_by_default():
    history = RewardHistory()
    history.add(torch.arange(4100.0).view(41, 100))
    assert history.rewards().tolist() == [float(i) for i in range(100, 4100)]


# --- refusals ---------------------------------------------------------------------------------


def zeros(*shapes, **parts):
    log_p, rewards = map(torch.zeros, shapes)
    return RolloutGroups(log_p=log_p, rewards=rewards, **parts)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        *[
            (functools.partial(dynamic_threshold, *votes), "no vote of")
            for votes in ((1, 8, 3), (8, 8, 9), (8, 8, -1), (8, 0, 0))
        ],
        (lambda: zeros((2, 3), (3, 2)), "prompts x rollouts"),
        (lambda: zeros((2, 2), (2, 2), answers=[["1", "2"]]), "prompts x rollouts"),
        (lambda: zeros((2,), (2,)), "prompts x rollouts"),
        (lambda: SmoothedSuccess().log_probability(rated([[1, 2]])), "the groups' correct"),
        (lambda: most_wrong_votes(rated([[1, 2]])), "the groups' answers"),
        (lambda: HistoryQuantile().log_probability(rated([[1, 2]])), "the groups' past_rewards"),
        (lambda: GroupQuantile().weights(BestOfN(n=4), "log", rated([[1, 2]])), "has no log form"),
        (lambda: RewardHistory().add(double([[math.nan]])), "prompt 0"),
        (lambda: RewardHistory(0), "at least one"),
    ],
)
def test_what_lacks_a_part_or_disagrees_is_refused(call, message):
    with pytest.raises((ValueError, InputError), match=message):
        call()
