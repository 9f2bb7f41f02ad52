"""Estimates from a group's own rollouts against their definitions: sums over its subsets."""

import math
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from method.objective_parts import gains_of, groups_of, objective, right_and_wrong

from compute_aligned.method.strategies import BestOfN, MajorityVote, PassAtN, SingleSample

ONE = SingleSample()
ratings = st.lists(st.integers(-3, 5), min_size=3, max_size=7)


def subsets_with(i, rewards, k):
    """The k-subsets of a group that hold rollout i, as lists of the others' rewards."""
    others = [r for j, r in enumerate(rewards) if j != i]
    return list(combinations(others, k - 1))


@given(ratings, st.integers(2, 6))
def test_max_at_k_and_pkpo_are_sums_over_the_subsets_that_hold_a_rollout(rewards, k):
    size = len(rewards)
    k = min(k, size - 1)
    total = math.comb(size, k)
    highest, added = [], []
    for i, reward in enumerate(rewards):
        held = subsets_with(i, rewards, k)
        highest.append(sum(max(reward, *others) for others in held) / total)
        added.append(sum(max(reward, *others) - max(others) for others in held) / total)

    scale = size * (size - 1) / (size - k)
    centred = [scale * (credit - sum(highest) / size) for credit in highest]
    strategy = BestOfN(n=k)
    assert gains_of(objective(strategy, "max_at_k"), rewards) == pytest.approx(centred)
    if k > 1:
        expected = [size * credit for credit in added]
        assert gains_of(objective(strategy, "pkpo"), rewards) == pytest.approx(expected)


@pytest.mark.parametrize(("size", "k"), [(4, 2), (6, 3), (7, 1), (8, 4)])
def test_with_right_and_wrong_answers_they_have_the_published_closed_forms(size, k):
    for c in range(size + 1):
        rewards, strategy = right_and_wrong(size, c), PassAtN(n=k)
        # PKPO: A = w (r - mean), w = (k/M) C(M-1-c, k-1) / C(M-1, k-1), here times M (M-1)/(M-k)
        w = k * math.comb(max(size - 1 - c, 0), k - 1) / math.comb(size - 1, k - 1)
        w *= (size - 1) / (size - k)
        centred = pytest.approx([w * (r - c / size) for r in rewards])
        assert gains_of(objective(strategy, "max_at_k"), rewards) == centred
        assert gains_of(objective(strategy, "leave_two_out"), rewards) == centred
        if 0 < c < size:  # what is recorded as a weight
            found = objective(strategy, "max_at_k").gains(groups_of([rewards]))
            assert found.weights[0].tolist() == pytest.approx([w] * size)
        if k > 1:
            credit = k * math.comb(size - c, k - 1) / math.comb(size - 1, k - 1)
            expected = pytest.approx([credit * r for r in rewards])
            assert gains_of(objective(strategy, "pkpo"), rewards) == expected
        # Pass@k Training: the means over the k-subsets that hold a rollout, standardised
        success = 1 - math.comb(size - c, k) / math.comb(size, k)
        if 0 < success < 1:
            wrong = 1 - math.comb(size - 1 - c, k - 1) / math.comb(size - 1, k - 1)
            std = math.sqrt(success * (1 - success))
            published = [((1 if r else wrong) - success) / std for r in rewards]
            found = gains_of(objective(strategy, "leave_two_out", "success_std"), rewards)
            factor = (size - k) / (k * (size - 1))
            assert [factor * gain for gain in found] == pytest.approx(published)


def test_over_the_mean_is_maxrl_the_mean_score_of_successes_less_that_of_all():
    for c in range(1, 7):
        rewards = right_and_wrong(6, c)
        found = gains_of(objective(ONE, "sequence_probability", "mean"), rewards)
        assert found == pytest.approx([6 * (r / c - 1 / 6) for r in rewards])


@pytest.mark.parametrize(
    ("strategy", "wins", "n"),
    [(MajorityVote(n=3, k=2), 2, 3), (PassAtN(n=4), 1, 4), (MajorityVote(n=5, k=5), 5, 5)],
)
def test_leave_two_out_is_what_a_right_rollout_adds_in_the_place_of_a_wrong_one(strategy, wins, n):
    size = 6
    for c in range(1, size):
        others = right_and_wrong(size - 2, c - 1)  # beside a right and a wrong one

        def share(rollouts):
            drawn = list(combinations(rollouts, n))
            return sum(sum(d) >= wins for d in drawn) / len(drawn)

        expected = (size - 1) * (share([*others, 1.0]) - share([*others, 0.0]))
        o = objective(strategy, "leave_two_out")
        weights = o.gains(groups_of([right_and_wrong(size, c)])).weights
        assert weights[0].tolist() == pytest.approx([expected] * size)


@pytest.mark.parametrize("estimate", ["max_at_k", "pkpo"])
def test_the_recorded_weight_is_what_a_credit_gains_with_its_reward(estimate):
    rewards, step = [3.0, 1.0, 1.0, 4.0, -2.0, 0.5], 1e-6
    o = objective(BestOfN(n=3), "pkpo")
    weights = objective(BestOfN(n=3), estimate).gains(groups_of([rewards])).weights[0].tolist()
    for i, weight in enumerate(weights):
        if rewards.count(rewards[i]) == 1:
            raised = [r + step * (i == j) for j, r in enumerate(rewards)]
            slope = (gains_of(o, raised)[i] - gains_of(o, rewards)[i]) / step
            assert weight == pytest.approx(slope, abs=1e-6)
