import numpy as np
import pandas as pd
import pytest

from compute_aligned.config.settings import Rl
from compute_aligned.method.rewards import INVALID_REWARD, unconditional_landscape
from compute_aligned.method.strategies import BestOfN, SingleSample, Strategy
from compute_aligned.paper.protein_tables import (
    in_groups,
    input_correlation,
    invalid_share,
    push_on_share,
    within_prompt_sd,
)

TRAINING = Rl.model_validate(
    {"steps": 1, "prompts_per_step": 4, "group_size": 16}
    | {"rollout": {"temperature": 1.2, "max_new_tokens": 20}}
    | {"reward": "protein_unconditional", "success_estimate": "history_quantile"}
    | {"advantage_limit": 5.0, "kl_weight": 0.3, "learning_rate": 1e-3, "clip_norm": 1.0}
)


def pool(mean: float, sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Rewards and shares of 200 groups of 16 proteins."""
    shares = np.random.default_rng(0).normal(mean, sd, (200, 16)).clip(0, 1).round(2)
    return np.vectorize(unconditional_landscape)(shares), shares


def push_worked_out(rewards: np.ndarray, shares: np.ndarray, n: int) -> float:
    """PAPER section 2, spelt out."""
    centred = rewards - rewards.mean(axis=1, keepdims=True)
    advantages = centred / (rewards.std(axis=1, ddof=1, keepdims=True) + 1e-4)
    advantages = np.clip(advantages, -5, 5)
    everything = rewards.ravel()
    lower = (everything[:, None] < everything[None, :]).sum(axis=0).reshape(rewards.shape)
    q = np.clip((lower + 1) / (rewards.size + 2), 0.001, 0.999)
    weights = n * q ** (n - 1)
    gains = advantages * weights / weights.mean()
    return float(np.mean((gains - gains.mean()) * (shares - shares.mean())) / shares.std())


@pytest.mark.parametrize(
    ("strategy", "n"), [(SingleSample(), 1), (BestOfN(n=2), 2), (BestOfN(n=8), 8)]
)
def test_the_push_on_the_share_is_the_covariance_worked_out(strategy: Strategy, n: int) -> None:
    rewards, shares = pool(0.4, 0.11)

    push = push_on_share(rewards, shares, strategy, "raw", TRAINING)

    assert push == pytest.approx(push_worked_out(rewards, shares, n), rel=1e-9)


def test_only_best_of_n_is_pushed_off_the_low_hill() -> None:
    rewards, shares = pool(0.4, 0.115)

    assert push_on_share(rewards, shares, SingleSample(), "raw", TRAINING) < -0.1
    assert push_on_share(rewards, shares, BestOfN(n=4), "raw", TRAINING) > 0.1


def test_what_is_no_protein_counts_in_the_advantages_but_has_no_share() -> None:
    rewards, shares = pool(0.4, 0.11)
    rewards[:, 0], shares[:, 0] = INVALID_REWARD, np.nan

    push = push_on_share(rewards, shares, SingleSample(), "raw", TRAINING)

    centred = rewards - rewards.mean(axis=1, keepdims=True)
    advantages = centred / (rewards.std(axis=1, ddof=1, keepdims=True) + 1e-4)
    expected = np.cov(advantages[:, 1:].ravel(), shares[:, 1:].ravel(), ddof=0)[0, 1]
    assert push == pytest.approx(expected / shares[:, 1:].std())


def samples(shares: dict[str, list[float]], given: dict[str, float]) -> pd.DataFrame:
    return pd.DataFrame(
        {"problem": problem, "sample": sample, "share": share, "input_share": given[problem]}
        for problem, drawn in shares.items()
        for sample, share in enumerate(drawn)
    )


def test_measures_of_a_few_samples_by_hand() -> None:
    frame = samples({"a": [0.2, 0.4, np.nan], "b": [0.5, 0.9, 0.7]}, {"a": 0.8, "b": 0.1})

    assert within_prompt_sd(frame) == pytest.approx((np.sqrt(0.02) + 0.2) / 2)
    assert invalid_share(frame) == pytest.approx(1 / 6)
    expected = np.corrcoef([0.8, 0.8, 0.1, 0.1, 0.1], [0.2, 0.4, 0.5, 0.9, 0.7])[0, 1]
    assert input_correlation(frame) == pytest.approx(expected)


def test_samples_are_cut_into_whole_groups_prompt_by_prompt() -> None:
    drawn = {"a": [1.0, 2, 3, 4, 5], "b": [6.0, 7, 8, 9, 10]}
    frame = samples(drawn, {"a": 0.0, "b": 0.0}).sample(frac=1, random_state=0)

    assert in_groups(frame, "share", 2).tolist() == [[1, 2], [3, 4], [6, 7], [8, 9]]
    assert in_groups(frame, "share", 5).tolist() == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]]
