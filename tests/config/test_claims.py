import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import claim_parts
import jsonschema
import pytest
from pydantic import ValidationError

from compute_aligned.config import checks, claims, study
from compute_aligned.files.errors import InputError

CACHED = (study.read_scale, study.read_branches, study.read_paper_items)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the project's configuration, to make mistakes in."""
    copy = shutil.copytree(study.CONFIG, tmp_path / "config")
    monkeypatch.setattr(study, "CONFIG", copy)
    forget()
    yield copy
    forget()


def forget() -> None:
    for read in (*CACHED, claims.read_claims):
        read.cache_clear()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


# --- the project's own sheets ---------------------------------------------------------------


@pytest.mark.parametrize("scale", [path.stem for path in study.CONFIG.glob("scales/*.yaml")])
def test_the_claims_go_with_every_scale(scale: str) -> None:
    checks.check_claims(scale)


def test_every_claim_of_the_paper_is_there() -> None:
    numbers = {claim.rstrip("abcd") for claim in claims.read_claims()}
    assert {f"C{i}" for i in range(1, 13)} == numbers


@pytest.mark.parametrize("name", ["claims", "claim_contrasts"])
def test_rows_match_the_schema_that_editors_check_against(name: str) -> None:
    schema = json.loads((checks.SCHEMA_FOLDER / f"{name}.schema.json").read_text())
    header, *lines = (study.CONFIG / f"{name}.tsv").read_text().splitlines()
    for line in lines:
        content = dict(zip(header.split("\t"), line.split("\t"), strict=True))
        if "budget" in content:
            content["budget"] = int(content["budget"])
        jsonschema.validate(content, schema)


def test_snakemake_can_read_them_without_pandas_and_scipy() -> None:
    code = (
        "import sys; sys.modules['pandas'] = sys.modules['scipy'] = sys.modules['numpy'] = None;"
        "from compute_aligned.config import checks; checks.check_claims('smoke')"
    )
    command = [sys.executable, "-c", code]
    path = str(study.ROOT / "workflow")
    done = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


# --- what a scale runs ----------------------------------------------------------------------


def test_a_contrast_runs_where_its_family_and_enough_samples_are() -> None:
    assert claims.runs_at("laptop", claim_parts.row(budget=64))
    assert not claims.runs_at("smoke", claim_parts.row(budget=64))  # which samples 8
    assert claims.runs_at("smoke", claim_parts.row(budget=8))
    assert not claims.runs_at("laptop", claim_parts.row(family="absent"))
    assert not claims.runs_at("laptop", claim_parts.row(branch="absent"))
    assert claims.runs_at("laptop", claim_parts.row(against="warmup"))
    assert claims.runs_at("laptop", claim_parts.row(against="40.5"))


def test_samples_are_needed_of_pools_and_for_rho_alone() -> None:
    assert set(claims.families_by_sample("laptop")) == {
        "protein_unconditional",
        "protein_conditional",
        "sft_majority",
    }
    assert "sft_passn" in claims.families_at("laptop")


def test_a_family_that_only_the_paper_has_is_no_mistake_and_is_not_run(folder: Path) -> None:
    edit(
        folder / "claim_contrasts.tsv",
        "C7b\tcontrast\trl_majority\tmajority_n4_raw\tmajority_n4_log",
        "C7b\tcontrast\tmajority_sweep\tmajority_n64_k16\tmajority_n64_k22",
    )
    checks.check_claims("laptop")
    (row,) = claims.read_claims()["C7b"].rows
    assert not claims.runs_at("laptop", row)


def test_verdicts_depend_on_the_rows_and_on_what_branches_are_called(folder: Path) -> None:
    before = claims.claims_fingerprint("laptop")
    edit(folder / "branches.tsv", "Pass@4\t", "Pass at 4\t")
    forget()
    renamed = claims.claims_fingerprint("laptop")
    edit(folder / "claim_contrasts.tsv", "\t64\tabove", "\t32\tabove")
    forget()
    assert len({before, renamed, claims.claims_fingerprint("laptop")}) == 3


# --- mistakes -------------------------------------------------------------------------------

CONTRAST = "C1a\tcontrast\tsft_passn\tpassn_n4\tce\tpass@k\t64\tabove\t-"


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
        (CONTRAST, CONTRAST.replace("\tce", ""), "expected 9 cells"),
    ],
)
def test_a_wrong_contrast_is_named_by_its_line(
    folder: Path, old: str, new: str, words: str
) -> None:
    path = folder / "claim_contrasts.tsv"
    edit(path, CONTRAST, CONTRAST.replace(old, new))
    with pytest.raises(InputError) as caught:
        checks.check_claims("laptop")
    assert words in caught.value.problem
    assert caught.value.where.startswith(f"{path}:")
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("C1b\t", "C1a\t", "claim C1a is there twice"),
        ("C1b\t", "first\t", "claim"),
        (
            "\tsft_passn\t500\tPass@N losses pay",
            "\tsft_pasn\t500\tPass@N losses pay",
            "no family 'sft_pasn'",
        ),
        ("\t500\tPass@N losses pay", "\tmany\tPass@N losses pay", "paper_problems"),
        ("C1b\t", "C1z\t-\t-\tWithout contrasts\nC1b\t", "roles: none"),
    ],
)
def test_a_wrong_claim_is_named_by_its_line(folder: Path, old: str, new: str, words: str) -> None:
    path = folder / "claims.tsv"
    edit(path, old, new)
    with pytest.raises(InputError) as caught:
        claims.read_claims()
    assert words in caught.value.problem
    assert caught.value.where.startswith(f"{path}:")


OTHER = "MajorityVote(n=8, k=2)"  # a metric that no family computes


def test_a_metric_or_budget_that_the_scale_does_not_compute_is_a_mistake(folder: Path) -> None:
    edit(folder / "claim_contrasts.tsv", CONTRAST, CONTRAST.replace("pass@k", OTHER))
    problem = rf"{re.escape(OTHER)} needs {re.escape(OTHER)}, which family sft_passn does not"
    with pytest.raises(InputError, match=problem):
        checks.check_claims("laptop")
    edit(folder / "claim_contrasts.tsv", f"ce\t{OTHER}\t64", "ce\tpass@k\t48")
    forget()
    with pytest.raises(InputError, match="the budget 48 is not computed"):
        checks.check_claims("laptop")


def test_equal_is_in_percentage_points_and_no_reward() -> None:
    with pytest.raises(ValidationError, match="rewards are none"):
        claim_parts.row(metric="expected_max@k", direction="equal")


def test_a_gain_of_votes_needs_both_metrics() -> None:
    assert claim_parts.row(metric="aggregation_gain@k").metrics == ("pass@k", "maj@k")
