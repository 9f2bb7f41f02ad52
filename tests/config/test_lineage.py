from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute_aligned.config.sheets import BranchRow, check_starts
from compute_aligned.files.errors import InputError

SHEET = Path("branches.tsv")
IDS = ("ce", "passn", "ce_warmup", "passn_warmup")


def rows(starts: dict[str, str]) -> dict[str, BranchRow]:
    """The rows of a family whose branches start as told."""
    return {
        branch: BranchRow(
            family="adding",
            branch=branch,
            label=branch,
            start=start,
            strategy="SingleSample()",
            weight_form="-",
            role="strategy",
            overrides={},
        )
        for branch, start in starts.items()
    }


def error_of(starts: dict[str, str]) -> InputError:
    with pytest.raises(InputError) as caught:
        check_starts(rows(starts), SHEET)
    assert len(str(caught.value).splitlines()) == 2
    return caught.value


def test_branches_may_start_from_each_other_whichever_stands_first() -> None:
    check_starts(rows({"ce_warmup": "ce", "again": "ce_warmup", "ce": "-"}), SHEET)


def test_an_unknown_start_is_named_with_the_near_one_and_the_others() -> None:
    error = error_of({"ce": "-", "passn": "-", "ce_warmup": "cee"})

    assert error.where == "branches.tsv: adding ce_warmup: start"
    assert error.problem == "family 'adding' has no branch 'cee' (did you mean 'ce'?)"
    assert error.remedy == "write - for the warm-up, or one of: ce, passn"


@pytest.mark.parametrize(
    ("starts", "branch", "circle"),
    [
        ({"ce": "ce"}, "ce", "ce starts from ce"),
        ({"ce": "passn", "passn": "ce"}, "ce", "ce starts from passn starts from ce"),
        ({"first": "-", "tail": "ce", "ce": "ce"}, "tail", "ce starts from ce"),
    ],
)
def test_a_circle_is_written_out(starts: dict[str, str], branch: str, circle: str) -> None:
    error = error_of(starts)

    assert error.where == f"branches.tsv: adding {branch}: start"
    assert error.problem == f"no model is there to begin with: {circle}"


@given(st.fixed_dictionaries({branch: st.sampled_from(("-", *IDS)) for branch in IDS}))
def test_what_passes_is_what_can_be_trained_one_after_the_other(starts: dict[str, str]) -> None:
    trained = {"-"}
    for _ in IDS:
        trained |= {branch for branch, start in starts.items() if start in trained}

    try:
        check_starts(rows(starts), SHEET)
        passed = True
    except InputError:
        passed = False
    assert passed == (trained >= set(IDS))
