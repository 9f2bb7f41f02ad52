from pathlib import Path

import pytest
import yaml
from config.config_parts import BRANCHES, ITEMS, error_of, replaced, write

from compute_aligned.config.reading import read_run, read_scale
from compute_aligned.config.scales import Run
from compute_aligned.files.errors import InputError

TINY = Path("scales") / "tiny.yaml"


def test_values_of_the_command_line_replace_those_of_the_file(tmp_path: Path) -> None:
    folder = write(tmp_path / "config")

    assert read_run(folder=folder) == Run(scale="tiny")
    assert read_run({"seeds": [5, 7]}, folder) == Run(scale="tiny", seeds=(5, 7))
    assert read_run({"scale": "other"}, folder).scale == "other"
    assert read_run({"seeds": ["5", "7"]}, folder).seeds == (5, 7)  # as Snakemake passes [5, 7]


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ({"sacle": "smoke"}, "unknown key 'sacle' (did you mean 'scale'?)"),
        ({"seeds": 0}, "seeds: expected a list, such as [0, 1], not 0"),
        ({"seeds": [1, 1]}, "seeds: 1 is there 2 times; once is enough"),
        ({"engine": "vlm"}, "engine: Input should be 'vllm' or 'transformers', not 'vlm'"),
    ],
)
def test_a_mistake_on_the_command_line_is_told_from_one_in_the_file(
    tmp_path: Path, overrides: dict, problem: str
) -> None:
    folder = write(tmp_path / "config")
    with pytest.raises(InputError) as of_command:
        read_run(overrides, folder)
    (folder / "config.yaml").write_text(yaml.safe_dump({"scale": "tiny"} | overrides))
    with pytest.raises(InputError) as of_file:
        read_run(folder=folder)

    assert of_command.value.where == "--config"
    assert of_file.value.where == str(folder / "config.yaml")
    assert of_command.value.problem == of_file.value.problem == problem


def test_an_unknown_scale_is_named_with_those_there_are(tmp_path: Path) -> None:
    folder = write(tmp_path / "config")
    with pytest.raises(InputError) as caught:
        read_scale("tyny", folder)

    assert caught.value.where == str(folder / "scales" / "tyny.yaml")
    assert caught.value.problem == "there is no scale 'tyny'"
    assert caught.value.remedy == "choose one of: tiny (did you mean 'tiny'?)"


def test_a_broken_scale_file_is_named_with_its_line(tmp_path: Path) -> None:
    folder = write(tmp_path / "config")
    (folder / TINY).write_text("engine: vllm\nseeds: [0, 1\n")

    assert error_of(folder).where == f"{folder / TINY}:3"


PASSN = ": adding passn_n4"


@pytest.mark.parametrize(
    ("old", "new", "where", "problem"),
    [
        ("PassAtN(n=4)", "PassAtM(n=4)", f"{PASSN}: ", "no strategy is named PassAtM"),
        ("PassAtN(n=4)", "PassAtN(4)", f"{PASSN}: ", "a strategy is a name with literal"),
        ("n=8,k=3", "n=8,k=9", ": voting majority: ", "the votes needed, k=9"),
        ("n=8,k=3", "n=0,k=1", ": voting majority: ", "the budget n=0"),
        ("(n=4)\t-", "(n=4)\tlog", PASSN, "weight_form is log, which is reinforcement"),
        ("4\t-\tP", "4\tpassn\tP", f"{PASSN}: start", "'passn' (did you mean 'passn_n4'"),
        ("4\t-\tP", "4\tstandard\tP", f"{PASSN}: start", "has no branch 'standard'"),
        ("4\t-\tP", "4\tpassn_n4\tP", f"{PASSN}: start", "passn_n4 starts from passn_n4"),
        ("4\t-\tP", "4\t\tP", ":3", "start: String should match pattern"),
        ("passn_n4", "ce", ":3", "branch 'ce' of 'adding' is taken"),
        ("passn_n4", "warmup", ":3", "branch 'warmup' of 'adding' is taken"),
        ("-\tstrategy", "-\tbaseline", "", "'adding' has 2 branches with role baseline"),
        ("-\tbaseline", "-\tcontrol", "", "'adding' has 0 branches with role baseline"),
        ("Pass@4\t", "", ":3", "expected 8 cells, found 7"),
        ("Pass@4\t", "Pass@4\t\t", ":3", "expected 8 cells, found 9"),
        ("passn_n4\tPass@4\t", "passn_n4 Pass@4 ", ":3", "expected 8 cells, found 6"),
        ("label", "labels", ":1", "there is no column 'labels' (did you mean 'label'?)"),
        ("Pass@4", "", ":3", "label: String should have at least 1 character"),
        ("strategy\t-", "strategy\tclip", ":3", "overrides: expected - or key=value words"),
        ("strategy\t-", "strategy\tclip_nrom=2", PASSN, "unknown key 'clip_nrom' (did"),
        ("strategy\t-", "strategy\tclip_norm=0", PASSN, "clip_norm: Input should be"),
        ("strategy\t-", "strategy\trival_tokens=4", PASSN, "set both, or neither"),
        ("strategy\t-", "strategy\tdecay=3_epochs", PASSN, "decay: expected a length such as"),
        (BRANCHES.partition("\n")[2], "", "", "the sheet has no rows"),
    ],
)
def test_a_mistake_in_the_branches_is_named(
    tmp_path: Path, old: str, new: str, where: str, problem: str
) -> None:
    folder = write(tmp_path / "config", branches=replaced(BRANCHES, old, new))
    error = error_of(folder)

    assert error.where.startswith(f"{folder / 'branches.tsv'}{where}")
    assert problem in error.problem


def test_a_sheet_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    folder = write(tmp_path / "config")
    (folder / "branches.tsv").unlink()

    assert error_of(folder).problem == "the file is missing"


@pytest.mark.parametrize(
    ("old", "new", "where", "problem"),
    [
        ("ce passn_n4\tpass@k\t1 4", "ce passn_n5\tpass@k\t1 4", ":2", "no branch 'passn_n5'"),
        ("levels\tvoting", "levels\tvotes", ":4", "family 'votes' has no branch 'standard'"),
        ("figure1", "table2", ":3", "item 'table2' is there twice"),
        ("\t-\tA table", "\t-", ":2", "expected 9 cells, found 8"),
        ("pass@k\t1 4 64", "maj@k\t1 4", ": table2", "metric maj@k is not computed by family"),
        ("1 4 64", "16 32", ": table2", "not all of the budgets 16, 32 are computed by"),
        ("1 4 64", "1 3 64", ": table2", "not all of the budgets 1, 3 are computed by"),
    ],
)
def test_a_mistake_in_the_items_is_named(
    tmp_path: Path, old: str, new: str, where: str, problem: str
) -> None:
    folder = write(tmp_path / "config", items=replaced(ITEMS, old, new))
    error = error_of(folder)

    assert error.where == f"{folder / 'paper_items.tsv'}{where}"
    assert problem in error.problem
