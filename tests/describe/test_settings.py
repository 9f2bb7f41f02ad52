from typing import Any

from support.html_cells import parsed, tables_of

from compute_aligned.config.scales import Run
from compute_aligned.config.study import read_study
from compute_aligned.describe.jobs import Job
from compute_aligned.describe.settings import flat, to_html

RUN, SMOKE = Run(scale="smoke"), read_study("smoke")
TRAINED = Job("train_sft", "sft_passn", "sft_passn/ce/seed0")
SAMPLED = Job("sample", "sft_passn", "sft_passn/seed0")
PAGE = to_html(RUN, SMOKE, [])


def record(commit: str | None = "a" * 40, **packages: str) -> dict[str, Any]:
    return {
        "code": {"version": "0.1.0", "sources": "0123abcd", "commit": commit},
        "python": "3.11.7",
        "machine": "Linux x86_64, a <processor>",
        "packages": packages,
    }


def table_with(page: str, heading: str) -> list[list[str]]:
    return next(table for table in tables_of(page) if heading in table[0])


def test_every_family_has_its_problems_seeds_and_samples() -> None:
    rows = table_with(PAGE, "Seeds")

    assert [row[0] for row in rows[1:]] == list(SMOKE.experiments)
    row = next(row for row in rows if row[0] == "sft_passn")
    settings = SMOKE.experiment("sft_passn").settings
    assert row[1:3] == [settings.problems.source, " ".join(map(str, settings.seeds))]
    assert row[5:] == [str(settings.problems.test), str(settings.sampling.num_samples), "6"]


def test_a_run_s_own_seeds_and_engine_are_shown_in_place_of_the_scale_s() -> None:
    page = to_html(Run(scale="smoke", seeds=(7, 8), engine="transformers"), SMOKE, [])

    assert {row[2] for row in table_with(page, "Seeds")[1:]} == {"7 8"}
    assert "Samples by transformers" in page


def test_every_setting_is_there_with_its_value_and_its_default() -> None:
    family = SMOKE.experiment("sft_passn").settings
    shown = {row[0]: row[1] for row in tables_of(PAGE)[2] if len(row) == 2}

    assert shown == {"Key": "Value"} | dict(flat(family))
    assert family.warmup is not None
    assert shown["warmup.learning_rate"] == str(family.warmup.learning_rate)
    assert shown["warmup.checkpoint_every"] == str(family.warmup.checkpoint_every)
    assert shown["sft.betas"] == "0.9 0.999"
    assert len(shown) > 40


def test_every_branch_of_a_shown_family_is_a_row_as_in_the_sheet() -> None:
    rows = table_with(PAGE, "Strategy")

    assert len(rows) - 1 == sum(len(each.branches) for each in SMOKE.experiments.values())
    assert ["sft_passn", "passn_n16", "Pass@16", "warmup", "PassAtN(n=16)", "-", "strategy"] in [
        row[:7] for row in rows
    ]
    starts = {row[1]: row[3] for row in rows if row[0] == "sft_to_rl"}
    assert starts["passn_n16_warmup"] == "passn_n16"


def test_the_environment_is_what_jobs_recorded_stage_by_stage() -> None:
    records = [
        (TRAINED, record(torch="2.13.0")),
        (TRAINED, record(torch="2.14.0", commit="b" * 40)),
        (SAMPLED, record(vllm="0.32.0", commit=None)),
    ]
    page = to_html(RUN, SMOKE, records)
    header, *rows = tables_of(page)[-1]
    facts = {row[0]: row[1:] for row in rows}

    assert header == ["", "Branches", "Samples"]
    assert facts["torch"] == ["2.13.0, 2.14.0", "–"]
    assert facts["vllm"] == ["–", "0.32.0"]
    assert facts["Commit"] == [f"{'a' * 12}, {'b' * 12}", "–"]
    assert facts["Machine"] == ["Linux x86_64, a <processor>"] * 2
    assert facts["Python"] == ["3.11.7", "3.11.7"]
    assert parsed(page).loaded == []  # the page loads nothing
