from dataclasses import replace
from pathlib import Path

import pytest
from config.config_parts import BRANCHES, FAMILY, OF_FAMILY, RL, error_of, replaced, write

from compute_aligned.config.reading import read_scale
from compute_aligned.config.scales import Run
from compute_aligned.config.study import Study, read_study
from compute_aligned.files.errors import InputError


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return read_study("tiny", write(tmp_path / "config"))


def test_a_right_configuration_is_resolved_as_it_stands(study: Study) -> None:
    adding = study.experiment("adding")

    assert adding.settings.seeds == (0, 1)
    assert adding.models == ["warmup", "ce", "passn_n4"]
    assert adding.labels == {"warmup": "Warm-up", "ce": "Cross-entropy", "passn_n4": "Pass@4"}
    assert (adding.baseline, adding.baseline_label) == ("ce", "Cross-entropy")
    assert study.labels("voting")["majority"] == "Majority"  # which the scale lacks
    assert study.strategies == ["SingleSample()", "PassAtN(n=4)", "MajorityVote(n=8,k=3)"]
    assert study.item("table2").models == ["warmup", "ce", "passn_n4"]
    assert study.source("numbers").high == 20


@pytest.mark.parametrize(
    ("read", "file", "remedy"),
    [
        (lambda s: s.experiment("addign"), "scales/tiny.yaml", "did you mean 'adding'?"),
        (lambda s: s.source("number"), "scales/tiny.yaml", "did you mean 'numbers'?"),
        (lambda s: s.checkpoint("owner--name"), "scales/tiny.yaml", "choose one of: none"),
        (lambda s: s.row("tabel2"), "paper_items.tsv", "did you mean 'table2'?"),
        (lambda s: s.item("table3"), "scales/tiny.yaml", "choose one of: adding"),
        (lambda s: s.experiment("adding").branch("passn_n5"), "branches.tsv", "'passn_n4'?"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(
    study: Study, read: object, file: str, remedy: str
) -> None:
    with pytest.raises(InputError) as caught:
        read(study)

    assert caught.value.where.endswith(file)
    assert remedy in caught.value.remedy


def test_a_checkpoint_is_found_by_its_name_as_a_file(tmp_path: Path) -> None:
    model = {"pretrained": "owner/name"}
    study = read_study("tiny", write(tmp_path / "config", {OF_FAMILY + "model": model}))

    assert study.checkpoint("owner--name") == study.experiment("adding").settings.model


def test_an_item_is_left_out_where_its_family_is_not_configured(study: Study) -> None:
    assert study.shown("table") == ["table2", "table1"]  # an analytic one is shown everywhere
    assert study.shown("figure") == ["figure1"]
    assert "table3" in study.items


def test_a_family_that_no_item_shows_is_left_out(study: Study) -> None:
    items = {name: row for name, row in study.items.items() if row.family != "adding"}

    assert study.families_shown == ["adding"]
    assert replace(study, items=items).families_shown == []
    smoke = read_study("smoke")
    assert smoke.families_shown == list(smoke.experiments)


def test_a_run_s_own_seeds_take_the_place_of_a_family_s(study: Study) -> None:
    adding = study.experiment("adding")

    assert adding.seeds_in(Run(scale="tiny")) == (0, 1)
    assert adding.seeds_in(Run(scale="tiny", seeds=(7,))) == (7,)


@pytest.mark.parametrize(("problems", "reward", "pool"), [(1, 1, 1), (1, 0, 0), (2, 1, 0)])
def test_one_prompt_with_rewards_is_a_pool_of_samples(
    study: Study, problems: int, reward: bool, pool: bool
) -> None:
    adding = study.experiment("adding")
    settings = adding.settings.model_copy(
        update={"problems": adding.settings.problems.model_copy(update={"test": problems})}
    )
    if reward:
        rl = read_scale("smoke").families["protein_unconditional"].rl
        settings = settings.model_copy(update={"rl": rl})

    assert replace(adding, settings=settings).is_pool == pool


def test_overrides_are_laid_over_the_training_of_their_branch_alone(tmp_path: Path) -> None:
    changed = replaced(BRANCHES, "strategy\t-", "strategy\tclip_norm=2.0")
    adding = read_study("tiny", write(tmp_path / "config", branches=changed)).experiment("adding")

    base = adding.settings.sft
    assert base is not None
    assert adding.branch("ce").training == base
    assert adding.branch("passn_n4").training == base.model_copy(update={"clip_norm": 2.0})


def test_a_row_decides_how_its_branch_is_trained_and_from_which_model(tmp_path: Path) -> None:
    branches = replaced(BRANCHES, "-\tPassAtN(n=4)\t-", "ce\tPassAtN(n=4)\tlog")
    branches = replaced(branches, "strategy\t-", "strategy\tsteps=7")
    changes = {OF_FAMILY + "problems.rl": "train", OF_FAMILY + "rl": RL}
    adding = read_study("tiny", write(tmp_path / "config", changes, branches)).experiment("adding")

    rl = adding.settings.rl
    assert rl is not None
    assert adding.branch("ce").training == adding.settings.sft
    assert adding.branch("passn_n4").training == rl.model_copy(update={"steps": 7})
    assert [adding.start_of(branch) for branch in adding.branches] == ["warmup", "ce"]
    assert [each.row.fine_tuned for each in adding.branches.values()] == [True, False]


def test_a_block_that_a_row_needs_and_the_scale_lacks_is_named(tmp_path: Path) -> None:
    branches = replaced(BRANCHES, "(n=4)\t-", "(n=4)\traw")
    folder = write(tmp_path / "config", branches=branches)
    error = error_of(folder)

    assert error.where == f"{folder / 'branches.tsv'}: adding passn_n4"
    assert "reinforcement learning (rl), and the family has no such block" in error.problem
    assert str(folder / "scales" / "tiny.yaml") in error.remedy


def test_a_family_without_branches_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "config", {"families.addign": FAMILY})
    error = error_of(folder)

    assert error.where == str(folder / "branches.tsv")
    assert error.problem == "family 'addign' has no branches (did you mean 'adding'?)"
