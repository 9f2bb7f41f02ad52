import json
import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from compute_aligned.files.errors import InputError
from compute_aligned.method.strategies import BestOfN, MajorityVote, PassAtN, SingleSample
from compute_aligned.method.update_weights import (
    SUCCESS_ESTIMATES,
    GroupQuantile,
    HistoryQuantile,
    RewardHistory,
    RolloutGroups,
    SequenceProbability,
    SmoothedSuccess,
    dynamic_threshold,
    most_wrong_votes,
)

GOLD = "7"
any_answer = st.sampled_from([GOLD, "1", "2", None])
groups_of_6 = st.lists(any_answer, min_size=6, max_size=6)


def double(values):
    return torch.tensor(values, dtype=torch.float64)


def answered(*groups):
    """Rollout groups of problems whose right answer is GOLD."""
    correct = torch.tensor([[answer == GOLD for answer in group] for group in groups])
    rewards = correct.double()
    return RolloutGroups(
        log_p=torch.full_like(rewards, -3.0), rewards=rewards, correct=correct, answers=groups
    )


def rated(rewards, past=None, dtype=torch.float64):
    """Rollout groups of a task that has rewards only."""
    rewards = torch.tensor(rewards, dtype=dtype)
    past = None if past is None else double(past)
    return RolloutGroups(log_p=torch.full_like(rewards, -30.0), rewards=rewards, past_rewards=past)


def majority_weight(n, k, p, form):
    """n C(n-1,k-1) p^(k-1) (1-p)^(n-k), or k C(n,k) p^k (1-p)^(n-k) / S, in plain arithmetic."""
    if form == "raw":
        return n * math.comb(n - 1, k - 1) * p ** (k - 1) * (1 - p) ** (n - k)
    success = sum(math.comb(n, j) * p**j * (1 - p) ** (n - j) for j in range(k, n + 1))
    return k * math.comb(n, k) * p**k * (1 - p) ** (n - k) / success


# --- the sequence's own probability -----------------------------------------------------------


def test_pass_at_n_weighs_each_completion_by_its_own_probability():
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
    assert weights[0, :2].tolist() == [50.0, 50.0]
    assert weights[0, 2].item() == pytest.approx(64 * 0.99**63)


def test_weights_of_the_own_probability_are_not_normalised():
    groups = RolloutGroups(log_p=double([[-20.0, -30.0], [-40.0, -45.0]]), rewards=torch.ones(2, 2))
    weights = SequenceProbability().weights(PassAtN(n=16), "raw", groups)
    torch.testing.assert_close(weights, torch.full_like(weights, 16.0))


# --- the smoothed success of a prompt ---------------------------------------------------------


def test_the_success_rate_is_smoothed_and_shared_by_the_prompt():
    groups = answered([GOLD, GOLD, "1", None], ["1", "2", "3", "4"], [GOLD] * 4)
    p = SmoothedSuccess().log_probability(groups).exp()
    torch.testing.assert_close(p, double([[3 / 6] * 4, [1 / 6] * 4, [5 / 6] * 4]))


@pytest.mark.parametrize(
    ("n", "group_size", "wrong_votes", "k"),
    [
        (8, 8, 0, 2),  # no rival: still two votes
        (8, 8, 1, 2),
        (8, 8, 2, 3),
        (8, 8, 3, 4),
        (8, 8, 4, 5),
        (8, 8, 8, 5),  # never more than a strict majority
        (8, 16, 3, 2),  # 8*3/16 = 1.5
        (4, 16, 7, 2),
        (4, 16, 8, 3),
        (2, 4, 4, 2),
        (64, 8, 3, 25),
        (49, 7, 1, 8),  # exactly 7 expected rivals, where floats may round
    ],
)
def test_the_threshold_is_one_vote_above_the_expected_rival(n, group_size, wrong_votes, k):
    assert dynamic_threshold(n, group_size, wrong_votes) == k


@given(st.integers(2, 80), st.integers(1, 40), st.data())
def test_the_threshold_is_a_possible_vote_and_grows_with_the_rival(n, group_size, data):
    votes = data.draw(st.integers(0, group_size))
    k = dynamic_threshold(n, group_size, votes)
    assert 2 <= k <= n // 2 + 1 <= n
    assert k > min(n * votes / group_size, n / 2) or k == n // 2 + 1
    assert k >= dynamic_threshold(n, group_size, max(votes - 1, 0))


@pytest.mark.parametrize(
    ("n", "group_size", "votes"), [(1, 8, 3), (8, 8, 9), (8, 8, -1), (8, 0, 0)]
)
def test_impossible_votes_are_refused(n, group_size, votes):
    with pytest.raises(ValueError, match="no vote"):
        dynamic_threshold(n, group_size, votes)


def test_unparseable_completions_are_one_wrong_answer():
    groups = answered(
        [GOLD, "1", "1", "2"],
        [None, None, "1", GOLD],
        [None, None, None, None],
        [GOLD, GOLD, GOLD, GOLD],
        ["1", "1", None, None],
    )
    assert most_wrong_votes(groups) == [2, 2, 4, 0, 2]


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
        ["1", "1", "1", "1"],  # p = 1/6, 4 rivals: k = 5
    )
    weights = SmoothedSuccess().weights(MajorityVote(n=8, k=5), form, groups)
    raw = [majority_weight(8, k, p, form) for k, p in ((5, 3 / 6), (3, 2 / 6), (5, 1 / 6))]
    assert max(raw) < 10
    expected = double([[w] * 4 for w in raw]) / (sum(raw) / 3)
    torch.testing.assert_close(weights, expected)


def test_the_threshold_of_the_branch_row_is_replaced():
    groups = answered([GOLD, GOLD, "1", "1"], [GOLD, "1", "2", "3"])
    estimate = SmoothedSuccess()
    torch.testing.assert_close(
        estimate.weights(MajorityVote(n=8, k=2), "raw", groups),
        estimate.weights(MajorityVote(n=8, k=7), "raw", groups),
    )


def test_a_batch_of_one_prompt_is_not_divided_by_its_mean():
    groups = answered([GOLD, "1", "2", "3"])
    weights = SmoothedSuccess().weights(MajorityVote(n=8, k=5), "raw", groups)
    torch.testing.assert_close(
        weights, torch.full_like(weights, majority_weight(8, 3, 1 / 3, "raw"))
    )


def test_the_cap_of_10_comes_before_the_division():
    # M = 64 and n = 64: p = 3/66 with k = 2 has raw weight 64*63*p*(1-p)^62 = 10.2,
    # p = 33/66 with k = 33 has 64*C(63,32)*2^-63 = 6.4
    first = [GOLD] * 2 + [str(i) for i in range(100, 162)]
    second = [GOLD] * 32 + ["1"] * 32
    groups = answered(first, second)
    uncapped = [majority_weight(64, 2, 3 / 66, "raw"), majority_weight(64, 33, 1 / 2, "raw")]
    assert uncapped[0] > 10 > uncapped[1]
    weights = SmoothedSuccess().weights(MajorityVote(n=64, k=33), "raw", groups)
    mean = (10 + uncapped[1]) / 2
    torch.testing.assert_close(weights[:, 0], double([10 / mean, uncapped[1] / mean]))


def test_weights_that_are_all_zero_stay_zero():
    # solved nowhere: p = 1/18, and 501 of 1000 votes needed: 1e-400
    groups = answered(["1"] * 16, ["2"] * 16)
    weights = SmoothedSuccess().weights(MajorityVote(n=1000, k=501), "raw", groups)
    assert torch.equal(weights, torch.zeros(2, 16, dtype=torch.float64))


def test_a_group_of_unparseable_completions_has_a_finite_weight():
    groups = answered([None] * 4, [GOLD, None, None, None])
    weights = SmoothedSuccess().weights(MajorityVote(n=4, k=3), "log", groups)
    # k = 3 for 4 rivals of 4 and for 3 of 4 (never above 3)
    raw = [majority_weight(4, 3, p, "log") for p in (1 / 6, 2 / 6)]
    torch.testing.assert_close(weights[:, 0], double(raw) / (sum(raw) / 2))


def test_strategies_that_count_no_votes_take_the_smoothed_success_as_it_is():
    groups = answered([GOLD, "1", "1", "1"], [GOLD, GOLD, GOLD, "1"])
    p = double([2 / 6, 4 / 6])
    raw = 4 * (1 - p) ** 3
    weights = SmoothedSuccess().weights(PassAtN(n=4), "raw", groups)
    torch.testing.assert_close(weights[:, 0], raw / raw.mean())


@given(
    st.lists(groups_of_6, min_size=2, max_size=5),
    st.integers(2, 16),
    st.sampled_from(["raw", "log"]),
)
def test_majority_weights_are_equal_within_a_prompt_and_average_to_one(answers, n, form):
    weights = SmoothedSuccess().weights(MajorityVote(n=n, k=2), form, answered(*answers))
    assert (weights == weights[:, :1]).all()
    assert (weights >= 0).all()
    assert weights.mean().item() == pytest.approx(1)


# --- the quantile of a reward -----------------------------------------------------------------


def test_ties_share_the_quantile_of_the_strictly_smaller_rewards_of_their_group():
    groups = rated([[3, 1, 1, 2], [-5, -5, -5, -5]])
    q = GroupQuantile().log_probability(groups).exp()
    torch.testing.assert_close(q, double([[4 / 5, 1 / 5, 1 / 5, 3 / 5], [1 / 5] * 4]))


def test_best_of_n_weights_are_n_q_to_the_n_minus_1_with_mean_one():
    groups = rated([[3, 1, 1, 2], [8, 9, 7, 6]])
    weights = GroupQuantile().weights(BestOfN(n=4), "raw", groups)
    q = double([[4, 1, 1, 3], [3, 4, 2, 1]]) / 5
    torch.testing.assert_close(weights, q**3 / (q**3).mean())


def test_a_batch_of_one_prompt_is_normalised_where_weights_differ_within_it():
    weights = GroupQuantile().weights(BestOfN(n=2), "raw", rated([[0, 1, 2]]))
    torch.testing.assert_close(weights, double([[0.5, 1.0, 1.5]]))


def test_the_history_quantile_counts_strictly_smaller_past_rewards():
    past = [5, 1, 3, 3, 2, 9, 4, 3]  # in order: 1 2 3 3 3 4 5 9
    q = HistoryQuantile().log_probability(rated([[3, 0, 10], [4, 4.5, 1]], past)).exp()
    torch.testing.assert_close(q, double([[3, 1, 9], [6, 7, 1]]) / 10)


def test_the_history_quantile_is_kept_off_0_and_1():
    past = list(range(4000))
    q = HistoryQuantile().log_probability(rated([[-1, 5000, 3, 4]], past)).exp()
    torch.testing.assert_close(q, double([[0.001, 0.999, 0.001, 5 / 4002]]))


def test_an_empty_history_gives_every_reward_the_same_weight():
    groups = rated([[1, 2], [3, 4]], past=[])
    assert HistoryQuantile().log_probability(groups).exp().tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert HistoryQuantile().weights(BestOfN(n=8), "raw", groups).tolist() == [[1, 1], [1, 1]]


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


def test_quantile_weights_too_small_for_the_numbers_stay_zero():
    # .001^(n-1) underflows
    groups = rated([[-1.0, -1.0]], past=list(range(4000)))
    weights = HistoryQuantile().weights(BestOfN(n=256), "raw", groups)
    assert torch.equal(weights, torch.zeros(1, 2, dtype=torch.float64))


def test_best_of_n_has_no_log_form():
    with pytest.raises(InputError, match="log form"):
        GroupQuantile().weights(BestOfN(n=4), "log", rated([[1, 2]]))


# --- all estimates ----------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["log", "raw"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", SUCCESS_ESTIMATES)
def test_a_single_sample_has_weight_one_under_every_estimate(name, dtype, form):
    answers = [[GOLD, "1", None], ["1", "1", "2"], [GOLD, GOLD, GOLD]]
    correct = torch.tensor([[a == GOLD for a in group] for group in answers])
    groups = RolloutGroups(
        log_p=torch.tensor([[-0.0, -1.0, -80.0], [-2.0, -5000.0, -3.0], [-0.1, -0.2, -7]]).to(
            dtype
        ),
        rewards=correct.to(dtype),
        correct=correct,
        answers=answers,
        past_rewards=double([0, 0, 1]),
    )
    weights = SUCCESS_ESTIMATES[name]().weights(SingleSample(), form, groups)
    assert weights.dtype == dtype
    torch.testing.assert_close(weights, torch.ones(3, 3, dtype=dtype), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "missing"),
    [("smoothed_success", "correct"), ("history_quantile", "past_rewards")],
)
def test_an_estimate_says_which_part_of_the_groups_it_lacks(name, missing):
    with pytest.raises(ValueError, match=missing):
        SUCCESS_ESTIMATES[name]().weights(SingleSample(), "raw", rated([[1, 2]]))


def test_groups_whose_parts_disagree_are_refused():
    with pytest.raises(ValueError, match="prompts x rollouts"):
        RolloutGroups(log_p=torch.zeros(2, 3), rewards=torch.zeros(3, 2))
    with pytest.raises(ValueError, match="prompts x rollouts"):
        RolloutGroups(log_p=torch.zeros(2, 2), rewards=torch.zeros(2, 2), answers=[["1", "2"]])
    with pytest.raises(ValueError, match="prompts x rollouts"):
        RolloutGroups(log_p=torch.zeros(2), rewards=torch.zeros(2))


# --- the history ------------------------------------------------------------------------------


@given(st.integers(1, 9), st.lists(st.lists(st.integers(-5, 5), min_size=3, max_size=3)))
def test_the_history_keeps_the_latest_rewards_in_order(capacity, batches):
    history = RewardHistory(capacity)
    seen = []
    for batch in batches:
        history.add(torch.tensor([batch], dtype=torch.float32))
        seen += batch
        assert history.rewards().tolist() == seen[-capacity:]


def test_a_history_continues_from_a_checkpoint_as_if_uninterrupted():
    history = RewardHistory(capacity=5)
    history.add(double([[1, 2], [3, 4]]))
    resumed = RewardHistory()
    resumed.load_state_dict(json.loads(json.dumps(history.state_dict())))
    for either in (history, resumed):
        either.add(double([[5, 6, 7]]))
    assert resumed.rewards().tolist() == history.rewards().tolist() == [3, 4, 5, 6, 7]


def test_a_saved_state_does_not_change_with_the_history():
    history = RewardHistory()
    history.add(double([[1.0]]))
    state = history.state_dict()
    history.add(double([[2.0]]))
    assert state["rewards"] == [1.0]


def test_the_history_keeps_4000_rewards_by_default():
    history = RewardHistory()
    history.add(torch.arange(4100.0).view(41, 100))
    assert history.rewards().tolist() == [float(i) for i in range(100, 4100)]


def test_a_history_refuses_what_is_no_number_and_no_capacity():
    with pytest.raises(InputError, match="prompt 0"):
        RewardHistory().add(double([[math.nan]]))
    with pytest.raises(ValueError, match="at least one"):
        RewardHistory(0)
