from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.graded import item_of, write_proteins
from support.markdown_cells import rows_of

from compute_aligned.config.objectives import objective_of
from compute_aligned.method.objectives import GroupObjective
from compute_aligned.method.rewards import INVALID_REWARD, unconditional_landscape
from compute_aligned.method.strategies import BestOfN, SingleSample, Strategy
from compute_aligned.paper.protein_tables import (
    in_groups,
    input_correlation,
    invalid_share,
    push_on_share,
    share_push,
    share_spread,
    within_prompt_sd,
)
from compute_aligned.paper.sheets import Rendered
from compute_aligned.score.proteins import read_scores

SPREAD = item_of("table_protein_spread", "standard", "bon_n2")
PUSH = item_of("table_protein_push", "standard", "bon_n2")
BRANCH = PUSH.experiment.branch("bon_n2")


def objective(strategy: Strategy) -> GroupObjective:
    """What a branch of that strategy would be trained with."""
    return replace(objective_of(BRANCH), strategy=strategy)


# --- measures -------------------------------------------------------------------------------


def pool(mean: float, sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Rewards and shares of 200 groups of 16 proteins."""
    shares = np.random.default_rng(0).normal(mean, sd, (200, 16)).clip(0, 1).round(2)
    return np.vectorize(unconditional_landscape)(shares), shares


def push_worked_out(rewards: np.ndarray, shares: np.ndarray, n: int) -> float:
    """PAPER section 2, spelt out; a share of NaN counts in the advantages alone."""
    centred = rewards - rewards.mean(axis=1, keepdims=True)
    advantages = centred / (rewards.std(axis=1, ddof=1, keepdims=True) + 1e-4)
    advantages = np.clip(advantages, -5, 5)
    everything = rewards.ravel()
    lower = (everything[:, None] < everything[None, :]).sum(axis=0).reshape(rewards.shape)
    q = np.clip((lower + 1) / (rewards.size + 2), 0.001, 0.999)
    weights = n * q ** (n - 1)
    gains = (advantages * weights / weights.mean())[~np.isnan(shares)]
    shares = shares[~np.isnan(shares)]
    return float(np.mean((gains - gains.mean()) * (shares - shares.mean())) / shares.std())


@pytest.mark.parametrize("valid", [True, False])
@pytest.mark.parametrize(
    ("strategy", "n"), [(SingleSample(), 1), (BestOfN(n=2), 2), (BestOfN(n=8), 8)]
)
def test_the_push_on_the_share_is_the_covariance_worked_out(
    strategy: Strategy, n: int, valid: bool
) -> None:
    rewards, shares = pool(0.4, 0.11)
    if not valid:
        rewards[:, 0], shares[:, 0] = INVALID_REWARD, np.nan

    push = push_on_share(rewards, shares, objective(strategy))

    assert push == pytest.approx(push_worked_out(rewards, shares, n), rel=1e-9)


def test_only_best_of_n_is_pushed_off_the_low_hill() -> None:
    rewards, shares = pool(0.4, 0.115)

    assert push_on_share(rewards, shares, objective(SingleSample())) < -0.1
    assert push_on_share(rewards, shares, objective(BestOfN(n=4))) > 0.1


def test_measures_of_a_few_samples_by_hand() -> None:
    shares, given = [0.2, 0.4, np.nan, 0.5, 0.9, 0.7], [0.8] * 3 + [0.1] * 3
    frame = pd.DataFrame({"problem": [*"aaabbb"], "share": shares, "input_share": given})

    assert within_prompt_sd(frame) == pytest.approx((np.sqrt(0.02) + 0.2) / 2)
    assert invalid_share(frame) == pytest.approx(1 / 6)
    valid = [0, 1, 3, 4, 5]
    expected = np.corrcoef(np.array(given)[valid], np.array(shares)[valid])[0, 1]
    assert input_correlation(frame) == pytest.approx(expected)


def test_samples_are_cut_into_whole_groups_prompt_by_prompt() -> None:
    columns = {"problem": [*"aaaaabbbbb"], "sample": [*range(5)] * 2, "share": range(1, 11)}
    frame = pd.DataFrame(columns).sample(frac=1, random_state=0)

    assert in_groups(frame, "share", 2).tolist() == [[1, 2], [3, 4], [6, 7], [8, 9]]
    assert in_groups(frame, "share", 5).tolist() == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]


# --- tables ---------------------------------------------------------------------------------


@pytest.fixture
def scores(tmp_path: Path) -> list[Path]:
    """Two seeds of four prompts; the models' shares lie apart."""
    rng = np.random.default_rng(0)
    models = list(enumerate(SPREAD.models))

    def proteins(place: int, problem: int) -> dict[str, object]:
        shares = rng.normal(0.35 + 0.1 * place, 0.1, 16).round(2).tolist()
        rewards = [unconditional_landscape(share) for share in shares]
        fixed = {"residues": [20] * 16, "input_share": 0.2 + 0.1 * problem}
        return {"shares": shares, "rewards": rewards} | fixed

    runs = [{(m, f"p{i}"): proteins(n, i) for n, m in models for i in range(4)} for _ in range(2)]
    return [write_proteins(tmp_path / f"{seed}", run) for seed, run in enumerate(runs)]


def tidy(rendered: Rendered) -> pd.DataFrame:
    return pd.read_csv(StringIO(rendered.csv)).set_index(["branch", "measure"])


def test_a_row_a_model_has_means_over_seeds_with_t_intervals(scores: list[Path]) -> None:
    rendered = share_spread(SPREAD, scores)

    row = tidy(rendered).loc["bon_n2", "Reward"]
    samples = read_scores(scores)
    means = samples[samples["branch"] == "bon_n2"].groupby("seed")["reward"].mean()
    low, high = stats.t.interval(0.95, 1, means.mean(), stats.sem(means))
    assert row["value"] == pytest.approx(means.mean(), rel=1e-5)
    assert [row["value_low"], row["value_high"]] == pytest.approx([low, high], rel=1e-4)
    assert row["seeds"] == 2
    heads, *rows = rows_of(rendered.md).values()
    assert rows[2][0] == f"{means.mean():.2f} [{low:.2f}, {high:.2f}]"
    for model, cells in zip(SPREAD.models, rows, strict=True):
        assert cells[4:] == ["20.0 [20.0, 20.0]", "0.000 [0.000, 0.000]"]
        for cell, measure in zip(cells, heads, strict=True):
            value = tidy(rendered).loc[model, measure]["value"]
            assert float(cell.split(" [")[0]) == pytest.approx(value, abs=0.006)


def test_the_push_is_that_of_the_warm_ups_samples_and_the_warm_up_has_none(
    scores: list[Path],
) -> None:
    rendered = share_push(PUSH, scores)

    samples = read_scores(scores)
    pushes = []
    for _, start in samples[samples["branch"] == "warmup"].groupby("seed"):
        groups = (
            in_groups(start, name, BRANCH.training.group_size) for name in ("reward", "share")
        )
        pushes.append(push_on_share(*groups, objective(BestOfN(n=2))))
    row = tidy(rendered).loc["bon_n2", "cov(A w, h) / sd(h) at the start"]
    assert row["value"] == pytest.approx(np.mean(pushes), rel=1e-5)
    assert rows_of(rendered.md)["Warm-up"][0] == "–"


def test_one_seed_has_values_without_intervals(scores: list[Path]) -> None:
    rendered = share_spread(SPREAD, scores[:1])
    assert tidy(rendered)[["value_low", "value_high"]].isna().all(axis=None)
    assert "[" not in rows_of(rendered.md)["Best-of-2"][0]
    assert "Means over 1 seed." in rendered.md
