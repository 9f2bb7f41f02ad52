from collections import Counter
from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from support import claim_parts

from compute_aligned.method.confidence import mean_confidence
from compute_aligned.method.verdicts import Judgement, Verdict, conclude, holm, judge

REPRODUCED, CONTRADICTED, NOT_SHOWN, NOT_RUN = Verdict


# --- one contrast ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "estimate", "verdict"),
    [
        ("above", 2.0, REPRODUCED),
        ("above", 1.9, NOT_SHOWN),
        ("above", -1.9, NOT_SHOWN),
        ("above", -2.0, CONTRADICTED),
        ("below", -2.0, REPRODUCED),
        ("below", 0.5, NOT_SHOWN),
        ("below", 2.0, CONTRADICTED),
        ("equal", 0.03, REPRODUCED),  # 1.96 on either side, and 2 points allowed
        ("equal", 0.05, NOT_SHOWN),
        ("equal", -3.9, NOT_SHOWN),
        ("equal", -4.0, CONTRADICTED),
        ("equal", 4.0, CONTRADICTED),
    ],
)
def test_a_verdict_says_where_the_whole_interval_lies(direction, estimate, verdict):
    assert judge(direction, claim_parts.effect(estimate)).verdict == verdict


def test_what_was_not_run_has_no_interval_and_no_evidence():
    judgement = judge("above", None)
    assert judgement == Judgement(NOT_RUN, None, 1.0, 1.0, None)
    assert judgement.p == 1.0


def test_p_values_and_the_detectable_effect_are_those_of_a_normal_test():
    judgement = judge("above", claim_parts.effect(2.5))
    assert judgement.p_claimed == pytest.approx(stats.norm.sf(2.5))
    assert judgement.p == pytest.approx(2 * stats.norm.sf(2.5))
    assert judgement.detectable == pytest.approx(1.96 + 0.8416, abs=2e-3)
    equal = judge("equal", claim_parts.effect(0.5, 0.3))
    assert equal.p_claimed == pytest.approx(stats.norm.sf(1.5 / 0.3))
    assert equal.p_opposite == pytest.approx(stats.norm.cdf(1.5 / 0.3), abs=1e-6)


@given(st.sampled_from(["above", "below", "equal"]), st.floats(-9, 9), st.floats(0.05, 4))
def test_a_statement_is_made_exactly_where_its_two_sided_p_value_is_below_5_percent(
    direction, estimate, standard_error
):
    judgement = judge(direction, claim_parts.effect(estimate, standard_error))
    p_values = judgement.p_claimed, judgement.p_opposite
    assert judgement.p_claimed < 0.025 or judgement.verdict != REPRODUCED
    assert judgement.p_opposite < 0.025 or judgement.verdict != CONTRADICTED
    assert (judgement.p < 0.05) == (judgement.verdict in (REPRODUCED, CONTRADICTED))
    if direction == "above":  # the mirror image
        below = judge("below", claim_parts.effect(-estimate, standard_error))
        found = below.verdict, below.p_claimed, below.p_opposite
        assert found == (judgement.verdict, *map(pytest.approx, p_values))


@pytest.mark.parametrize("direction", ["above", "below", "equal"])
@pytest.mark.parametrize("value", [-3.0, 0.0, 3.0])
def test_outcomes_without_any_variation_show_nothing(direction, value):
    judgement = judge(direction, mean_confidence(np.full((3, 5), value)))
    assert judgement.verdict == NOT_SHOWN
    assert judgement.p == 1.0


# --- a claim --------------------------------------------------------------------------------

verdict_lists = st.lists(st.sampled_from(list(Verdict)), min_size=1, max_size=6)
EVIDENCE = {
    REPRODUCED: (0.001, 0.999),
    CONTRADICTED: (0.999, 0.001),
    NOT_SHOWN: (0.3, 0.7),
    NOT_RUN: (1.0, 1.0),
}


def judgements(verdicts):
    return [
        Judgement(verdict, None, *np.clip(np.array(EVIDENCE[verdict]) * (1 + 0.001 * i), 0, 1))
        for i, verdict in enumerate(verdicts)
    ]


@given(verdict_lists)
def test_a_claim_is_reproduced_if_all_is_and_contradicted_if_anything_is(verdicts):
    verdict = conclude(judgements(verdicts)).verdict
    assert (verdict == REPRODUCED) == (set(verdicts) == {REPRODUCED})
    assert (verdict == CONTRADICTED) == (CONTRADICTED in verdicts)
    if CONTRADICTED not in verdicts:
        assert (verdict == NOT_RUN) == (NOT_RUN in verdicts)


@given(verdict_lists, st.randoms(use_true_random=False))
def test_a_claim_hangs_on_a_contrast_of_the_same_verdict_that_no_other_outdoes(verdicts, random):
    made = judgements(verdicts)
    conclusion = conclude(made)
    deciding = made[conclusion.deciding]
    assert deciding.verdict == conclusion.verdict
    if conclusion.verdict == CONTRADICTED:
        assert deciding.p_opposite == min(each.p_opposite for each in made)
    elif conclusion.verdict != NOT_RUN:
        assert deciding.p_claimed == max(each.p_claimed for each in made)
    assert conclude(random.sample(made, len(made))).verdict == conclusion.verdict


def test_the_p_value_of_a_list_is_its_largest_and_that_of_a_counter_example_is_corrected():
    all_hold = [Judgement(REPRODUCED, None, p, 1 - p) for p in (0.001, 0.01, 0.004)]
    assert conclude(all_hold).p == pytest.approx(2 * 0.01)
    refuted = [*all_hold, Judgement(CONTRADICTED, None, 0.998, 0.002)]
    assert conclude(refuted).p == pytest.approx(2 * 4 * 0.002)
    # what was not run can neither complete a list nor count among the counter-examples
    assert conclude([*all_hold, judge("above", None)]).p == 1.0
    assert conclude([*refuted, judge("above", None)]).p == pytest.approx(2 * 4 * 0.002)


def test_a_claim_without_contrasts_says_nothing():
    with pytest.raises(ValueError, match="without contrasts"):
        conclude([])
    assert holm([]).size == 0


# --- many at once ---------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closed_test_of_all_subsets_by_bonferroni(p_values):
    places = range(len(p_values))
    subsets = list(chain.from_iterable(combinations(places, r + 1) for r in places))
    bonferroni = {s: min(1, len(s) * min(p_values[i] for i in s)) for s in subsets}
    exact = [max(p for s, p in bonferroni.items() if place in s) for place in places]
    assert holm(p_values) == pytest.approx(exact)


def branches_without_effect(rng, num_seeds, num_contrasts=12, num_problems=40):
    """Contrasts with one baseline, shape (contrasts, S, P): they share its error."""
    baseline = rng.standard_normal((num_seeds, num_problems))
    seeds = rng.standard_normal((num_contrasts + 1, num_seeds, 1))
    branches = rng.standard_normal((num_contrasts, num_seeds, num_problems))
    return 0.5 * (branches - baseline) + 0.1 * (seeds[1:] - seeds[0])


@pytest.mark.parametrize("num_seeds", [3, 5])
def test_without_any_effect_few_runs_make_any_statement_once_corrected(num_seeds):
    rng, counts = np.random.default_rng(8), Counter()
    repetitions = 150
    for repetition in range(repetitions):
        effects = branches_without_effect(rng, num_seeds)
        judged = [judge("above", mean_confidence(data, 100, seed=repetition)) for data in effects]
        p_values = np.array([each.p for each in judged])
        counts["uncorrected"] += np.any(p_values < 0.05)
        counts["corrected"] += np.any(holm(p_values) < 0.05)
        # three claims of four contrasts each
        compound = [conclude(judged[i : i + 4]).p for i in (0, 4, 8)]
        counts["claims"] += np.any(holm(compound) < 0.05)

    few = stats.binom.ppf(0.999, repetitions, 0.05)
    assert max(counts["corrected"], counts["claims"]) <= few
    assert counts["uncorrected"] > 1.5 * few


@pytest.mark.parametrize(("effect", "verdict"), [(0.5, REPRODUCED), (-0.5, CONTRADICTED)])
def test_an_effect_that_is_there_is_found(effect, verdict):
    rng = np.random.default_rng(9)
    found = [
        judge("above", mean_confidence(effect + data, 200)).verdict
        for data in branches_without_effect(rng, 5, num_contrasts=60)
    ]
    assert found.count(verdict) >= 54
