import re
import shutil
from pathlib import Path

import pytest
from config.config_parts import replaced
from support import claim_parts

from compute_aligned.config import claims
from compute_aligned.config.checks import check_claims
from compute_aligned.config.reading import CONFIG
from compute_aligned.config.study import read_study
from compute_aligned.files.errors import InputError

LAPTOP = read_study("laptop")


def edited(folder: Path, sheet: str, old: str, new: str) -> Path:
    """A copy of the project's configuration in which a sheet has other words at one place."""
    shutil.copytree(CONFIG, folder)
    path = folder / f"{sheet}.tsv"
    path.write_text(replaced(path.read_text(), old, new))
    return folder


def test_every_claim_of_the_paper_is_there() -> None:
    numbers = {claim.rstrip("abcde") for claim in claims.read_claims()}
    assert {f"C{i}" for i in range(1, 13)} == numbers


@pytest.mark.parametrize(
    ("scale", "cells", "runs"),
    [
        ("laptop", {"budget": 64}, True),
        ("smoke", {"budget": 64}, False),  # which samples 8
        ("smoke", {"budget": 8}, True),
        ("smoke", {"metric": "rho", "role": "algebra", "against": "-", "direction": "-"}, True),
        ("laptop", {"family": "absent"}, False),
        ("laptop", {"branch": "absent"}, False),
        ("laptop", {"against": "absent"}, False),
        ("laptop", {"against": "warmup"}, True),
        ("laptop", {"against": "40.5"}, True),
    ],
)
def test_a_contrast_runs_where_its_family_and_enough_samples_are(
    scale: str, cells: dict, runs: bool
) -> None:
    assert claims.runs_at(read_study(scale), claim_parts.row(**cells)) == runs


def test_samples_are_needed_of_pools_and_for_rho_alone() -> None:
    assert set(claims.families_by_sample(LAPTOP)) == {
        "protein_unconditional",
        "protein_conditional",
        "sft_majority",
    }
    assert "sft_passn" in claims.families_at(LAPTOP)


def test_a_family_that_only_the_paper_has_is_no_mistake_and_is_not_run(tmp_path: Path) -> None:
    folder = edited(
        tmp_path / "config",
        "claim_contrasts",
        "C7b\tcontrast\trl_majority\tmajority_n4_raw\tmajority_n4_log",
        "C7b\tcontrast\tmajority_sweep\tmajority_n64_k16\tmajority_n64_k22",
    )
    check_claims(read_study("laptop", folder))

    (row,) = claims.read_claims(folder)["C7b"].rows
    assert not claims.runs_at(LAPTOP, row)


def test_verdicts_depend_on_the_rows_and_on_what_branches_are_called(tmp_path: Path) -> None:
    renamed = edited(tmp_path / "renamed", "branches", "Pass@4\t", "Pass at 4\t")
    changed = edited(tmp_path / "changed", "claim_contrasts", "\t64\tabove", "\t32\tabove")
    studies = [LAPTOP, *(read_study("laptop", folder) for folder in (renamed, changed))]

    assert len({claims.claims_fingerprint(study) for study in studies}) == 3


CONTRAST = "C1a\tcontrast\tsft_passn\tpassn_n4\tce\tpass@k\t64\tabove\t-"
OTHER = "MajorityVote(n=8, k=2)"  # a metric that no family computes


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("sft_passn\tpassn_n4\tce", "sft_pasn\tpassn_n4\tce", "did you mean 'sft_passn'"),
        ("sft_passn\tpassn_n4\tce", "sft_passn\tpassn_n44\tce", "no branch 'passn_n44'"),
        ("passn_n4\tce\t", "passn_n4\tcee\t", "no branch 'cee'"),
        ("C1a\tcontrast", "C99\tcontrast", "there is no claim C99"),
        ("\tabove\t-", "\tover\t-", "direction"),
        ("\tabove\t-", "\t-\t-", "direction has to say what is compared"),
        ("\tabove\t-", "\tabove\tluck", "a control names its rival explanation"),
        ("C1a\tcontrast", "C1a\tcontrol", "a control names its rival explanation"),
        ("passn_n4\tce\t", "ce\tce\t", "compared with itself"),
        ("\tpass@k\t64", "\tpass@k\t0", "budget"),
        ("\tpass@k\t64", "\tpass\t64", "metric"),
        ("C1a\tcontrast", "C1a\talgebra", "the metric rho and the role algebra go together"),
        (CONTRAST, f"{CONTRAST}\n{CONTRAST}", "there twice"),
        ("\tce\t", "\t", "expected 9 cells"),
        ("pass@k", OTHER, f"{OTHER} needs {OTHER}, which family sft_passn does not compute at"),
        ("\t64", "\t48", "the budget 48 is not computed by family sft_passn at scale laptop"),
    ],
)
def test_a_wrong_contrast_is_named_by_its_place(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    folder = edited(tmp_path / "config", "claim_contrasts", CONTRAST, replaced(CONTRAST, old, new))
    with pytest.raises(InputError) as caught:
        check_claims(read_study("laptop", folder))

    assert words in caught.value.problem
    place = r":( C1a sft_passn passn_n4|\d+)"
    assert re.fullmatch(re.escape(str(folder / "claim_contrasts.tsv")) + place, caught.value.where)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("C1b\t", "C1a\t", "claim C1a is there twice"),
        ("C1b\t", "first\t", "claim"),
        ("\tsft_passn\t500\t-\tPass@N l", "\tsft_pasn\t500\t-\tPass@N l", "no family 'sft_pasn'"),
        ("\t500\t-\tPass@N losses pay", "\tmany\t-\tPass@N losses pay", "paper_problems"),
        ("C1b\t", "C1z\t-\t-\t-\tWithout contrasts\nC1b\t", "roles: none"),
    ],
)
def test_a_wrong_claim_is_named_by_its_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    folder = edited(tmp_path / "config", "claims", old, new)
    with pytest.raises(InputError) as caught:
        claims.read_claims(folder)

    assert words in caught.value.problem
    assert caught.value.where.startswith(f"{folder / 'claims.tsv'}:")
