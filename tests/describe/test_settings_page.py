from typing import Any

import pytest
from html_cells import parsed, tables_of

from compute_aligned.config import study
from compute_aligned.config.fingerprints import description_fingerprint
from compute_aligned.config.scales import Run, Scale
from compute_aligned.describe.jobs import Job
from compute_aligned.describe.settings import flat, to_html

RUN = Run(scale="smoke")
TRAINED = Job("train_sft", "sft_passn", "sft_passn/ce/seed0")
SAMPLED = Job("sample", "sft_passn", "sft_passn/seed0")


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
    rows = table_with(to_html(RUN, "smoke", []), "Seeds")

    families = study.read_scale("smoke").families
    assert [row[0] for row in rows[1:]] == list(families)
    row = next(row for row in rows if row[0] == "sft_passn")
    settings = families["sft_passn"]
    assert row[1:3] == [settings.problems.source, " ".join(map(str, settings.seeds))]
    assert row[5:] == [str(settings.problems.test), str(settings.sampling.num_samples), "6"]


def test_a_run_s_own_seeds_and_engine_are_shown_in_place_of_the_scale_s() -> None:
    page = to_html(Run(scale="smoke", seeds=(7, 8), engine="transformers"), "smoke", [])

    assert {row[2] for row in table_with(page, "Seeds")[1:]} == {"7 8"}
    assert "Samples by transformers" in page


def test_every_setting_is_there_with_its_value_and_its_default() -> None:
    page = to_html(RUN, "smoke", [])
    family = study.read_family("smoke", "sft_passn")
    shown = {row[0]: row[1] for row in tables_of(page)[2] if len(row) == 2}

    assert shown == {"Key": "Value"} | dict(flat(family))
    assert shown["warmup.learning_rate"] == str(family.warmup.learning_rate)
    assert shown["warmup.checkpoint_every"] == str(family.warmup.checkpoint_every)
    assert shown["sft.betas"] == "0.9 0.999"
    assert len(shown) > 40


def test_every_branch_of_a_shown_family_is_a_row_as_in_the_sheet() -> None:
    rows = table_with(to_html(RUN, "smoke", []), "Strategy")

    families = study.read_scale("smoke").families
    assert len(rows) - 1 == sum(len(study.branches_of(family)) for family in families)
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
    page = to_html(RUN, "smoke", records)
    header, *rows = tables_of(page)[-1]
    facts = {row[0]: row[1:] for row in rows}

    assert header == ["", "Branches", "Samples"]
    assert facts["torch"] == ["2.13.0, 2.14.0", "–"]
    assert facts["vllm"] == ["–", "0.32.0"]
    assert facts["Commit"] == [f"{'a' * 12}, {'b' * 12}", "–"]
    assert facts["Machine"] == ["Linux x86_64, a <processor>"] * 2
    assert facts["Python"] == ["3.11.7", "3.11.7"]


def test_the_page_loads_nothing() -> None:
    assert parsed(to_html(RUN, "smoke", [(TRAINED, record())])).loaded == []


def test_it_is_written_anew_when_settings_change() -> None:
    before = description_fingerprint(RUN, "smoke")

    assert description_fingerprint(Run(scale="smoke", seeds=(7,)), "smoke") != before
    assert description_fingerprint(Run(scale="smoke", engine="transformers"), "smoke") != before
    assert description_fingerprint(RUN, "laptop") != before


@pytest.mark.parametrize(
    ("key", "value", "same"), [("throughput", None, True), ("dtype", "x", False)]
)
def test_how_fast_the_machine_is_does_not_matter(
    monkeypatch: pytest.MonkeyPatch, key: str, value: object, same: bool
) -> None:
    before = description_fingerprint(RUN, "smoke")
    scale: Scale = study.read_scale("smoke")
    assert scale.throughput is not None
    other = scale.model_copy(update={key: value})
    monkeypatch.setattr(study, "read_scale", lambda _: other)

    assert (description_fingerprint(RUN, "smoke") == before) == same
