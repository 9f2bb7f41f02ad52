from dataclasses import replace

import pytest

from compute_aligned.config.study import read_study
from compute_aligned.describe.jobs import ARTEFACTS, SHARED, STAGES, jobs_of
from compute_aligned.files.errors import InputError

SMOKE = read_study("smoke")


def test_every_rule_has_a_stage_and_an_artefact() -> None:
    assert set(ARTEFACTS) == set(STAGES)


def test_no_two_jobs_share_a_benchmark_file() -> None:
    jobs = jobs_of(SMOKE, list(SMOKE.experiments), ())

    assert len({job.benchmark for job in jobs}) == len(jobs)
    assert {job.rule for job in jobs if job.shared} >= {"claims", "describe", "timings", "table"}


def test_a_family_alone_has_its_source_and_no_analytic_items() -> None:
    jobs = jobs_of(SMOKE, ["sft_passn"], ())

    assert [job.benchmark for job in jobs if job.family == SHARED] == ["fetch/products.tsv"]


def test_families_with_one_source_fetch_it_once() -> None:
    jobs = jobs_of(SMOKE, ["rl_passn", "rl_majority"], ())

    assert [job.name for job in jobs if job.rule == "fetch"] == ["multiplication"]


def test_a_family_that_no_item_shows_is_not_run() -> None:
    items = {name: row for name, row in SMOKE.items.items() if row.family != "sft_passn"}

    assert jobs_of(replace(SMOKE, items=items), ["sft_passn"], ()) == []


def test_an_unknown_family_is_an_error_with_the_names_there_are() -> None:
    with pytest.raises(InputError, match=r"no family 'sft_pasn'.*(?s:.*)sft_passn"):
        jobs_of(SMOKE, ["sft_pasn"], ())
