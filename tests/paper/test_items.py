from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from paper.paper_parts import grids_of

from compute_aligned.config.reading import REPORTED
from compute_aligned.config.study import Study, read_study
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import (
    OUTCOMES,
    PROTEIN_SCORES,
    RL_STEPS,
    SCORES,
    STEPS,
    write_table,
)
from compute_aligned.method.estimators import expected_max, k_of_n
from compute_aligned.paper.items import Files, make
from compute_aligned.score import scoring

STUDY = read_study("smoke")
STRATEGY = "MajorityVote(n=8, k=3)"  # that stands among the metrics as itself
MODELS = STUDY.experiment("sft_majority").models
CORRECT = {branch: 3 + i % 3 for i, branch in enumerate(MODELS)}  # of 8 samples, at first


def with_row(name: str, **changes: Any) -> Study:
    """The study with some cells of one item changed."""
    row = STUDY.row(name).model_copy(update=changes)
    return replace(STUDY, items={**STUDY.items, name: row})


def frame_of(csv: str, *keys: str) -> pd.DataFrame:
    return pd.read_csv(StringIO(csv)).set_index(list(keys))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """What a run of two seeds has left: a vote over all 8 samples is right more often."""
    folder = tmp_path_factory.mktemp("run")
    outcomes, scores, steps = [], [], []
    keys = [
        {"branch": branch, "problem": f"{problem:02d}"}
        for branch in MODELS
        for problem in range(30)
    ]
    values = {("maj@k", 1): 0.25, ("maj@k", 8): 0.5, ("plurality", 8): 0.75}
    graded = {"num_samples": 8, "num_correct": 4, "num_invalid": 0, "num_unfinished": 0}
    graded |= {"mean_tokens": 2.0, "votes": ["7", "1"] * 4, "correct": [True, False] * 4}
    for seed in range(2):
        outcomes.append(folder / f"outcomes{seed}")
        rows: list[dict[str, Any]] = [
            key | {"metric": m, "k": k, "value": value + 0.125 * (key["branch"] != "ce")}
            for key in keys
            for (m, k), value in values.items()
        ]
        counts = [
            {"branch": branch, "problem": f"p{problem}", "num_samples": 8}
            | {"num_correct": correct + problem - seed}
            for branch, correct in CORRECT.items()
            for problem in range(3)
        ]
        rows += scoring.outcomes(counts, [STRATEGY])
        write_table(outcomes[-1], rows, OUTCOMES)
        scores.append(folder / f"scores{seed}")
        write_table(scores[-1], [key | graded for key in keys], SCORES)
        for branch, trained in STUDY.experiment("sft_to_rl").branches.items():
            schema = STEPS if trained.row.fine_tuned else RL_STEPS
            record = dict.fromkeys(schema.names, 0.5) | {"step": 0, "tokens": 9, "clipped": True}
            steps.append((branch, folder / f"{branch}{seed}"))
            write_table(steps[-1][1], [record], schema)
    return Files(REPORTED, outcomes, scores, steps)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("table3", "outcomes"),
        ("figure2", "outcomes"),
        ("table_matrix_sft_majority", "outcomes"),
        ("figure_majority_mechanism", "scores"),
        ("table_activity_sft_to_rl", "steps"),
    ],
)
def test_an_item_is_made_from_its_own_kind_of_files_and_names_them_where_none_are_given(
    name: str, kind: str, files: Files
) -> None:
    assert make(name, STUDY, Files(REPORTED, **{kind: getattr(files, kind)}))
    with pytest.raises(InputError, match=f"made from {kind}, and none are given") as caught:
        make(name, STUDY, replace(files, **{kind: ()}))
    assert caught.value.where == name


def test_what_has_no_form_is_named(files: Files) -> None:
    with pytest.raises(InputError, match="there is no table form 'gains'"):
        make("table3", with_row("table3", form="gains"), files)


def test_all_files_of_the_run_are_named_for_the_provenance(files: Files) -> None:
    paths = [path for _, path in files.steps]

    assert paths
    assert files.of_run == [*files.outcomes, *files.scores, *paths]


def test_the_vote_over_all_samples_joins_tables_of_maj_at_k_and_does_not_pass_for_it(
    files: Files,
) -> None:
    made = make("table3", STUDY, files)

    ours, gains, papers = grids_of(made.md).values()
    assert ours[0][-1] == "plurality"
    assert [row[-1] for row in ours[1:3]] == ["87.5<br>[87.5, 87.5]", "75.0<br>[75.0, 75.0]"]
    assert gains[1][-1] == "**+12.5**<br>[12.5, 12.5]"
    frame = frame_of(made.csv, "branch", "metric", "k")
    assert frame.loc[("ce", "maj@k", 8), ["value", "paper_value"]].tolist() == [50, 23.3]
    assert frame.loc[("ce", "plurality", 8), "value"] == 75
    assert frame["paper_value"].xs("plurality", level="metric").isna().all()
    assert {row[-1] for row in papers[1:]} == {"–"}
    assert "Plurality: a vote over all 8 samples, exact." in made.md
    assert r"$k=64$ & plurality \\" in made.tex
    line = make("figure2", STUDY, files).axes[0].get_lines()[-1]
    assert list(line.get_xdata()) == [1, 8]


def test_a_table_of_activity_shows_fine_tuning_and_reinforcement_learning(files: Files) -> None:
    frame = frame_of(make("table_activity_sft_to_rl", STUDY, files).csv, "branch")

    assert {"passn_n16", "passn_n16_warmup"} < set(frame.index)
    assert set(frame["weight_q50"]) == {0.5}


def test_rewards_of_one_prompt_are_read_from_its_samples(tmp_path: Path) -> None:
    rewards = np.random.default_rng(0).normal(size=(5, 16))
    rows = [
        {"branch": branch, "problem": "p", "num_samples": 16, "num_invalid": 0}
        | {"num_unfinished": 0, "mean_tokens": 2.0, "input_share": None, "rewards": pool.tolist()}
        | {"shares": [0.5] * 16, "residues": [9] * 16}
        for branch, pool in zip(STUDY.item("table6_unconditional").models, rewards, strict=True)
    ]
    write_table(tmp_path / "scores", rows, PROTEIN_SCORES)

    made = make("table6_unconditional", STUDY, Files(REPORTED, scores=[tmp_path / "scores"]))

    frame = frame_of(made.csv, "branch", "k")
    expected = [np.asarray(expected_max(pool, [4])).item() for pool in rewards]
    assert frame["value"].xs(4, level="k").tolist() == pytest.approx(expected, rel=1e-5)


# --- a strategy that stands among the metrics as itself ---------------------------------------


def shown_as(name: str, form: str) -> Study:
    return with_row(name, form=form, metric=STRATEGY, budgets=(4, 8), reported=())


def test_a_strategys_table_has_the_success_at_each_n_that_it_makes_sense_at(files: Files) -> None:
    made = make("table3", shown_as("table3", "levels"), files)

    assert f"success of {STRATEGY} in percent" in made.md
    rows = frame_of(made.csv, "branch", "k").loc["majority_n8_k3"]
    assert rows.index.tolist() == [4, 8]
    first = CORRECT["majority_n8_k3"]
    rights = [first + problem - seed for problem in range(3) for seed in range(2)]
    for k in (4, 8):
        expected = 100 * np.mean([k_of_n(8, right, k, 3) for right in rights])
        assert rows.loc[k, "value"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("form", ["levels", "gains"])
def test_a_strategys_figure_names_it_on_the_axis(files: Files, form: str) -> None:
    figure = make("figure2", shown_as("figure2", form), files)

    assert f"success of {STRATEGY}" in figure.axes[0].get_ylabel().replace("Success", "success")
