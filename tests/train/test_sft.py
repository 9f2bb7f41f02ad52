import itertools
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support import tiny
from train.training import MARGIN, SHORT, examples, fine_tune, settings, trained

from compute_aligned.config.settings import Sft
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import Problem
from compute_aligned.method.strategies import BestOfN, MajorityVote, PassAtN, SingleSample, Strategy
from compute_aligned.models.log_probs import token_log_probs
from compute_aligned.models.tokens import collate
from compute_aligned.train import losses, sft

NO_CLIP = 1e9

Gradient = list[torch.Tensor]


def updated(
    strategy: Strategy, how: Sft, with_noise: bool = True, rate: float = 0.0
) -> tuple[Any, dict]:
    """The tiny model after a step of plain gradient descent, and the step's record."""
    model, tokenizer = tiny.build()
    parameters, batch = list(model.parameters()), examples(tokenizer)
    noise = losses.rival_noise(how, batch, seed=5, step=0) if with_noise else None
    optimizer = torch.optim.SGD(parameters, lr=rate)
    pad = tokenizer.pad_token_id
    record = sft.update(model, optimizer, parameters, batch, strategy, how, pad, noise)
    return model, record


def gradient(strategy: Strategy, how: Sft) -> Gradient:
    return [p.grad for p in updated(strategy, how)[0].parameters()]


def close(first: Gradient, second: Gradient) -> bool:
    scale = max(g.abs().max().item() for g in second)
    return all(
        torch.allclose(f, s, rtol=0, atol=1e-5 * scale) for f, s in zip(first, second, strict=True)
    )


# --- one update -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes", [{}, {"loss_reduction": "token"}, {"loss_scale": 3.0}], ids=lambda c: "".join(c)
)
@pytest.mark.parametrize(
    "strategy", [SingleSample(), PassAtN(n=64), MajorityVote(n=16, k=4), BestOfN(n=4)], ids=repr
)
def test_the_gradient_is_the_ordinary_one_with_each_example_weighted_in_any_micro_batches(
    strategy: Strategy, changes: dict
) -> None:
    model, tokenizer = tiny.build()
    batch = examples(tokenizer)
    divisor = sum(len(c) for _, c in batch) if "loss_reduction" in changes else len(batch)
    loss = torch.zeros(()).double()
    for prompt, completion in batch:
        log_p = token_log_probs(model, collate([prompt], [completion], tokenizer.pad_token_id))
        loss = loss - strategy.sft_weight(log_p.sum().detach()) * log_p.sum()
    loss = loss * changes.get("loss_scale", 1.0) / divisor
    expected = list(torch.autograd.grad(loss, list(model.parameters())))

    for size in (None, 1, 3, 4, 10, 50):
        how = settings(clip_norm=NO_CLIP, micro_batch_size=size, **changes)
        assert close(gradient(strategy, how), expected), size
    plain = gradient(SingleSample(), settings(clip_norm=NO_CLIP, **changes))
    assert close(plain, expected) == (strategy == SingleSample())


def losses_by_hand(model: Any, example: losses.Example, noise: list[list[float]]) -> tuple:
    """Log p of a target and its margin over drawn rivals: token by token, rival by rival."""
    prompt, completion = example
    logits = model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1]
    log_p, margin = torch.zeros(()).double(), torch.zeros(()).double()
    for position, token in enumerate(completion):
        z = logits[position]
        log_p = log_p + z[token] - z.logsumexp(0)
        masses = [0 if i == token else math.exp(value) for i, value in enumerate(z.tolist())]
        for level in noise[position]:
            rival, below = 0, masses[0]
            while below <= level * sum(masses):
                rival += 1
                below += masses[rival]
            margin = margin - torch.sigmoid(z[token] - z[rival]).log() / len(noise[position])
    return log_p, margin


@pytest.mark.parametrize("reduction", ["sequence", "token"])
@pytest.mark.parametrize("strategy", [SingleSample(), PassAtN(n=16)], ids=repr)
def test_a_margin_takes_its_share_of_the_gradient_token_by_token(
    strategy: Strategy, reduction: str
) -> None:
    model, tokenizer = tiny.build()
    changes = {"clip_norm": NO_CLIP, "loss_reduction": reduction, "loss_scale": 2.0}
    how, batch = settings(**changes, **MARGIN), examples(tokenizer)
    divisor = len(batch) if reduction == "sequence" else sum(len(c) for _, c in batch)
    noise = losses.rival_noise(how, batch, seed=5, step=0)
    assert noise is not None

    loss = torch.zeros(()).double()
    for example, levels in zip(batch, noise.tolist(), strict=True):
        log_p, margin = losses_by_hand(model, example, levels)
        loss = loss + 0.75 * strategy.sft_loss(log_p) + 0.25 * margin
    expected = list(torch.autograd.grad(2 * loss / divisor, list(model.parameters())))

    assert close(gradient(strategy, how), expected)
    assert close(gradient(strategy, settings(**changes, **MARGIN, micro_batch_size=3)), expected)
    assert not close(gradient(strategy, settings(**changes)), expected)


def test_a_margin_shows_in_the_loss_and_in_what_is_left_of_the_weight() -> None:
    plain, record = (
        updated(SingleSample(), settings(**how))[1] for how in ({}, {"loss_scale": 2.0, **MARGIN})
    )

    assert record["weight_q50"] == 1.5  # 2 x (1 - 0.25)
    assert record["log_p_q50"] == plain["log_p_q50"]
    assert record["loss"] > 1.5 * plain["loss"]  # cross-entropy's part alone


def test_a_margin_without_noise_to_draw_rivals_with_is_refused() -> None:
    with pytest.raises(ValueError, match="needs noise"):
        updated(SingleSample(), settings(**MARGIN), with_noise=False)


@pytest.mark.parametrize("limit", [1e-3, NO_CLIP])
def test_a_step_is_no_longer_than_the_clipped_gradient(limit: float) -> None:
    model, record = updated(SingleSample(), settings(clip_norm=limit), rate=1.0)

    before = tiny.build()[0].parameters()
    moved = sum((p - b).square().sum() for p, b in zip(model.parameters(), before, strict=True))
    assert record["clipped"] == (limit < 1)
    assert record["grad_norm"] > 1e-3
    assert moved.sqrt().item() == pytest.approx(min(limit, record["grad_norm"]), rel=1e-3)


def test_a_step_s_record_describes_the_model_before_the_step() -> None:
    model, tokenizer = tiny.build()
    prompts, completions = zip(*examples(tokenizer), strict=True)
    with torch.no_grad():
        log_p = token_log_probs(model, collate(prompts, completions, 0)).sum(-1).double()
    strategy = PassAtN(n=64)

    _, record = updated(strategy, settings(micro_batch_size=3), rate=1.0)

    assert record["loss"] == pytest.approx(strategy.sft_loss(log_p).mean().item(), rel=1e-5)
    assert record["mean_p"] == pytest.approx(log_p.exp().mean().item(), rel=1e-4)
    assert record["tokens"] == sum(map(len, completions))
    for name, values in {"log_p": log_p, "weight": strategy.sft_weight(log_p)}.items():
        for percent in (5, 25, 50, 75, 95):
            expected = np.quantile(values.numpy(), percent / 100)
            assert record[f"{name}_q{percent:02d}"] == pytest.approx(expected, rel=1e-4)


def test_a_loss_that_is_no_number_stops_before_it_reaches_the_weights(tmp_path: Path) -> None:
    model, tokenizer = tiny.build()
    with torch.no_grad():
        model.lm_head.weight[3] = torch.nan
    before = trained(model)

    with pytest.raises(InputError, match=r"PassAtN\(n=16\): .* is nan[^$]*remedy: lower"):
        fine_tune(model, tokenizer, tmp_path / "checkpoint", settings())

    assert all(
        torch.equal(p.nan_to_num(), before[n].nan_to_num()) for n, p in trained(model).items()
    )


# --- data -------------------------------------------------------------------------------------


def test_targets_are_answers_or_solutions_that_fit_the_model() -> None:
    _, tokenizer = tiny.build()
    fits = Problem(id="fits", group="a", prompt="1" * 18 + "=", answer="1234", solution="3*2=6")
    long = Problem(id="long", group="b", prompt="1" * 18 + "=", answer="12345")

    [(prompt, answer)] = sft.encode_examples(tokenizer, [fits], "answer", tiny.SHAPE)
    roomy = tiny.SHAPE.model_copy(update={"max_length": 25})
    [(_, solution)] = sft.encode_examples(tokenizer, [fits], "solution", roomy)

    assert len(prompt) + len(answer) == 24
    assert tokenizer.decode(solution, skip_special_tokens=True) == "3*2=6"
    with pytest.raises(InputError, match=r"problem long: .* 25 tokens, the model 24"):
        sft.encode_examples(tokenizer, [fits, long], "answer", tiny.SHAPE)
    with pytest.raises(InputError, match="has no solution"):
        sft.encode_examples(tokenizer, [long], "solution", tiny.SHAPE)


def test_problems_that_take_too_many_tokens_are_left_out_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lengths = [(3, 2), (5, 4), (5, 5), (9, 1)]
    examples = [([4] * prompt, [5] * completion) for prompt, completion in lengths]

    assert sft.no_longer_than(None, examples) == sft.no_longer_than(10, examples) == examples
    assert capsys.readouterr().err == ""
    assert sft.no_longer_than(9, examples) == examples[:2]
    assert "2 of 4 problems are left out: they take more than 9 tokens" in capsys.readouterr().err
    with pytest.raises(InputError, match="longest: 4: no problem is that short"):
        sft.no_longer_than(4, examples)


# --- order and schedule -----------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., sft.Progress]:
    """A training whose updates do nothing but call ``look`` with their batch, which returns p."""

    def run(look: Callable[[list], float], seed: int = 5, **changes: Any) -> sft.Progress:
        monkeypatch.setattr(sft, "update", lambda *a: {"loss": 0.0, "mean_p": look(a[3])})
        model, tokenizer = tiny.build()
        how = settings(checkpoint_every=1000, **changes)
        return fine_tune(model, tokenizer, tmp_path / "checkpoint", how, seed=seed)

    return run


def rates(progress: sft.Progress) -> list[float]:
    return [record["learning_rate"] / SHORT["learning_rate"] for record in progress.steps]


def test_every_epoch_shows_every_example_once_in_an_order_of_its_own(
    run: Callable[..., sft.Progress],
) -> None:
    known = examples(tiny.build()[1])
    seen: list[list[int]] = []
    for length, seed in (("4 epochs", 5), ("4 epochs", 5), ("1 epochs", 6)):
        run(lambda batch: seen.append([known.index(e) for e in batch]) or 0.0, seed, decay=length)

    epochs = [list(itertools.chain(*seen[start : start + 3])) for start in range(0, 27, 3)]
    assert [len(batch) for batch in seen[:6]] == [4, 4, 2, 4, 4, 2]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[:4] == epochs[4:8]
    assert len({tuple(epoch) for epoch in epochs}) == 5  # four of one seed, one of the other


@pytest.mark.parametrize(
    ("hold", "decay", "expected"),
    [
        ("3 steps", "4 steps", [1, 1, 1, 1, 0.75, 0.5, 0.25]),
        ("1 epochs", "1 epochs", [1, 1, 1, 1, 2 / 3, 1 / 3]),  # the last batch is a smaller one
    ],
)
def test_the_rate_is_held_and_then_falls_on_a_line(
    run: Callable[..., sft.Progress], hold: str, decay: str, expected: list[float]
) -> None:
    progress = run(lambda _: 0.0, hold=hold, decay=decay)

    assert rates(progress) == pytest.approx(expected)
    assert [record["step"] for record in progress.steps] == list(range(len(expected)))
    assert (progress.step, progress.reached) == (len(expected), None)


@pytest.mark.parametrize(
    ("p_of_step", "hold", "reached", "decay_start"),
    [
        # the mean of 20 up to step s is (s - 9.5)/100: at step 40 for the first time 0.3 or more
        (lambda step: step / 100, 90, True, 41),
        (lambda step: float(step in (0, 30)), 40, False, 40),  # a lucky batch is not enough
        (lambda _: 0.99, 5, False, 5),  # nor are fewer than 20
    ],
)
def test_the_hold_ends_once_the_latest_batches_reach_the_criterion_or_time_is_up(
    run: Callable[..., sft.Progress],
    capsys: pytest.CaptureFixture[str],
    p_of_step: Callable[[int], float],
    hold: int,
    reached: bool,
    decay_start: int,
) -> None:
    steps = itertools.count()
    how = {"hold": f"{hold} steps", "decay": "2 steps", "stop_at_probability": 0.3}

    progress = run(lambda _: p_of_step(next(steps)), **how)

    assert (progress.reached, progress.decay_start) == (reached, decay_start)
    assert rates(progress) == pytest.approx([1] * decay_start + [1, 0.5])
    said = f"the mean of p did not reach 0.3 within {hold} steps" in capsys.readouterr().err
    assert said != reached
