import numpy as np
import pytest
from support import claim_parts
from support.claim_parts import judged

from compute_aligned.claims.evidence import Ratios
from compute_aligned.claims.paper_effects import paper_effect
from compute_aligned.claims.review import contrast_name
from compute_aligned.config.claim_rows import ContrastRow
from compute_aligned.config.claims import read_claims
from compute_aligned.config.study import read_study
from compute_aligned.method.verdicts import Verdict
from compute_aligned.paper.matrix import own_column
from compute_aligned.paper.reported import read_reported, reported_levels

ROWS = claim_parts.PASSN
CONTROL = claim_parts.CONTROLS[0]
LATER = claim_parts.row(claim="C3b", budget=1, direction="equal")


def test_contrasts_and_controls_are_judged_apart_each_corrected_for_its_own_number() -> None:
    controls = claim_parts.CONTROLS
    sizes = dict(zip([*ROWS, *controls], (3, 4, 5, -2.3, 9), strict=True))
    effects = {row: claim_parts.effect(size) for row, size in sizes.items()}
    (reviewed,) = judged([claim_parts.claim(*ROWS, *controls)], effects)

    assert reviewed.verdict == Verdict.REPRODUCED
    assert reviewed.deciding.row == ROWS[0]  # the least clear of the three
    assert [each.judgement.verdict for each in reviewed.controls] == [
        *(Verdict.CONTRADICTED, Verdict.REPRODUCED),
    ]
    assert [each.against for each in reviewed.controls] == ["Warm-up", "Warm-up"]
    # one claim: nothing to correct, and the p-value of a list is its largest
    assert reviewed.p_holm == pytest.approx(reviewed.contrasts[0].judgement.p)
    assert reviewed.clear


def test_claims_are_corrected_for_claims_not_for_the_contrasts_that_they_consist_of() -> None:
    effects = {row: claim_parts.effect(3) for row in ROWS} | {LATER: claim_parts.effect(0.0, 0.1)}
    one, other = judged([claim_parts.claim(*ROWS), claim_parts.claim(LATER)], effects)

    assert one.p_holm == pytest.approx(one.conclusion.p)  # the larger of two: times 1
    assert other.p_holm == pytest.approx(2 * other.conclusion.p)


def test_what_was_not_run_or_cannot_be_tested_takes_no_part_in_the_correction() -> None:
    vote = claim_parts.row(claim="C2a", family="sft_majority", branch="ce_scaled", metric="maj@k")
    claims = [
        claim_parts.claim(ROWS[0]),
        claim_parts.claim(LATER),
        claim_parts.claim(vote, needs="worked_solutions"),
    ]
    one, absent, untestable = judged(
        claims, {row: claim_parts.effect(3.0) for row in (ROWS[0], vote)}
    )

    assert [each.verdict for each in (one, absent, untestable)] == [
        *(Verdict.REPRODUCED, Verdict.NOT_RUN, Verdict.NOT_TESTABLE),
    ]
    assert "sft_majority learns bare answers" in untestable.untestable
    assert untestable.contrasts[0].judgement.verdict == Verdict.REPRODUCED  # shown all the same
    assert one.p_holm == pytest.approx(one.conclusion.p)
    assert [(each.p_holm, each.clear) for each in (absent, untestable)] == [(None, False)] * 2


@pytest.mark.parametrize(
    ("direction", "seeds"), [("above", 16), ("equal", None)], ids=["in sight", "out of reach"]
)
def test_of_what_is_not_shown_it_is_said_how_many_seeds_would_decide(
    direction: str, seeds: int | None
) -> None:
    row = claim_parts.row(direction=direction)
    effect = claim_parts.effect(1.3 if direction == "above" else 1.99)
    ((compared,),) = [each.contrasts for each in judged([claim_parts.claim(row)], {row: effect})]

    assert compared.judgement.verdict == Verdict.NOT_SHOWN
    assert compared.seeds == seeds


def test_a_contrast_that_the_papers_own_numbers_contradict_is_marked() -> None:
    rows = [
        claim_parts.row(branch=b, direction=d) for b in ("passn_n4",) for d in ("above", "below")
    ]
    (reviewed,) = judged([claim_parts.claim(*rows)])

    assert [each.against_paper for each in reviewed.contrasts] == [False, True]


@pytest.mark.parametrize("found", [Ratios(None, 1.5, 0.25), None])
def test_what_holds_by_algebra_is_measured_and_not_judged(found: Ratios | None) -> None:
    rho = claim_parts.RHO
    (reviewed,) = judged([claim_parts.claim(rho)], ratios={rho: found} if found else {})

    assert reviewed.conclusion is None
    assert reviewed.verdict is None
    (measured,) = reviewed.measured
    assert (measured.row, measured.found) == (rho, found)


VOTE, GAIN = "MajorityVote(n=8, k=3)", "aggregation_gain@k"


@pytest.mark.parametrize(
    ("row", "name"),
    [
        (ROWS[0], "Pass@4 − Cross-entropy, pass@64"),
        (CONTROL, "Pass@4 − Warm-up, pass@64"),
        (claim_parts.ABSENT, "Best-of-2 − 4, expected max@1"),
        (claim_parts.row(metric=VOTE, budget=16), "Pass@4 − Cross-entropy, under Majority 3 of 16"),
        (claim_parts.RHO, "Cross-entropy, rho at n = 8"),
        (claim_parts.row(branch="new", budget=1), "new − Cross-entropy, pass@1"),
        (claim_parts.row(metric=GAIN, budget=8), "Pass@4 − Cross-entropy, maj@8 − pass@1"),
    ],
)
def test_a_contrast_is_named_by_what_is_subtracted_from_what(row: ContrastRow, name: str) -> None:
    assert contrast_name(row, read_study("smoke").labels(row.family)) == name


@pytest.mark.parametrize(
    ("claim", "figure"),
    [("C12a", "figure1"), ("C12b", "figure2"), ("C12c", "figure3"), ("C12d", "figure4")],
)
def test_the_thesis_is_about_each_model_of_a_figure_under_its_own_strategy_and_all_others(
    claim: str, figure: str
) -> None:
    item = read_study("paper").item(figure)
    rows = {branch: item.experiment.branch(branch).row for branch in item.row.branches}
    own = {b: own_column(row.strategy) for b, row in rows.items() if row.role == "strategy"}
    usual = {"claim": claim, "family": item.row.family}
    expected = [
        claim_parts.row(branch=b, against=other, metric=c.metric.name, budget=c.k, **usual)
        for b, c in own.items()
        for other in (item.experiment.baseline, *own)
        if other != b
    ]
    assert list(read_claims()[claim].rows) == expected


# --- the paper's effects --------------------------------------------------------------------


TABLE_2 = ROWS[2]
SWEEP = {"family": "sft_majority", "metric": "maj@k", "budget": 128}
LARGEST = claim_parts.row(branch="majority_n64_k26", against="majority_n64_k16", **SWEEP)
VOTING = claim_parts.row(family="token_margin", branch="pairwise", metric=GAIN)
LOG = {"branch": "passn_n4_log", "against": "standard", "budget": 1}


@pytest.mark.parametrize(
    ("row", "reported", "problems", "values", "error"),
    [
        (TABLE_2, "sft_passn", "500", (67.6, 59.8), np.sqrt(0.676 * 0.324 + 0.598 * 0.402)),
        (TABLE_2, "sft_passn", "-", (67.6, 59.8), None),
        # both of the paper's metrics make the gain of voting
        (VOTING, "token_margin", "500", (18.2 - 12.47, 16.2 - 12.9), None),
        # a printed value comes before that of a curve, which has 8.27
        (claim_parts.row(family="rl_passn", **LOG), "rl_passn", "-", (8.8, 8.3), None),
        # rewards and fixed levels have an effect but no binomial error
        (claim_parts.ABSENT, "protein_unconditional", "500", (7.97, 4), None),
        # a curve of another family counts where the claim names it
        (LARGEST, "sft_majority majority_sweep", "-", (24.79, 22.9), None),
        (LARGEST, "sft_majority", "-", None, None),
    ],
)
def test_the_paper_s_effect_is_the_difference_of_its_values(
    row: ContrastRow,
    reported: str,
    problems: str,
    values: tuple[float, float] | None,
    error: float | None,
) -> None:
    claim = claim_parts.claim(row, reported=reported, paper_problems=problems).row
    found = paper_effect(claim, row, reported_levels(read_reported(), claim.reported))

    if values is None:
        assert found is None
    else:
        assert found.effect == pytest.approx(values[0] - values[1])
        expected = error and pytest.approx(196 / np.sqrt(500) * error, rel=1e-4)
        assert found.error == expected


def test_the_most_that_the_error_can_be_is_more_than_that_of_any_paired_shares() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        skill = rng.beta(0.5, 0.5, 500)  # of each problem, shared by both branches
        both = np.clip(skill + rng.normal(0, 0.2, (2, 500)), 0, 1)
        means = (100 * both.mean(axis=1)).tolist()
        levels = {(b, "pass@k", 64): v for b, v in zip(("passn_n4", "ce"), means, strict=True)}
        effect = paper_effect(claim_parts.claim(*ROWS).row, ROWS[0], levels)
        paired = 196 * (both[0] - both[1]).std() / np.sqrt(500)
        assert effect.error > paired
