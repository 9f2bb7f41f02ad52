import re
from pathlib import Path
from typing import get_args

import pytest
from config.config_parts import BRANCHES, OF_FAMILY, RL, error_of, write

from compute_aligned.config.checks import check
from compute_aligned.config.objectives import objective_of
from compute_aligned.config.reading import CONFIG
from compute_aligned.config.settings import Rl
from compute_aligned.config.study import Study, read_study
from compute_aligned.files.errors import InputError
from compute_aligned.method.objectives import SCALES
from compute_aligned.method.strategies import PassAtN
from compute_aligned.method.subsets import Pkpo
from compute_aligned.method.update_weights import SUCCESS_ESTIMATES, AdvantageScale

README = (CONFIG / "README.md").read_text()
RATED = "reward=protein_conditional"  # in a row, where the rest of the family does not mind


def folder_with(tmp_path: Path, strategy: str, overrides: str, form: str = "raw") -> Path:
    """A configuration whose family has one more branch, trained by reinforcement learning."""
    row = f"adding\trival\tA rival\t-\t{strategy}\t{form}\tstrategy\t{overrides}\n"
    changes = {OF_FAMILY + "rl": RL, OF_FAMILY + "problems.rl": 20}
    return write(tmp_path / "config", changes, BRANCHES + row)


def study_with(tmp_path: Path, strategy: str, overrides: str) -> Study:
    return read_study("tiny", folder_with(tmp_path, strategy, overrides))


def test_a_rows_overrides_are_an_objective(tmp_path: Path) -> None:
    study = study_with(tmp_path, "PassAtN(n=4)", "success_estimate=pkpo advantage_scale=none")
    check(study)
    (branch,) = study.reinforced
    objective = objective_of(branch)

    assert (objective.strategy, objective.form) == (PassAtN(n=4), "raw")
    assert (objective.estimate, objective.scale) == (Pkpo(), "none")


def rows_of_the_readme() -> list[tuple[str, str]]:
    """Strategy and overrides of every rival in its table, which may have two in a row."""
    table = re.findall(r"^\| .* \| `(.*)`, `raw` \| (.*) \|$", README, flags=re.MULTILINE)
    return [(strategy, o.strip("` ")) for strategy, cell in table for o in cell.split(";")]


@pytest.mark.parametrize(("strategy", "overrides"), rows_of_the_readme())
def test_every_rival_in_the_readme_is_a_row(tmp_path: Path, strategy: str, overrides: str) -> None:
    check(study_with(tmp_path, strategy, overrides))


def test_the_readme_has_the_rivals() -> None:
    assert len(rows_of_the_readme()) == 8
    names = {name for name in SUCCESS_ESTIMATES if f"`{name}`" in README}
    assert names == set(SUCCESS_ESTIMATES)


def test_a_branch_that_is_fine_tuned_has_none(tmp_path: Path) -> None:
    study = study_with(tmp_path, "PassAtN(n=4)", "-")
    with pytest.raises(InputError, match="adding ce: it is fine-tuned"):
        objective_of(study.experiment("adding").branch("ce"))


@pytest.mark.parametrize(
    ("strategy", "form", "overrides", "key", "problem"),
    [
        ("PassAtN(n=4)", "raw", "success_estimate=pkp", "success_estimate", "no success est"),
        (
            *("PassAtN(n=16)", "raw", "success_estimate=leave_two_out advantage_scale=none"),
            *("success_estimate leave_two_out", "no unbiased estimate from 15 rollouts"),
        ),
        (
            *("PassAtN(n=4)", "log", "success_estimate=leave_two_out"),
            *("success_estimate leave_two_out", "has no log form"),
        ),
        (
            *("SingleSample()", "raw", f"advantage_scale=mean {RATED}"),
            *("advantage_scale mean", "counts right answers"),
        ),
        (
            *("SingleSample()", "raw", f"success_estimate=smoothed_success {RATED}"),
            *("success_estimate smoothed_success", "counts right answers"),
        ),
        ("SingleSample()", "raw", "group_size=1", "overrides", "group_size: Input should be"),
        ("MaxRL(t=0)", "raw", "-", "MaxRL(t=0)", "t=0, is not a whole number"),
    ],
)
def test_what_does_not_go_together_is_an_error_that_names_the_row(
    tmp_path: Path, strategy: str, form: str, overrides: str, key: str, problem: str
) -> None:
    folder = folder_with(tmp_path, strategy, overrides, form)
    error = error_of(folder)

    assert error.where == f"{folder / 'branches.tsv'}: adding rival: {key}"
    assert problem in error.problem


def test_the_configuration_may_say_every_divisor_that_there_is() -> None:
    annotation = Rl.model_fields["advantage_scale"].annotation

    assert get_args(annotation) == get_args(AdvantageScale)
    assert set(SCALES) == set(get_args(AdvantageScale))
