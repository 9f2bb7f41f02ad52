from pathlib import Path

import pytest
from config.config_parts import BRANCHES, ITEMS, cells, problem_of
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from support import claim_parts

from compute_aligned.config.sheets import BranchRow, PaperItem, check_starts
from compute_aligned.files.errors import InputError

BRANCH, ITEM, ANALYTIC = cells(BRANCHES), cells(ITEMS), cells(ITEMS, 4)
TOGETHER = "metric and budgets go together: both are -, or neither"
NO_WORDS = "overrides: expected - or key=value words"
IDS = ("ce", "passn", "ce_warmup", "passn_warmup")

# --- branches ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"role": "control group"}, "role: Input should be 'baseline', 'strategy' or 'control'"),
        ({"weight_form": "linear"}, "weight_form: Input should be 'log', 'raw' or '-'"),
        ({"branch": "CE"}, "branch: String should match pattern"),
        ({"branch": "ce "}, "branch: String should match pattern"),
        ({"label": ""}, "label: String should have at least 1 character"),
        ({"overrides": "clip_norm"}, NO_WORDS),
        ({"overrides": "clip_norm=1 clip_norm=2"}, NO_WORDS),
        ({"overrides": "- clip_norm=1"}, NO_WORDS),
    ],
)
def test_a_wrong_cell_of_a_branch_is_named(change: dict, problem: str) -> None:
    assert problem in problem_of(BranchRow, BRANCH | change)


@pytest.mark.parametrize(
    ("cell", "overrides"),
    [
        ("-", {}),
        ("clip_norm=0.5", {"clip_norm": 0.5}),
        ("betas=[0.9,0.99]  reward=answer", {"betas": [0.9, 0.99], "reward": "answer"}),
    ],
)
def test_overrides_of_a_branch_are_keys_and_values(cell: str, overrides: dict) -> None:
    assert BranchRow.model_validate(BRANCH | {"overrides": cell}).overrides == overrides


# --- where branches start ---------------------------------------------------------------------


def check(starts: dict[str, str]) -> None:
    """Check a family whose branches start as told."""
    rows = {
        branch: BranchRow.model_validate(BRANCH | {"branch": branch, "start": start})
        for branch, start in starts.items()
    }
    check_starts(rows, Path("branches.tsv"))


def test_branches_may_start_from_each_other_whichever_stands_first() -> None:
    check({"ce_warmup": "ce", "again": "ce_warmup", "ce": "-"})


@pytest.mark.parametrize(
    ("starts", "branch", "problem", "remedy"),
    [
        (
            {"ce": "-", "passn": "-", "ce_warmup": "cee"},
            "ce_warmup",
            "family 'adding' has no branch 'cee' (did you mean 'ce'?)",
            "write - for the warm-up, or one of: ce, passn",
        ),
        ({"ce": "ce"}, "ce", "to begin with: ce starts from ce", "write - for the warm-up"),
        (
            {"ce": "passn", "passn": "ce"},
            "ce",
            "no model is there to begin with: ce starts from passn starts from ce",
            "let one of them start from another branch",
        ),
        ({"first": "-", "tail": "ce", "ce": "ce"}, "tail", "ce starts from ce", "let one of them"),
    ],
)
def test_a_start_that_is_not_there_and_a_circle_are_named(
    starts: dict[str, str], branch: str, problem: str, remedy: str
) -> None:
    with pytest.raises(InputError) as caught:
        check(starts)

    assert caught.value.where == f"branches.tsv: adding {branch}: start"
    assert caught.value.problem.endswith(problem)
    assert remedy in caught.value.remedy


@given(st.fixed_dictionaries({branch: st.sampled_from(("-", *IDS)) for branch in IDS}))
def test_what_passes_is_what_can_be_trained_one_after_the_other(starts: dict[str, str]) -> None:
    trained = {"-"}
    for _ in IDS:
        trained |= {branch for branch, start in starts.items() if start in trained}

    try:
        check(starts)
        passed = True
    except InputError:
        passed = False
    assert passed == (trained >= set(IDS))


# --- items ------------------------------------------------------------------------------------


def test_an_item_splits_its_lists_at_blanks() -> None:
    item, analytic = PaperItem.model_validate(ITEM), PaperItem.model_validate(ANALYTIC)

    assert (item.branches, item.budgets) == (("ce", "passn_n4"), (1, 4, 64))
    assert (item.analytic, item.measured) == (False, True)
    assert (analytic.analytic, analytic.measured) == (True, False)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"budgets": "1 0"}, "budgets.1: Input should be greater than 0"),
        ({"budgets": "1 x"}, "budgets.1: Input should be a valid integer"),
        ({"budgets": "1,4"}, "budgets.0: Input should be a valid integer"),
        ({"budgets": "1 4 1"}, "budgets: 1 is there 2 times"),
        ({"budgets": ""}, "budgets: Tuple should have at least 1 item"),
        ({"branches": " "}, "branches: Tuple should have at least 1 item"),
        ({"branches": "ce ce"}, "branches: ce is there 2 times"),
        ({"branches": "-"}, "branches is -, which goes with the families - and * only"),
        ({"metric": "pass"}, "metric: there is no metric 'pass' (did you mean 'pass@k'?)"),
        ({"family": "-"}, "the family is -, so branches has to be - too"),
        ({"metric": "-"}, TOGETHER),
        ({"budgets": "-"}, TOGETHER),
        (
            {"metric": "-", "budgets": "-", "reported": "adding"},
            "metric is -, and the paper reports none of it: write - in reported",
        ),
        ({"reported": "adding adding"}, "reported: adding is there 2 times"),
        ({"output": "plot"}, "output: Input should be 'table' or 'figure', not 'plot'"),
    ],
)
def test_a_wrong_cell_of_an_item_is_named(change: dict, problem: str) -> None:
    assert problem in problem_of(PaperItem, ITEM | change)


# --- claims -----------------------------------------------------------------------------------


def test_equal_is_in_percentage_points_and_no_reward() -> None:
    with pytest.raises(ValidationError, match="rewards are none"):
        claim_parts.row(metric="expected_max@k", direction="equal")


def test_a_gain_of_votes_needs_both_metrics() -> None:
    assert claim_parts.row(metric="aggregation_gain@k").metrics == ("aggregation_gain@k",)


def test_what_holds_by_algebra_has_no_direction_to_claim() -> None:
    with pytest.raises(ValueError, match="C11 compares nothing"):
        _ = claim_parts.RHO.claimed
    assert claim_parts.row().claimed == "above"
