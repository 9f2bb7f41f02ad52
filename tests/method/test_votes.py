import math
from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_aligned.method import votes as votes_module
from compute_aligned.method.votes import maj_at_k, maj_at_ks, plurality_correct


def winner_is_correct(votes, correct, draw):
    """Score one ordered draw of sample indices, straight from the definition."""
    valid = [i for i in draw if votes[i] is not None]
    if not valid:
        return False
    counts = Counter(votes[i] for i in valid)
    most = max(counts.values())
    return correct[next(i for i in valid if counts[votes[i]] == most)]


def exact_maj_at_k(votes, correct, k):
    return np.mean(
        [winner_is_correct(votes, correct, d) for d in permutations(range(len(votes)), k)]
    )


SMALL_PROBLEMS = {
    "clear_majority": (["a", "a", "a", "b", "c"], [True, True, True, False, False]),
    "wrong_majority": (["b", "b", "a", "b", "a"], [False, False, True, False, True]),
    "two_way_tie": (["a", "b", "a", "b"], [True, False, True, False]),
    "all_different": (["a", "b", "c", "d", "e"], [False, True, False, False, False]),
    "one_parseable": ([None, "a", None, None], [False, True, False, False]),
    "mostly_unparseable": ([None, None, "a", None, "b", "a"], [False, False, True] + [False] * 3),
    "unparseable_leads": ([None, None, None, "b", "a"], [False] * 4 + [True]),
    "two_correct_texts": (["1/2", "0.5", "x", "x", None], [True, True, False, False, False]),
    "judged_both_ways": (["a", "a", "b", "a", "b"], [True, False, False, False, True]),
}


@pytest.mark.parametrize("name", SMALL_PROBLEMS)
def test_maj_at_k_agrees_with_every_ordered_draw_within_monte_carlo_error(name):
    votes, correct = SMALL_PROBLEMS[name]
    ks, num_draws = range(1, len(votes) + 1), 20_000
    exact = np.array([exact_maj_at_k(votes, correct, k) for k in ks])
    estimate = maj_at_ks(votes, correct, list(ks), num_draws=num_draws, seed=3)
    standard_error = np.sqrt(exact * (1 - exact) / num_draws)
    assert np.all(np.abs(estimate - exact) <= 4.5 * standard_error + 1e-12)
    assert plurality_correct(votes, correct) == pytest.approx(exact[-1], abs=1e-12)


problems = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c", "d", None]), st.booleans()), min_size=1, max_size=6
).map(lambda samples: tuple(zip(*samples, strict=True)))


@given(problems)
@settings(max_examples=60)
def test_plurality_agrees_with_every_order_of_drawing(problem):
    votes, correct = problem
    exact = exact_maj_at_k(votes, correct, len(votes))
    assert plurality_correct(votes, correct) == pytest.approx(exact, abs=1e-12)
    assert plurality_correct(votes[::-1], correct[::-1]) == plurality_correct(votes, correct)


@given(problems, st.integers(0, 1000), st.data())
@settings(max_examples=100)
def test_other_budgets_names_of_answers_and_flags_without_an_answer_do_not_matter(
    problem, seed, data
):
    votes, correct = problem
    ks = data.draw(st.lists(st.integers(1, len(votes)), min_size=1, max_size=5))
    found = maj_at_ks(votes, correct, ks, 40, seed).tolist()
    renamed = [vote if vote is None else f"answer {ord(vote) * 7919 % 13}" for vote in votes]
    flipped = [flag ^ (vote is None) for vote, flag in zip(votes, correct, strict=True)]
    assert [maj_at_k(votes, correct, k, 40, seed) for k in ks] == found
    assert maj_at_ks(renamed, correct, ks, 40, seed).tolist() == found
    assert maj_at_ks(votes, flipped, ks, 40, seed).tolist() == found


def test_the_order_of_the_samples_changes_only_monte_carlo_noise():
    rng = np.random.default_rng(0)
    votes = np.array(["a"] * 70 + ["b"] * 38 + [None] * 20)
    order = rng.permutation(votes.size)
    ks, num_draws = [1, 3, 8, 20], 20_000
    values = maj_at_ks(votes, votes == "a", ks, num_draws)
    shuffled = maj_at_ks(votes[order], votes[order] == "a", ks, num_draws)
    assert not np.array_equal(values, shuffled)
    assert np.all(np.abs(values - shuffled) < 4.5 * np.sqrt(2 * 0.25 / num_draws))
    assert values[0] == pytest.approx(70 / 128, abs=4.5 * 0.5 / math.sqrt(num_draws))


def test_a_majority_that_cannot_be_outvoted_is_certain_and_unparseable_pools_fail():
    votes = ["a"] * 9 + ["b"] * 4
    assert maj_at_k(votes, [vote == "a" for vote in votes], 13) == 1.0
    assert maj_at_k(votes, [vote == "b" for vote in votes], 9) == 0.0
    assert maj_at_ks([None] * 5, [False] * 5, [1, 5]).tolist() == [0.0, 0.0]
    assert plurality_correct([None] * 5, [True] * 5) == 0.0


def test_the_seed_fixes_maj_at_k():
    votes, correct = ["a", "b"] * 20, [True, False] * 20
    assert maj_at_k(votes, correct, 7, seed=1) == maj_at_k(votes, correct, 7, seed=1)
    assert len({maj_at_k(votes, correct, 7, seed=seed) for seed in range(8)}) > 1


@pytest.mark.parametrize(
    ("votes", "correct", "k", "num_draws", "message"),
    [
        (["a", "b"], [True], 1, 5, "2 votes but 1 correctness flags"),
        ([], [], 1, 5, "no samples"),
        (["a"], [True], 2, 5, "a budget k is larger than the 1 samples drawn"),
        (["a"], [True], 0, 5, "every budget k must be at least 1"),
        (["a"], [True], 1, 0, "num_draws must be at least 1"),
        (["a", math.nan], [True, False], 1, 5, "vote 1 is the number nan; expected a string"),
        (["a"], [True], 1.0, 5, "k must hold integers"),
    ],
)
def test_maj_at_k_refuses_impossible_input(votes, correct, k, num_draws, message):
    with pytest.raises(ValueError, match=message):
        maj_at_k(votes, correct, k, num_draws)


@pytest.mark.parametrize("size", [1, 2, 100, 2047, 2048, 2049, 5000])
def test_permutations_are_those_of_sorted_random_numbers(size):
    expected = np.random.default_rng(11).random((30, size)).argsort(axis=1)
    np.testing.assert_array_equal(votes_module._permutations(11, 30, size), expected)


@pytest.mark.parametrize("block", [1, 100, 5000])
def test_maj_at_k_does_not_depend_on_how_many_draws_are_counted_at_a_time(block, monkeypatch):
    rng = np.random.default_rng(4)
    votes = [str(answer) if answer else None for answer in rng.integers(9, size=40)]
    correct = (rng.random(40) < 0.4).tolist()
    whole = maj_at_ks(votes, correct, [40, 3, 8], num_draws=77, seed=5)
    monkeypatch.setattr(votes_module, "_BLOCK_NUMBERS", block)
    np.testing.assert_array_equal(maj_at_ks(votes, correct, [40, 3, 8], 77, seed=5), whole)
