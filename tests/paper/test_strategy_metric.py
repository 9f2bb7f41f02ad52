"""A strategy that stands among the metrics as itself gets its table, its curve and its figure."""

from pathlib import Path

import pandas as pd
import pytest

from compute_aligned.config import checks, study
from compute_aligned.config.scales import Run
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import OUTCOMES, write_table
from compute_aligned.method.estimators import k_of_n
from compute_aligned.paper import items
from compute_aligned.score import scoring

STRATEGY = "MajorityVote(n=8, k=3)"
ITEM = study.read_paper_item("table2").model_copy(
    update={"metric": STRATEGY, "budgets": (4, 8), "reported": (), "branches": ("ce", "passn_n4")}
)
CORRECT = {"warmup": 3, "ce": 4, "passn_n4": 5}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The outcomes of two seeds, three problems and 8 samples of each."""
    paths = []
    for seed in range(2):
        rows = [
            {"branch": branch, "problem": f"p{problem}", "num_samples": 8}
            | {"num_correct": correct + problem - seed}
            for branch, correct in CORRECT.items()
            for problem in range(3)
        ]
        paths.append(tmp_path_factory.mktemp("outcomes") / f"seed{seed}.parquet")
        write_table(paths[-1], list(scoring.outcomes(rows, (STRATEGY,))), OUTCOMES)
    return paths


def test_its_table_has_the_success_at_each_n_that_it_makes_sense_at(outcomes: list[Path]) -> None:
    frame = items_of(outcomes)

    assert sorted(frame["k"].unique()) == [4, 8]
    for k in (4, 8):
        rights = [CORRECT["passn_n4"] + p - s for p in range(3) for s in range(2)]
        expected = 100 * sum(k_of_n(8, right, k, 3) for right in rights) / len(rights)
        found = frame.query("branch == 'passn_n4' and k == @k")["value"].item()
        assert found == pytest.approx(expected, rel=1e-5)


def items_of(outcomes: list[Path]) -> pd.DataFrame:
    from io import StringIO

    rendered = items.table(ITEM, items.Files(outcomes=outcomes), "smoke")
    assert f"success of {STRATEGY} in percent" in rendered.md
    return pd.read_csv(StringIO(rendered.csv))


@pytest.mark.parametrize("form", ["levels", "gains"])
def test_its_figure_names_it_on_the_axis(outcomes: list[Path], form: str) -> None:
    item = ITEM.model_copy(update={"output": "figure", "form": form})

    figure = items.figure(item, items.Files(outcomes=outcomes), "smoke")

    assert f"success of {STRATEGY}" in figure.axes[0].get_ylabel().replace("Success", "success")


@pytest.mark.parametrize(
    ("metric", "problem"),
    [
        ("MajorityVot(n=8, k=3)", "no strategy is named MajorityVot"),
        ("MajorityVote(n=8)", "missing a required argument"),
        ("PassAtN(n=99)", "its success cannot be estimated from 8 samples"),
    ],
)
def test_a_metric_that_cannot_be_computed_is_an_error_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, metric: str, problem: str
) -> None:
    scale = study.read_scale("smoke")
    family = scale.families["sft_passn"].model_copy(update={"metrics": ("pass@k", metric)})
    changed = scale.model_copy(update={"families": scale.families | {"sft_passn": family}})
    monkeypatch.setattr(checks, "read_scale", lambda name: changed)

    with pytest.raises(InputError, match=problem) as error:
        checks.check(Run(scale="smoke"))
    assert "families.sft_passn.metrics" in str(error.value)
