import copy
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from support import tiny
from train.training import NO_PAST, collected, killed, objective, policy, reinforce, same, trained

from compute_aligned.files.errors import InputError
from compute_aligned.files.records import RL_STEPS
from compute_aligned.method.strategies import BestOfN, MajorityVote, PassAtN, SingleSample, Strategy
from compute_aligned.models import loading
from compute_aligned.score.tasks import Grades
from compute_aligned.train import experience, rl
from compute_aligned.train.experience import Experience, Gains, Objective, Row
from compute_aligned.train.optimisation import batch_indices

SETTINGS = tiny.RL
PASS_AT_4 = PassAtN(n=4)

pytestmark = pytest.mark.usefixtures("easy_reward")


def gradient(model: Any) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters()])


def rows_of(of: rl.Policy, what: Objective) -> list[Row]:
    drawn, gains = collected(of, what)
    return experience.distinct_rows(drawn, gains.gains)


# --- the update against a slow and obvious one --------------------------------------------------


def log_probs_of_one(
    model: Any, prompt: list[int], completion: list[int], temperature: float
) -> torch.Tensor:
    """Token log-probabilities of one completion, alone and unpadded."""
    logits = model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
    log_probs = torch.log_softmax(logits / temperature, -1)
    return log_probs[torch.arange(len(completion)), completion]


def weight_by_hand(strategy: Strategy, p: float, form: str) -> float:
    if isinstance(strategy, SingleSample):
        return 1.0
    assert isinstance(strategy, PassAtN)
    n = strategy.n
    raw = n * (1 - p) ** (n - 1)
    return raw if form == "raw" else raw * p / (1 - (1 - p) ** n)


def slow_loss(
    of: rl.Policy, drawn: Experience, what: Objective, temperature: float
) -> torch.Tensor:
    """PAPER section 2 written down: one rollout at a time, A and w from the rewards and p."""
    total = torch.tensor(0.0, dtype=torch.float64)
    penalties: list[torch.Tensor] = []
    for prompt, completions, grades in zip(
        drawn.prompts, drawn.rollouts.completions, drawn.grades, strict=True
    ):
        mean = sum(grades.rewards) / len(grades.rewards)
        squares = sum((reward - mean) ** 2 for reward in grades.rewards)
        std = math.sqrt(squares / (len(grades.rewards) - 1))
        for completion, reward in zip(completions, grades.rewards, strict=True):
            p = log_probs_of_one(of.model, prompt, completion, 1.0).sum().exp().item()
            gain = (reward - mean) / (std + 1e-4) * weight_by_hand(what.strategy, p, what.form)
            log_probs = log_probs_of_one(of.model, prompt, completion, temperature)
            with torch.no_grad():
                reference = log_probs_of_one(of.reference, prompt, completion, temperature)
            total = total + gain * log_probs.sum()
            d = reference - log_probs
            penalties.append((d.exp() - d - 1).mean())
    loss = -total / (len(drawn.prompts) * SETTINGS.group_size)
    return loss + what.settings.kl_weight * torch.stack(penalties).mean()


@pytest.mark.parametrize(
    ("strategy", "form"), [(SingleSample(), "raw"), (PASS_AT_4, "log"), (PASS_AT_4, "raw")]
)
@pytest.mark.parametrize(
    ("changes", "temperature"),
    [
        ({}, 1.0),
        ({"kl_weight": 0.0}, 1.0),
        ({"micro_batch_size": 3}, 1.0),
        ({"gradient_temperature": "sampling"}, 0.8),
    ],
)
def test_loss_and_gradient_are_those_of_one_sequence_at_a_time(
    strategy: Strategy, form: str, changes: dict, temperature: float
) -> None:
    fast, slow = policy(reference_seed=5), policy(reference_seed=5)
    what = objective(strategy, form, **changes)
    drawn, gains = collected(fast, what)
    assert gains.gains.abs().max() > 0

    rows = experience.distinct_rows(drawn, gains.gains)
    found = rl.accumulate_gradient(fast, rows, what.settings)
    expected = slow_loss(slow, drawn, what, temperature)
    expected.backward()

    # token_log_probs takes its softmax in float32, hence 1e-6 and not 1e-12
    assert found["loss"] == pytest.approx(expected.item(), rel=1e-5, abs=1e-6)
    expected_gradient = gradient(slow.model)
    error = (gradient(fast.model) - expected_gradient).norm() / expected_gradient.norm()
    assert error < 1e-6


@pytest.mark.parametrize("checkpoints", [False, True])
def test_a_policy_that_is_its_reference_is_not_pushed_in_few_digits_either(
    checkpoints: bool,
) -> None:
    shape = tiny.SHAPE.model_copy(update={"hidden_size": 64, "heads": 2, "max_length": 64})
    model, tokenizer = loading.build(shape, 0, torch.bfloat16)
    if checkpoints:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    itself = rl.Policy(model.eval(), tokenizer, copy.deepcopy(model))
    prompt = torch.arange(40) % 12 + 3
    rows = [Row(prompt.tolist(), prompt[row:][:20].tolist(), 0.0, 1) for row in range(4)]

    found = rl.accumulate_gradient(itself, rows, SETTINGS)

    assert found["kl"] == 0
    assert not gradient(model).any()


def test_without_weight_on_the_kl_term_nobody_asks_the_reference() -> None:
    alone, what = rl.Policy(*tiny.build()), objective(kl_weight=0.0)

    assert rl.accumulate_gradient(alone, rows_of(alone, what), what.settings)["kl"] is None


def test_an_update_is_one_adamw_step_on_the_clipped_gradient() -> None:
    found, expected = policy(reference_seed=5), policy(reference_seed=5)
    settings = SETTINGS.model_copy(update={"clip_norm": 0.1, "weight_decay": 0.2})
    rows = rows_of(found, objective(PASS_AT_4, "log"))
    adamw = {"lr": 1e-2, "weight_decay": 0.2}

    record = rl.update(found, torch.optim.AdamW(found.parameters, **adamw), rows, settings)
    rl.accumulate_gradient(expected, rows, settings)
    norm = gradient(expected.model).norm().item()
    for parameter in expected.parameters:
        parameter.grad *= 0.1 / norm
    torch.optim.AdamW(expected.parameters, **adamw).step()

    assert record["grad_norm"] == pytest.approx(norm)
    assert record["clipped"]
    for parameter, other in zip(found.parameters, expected.parameters, strict=True):
        torch.testing.assert_close(parameter, other, rtol=1e-4, atol=1e-5)


def test_a_batch_that_says_nothing_gains_nothing_and_is_a_step_of_the_kl_term_alone() -> None:
    of, what = policy(reference_seed=5), objective(PASS_AT_4, "log")
    drawn, _ = collected(of, what)
    level = [Grades([1.0] * 5, [True] * 5, [True] * 5, ["1"] * 5) for _ in drawn.grades]
    gains = experience.weigh(Experience(drawn.prompts, drawn.rollouts, level), what, NO_PAST)
    assert not gains.gains.any()
    assert gains.weights.any()
    before = trained(of.model)

    rows = experience.distinct_rows(drawn, gains.gains)
    record = rl.update(of, torch.optim.AdamW(of.parameters), rows, SETTINGS)

    assert record["loss"] == pytest.approx(0.3 * record["kl"])
    assert record["kl"] > 0
    assert any(not torch.equal(p, before[n]) for n, p in trained(of.model).items())


# --- whole trainings ----------------------------------------------------------------------------


def test_training_raises_the_reward(tmp_path: Path) -> None:
    what = objective(steps=40, group_size=16, prompts_per_step=6, kl_weight=0.01)

    rewards = [step["mean_reward"] for step in reinforce(policy(), what, tmp_path / "c").steps]

    assert sum(rewards[-5:]) / 5 > sum(rewards[:3]) / 3 + 0.3


@pytest.mark.parametrize(
    ("strategy", "form", "estimate"),
    [
        (PASS_AT_4, "log", "sequence_probability"),
        (MajorityVote(n=4, k=3), "raw", "smoothed_success"),
        (BestOfN(n=4), "raw", "group_quantile"),
        (BestOfN(n=4), "raw", "history_quantile"),
        (PASS_AT_4, "raw", "leave_two_out"),
        (BestOfN(n=4), "raw", "max_at_k"),
    ],
)
def test_every_estimate_goes_through_the_one_loop_which_hands_it_the_rewards_of_earlier_steps(
    strategy: Strategy, form: str, estimate: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def weigh(drawn: Experience, what: Objective, past: torch.Tensor) -> Gains:
        seen.append(len(past))
        return experience.weigh(drawn, what, past)

    monkeypatch.setattr(rl, "weigh", weigh)
    what = objective(strategy, form, success_estimate=estimate, steps=3)

    steps = reinforce(policy(), what, tmp_path / "c").steps

    assert [set(step) for step in steps] == [set(RL_STEPS.names)] * 3
    assert all(step["weight_q95"] > 0 and step["grad_norm"] > 0 for step in steps)
    assert seen == [0, 20, 40]


@pytest.mark.parametrize(
    ("place", "call"),
    [("update", 0), ("update", 3), ("collect", 4), ("weigh", 5), ("save_checkpoint", 1)],
)
def test_a_run_that_died_goes_on_to_the_same_bytes(
    place: str, call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    what = objective(BestOfN(n=4), success_estimate="history_quantile")
    whole, died, resumed = policy(), policy(), policy()
    expected = reinforce(whole, what, tmp_path / "whole")
    started: list[int] = []

    def collect(*arguments: Any) -> Experience:
        started.append(arguments[-1])
        return experience.collect(*arguments)

    killed(rl, place, call, lambda: reinforce(died, what, tmp_path / "died"))
    monkeypatch.setattr(rl, "collect", collect)
    found = reinforce(resumed, what, tmp_path / "died")

    assert found == expected
    assert same(resumed.model, whole.model)
    finished = {"save_checkpoint": call * 2}.get(place, call - call % 2)
    assert started == list(range(finished, 6))


def test_an_objective_whose_parts_do_not_go_together_draws_nothing(tmp_path: Path) -> None:
    what = objective(PassAtN(n=5), success_estimate="pkpo", advantage_scale="none")

    with pytest.raises(InputError, match="the budget n=5 is not below group_size=5"):
        reinforce(policy(), what, tmp_path / "c")


def test_a_checkpoint_of_another_objective_is_not_used(tmp_path: Path) -> None:
    reinforce(policy(), objective(PASS_AT_4), tmp_path / "c")
    other = objective(PassAtN(n=8))

    found = reinforce(policy(), other, tmp_path / "c")

    assert found == reinforce(policy(), other, tmp_path / "new")


def test_a_model_that_never_ends_is_cut_counted_and_graded(tmp_path: Path) -> None:
    of = policy()
    head = torch.nn.Linear(16, len(of.tokenizer), bias=True, dtype=torch.float64)
    with torch.no_grad():
        head.weight.copy_(of.model.lm_head.weight)
        head.bias.zero_()
        head.bias[of.tokenizer.eos_token_id] = -1e6
    of.model.lm_head = head

    steps = reinforce(of, objective(PASS_AT_4, kl_weight=0.0, steps=2), tmp_path / "c").steps

    assert [step["unfinished_share"] for step in steps] == [1.0, 1.0]
    assert [step["mean_tokens"] for step in steps] == [5.0, 5.0]
    assert all(step["mean_reward"] > 0 for step in steps)


def test_the_order_of_problems_is_a_permutation_every_epoch() -> None:
    epochs = [[i for s in range(3) for i in batch_indices(e * 3 + s, 12, 4, 7)] for e in (0, 1)]

    assert [sorted(epoch) for epoch in epochs] == [list(range(12))] * 2
    assert epochs[0] != epochs[1]


def test_a_loss_that_is_no_number_stops_the_training(tmp_path: Path) -> None:
    of = policy()
    with torch.no_grad():
        of.reference.lm_head.weight.fill_(math.nan)

    with pytest.raises(InputError, match="the loss is nan"):
        reinforce(of, objective(), tmp_path / "c")
