from dataclasses import replace
from pathlib import Path

import pytest
from config.config_parts import BRANCHES, ITEMS, OF_FAMILY, SFT, family_with, write

from compute_aligned.config import fingerprints
from compute_aligned.config.fingerprints import description_fingerprint, fingerprint
from compute_aligned.config.scales import Run
from compute_aligned.config.settings import Sft
from compute_aligned.config.study import read_study

SFT_BRANCHES = {"ce", "passn_n4"}
START = {"seconds": 1.0, "gigabytes": 0.5}
THROUGHPUT = {
    "jobs": dict.fromkeys(("prepare", "train", "sample", "report"), START),
    "pass_seconds": 0.01,
    "training_flops": 1e10,
    "sampling_flops": 1e10,
    "score_seconds": 0.0,
}


def test_a_fingerprint_tells_settings_apart_and_nothing_else() -> None:
    sft, longer = (Sft.model_validate(SFT | {"hold": f"{n} steps"}) for n in (60, 61))

    assert fingerprint(sft, "a") == fingerprint(Sft.model_validate(SFT), "a")
    assert len({fingerprint(x) for x in (sft, longer)} | {fingerprint(sft, "a")}) == 3
    assert fingerprint(sft, None) != fingerprint(sft)


def test_a_sweep_depends_on_what_it_draws_and_not_on_how_many_samples_there_are_else() -> None:
    adding = read_study("smoke").experiment("sft_passn")

    def print_of(block: str, **changes: object) -> str:
        changed = getattr(adding.settings, block).model_copy(update=changes)
        settings = adding.settings.model_copy(update={block: changed})
        return fingerprints.sweep_fingerprint(replace(adding, settings=settings), "vllm")

    same = {print_of("sampling"), print_of("sampling", num_samples=64), print_of("temperatures")}
    others = {
        print_of("sampling", top_p=0.5),
        print_of("temperatures", values=(0.8, 1.0)),
        print_of("temperatures", problems=9),
    }
    assert len(same) == 1
    assert len(same | others) == 4


def prints(folder: Path) -> dict[str, str]:
    study = read_study("tiny", folder)
    adding = study.experiment("adding")
    return {
        "sampling": fingerprints.sampling_fingerprint(adding, "vllm"),
        "scoring": fingerprints.scoring_fingerprint(adding),
        "item": fingerprints.item_fingerprint(study, "table2"),
        "analytic item": fingerprints.item_fingerprint(study, "table1"),
    } | {model: fingerprints.training_fingerprint(adding, model) for model in adding.models}


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("PassAtN(n=4)", "PassAtN(n=5)", {"passn_n4", "analytic item"}),
        ("strategy\t-", "strategy\tclip_norm=2.0", {"passn_n4"}),
        ("strategy\t-", "strategy\tmargin_share=0.5 rival_tokens=4", {"passn_n4"}),
        ("MajorityVote(n=8,k=3)", "MajorityVote(n=8,k=2)", {"analytic item"}),
        ("Pass@4", "Pass at 4", {"item"}),
        ("4\t-\tP", "4\tce\tP", set()),  # Snakemake sees another input file
        ("A table", "A better table", {"item"}),
        ("An analytic", "A better", {"analytic item"}),
    ],
)
def test_a_change_of_a_row_shows_in_the_jobs_it_concerns_and_in_no_others(
    tmp_path: Path, old: str, new: str, changed: set[str]
) -> None:
    before = prints(write(tmp_path / "before"))
    sheets = [text.replace(old, new) for text in (BRANCHES, ITEMS)]
    assert sheets != [BRANCHES, ITEMS]
    after = prints(write(tmp_path / "after", None, *sheets))

    assert {name for name in before if before[name] != after[name]} == changed


@pytest.mark.parametrize(
    ("place", "value", "changed"),
    [
        (OF_FAMILY + "sft.clip_norm", 2.0, SFT_BRANCHES),
        (OF_FAMILY + "warmup.clip_norm", 2.0, {"warmup"}),
        (OF_FAMILY + "model.layers", 2, {"warmup"}),
        (OF_FAMILY + "sampling.num_samples", 16, {"sampling"}),
        (OF_FAMILY + "metrics", ["pass@k", "maj@k"], {"scoring"}),
        (OF_FAMILY + "grader", "symbolic", {"scoring"}),
        ("dtype", "bfloat16", {"warmup", "sampling", *SFT_BRANCHES}),
        (OF_FAMILY + "seeds", [0, 1, 2], set()),
        ("throughput", THROUGHPUT, set()),  # what only the estimate of the cost uses
    ],
)
def test_a_change_of_the_scale_shows_in_the_jobs_it_concerns_and_in_no_others(
    tmp_path: Path, place: str, value: object, changed: set[str]
) -> None:
    before = prints(write(tmp_path / "before"))
    after = prints(write(tmp_path / "after", {place: value}))

    assert {name for name in before if before[name] != after[name]} == changed


def test_how_long_a_hold_is_expected_to_be_is_in_no_fingerprint(tmp_path: Path) -> None:
    stopped = {OF_FAMILY + "warmup.stop_at_probability": 0.5}
    expected = stopped | {OF_FAMILY + "expected_hold": "30 steps"}

    assert prints(write(tmp_path / "a", stopped)) == prints(write(tmp_path / "b", expected))
    family = family_with(warmup__stop_at_probability=0.5, expected_hold="30 steps")
    assert family.expected_hold is not None


@pytest.mark.parametrize(
    ("run", "change", "same"),
    [
        (Run(scale="smoke"), {"throughput": None}, True),  # how fast the machine is
        (Run(scale="smoke"), {"dtype": "bfloat16"}, False),
        (Run(scale="smoke", seeds=(7,)), {}, False),
        (Run(scale="smoke", engine="transformers"), {}, False),
    ],
)
def test_a_run_is_described_anew_when_its_settings_change(
    run: Run, change: dict, same: bool
) -> None:
    study = read_study("smoke")
    assert study.settings.throughput is not None
    other = replace(study, settings=study.settings.model_copy(update=change))
    before = description_fingerprint(Run(scale="smoke"), study)

    assert (description_fingerprint(run, other) == before) == same
