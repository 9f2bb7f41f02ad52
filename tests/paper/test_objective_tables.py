import re
from dataclasses import replace
from io import StringIO

import pandas as pd
import pytest
from paper.paper_parts import STUDY, grids_of, latex_rows

from compute_aligned.config.reading import CONFIG, REPORTED
from compute_aligned.config.study import Branch
from compute_aligned.method import subsets
from compute_aligned.method.update_weights import SUCCESS_ESTIMATES
from compute_aligned.paper.alignment import cosine, expected_update, true_gradient
from compute_aligned.paper.items import Files, make
from compute_aligned.paper.objective_bias import (
    ANSWERED,
    GROUP_SIZE,
    OF_ANSWERS,
    OF_REWARDS,
    RATED,
    bias_of,
    further,
)
from compute_aligned.paper.objective_tables import bias
from compute_aligned.paper.sheets import Rendered

ROW = STUDY.row("table_objectives")
BRANCH = STUDY.experiment("rl_passn").branch("passn_n4_raw")
CASES = [(n, ANSWERED) for n in OF_ANSWERS] + [(n, RATED) for n in OF_REWARDS]


def branch_with(label: str, strategy: str = "PassAtN(n=4)", **changes: object) -> Branch:
    """A branch of rl_passn, trained otherwise."""
    row = BRANCH.row.model_copy(update={"label": label, "strategy": strategy})
    return Branch(row, BRANCH.training.model_copy(update=changes))


def frame_of(made: Rendered) -> pd.DataFrame:
    return pd.read_csv(StringIO(made.csv)).set_index(["rewards", "objective"])


@pytest.mark.parametrize(("named", "policy"), CASES, ids=lambda c: getattr(c, "name", ""))
def test_a_published_objective_is_unbiased_where_it_says_so_and_has_a_direction(
    named: object, policy: object
) -> None:
    objective = named.objective  # type: ignore[attr-defined]
    found = bias_of(objective, policy, GROUP_SIZE)  # type: ignore[arg-type]
    update = expected_update(policy, objective, GROUP_SIZE)  # type: ignore[arg-type]
    strategy = found.unbiased_for or objective.strategy
    gradient = true_gradient(policy, strategy)  # type: ignore[arg-type]

    assert (found.bias < 1e-9) == (found.unbiased_for is not None)
    assert found.bias**2 + cosine(update, gradient) ** 2 == pytest.approx(1)
    assert 0 < found.variance < 5


def test_the_variance_is_that_of_groups_drawn_at_random() -> None:
    named = next(n for n in OF_ANSWERS if n.name == "MaxRL")
    # with M rollouts of one prompt the variance of a mean of independent scores would fall as 1/M
    few, many = (bias_of(named.objective, ANSWERED, size) for size in (6, 12))
    assert few is not None
    assert many is not None
    assert 1.5 < few.variance / many.variance < 3


def test_the_table_has_the_published_objectives_and_those_of_the_sheet_once() -> None:
    made = make("table_objectives", STUDY, Files(REPORTED))
    frame = frame_of(made)

    answers, rewards = grids_of(made.md).values()
    assert [row[0] for row in answers[1 : 1 + len(OF_ANSWERS)]] == [n.name for n in OF_ANSWERS]
    assert [row[0] for row in rewards[1 : 1 + len(OF_REWARDS)]] == [n.name for n in OF_REWARDS]
    assert {"Pass@16, raw", "Majority of 4, raw"} < set(frame.loc["answers"].index)
    # the same as GRPO and as CAT's
    assert not {"Standard RL, KL weight .085", "Pass@4, raw"} & set(frame.loc["answers"].index)
    dr = frame.loc["answers"].loc["Dr. GRPO"]
    assert (dr["unbiased_for"], dr["scale"], dr["cosine_1"]) == ("SingleSample()", 15 / 16, 1)
    shown = next(row for row in answers if row[0] == "Dr. GRPO")
    assert shown[5:9] == ["Single sample × 0.938", "0", "0.274", "1.000"]
    assert {len(row) for row in latex_rows(made.tex)} == {1, 11}


def test_the_readmes_objective_joins_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    readme = (CONFIG / "README.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```$", readme, flags=re.DOTALL | re.MULTILINE)
    (code,) = (block for block in blocks if "name=" in block)
    monkeypatch.delitem(SUCCESS_ESTIMATES, "uniform_prior", raising=False)
    exec(compile(code, "config/README.md", "exec"), vars(subsets) | {"__name__": "of_the_readme"})
    own = branch_with("Of my own", success_estimate="uniform_prior", advantage_scale="none")
    too_large = branch_with("Large", "PassAtN(n=32)", success_estimate="pkpo", group_size=64)
    too_large = replace(
        too_large, training=too_large.training.model_copy(update={"advantage_scale": "none"})
    )

    made = bias(ROW, [own, too_large])
    del SUCCESS_ESTIMATES["uniform_prior"]

    found = frame_of(made).loc["answers"]
    assert found.loc["Of my own", "success_estimate"] == "uniform_prior"
    assert 0 < found.loc["Of my own", "bias"] < 0.2
    assert r"$A \, w(\frac{c+1}{M+2})$" in made.md
    assert pd.isna(found.loc["Large", "bias"])
    large = next(row for row in grids_of(made.md)["Right and wrong answers"] if row[0] == "Large")
    assert large[5:] == ["–"] * 6


def test_branches_of_fine_tuning_and_of_other_rewards_are_passed_over() -> None:
    fine_tuned = STUDY.experiment("sft_passn").branch("ce")
    best_of = STUDY.experiment("protein_conditional").branch("bon_n2")

    assert further([fine_tuned, best_of], [], of_answers=True) == []
    assert [n.name for n in further([fine_tuned, best_of], [], of_answers=False)] == ["Best-of-2"]
