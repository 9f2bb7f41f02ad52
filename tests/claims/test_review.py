import claim_parts
import numpy as np
import pytest

from compute_aligned.claims.evidence import Ratios
from compute_aligned.claims.review import paper_effect, review
from compute_aligned.method.verdicts import Verdict
from compute_aligned.paper.reported import reported_levels

PASSN = ("passn_n4", "passn_n16", "passn_n64")
ROWS = [claim_parts.row(branch=branch) for branch in PASSN]
CONTROL = claim_parts.row(role="control", against="warmup", rival="less over-fitting")
LATER = claim_parts.row(claim="C3b", budget=1, direction="equal")


def test_contrasts_and_controls_are_judged_apart_and_corrected_together() -> None:
    effects = {row: claim_parts.effect(size) for row, size in zip(ROWS, (3, 4, 5), strict=True)}
    effects[CONTROL] = claim_parts.effect(-2.1)
    (reviewed,) = review([claim_parts.claim(*ROWS, CONTROL)], effects, {})

    assert reviewed.conclusion is not None
    assert reviewed.conclusion.verdict == Verdict.REPRODUCED
    assert reviewed.deciding is not None
    assert reviewed.deciding.row == ROWS[0]  # the least clear of the three
    (control,) = reviewed.controls
    assert control.judgement.verdict == Verdict.CONTRADICTED
    # four p-values: Holm multiplies the smallest by 4, the next by 3 ...
    p = [each.judgement.p for each in [*reviewed.contrasts, control]]
    adjusted = [each.p_holm for each in [*reviewed.contrasts, control]]
    assert adjusted == pytest.approx([2 * p[0], 3 * p[1], 4 * p[2], p[3]])
    # one claim: nothing to correct, and the p-value of a list is its largest
    assert reviewed.p_holm == pytest.approx(p[0])
    assert reviewed.clear


def test_claims_are_corrected_for_claims_not_for_the_contrasts_that_they_consist_of() -> None:
    first, second = claim_parts.claim(*ROWS), claim_parts.claim(LATER)
    effects = {row: claim_parts.effect(3) for row in ROWS} | {LATER: claim_parts.effect(0.0, 0.1)}
    one, other = review([first, second], effects, {})

    assert one.conclusion is not None
    assert one.p_holm == pytest.approx(one.conclusion.p)  # the larger of two: times 1
    assert other.conclusion is not None
    assert other.p_holm == pytest.approx(2 * other.conclusion.p)


def test_a_statement_that_the_correction_takes_back_is_not_clear() -> None:
    rows = [claim_parts.row(budget=k) for k in range(1, 41)]
    effects = {row: claim_parts.effect(2.0 if i else 9.0) for i, row in enumerate(rows)}
    (reviewed,) = review([claim_parts.claim(*rows)], effects, {})

    assert {each.judgement.verdict for each in reviewed.contrasts} == {Verdict.REPRODUCED}
    assert [each.clear for each in reviewed.contrasts] == [True] + [False] * 39


def test_what_was_not_run_takes_no_part_in_the_correction() -> None:
    claims = [claim_parts.claim(*ROWS), claim_parts.claim(LATER)]
    one, other = review(claims, {ROWS[0]: claim_parts.effect(3.0)}, {})

    assert one.conclusion is not None
    assert one.conclusion.verdict == Verdict.NOT_RUN
    assert [each.p_holm for each in one.contrasts[1:]] == [None, None]
    assert one.contrasts[0].p_holm == pytest.approx(one.contrasts[0].judgement.p)
    assert one.p_holm is None
    assert other.p_holm is None
    assert not other.clear


def test_what_holds_by_algebra_is_measured_and_not_judged() -> None:
    rho = claim_parts.row(role="algebra", against="-", metric="rho", direction="-")
    found = Ratios(None, 1.5, 0.25)
    (reviewed,) = review([claim_parts.claim(rho)], {}, {rho: found})
    assert reviewed.conclusion is None
    assert reviewed.measured == [(rho, found)]
    (missing,) = review([claim_parts.claim(rho)], {}, {})
    assert missing.measured == [(rho, None)]


# --- the paper's effects --------------------------------------------------------------------


def test_the_paper_s_effect_is_the_difference_of_its_printed_values() -> None:
    claim = claim_parts.claim(*ROWS)
    levels = reported_levels(["sft_passn"])
    effect = paper_effect(claim.row, ROWS[2], levels)
    assert effect is not None
    assert effect.effect == pytest.approx(67.6 - 59.8)  # Table 2
    variance = (0.676 * 0.324 + 0.598 * 0.402) / 500
    assert effect.error == pytest.approx(196 * np.sqrt(variance), rel=1e-4)


def test_the_most_that_the_error_can_be_is_more_than_that_of_any_paired_shares() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        skill = rng.beta(0.5, 0.5, 500)  # of each problem, shared by both branches
        both = np.clip(skill + rng.normal(0, 0.2, (2, 500)), 0, 1)
        levels = {("passn_n4", "pass@k", 64): 100 * both[0].mean()}
        levels[("ce", "pass@k", 64)] = 100 * both[1].mean()
        effect = paper_effect(claim_parts.claim(*ROWS).row, ROWS[0], levels)
        paired = 196 * (both[0] - both[1]).std() / np.sqrt(500)
        assert effect is not None
        assert effect.error is not None
        assert effect.error > paired


def test_a_curve_of_another_family_counts_where_the_claim_names_it() -> None:
    cells = {"family": "sft_majority", "branch": "majority_n64_k26", "metric": "maj@k"}
    row = claim_parts.row(against="majority_n64_k16", budget=128, **cells)
    claim = claim_parts.claim(row, reported="sft_majority majority_sweep").row
    effect = paper_effect(claim, row, reported_levels(claim.reported))
    assert effect is not None
    assert effect.effect == pytest.approx(24.79 - 22.9)
    assert paper_effect(claim, row, reported_levels(["sft_majority"])) is None


def test_the_gain_of_voting_is_taken_from_both_of_the_paper_s_metrics() -> None:
    row = claim_parts.row(
        family="token_margin", branch="pairwise", metric="aggregation_gain@k", budget=64
    )
    claim = claim_parts.claim(row, reported="token_margin", paper_problems="-").row
    effect = paper_effect(claim, row, reported_levels(["token_margin"]))
    assert effect is not None
    assert effect.effect == pytest.approx((18.2 - 12.47) - (16.2 - 12.9))
    assert effect.error is None


def test_rewards_and_fixed_levels_have_an_effect_but_no_binomial_error() -> None:
    cells = {"family": "protein_unconditional", "branch": "bon_n2", "metric": "expected_max@k"}
    row = claim_parts.row(against="4", budget=1, **cells)
    claim = claim_parts.claim(row, reported="protein_unconditional").row
    effect = paper_effect(claim, row, reported_levels(claim.reported))
    assert effect is not None
    assert (effect.effect, effect.error) == (pytest.approx(7.97 - 4), None)


def test_a_printed_value_comes_before_that_of_a_curve() -> None:
    # Table N.1's curve has 8.27 where Table 4 prints 8.3
    assert reported_levels(["rl_passn"])[("standard", "pass@k", 1)] == 8.3
