"""Training of adapters: that it learns, in 4 bits too, and that interruptions leave no trace."""

from pathlib import Path
from typing import Any

import pytest
import torch
from support import adapted
from train.training import fine_tune, killed, objective, reinforce, same, settings, trained

from compute_aligned.models import loading
from compute_aligned.models.log_probs import token_log_probs
from compute_aligned.train import rl, sft
from compute_aligned.train.optimisation import read_checkpoint

NF4 = {"quantization": "nf4"}


@pytest.fixture(scope="module")
def adapter(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapted.trained(model_folder, tmp_path_factory.mktemp("adapter"), scale=0.1)


def build(base: Path, dropout: float = 0.0, **changes: Any) -> tuple[Any, Any]:
    if "quantization" in changes:
        adapted.needs_4_bits()
    lora = adapted.LORA.model_copy(update={"dropout": dropout})
    return adapted.build(base, lora=lora, **changes)


# --- fine-tuning ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "left"),
    [({"decay": "40 steps"}, 0.8), ({"decay": "30 steps", "margin_share": 0.9}, 0.9)],
    ids=["likelihood", "margin"],
)
def test_fine_tuning_lowers_the_loss_and_moves_the_adapter_alone(
    model_folder: Path, tmp_path: Path, changes: dict, left: float
) -> None:
    model, tokenizer = build(model_folder)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    fresh = trained(model)
    how = settings(**changes, rival_tokens=4 if "margin_share" in changes else None)

    losses = [step["loss"] for step in fine_tune(model, tokenizer, tmp_path / "c", how).steps]

    assert sum(losses[-5:]) < left * sum(losses[:5])
    moved = {n for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert moved == set(fresh)
    assert len(before) - len(fresh) > 5


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({}, 4),
        *(({"gradient_checkpointing": True, "dropout": 0.2}, step) for step in (0, 4, 7)),
        (NF4, 5),
    ],
)
def test_an_interrupted_fine_tuning_ends_with_the_adapter_of_an_uninterrupted_one(
    model_folder: Path, tmp_path: Path, changes: dict, step: int
) -> None:
    (plain, tokenizer), (died, _) = (build(model_folder, **changes) for _ in range(2))
    expected = fine_tune(plain, tokenizer, tmp_path / "plain", settings())
    killed(sft, "update", step, lambda: fine_tune(died, tokenizer, tmp_path / "c", settings()))
    if step > 3:  # a checkpoint keeps what is trained and not the base
        content = read_checkpoint(tmp_path / "c")
        assert content is not None
        assert content["model"].keys() == trained(plain).keys()
        assert len(content["optimizer"]["state"]) == len(trained(plain))
    torch.manual_seed(99)  # another process has another generator

    again, _ = build(model_folder, **changes)
    found = fine_tune(again, tokenizer, tmp_path / "c", settings())

    assert found == expected
    assert same(again, plain)


def test_dropout_reaches_the_training(model_folder: Path, tmp_path: Path) -> None:
    models = [build(model_folder, dropout) for dropout in (0.0, 0.5)]
    for run, (model, tokenizer) in enumerate(models):
        fine_tune(model, tokenizer, tmp_path / str(run), settings())

    assert not same(models[0][0], models[1][0])


# --- reinforcement learning -------------------------------------------------------------------


def policy_of(base: Path, adapter: Path, **changes: Any) -> rl.Policy:
    model, tokenizer = loading.load(adapter, torch.float32, adapted.settings(base, **changes))
    return rl.Policy(model, tokenizer, loading.reference(model, adapter))


@pytest.mark.usefixtures("easy_reward")
@pytest.mark.parametrize("changes", [{}, NF4 | {"gradient_checkpointing": True}], ids=str)
def test_reinforcement_learning_is_held_to_the_adapter_it_started_from(
    model_folder: Path, adapter: Path, tmp_path: Path, changes: dict
) -> None:
    if changes:
        adapted.needs_4_bits()
    policy = policy_of(model_folder, adapter, **changes)
    start = trained(policy.model)

    steps = reinforce(policy, objective(), tmp_path / "c").steps

    assert abs(steps[0]["kl"]) < 1e-12  # policy and reference are the same, and no noise is between
    assert steps[-1]["kl"] > 1e-5
    assert min(step["grad_norm"] for step in steps) > 1e-4
    after = dict(policy.model.named_parameters())
    for name, value in start.items():
        assert not torch.equal(after[name], value)
        assert torch.equal(after[name.replace(".default.", ".reference.")], value)


@pytest.mark.usefixtures("easy_reward")
def test_reinforcement_learning_with_an_adapter_raises_the_reward(
    model_folder: Path, adapter: Path, tmp_path: Path
) -> None:
    what = objective(steps=16, group_size=16, prompts_per_step=6, kl_weight=0.01)

    steps = reinforce(policy_of(model_folder, adapter), what, tmp_path / "c").steps

    rewards = [step["mean_reward"] for step in steps]
    assert sum(rewards[-5:]) / 5 > sum(rewards[:3]) / 3 + 0.2


@pytest.mark.usefixtures("easy_reward")
@pytest.mark.parametrize(("place", "call"), [("update", 3), ("save_checkpoint", 1)])
def test_an_interrupted_reinforcement_learning_goes_on_to_the_same_adapter(
    model_folder: Path, adapter: Path, tmp_path: Path, place: str, call: int
) -> None:
    whole, died, resumed = (policy_of(model_folder, adapter) for _ in range(3))
    expected = reinforce(whole, objective(), tmp_path / "whole")
    killed(rl, place, call, lambda: reinforce(died, objective(), tmp_path / "died"))

    found = reinforce(resumed, objective(), tmp_path / "died")

    assert found == expected
    assert same(resumed.model, whole.model)


@pytest.mark.usefixtures("easy_reward")
def test_gradient_checkpointing_changes_no_update(
    model_folder: Path, adapter: Path, tmp_path: Path
) -> None:
    expected, found = (
        reinforce(
            policy_of(model_folder, adapter, gradient_checkpointing=on),
            objective(steps=2),
            tmp_path / str(on),
        ).steps
        for on in (False, True)
    )

    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    assert found[1]["mean_tokens"] == expected[1]["mean_tokens"]


# --- in 4 bits --------------------------------------------------------------------------------


def test_a_base_in_4_bits_is_near_the_whole_one_and_half_a_byte_a_weight(
    model_folder: Path,
) -> None:
    model, tokenizer = build(model_folder, **NF4)
    whole, _ = loading.load(model_folder, torch.float32)
    from bitsandbytes.nn import Linear4bit

    layers = [m for m in model.modules() if isinstance(m, Linear4bit)]
    assert len(layers) == 2 * 7  # all linear layers of a block; the head stays as it is
    assert sum(m.weight.numel() for m in layers) == 2 * (4 * 16 * 32 + 3 * 16 * 24) // 2
    assert all(m.weight.quant_state.nested for m in layers)
    adapters, all_ = loading.count_parameters(model)
    assert all_ == loading.count_parameters(whole)[1] + adapters
    with torch.no_grad():
        batch = adapted.batch(tokenizer)
        ours, theirs = (token_log_probs(m.eval(), batch) for m in (model, whole))
    assert 1e-4 < (ours - theirs).abs().mean() < 0.5


def test_training_in_4_bits_survives_passes_without_gradient(model_folder: Path) -> None:
    model, tokenizer = build(model_folder, **NF4)
    batch = adapted.batch(tokenizer)
    parameters = list(adapted.adapter_of(model).values())
    optimizer = torch.optim.AdamW(parameters, lr=1e-2)
    losses, norms = [], []
    for _ in range(25):
        model.eval()
        with torch.no_grad():  # as a rollout is drawn
            drawn = token_log_probs(model, batch).sum()
        loss = -token_log_probs(model, batch).sum()
        assert loss.item() == pytest.approx(-drawn.item(), rel=1e-5)
        optimizer.zero_grad()
        loss.backward()
        norms.append(sum(p.grad.norm().item() for p in parameters))
        optimizer.step()
        losses.append(loss.item())

    assert min(norms) > 1e-3
    assert losses[-1] < 0.7 * losses[0]
