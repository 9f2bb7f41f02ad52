from collections import Counter
from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from support import claim_parts

from compute_aligned.method.confidence import mean_confidence
from compute_aligned.method.verdicts import Contrast, Verdict, conclude, holm, judge, judge_together

REPRODUCED, CONTRADICTED, IN_PART, TOO_SMALL, NOT_SHOWN, _, NOT_RUN = Verdict
BAND = 2.0


def contrast(direction, *size):
    """Where it should be, its estimate, and its standard error; without a size it was not run."""
    return Contrast(direction, claim_parts.effect(*size) if size else None, BAND)


# --- one contrast ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "estimate", "error", "verdict"),
    [
        ("above", 2.0, 1.0, REPRODUCED),
        ("above", 1.9, 1.0, NOT_SHOWN),
        ("above", -1.9, 1.0, NOT_SHOWN),
        ("above", -2.0, 1.0, CONTRADICTED),
        ("below", -2.0, 1.0, REPRODUCED),
        ("below", 0.5, 1.0, NOT_SHOWN),
        ("below", 2.0, 1.0, CONTRADICTED),
        ("above", 0.9, 0.5, TOO_SMALL),  # 1.96 of .5 on either side stay within 2
        ("below", 0.9, 0.5, TOO_SMALL),
        ("above", 0.9, 0.57, NOT_SHOWN),
        ("equal", 0.03, 1.0, REPRODUCED),
        ("equal", 0.05, 1.0, NOT_SHOWN),
        ("equal", -3.9, 1.0, NOT_SHOWN),
        ("equal", -4.0, 1.0, CONTRADICTED),
        ("equal", 4.0, 1.0, CONTRADICTED),
    ],
)
def test_a_verdict_says_where_the_whole_interval_lies(direction, estimate, error, verdict):
    assert judge(contrast(direction, estimate, error)).verdict == verdict


def test_what_was_not_run_has_no_interval_and_no_evidence():
    judgement = judge(contrast("above"))
    assert (judgement.verdict, judgement.interval, judgement.p) == (NOT_RUN, None, 1.0)


def test_p_values_and_the_detectable_effect_are_those_of_a_normal_test():
    judgement = judge(contrast("above", 2.5))
    assert judgement.p_claimed == pytest.approx(stats.norm.sf(2.5))
    assert judgement.p == pytest.approx(2 * stats.norm.sf(2.5))
    assert judgement.detectable == pytest.approx(1.96 + 0.8416, abs=2e-3)
    equal = judge(contrast("equal", 0.5, 0.3))
    assert equal.p_claimed == pytest.approx(stats.norm.sf(1.5 / 0.3))
    assert equal.p_opposite == pytest.approx(stats.norm.cdf(1.5 / 0.3), abs=1e-6)


@given(st.sampled_from(["above", "below", "equal"]), st.floats(-9, 9), st.floats(0.05, 4))
def test_a_statement_is_made_exactly_where_its_two_sided_p_value_is_below_5_percent(
    direction, estimate, standard_error
):
    judgement = judge(contrast(direction, estimate, standard_error))
    p_values = judgement.p_claimed, judgement.p_opposite
    assert judgement.p_claimed < 0.025 or judgement.verdict != REPRODUCED
    assert judgement.p_opposite < 0.025 or judgement.verdict != CONTRADICTED
    assert (judgement.p < 0.05) == (judgement.verdict in (REPRODUCED, CONTRADICTED))
    if direction == "above":  # the mirror image
        below = judge(contrast("below", -estimate, standard_error))
        found = below.verdict, below.p_claimed, below.p_opposite
        assert found == (judgement.verdict, *map(pytest.approx, p_values))


@pytest.mark.parametrize("direction", ["above", "below", "equal"])
@pytest.mark.parametrize("value", [-3.0, 0.0, 3.0])
def test_outcomes_without_any_variation_show_nothing(direction, value):
    judgement = judge(Contrast(direction, mean_confidence(np.full((3, 5), value)), BAND))
    assert (judgement.verdict, judgement.p) == (NOT_SHOWN, 1.0)


# --- a claim --------------------------------------------------------------------------------

SIZES = {  # clear of every correction here
    REPRODUCED: (9.0,),
    CONTRADICTED: (-9.0,),
    NOT_SHOWN: (1.0,),
    TOO_SMALL: (0.1, 0.2),
    NOT_RUN: (),
}
verdict_lists = st.lists(st.sampled_from(list(SIZES)), min_size=1, max_size=6)


def contrasts(verdicts):
    return [contrast("above", *SIZES[verdict]) for verdict in verdicts]


@given(verdict_lists)
def test_the_verdict_on_a_claim_is_the_first_that_its_contrasts_call_for(verdicts):
    found, conclusion = set(verdicts), conclude(contrasts(verdicts))
    assert [each.verdict for each in conclusion.judgements] == verdicts
    in_turn = [
        (IN_PART, {REPRODUCED, CONTRADICTED} <= found),
        *((each, each in found) for each in (CONTRADICTED, NOT_RUN, NOT_SHOWN, TOO_SMALL)),
        (REPRODUCED, True),
    ]
    assert conclusion.verdict == next(verdict for verdict, applies in in_turn if applies)


@given(verdict_lists, st.randoms(use_true_random=False))
def test_a_claim_hangs_on_a_contrast_of_the_same_verdict_whatever_the_order(verdicts, random):
    conclusion = conclude(contrasts(verdicts))
    deciding = conclusion.judgements[conclusion.deciding]
    against = conclusion.verdict in (CONTRADICTED, IN_PART)
    assert deciding.verdict == (CONTRADICTED if against else conclusion.verdict)
    assert conclude(contrasts(random.sample(verdicts, len(verdicts)))).verdict == conclusion.verdict


def test_of_several_the_clearest_counter_example_or_the_least_clear_support_decides():
    least = conclude([contrast("above", size) for size in (4.0, 2.5, 6.0)])
    assert (least.deciding, least.p) == (1, pytest.approx(2 * stats.norm.sf(2.5)))
    refuted = conclude([contrast("above", size) for size in (4.0, -3.0, -5.0)])
    assert (refuted.verdict, refuted.deciding) == (IN_PART, 2)
    assert refuted.p == pytest.approx(2 * 3 * stats.norm.sf(5.0))
    assert conclude([contrast("above", 4.0), contrast("above")]).p == 1.0


def test_contrasts_are_corrected_for_their_number_both_ways_unless_all_are_reproduced():
    sizes = (2.1, 2.2, 2.3)
    together = judge_together([contrast("above", size) for size in sizes])
    assert [each.verdict for each in together] == [REPRODUCED] * 3
    assert conclude([contrast("above", size) for size in sizes]).verdict == REPRODUCED
    # beside one that is not reproduced none of these stands Holm's correction, on either side
    for sign in (1, -1):
        mixed = judge_together([contrast("above", sign * size) for size in (*sizes, 1.0)])
        assert [each.verdict for each in mixed] == [NOT_SHOWN] * 4
        assert [each.p_holm for each in mixed] == pytest.approx(holm([each.p for each in mixed]))
    # what was not run takes no part in the correction, and brings none about
    pair = judge_together([*(contrast("above", size) for size in sizes), contrast("above")])
    assert [each.verdict for each in pair] == [*[REPRODUCED] * 3, NOT_RUN]
    alone, absent = judge_together([contrast("above", 2.1), contrast("above")])
    assert (alone.p_holm, absent.verdict) == (pytest.approx(alone.p), NOT_RUN)


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
        found = [mean_confidence(data, 100, seed=repetition) for data in effects]
        judged = [Contrast("above", each, 0.01) for each in found]
        p_values = np.array([judge(each).p for each in judged])
        counts["uncorrected"] += np.any(p_values < 0.05)
        counts["corrected"] += np.any(holm(p_values) < 0.05)
        # three claims of four contrasts each
        claims = [conclude(judged[i : i + 4]) for i in (0, 4, 8)]
        counts["claims"] += np.any(holm([claim.p for claim in claims]) < 0.05)
        # each claim's verdict alone, corrected within it
        stated = [claim.verdict in (REPRODUCED, CONTRADICTED, IN_PART) for claim in claims]
        counts["within"] += stated[0]

    few = stats.binom.ppf(0.999, repetitions, 0.05)
    assert max(counts["corrected"], counts["claims"], counts["within"]) <= few
    assert counts["uncorrected"] > 1.5 * few


@pytest.mark.parametrize(("effect", "verdict"), [(0.5, REPRODUCED), (-0.5, CONTRADICTED)])
def test_an_effect_that_is_there_is_found(effect, verdict):
    rng = np.random.default_rng(9)
    found = [
        judge(Contrast("above", mean_confidence(effect + data, 200), 0.01)).verdict
        for data in branches_without_effect(rng, 5, num_contrasts=60)
    ]
    assert found.count(verdict) >= 54
