"""Training of adapters: that it learns, in 4 bits too, and that interruptions leave no trace."""

import itertools
from collections.abc import Callable
from itertools import repeat
from pathlib import Path
from typing import Any

import adapted
import pytest
import tiny
import torch

from compute_aligned.config.settings import Sft
from compute_aligned.files.records import Problem
from compute_aligned.method.strategies import PassAtN, SingleSample
from compute_aligned.models import loading
from compute_aligned.models.log_probs import token_log_probs
from compute_aligned.models.tokens import encode
from compute_aligned.score.grading import REWARDS, Grades
from compute_aligned.train import experience, losses, rl, sft
from compute_aligned.train.optimisation import read_checkpoint

FINE_TUNING = Sft(
    learning_rate=1e-2, batch_size=4, clip_norm=1.0, checkpoint_every=3, decay="8 steps"
)
RL = tiny.RL


@pytest.fixture(scope="module")
def adapter(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapted.trained(model_folder, tmp_path_factory.mktemp("adapter"), scale=0.1)


class KilledError(Exception):
    """Stands for a kill: nothing after it runs."""


def dies_at(call: int, function: Callable) -> Callable:
    calls = itertools.count()

    def wrapper(*arguments: Any) -> Any:
        if next(calls) == call:
            raise KilledError
        return function(*arguments)

    return wrapper


def examples(tokenizer: Any) -> list[losses.Example]:
    return sft.encode_examples(tokenizer, tiny.problems(10), "answer", tiny.SHAPE)


def fine_tune(model: Any, tokenizer: Any, checkpoint: Path, how: Sft = FINE_TUNING) -> sft.Progress:
    return sft.train(
        model,
        examples(tokenizer),
        PassAtN(n=16),
        how,
        5,
        tokenizer.pad_token_id,
        checkpoint,
        "an adapter",
    )


def same(first: Any, second: Any) -> bool:
    """Whether two models agree in every bit that is trained."""
    ours, theirs = adapted.adapter_of(first), adapted.adapter_of(second)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[n], theirs[n]) for n in ours)


# --- fine-tuning ------------------------------------------------------------------------------


def test_fine_tuning_moves_the_adapter_alone(model_folder: Path, tmp_path: Path) -> None:
    model, tokenizer = adapted.build(model_folder)
    frozen = {n: p.detach().clone() for n, p in model.named_parameters() if not p.requires_grad}
    fresh = {n: p.detach().clone() for n, p in adapted.adapter_of(model).items()}
    longer = FINE_TUNING.model_copy(
        update={"decay": FINE_TUNING.decay.model_copy(update={"count": 40})}
    )

    progress = fine_tune(model, tokenizer, tmp_path / "c", longer)

    after = dict(model.named_parameters())
    assert all(torch.equal(after[name], frozen[name]) for name in frozen)
    assert all(not torch.equal(after[name], fresh[name]) for name in fresh)
    losses = [step["loss"] for step in progress.steps]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert len(frozen) > 5


@pytest.mark.parametrize("changes", [{}, {"gradient_checkpointing": True, "dropout": 0.2}])
@pytest.mark.parametrize("step", [0, 4, 7])
def test_an_interrupted_fine_tuning_ends_with_the_adapter_of_an_uninterrupted_one(
    model_folder: Path,
    tmp_path: Path,
    changes: dict,
    step: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lora = adapted.LORA.model_copy(update={"dropout": changes.pop("dropout", 0.0)})

    def build() -> tuple[Any, Any]:
        return adapted.build(model_folder, lora=lora, **changes)

    plain, tokenizer = build()
    expected = fine_tune(plain, tokenizer, tmp_path / "plain")
    with monkeypatch.context() as patch:
        patch.setattr(sft, "update", dies_at(step, sft.update))
        with pytest.raises(KilledError):
            fine_tune(build()[0], tokenizer, tmp_path / "c")
    torch.manual_seed(99)  # another process has another generator

    again, _ = build()
    found = fine_tune(again, tokenizer, tmp_path / "c")

    assert found == expected
    assert same(again, plain)


def test_dropout_reaches_the_training(model_folder: Path, tmp_path: Path) -> None:
    lora = adapted.LORA.model_copy(update={"dropout": 0.5})
    plain, tokenizer = adapted.build(model_folder)
    dropping, _ = adapted.build(model_folder, lora=lora)

    fine_tune(plain, tokenizer, tmp_path / "1")
    fine_tune(dropping, tokenizer, tmp_path / "2")

    assert not same(plain, dropping)


def test_a_checkpoint_keeps_what_is_trained_and_not_the_base(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = adapted.build(model_folder)
    monkeypatch.setattr(sft, "update", dies_at(4, sft.update))
    with pytest.raises(KilledError):
        fine_tune(model, tokenizer, tmp_path / "c")

    content = read_checkpoint(tmp_path / "c")

    assert content is not None
    assert content["model"].keys() == adapted.adapter_of(model).keys()
    assert len(content["optimizer"]["state"]) == len(adapted.adapter_of(model))


def test_a_margin_over_rivals_is_learnt_by_an_adapter(model_folder: Path, tmp_path: Path) -> None:
    model, tokenizer = adapted.build(model_folder)
    how = Sft(
        **{**FINE_TUNING.model_dump(), "decay": "30 steps", "margin_share": 0.9, "rival_tokens": 4}
    )

    losses = [step["loss"] for step in fine_tune(model, tokenizer, tmp_path / "c", how).steps]

    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


# --- reinforcement learning -------------------------------------------------------------------


@pytest.fixture
def easy_reward(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a model without any arithmetic gets right at times: the first digit is odd."""

    def reward(problem: Problem, texts: Any, grader: str) -> Grades:
        answers = [text[:1] or None for text in texts]
        correct = [answer is not None and answer in "13579" for answer in answers]
        return Grades([float(right) for right in correct], [True] * len(texts), correct, answers)

    monkeypatch.setitem(REWARDS, "answer", reward)


def policy_of(base: Path, adapter: Path, **changes: Any) -> rl.Policy:
    model, tokenizer = loading.load(adapter, torch.float32, adapted.settings(base, **changes))
    return rl.Policy(model, tokenizer, loading.reference(model, adapter))


def reinforce(policy: rl.Policy, checkpoint: Path, **changes: Any) -> rl.Progress:
    how = RL.model_copy(update=changes)
    tasks = encode(policy.tokenizer, tiny.problems(12), repeat(5), tiny.SHAPE)
    what = experience.Objective(SingleSample(), "raw", how, "paper")
    return rl.train(policy, tasks, what, 1, checkpoint, "an adapter")


@pytest.mark.usefixtures("easy_reward")
def test_reinforcement_learning_is_held_to_the_adapter_it_started_from(
    model_folder: Path, adapter: Path, tmp_path: Path
) -> None:
    policy = policy_of(model_folder, adapter)
    start = {n: p.detach().clone() for n, p in adapted.adapter_of(policy.model).items()}

    steps = reinforce(policy, tmp_path / "c").steps

    assert abs(steps[0]["kl"]) < 1e-12  # policy and reference are the same, and no noise is between
    assert steps[-1]["kl"] > 1e-5
    after = dict(policy.model.named_parameters())
    assert all(not torch.equal(after[name], start[name]) for name in start)
    for name in start:
        reference = after[name.replace(".default.", ".reference.")]
        assert torch.equal(reference, start[name])


@pytest.mark.usefixtures("easy_reward")
def test_reinforcement_learning_with_an_adapter_raises_the_reward(
    model_folder: Path, adapter: Path, tmp_path: Path
) -> None:
    policy = policy_of(model_folder, adapter)

    steps = reinforce(
        policy, tmp_path / "c", steps=16, group_size=16, prompts_per_step=6, kl_weight=0.01
    ).steps

    rewards = [step["mean_reward"] for step in steps]
    assert sum(rewards[-5:]) / 5 > sum(rewards[:3]) / 3 + 0.2


@pytest.mark.usefixtures("easy_reward")
@pytest.mark.parametrize("place", ["update", "collect", "save_checkpoint"])
def test_an_interrupted_reinforcement_learning_goes_on_to_the_same_adapter(
    model_folder: Path,
    adapter: Path,
    tmp_path: Path,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = policy_of(model_folder, adapter)
    expected = reinforce(whole, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(
            rl, place, dies_at(1 if place == "save_checkpoint" else 3, getattr(rl, place))
        )
        with pytest.raises(KilledError):
            reinforce(policy_of(model_folder, adapter), tmp_path / "died")

    resumed = policy_of(model_folder, adapter)
    found = reinforce(resumed, tmp_path / "died")

    assert found == expected
    assert same(resumed.model, whole.model)


@pytest.mark.usefixtures("easy_reward")
def test_gradient_checkpointing_changes_no_update(
    model_folder: Path, adapter: Path, tmp_path: Path
) -> None:
    plain, light = (
        policy_of(model_folder, adapter, gradient_checkpointing=on) for on in (False, True)
    )

    expected = reinforce(plain, tmp_path / "1", steps=2)
    found = reinforce(light, tmp_path / "2", steps=2)

    assert found.steps[0] == pytest.approx(expected.steps[0], rel=1e-5)
    assert found.steps[1]["mean_tokens"] == expected.steps[1]["mean_tokens"]


# --- in 4 bits --------------------------------------------------------------------------------


def linear_layers(model: Any) -> list[Any]:
    from bitsandbytes.nn import Linear4bit

    return [m for m in model.modules() if isinstance(m, Linear4bit)]


def quantized(folder: Path) -> tuple[Any, Any]:
    adapted.needs_4_bits()
    return adapted.build(folder, quantization="nf4")


def test_a_base_in_4_bits_is_near_the_whole_one_and_half_a_byte_a_weight(
    model_folder: Path,
) -> None:
    model, tokenizer = quantized(model_folder)
    whole, _ = loading.load(model_folder, torch.float32)

    layers = linear_layers(model)
    assert len(layers) == 2 * 7  # all linear layers of a block; the head stays as it is
    assert sum(m.weight.numel() for m in layers) == 2 * (4 * 16 * 32 + 3 * 16 * 24) // 2
    assert all(m.weight.quant_state.nested for m in layers)
    assert loading.count_parameters(model)[1] == (
        loading.count_parameters(whole)[1] + loading.count_parameters(model)[0]
    )
    with torch.no_grad():
        batch = adapted.batch(tokenizer)
        ours, theirs = (token_log_probs(m.eval(), batch) for m in (model, whole))
    assert 1e-4 < (ours - theirs).abs().mean() < 0.5


def test_training_in_4_bits_survives_passes_without_gradient(
    model_folder: Path, tmp_path: Path
) -> None:
    model, tokenizer = quantized(model_folder)
    batch = adapted.batch(tokenizer)
    optimizer = torch.optim.AdamW(list(adapted.adapter_of(model).values()), lr=1e-2)
    losses, norms = [], []
    for _ in range(25):
        model.eval()
        with torch.no_grad():  # as a rollout is drawn
            drawn = token_log_probs(model, batch).sum()
        loss = -token_log_probs(model, batch).sum()
        assert loss.item() == pytest.approx(-drawn.item(), rel=1e-5)
        optimizer.zero_grad()
        loss.backward()
        norms.append(sum(p.grad.norm().item() for p in adapted.adapter_of(model).values()))
        optimizer.step()
        losses.append(loss.item())

    assert min(norms) > 1e-3
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.usefixtures("easy_reward")
def test_reinforcement_learning_in_4_bits_has_a_gradient_at_every_step(
    model_folder: Path, adapter: Path, tmp_path: Path
) -> None:
    adapted.needs_4_bits()
    policy = policy_of(model_folder, adapter, quantization="nf4", gradient_checkpointing=True)

    steps = reinforce(policy, tmp_path / "c").steps

    assert min(step["grad_norm"] for step in steps) > 1e-4
    assert abs(steps[0]["kl"]) < 1e-12
    assert steps[-1]["kl"] > 1e-5


def test_an_interrupted_training_in_4_bits_ends_with_the_same_adapter(
    model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, tokenizer = quantized(model_folder)
    expected = fine_tune(plain, tokenizer, tmp_path / "plain")
    with monkeypatch.context() as patch:
        patch.setattr(sft, "update", dies_at(5, sft.update))
        with pytest.raises(KilledError):
            fine_tune(quantized(model_folder)[0], tokenizer, tmp_path / "c")

    again, _ = quantized(model_folder)
    found = fine_tune(again, tokenizer, tmp_path / "c")

    assert found == expected
    assert same(again, plain)
