import io

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from compute_aligned.config import study
from compute_aligned.config.settings import Rl
from compute_aligned.config.sheets import PaperItem
from compute_aligned.files.errors import InputError
from compute_aligned.method.rewards import unconditional_landscape
from compute_aligned.method.strategies import BestOfN
from compute_aligned.paper import protein_tables
from compute_aligned.paper.protein_tables import in_groups, push_on_share
from compute_aligned.paper.tables import Rendered

MODELS = ["warmup", "standard", "bon_n2"]


def item_of(form: str, family: str) -> PaperItem:
    return PaperItem.model_validate(
        {"item": "table_x", "output": "table", "form": form, "family": family}
        | {"branches": "standard bon_n2", "metric": "-", "budgets": "-", "reported": "-"}
        | {"title": "A title"}
    )


SPREAD = item_of("share_spread", "protein_conditional")
PUSH = item_of("share_push", "protein_unconditional")


def samples_of(seeds: int = 3, problems: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for seed in range(seeds):
        for place, model in enumerate(MODELS):
            for problem in range(problems):
                for sample in range(16):
                    share = round(rng.normal(0.35 + 0.1 * place, 0.1), 2)
                    rows.append(
                        {"seed": seed, "branch": model, "problem": f"p{problem}"}
                        | {"sample": sample, "share": share, "residues": 20.0}
                        | {"reward": unconditional_landscape(share)}
                        | {"input_share": 0.2 + 0.1 * problem}
                    )
    return pd.DataFrame(rows)


def tidy(rendered: Rendered) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(rendered.csv)).set_index(["branch", "measure"])


def cells_of(md: str, label: str) -> list[str]:
    (line,) = [line for line in md.splitlines() if line.startswith(f"| {label} ")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_values_are_means_over_seeds_with_t_intervals() -> None:
    samples = samples_of()
    row = tidy(protein_tables.render(SPREAD, samples, "smoke")).loc["bon_n2", "Reward"]

    means = samples[samples["branch"] == "bon_n2"].groupby("seed")["reward"].mean()
    low, high = stats.t.interval(0.95, 2, means.mean(), stats.sem(means))
    assert row["value"] == pytest.approx(means.mean(), rel=1e-5)
    assert [row["value_low"], row["value_high"]] == pytest.approx([low, high], rel=1e-4)
    assert row["seeds"] == 3


def test_a_row_a_model_and_a_column_a_measure_are_printed() -> None:
    rendered = protein_tables.render(SPREAD, samples_of(), "smoke")

    frame = tidy(rendered)
    measures = ["Reward", "Mean h", "sd of h within a prompt", "Correlation with the input's h"]
    for model, label in (("warmup", "Warm-up"), ("bon_n2", "Best-of-2")):
        cells = cells_of(rendered.md, label)
        assert cells[4:] == ["20.0 [20.0, 20.0]", "0.000 [0.000, 0.000]"]
        for cell, measure in zip(cells, measures, strict=False):
            assert float(cell.split(" [")[0]) == pytest.approx(
                frame.loc[model, measure]["value"], abs=0.006
            )
    assert rendered.tex.count(r"\\") == 4  # a heading and three models


def test_the_push_is_that_of_the_warm_ups_samples_and_the_warm_up_has_none() -> None:
    samples = samples_of(problems=1)
    rendered = protein_tables.render(PUSH, samples, "smoke")

    training = study.branch_training("smoke", "protein_unconditional", "bon_n2")
    assert isinstance(training, Rl)
    pushes = []
    for _, start in samples[samples["branch"] == "warmup"].groupby("seed"):
        rewards, shares = (
            in_groups(start, column, training.group_size) for column in ("reward", "share")
        )
        pushes.append(push_on_share(rewards, shares, BestOfN(n=2), "raw", training))
    row = tidy(rendered).loc["bon_n2", "cov(A w, h) / sd(h) at the start"]
    assert row["value"] == pytest.approx(np.mean(pushes), rel=1e-5)
    assert cells_of(rendered.md, "Warm-up")[0] == "–"


def test_one_seed_has_values_without_intervals() -> None:
    rendered = protein_tables.render(SPREAD, samples_of(seeds=1), "smoke")

    assert tidy(rendered)[["value_low", "value_high"]].isna().all(axis=None)
    assert "[" not in cells_of(rendered.md, "Best-of-2")[0]
    assert "Means over 1 seed." in rendered.md


def test_an_unknown_form_names_the_known_ones() -> None:
    item = PUSH.model_copy(update={"form": "push"})

    with pytest.raises(InputError, match="no table form 'push'") as caught:
        protein_tables.render(item, samples_of(), "smoke")
    assert "share_push" in caught.value.remedy
