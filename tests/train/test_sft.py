import copy
import itertools
import math
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jobs
import numpy as np
import pyarrow.parquet as pq
import pytest
import tiny
import torch

from compute_aligned.config import study
from compute_aligned.config.settings import Sft
from compute_aligned.files import records
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import Problem
from compute_aligned.method.strategies import BestOfN, MajorityVote, PassAtN, SingleSample, Strategy
from compute_aligned.models import loading
from compute_aligned.models.log_probs import token_log_probs
from compute_aligned.models.tokens import collate
from compute_aligned.train import losses, sft
from compute_aligned.train.optimisation import batch_indices

NO_CLIP = 1e9
MARGIN = {"margin_share": 0.25, "rival_tokens": 3}
SHORT = {"learning_rate": 1e-2, "batch_size": 4, "clip_norm": 1.0, "checkpoint_every": 3}

Gradient = list[torch.Tensor]


def settings(**changes: Any) -> Sft:
    return Sft(**{**SHORT, "decay": "8 steps", **changes})


def examples(tokenizer: Any, count: int = 10) -> list[losses.Example]:
    problems = tiny.problems(count)
    return sft.encode_examples(tokenizer, problems, "answer", tiny.SHAPE)


def train(
    model: Any,
    tokenizer: Any,
    checkpoint: Path,
    how: Sft,
    strategy: Strategy | None = None,
    seed: int = 5,
) -> sft.Progress:
    return sft.train(
        model,
        examples(tokenizer),
        strategy or PassAtN(n=16),
        how,
        seed,
        tokenizer.pad_token_id,
        checkpoint,
        "a branch",
    )


def weights(model: Any) -> bytes:
    return b"".join(p.detach().numpy().tobytes() for p in model.parameters())


def gradient(model: Any, tokenizer: Any, strategy: Strategy, how: Sft) -> Gradient:
    """What one step leaves in the parameters' ``grad``."""
    model.zero_grad()
    parameters = list(model.parameters())
    optimizer = torch.optim.SGD(parameters, lr=0.0)
    batch = examples(tokenizer)
    noise = losses.rival_noise(how, batch, seed=5, step=0)
    sft.update(model, optimizer, parameters, batch, strategy, how, tokenizer.pad_token_id, noise)
    return [p.grad.clone() for p in parameters if p.grad is not None]


def close(first: Gradient, second: Gradient) -> bool:
    scale = max(g.abs().max().item() for g in second)
    return all(
        torch.allclose(f, s, rtol=0, atol=1e-5 * scale) for f, s in zip(first, second, strict=True)
    )


# --- one update -------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["sequence", "token"])
@pytest.mark.parametrize(
    "strategy", [SingleSample(), PassAtN(n=64), MajorityVote(n=16, k=4), BestOfN(n=4)]
)
def test_the_gradient_is_the_ordinary_one_with_each_example_weighted(
    strategy: Strategy, reduction: str
) -> None:
    model, tokenizer = tiny.build()
    how = settings(clip_norm=NO_CLIP, loss_reduction=reduction)
    batch = examples(tokenizer)
    divisor = len(batch) if reduction == "sequence" else sum(len(c) for _, c in batch)

    found = gradient(model, tokenizer, strategy, how)

    expected = [torch.zeros_like(p) for p in model.parameters()]
    for prompt, completion in batch:
        alone = collate([prompt], [completion], tokenizer.pad_token_id)
        log_p = token_log_probs(model, alone).sum()
        weight = strategy.sft_weight(log_p.detach()).item()
        for total, part in zip(
            expected, torch.autograd.grad(-log_p, list(model.parameters())), strict=True
        ):
            total += weight * part / divisor
    assert close(found, expected)


def test_the_strategies_of_that_test_do_weight_the_examples_differently() -> None:
    model, tokenizer = tiny.build()
    how = settings(clip_norm=NO_CLIP)

    plain = gradient(model, tokenizer, SingleSample(), how)

    assert not close(gradient(model, tokenizer, PassAtN(n=64), how), plain)
    assert not close(gradient(model, tokenizer, MajorityVote(n=16, k=4), how), plain)


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


@pytest.mark.parametrize("size", [None, 3])
@pytest.mark.parametrize("reduction", ["sequence", "token"])
@pytest.mark.parametrize("strategy", [SingleSample(), PassAtN(n=16)])
def test_a_margin_takes_its_share_of_the_gradient_token_by_token(
    strategy: Strategy, reduction: str, size: int | None
) -> None:
    model, tokenizer = tiny.build()
    changes = {"loss_reduction": reduction, "micro_batch_size": size, "loss_scale": 2.0}
    how = settings(clip_norm=NO_CLIP, **changes, **MARGIN)
    batch = examples(tokenizer)
    divisor = len(batch) if reduction == "sequence" else sum(len(c) for _, c in batch)
    noise = losses.rival_noise(how, batch, seed=5, step=0)
    assert noise is not None

    found = gradient(model, tokenizer, strategy, how)

    loss = torch.zeros(()).double()
    for example, levels in zip(batch, noise.tolist(), strict=True):
        log_p, margin = losses_by_hand(model, example, levels)
        loss = loss + 0.75 * strategy.sft_loss(log_p) + 0.25 * margin
    expected = torch.autograd.grad(2 * loss / divisor, list(model.parameters()))
    assert close(found, list(expected))
    without = settings(clip_norm=NO_CLIP, **changes)
    assert not close(found, gradient(model, tokenizer, strategy, without))


def test_a_margin_shows_in_the_loss_and_in_what_is_left_of_the_weight(tmp_path: Path) -> None:
    model, tokenizer = tiny.build()
    plain = train(tiny.build()[0], tokenizer, tmp_path / "a", settings(), SingleSample())
    how = settings(loss_scale=2.0, **MARGIN)

    progress = train(model, tokenizer, tmp_path / "b", how, SingleSample())

    assert {step["weight_q50"] for step in progress.steps} == {1.5}  # 2 x (1 - 0.25)
    first, first_plain = progress.steps[0], plain.steps[0]
    assert first["log_p_q50"] == first_plain["log_p_q50"]
    assert first["loss"] > 1.5 * first_plain["loss"]  # cross-entropy's part alone


def test_a_margin_without_noise_to_draw_rivals_with_is_refused() -> None:
    model, tokenizer = tiny.build()
    parameters = list(model.parameters())
    optimizer = torch.optim.SGD(parameters, lr=1.0)

    with pytest.raises(ValueError, match="needs noise"):
        sft.update(
            model,
            optimizer,
            parameters,
            examples(tokenizer),
            SingleSample(),
            settings(**MARGIN),
            tokenizer.pad_token_id,
        )


@pytest.mark.parametrize("reduction", ["sequence", "token"])
@pytest.mark.parametrize("size", [1, 3, 4, 10, 50])
def test_micro_batches_give_the_gradient_of_the_whole_batch(size: int, reduction: str) -> None:
    model, tokenizer = tiny.build()
    whole = settings(clip_norm=NO_CLIP, loss_reduction=reduction)
    parts = whole.model_copy(update={"micro_batch_size": size})

    expected = gradient(model, tokenizer, PassAtN(n=4), whole)

    assert close(gradient(model, tokenizer, PassAtN(n=4), parts), expected)


@pytest.mark.parametrize("limit", [1e-3, NO_CLIP])
def test_a_step_is_no_longer_than_the_clipped_gradient(limit: float) -> None:
    model, tokenizer = tiny.build()
    parameters = list(model.parameters())
    before = [p.detach().clone() for p in parameters]
    optimizer = torch.optim.SGD(parameters, lr=1.0)
    how = settings(clip_norm=limit)

    record = sft.update(model, optimizer, parameters, examples(tokenizer), SingleSample(), how, 0)

    moved = sum((p - b).square().sum() for p, b in zip(parameters, before, strict=True))
    assert record["clipped"] == (limit < 1)
    assert record["grad_norm"] > 1e-3
    assert moved.sqrt().item() == pytest.approx(min(limit, record["grad_norm"]), rel=1e-3)


def test_a_loss_times_three_has_three_times_the_gradient_and_shows_in_the_weight(
    tmp_path: Path,
) -> None:
    model, tokenizer = tiny.build()
    plain, scaled = (settings(clip_norm=NO_CLIP, loss_scale=scale) for scale in (1.0, 3.0))

    threefold = [3 * g for g in gradient(model, tokenizer, MajorityVote(n=16, k=4), plain)]

    assert close(gradient(model, tokenizer, MajorityVote(n=16, k=4), scaled), threefold)
    progress = train(tiny.build()[0], tokenizer, tmp_path / "c", scaled, SingleSample())
    assert {step["weight_q50"] for step in progress.steps} == {3.0}


def test_a_step_s_record_describes_the_model_before_the_step() -> None:
    model, tokenizer = tiny.build()
    parameters = list(model.parameters())
    batch = examples(tokenizer)
    prompts, completions = zip(*batch, strict=True)
    with torch.no_grad():
        tokens = token_log_probs(model, collate(prompts, completions, 0))
    log_p = tokens.sum(-1).double()
    strategy = PassAtN(n=64)

    record = sft.update(
        model,
        torch.optim.SGD(parameters, lr=1.0),
        parameters,
        batch,
        strategy,
        settings(micro_batch_size=3),
        tokenizer.pad_token_id,
    )

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
    before = weights(model)

    with pytest.raises(InputError, match=r"PassAtN\(n=16\): .* is nan[^$]*remedy: lower"):
        train(model, tokenizer, tmp_path / "checkpoint", settings())

    assert weights(model) == before


# --- data -------------------------------------------------------------------------------------


def test_a_problem_that_does_not_fit_the_model_is_named_before_training() -> None:
    _, tokenizer = tiny.build()
    fits = Problem(id="fits", group="a", prompt="1" * 18 + "=", answer="12345"[:4])
    long = Problem(id="long", group="b", prompt="1" * 18 + "=", answer="12345")

    found = sft.encode_examples(tokenizer, [fits], "answer", tiny.SHAPE)

    assert len(found[0][0]) + len(found[0][1]) == 24
    with pytest.raises(InputError, match=r"problem long: .* 25 tokens, the model 24"):
        sft.encode_examples(tokenizer, [fits, long], "answer", tiny.SHAPE)


def test_problems_that_take_too_many_tokens_are_left_out_whole(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lengths = [(3, 2), (5, 4), (5, 5), (9, 1)]
    examples = [([4] * prompt, [5] * completion) for prompt, completion in lengths]

    assert sft.no_longer_than(None, examples) == examples
    assert sft.no_longer_than(10, examples) == examples
    assert capsys.readouterr().err == ""
    assert sft.no_longer_than(9, examples) == examples[:2]
    assert "2 of 4 problems are left out: they take more than 9 tokens" in capsys.readouterr().err
    with pytest.raises(InputError, match="longest: 4: no problem is that short"):
        sft.no_longer_than(4, examples)


def test_training_on_solutions_needs_solutions() -> None:
    _, tokenizer = tiny.build()
    solved = Problem(id="s", group="s", prompt="2*3=", answer="6", solution="3*2=6")

    [(_, completion)] = sft.encode_examples(tokenizer, [solved], "solution", tiny.SHAPE)

    assert tokenizer.decode(completion, skip_special_tokens=True) == "3*2=6"
    with pytest.raises(InputError, match="has no solution"):
        sft.encode_examples(tokenizer, tiny.problems(1), "solution", tiny.SHAPE)


def test_every_epoch_shows_every_example_once_in_an_order_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = tiny.build()
    all_examples = examples(tokenizer)
    seen: list[list[int]] = []

    def look(*arguments: Any) -> dict:
        seen.append([all_examples.index(example) for example in arguments[3]])
        return {"loss": 0.0, "mean_p": 0.0}

    monkeypatch.setattr(sft, "update", look)
    train(model, tokenizer, tmp_path / "1", settings(decay="4 epochs", checkpoint_every=100))
    train(model, tokenizer, tmp_path / "2", settings(decay="4 epochs", checkpoint_every=100))
    train(model, tokenizer, tmp_path / "3", settings(decay="1 epochs"), seed=6)

    epochs = [list(itertools.chain(*seen[start : start + 3])) for start in range(0, 27, 3)]
    assert [len(batch) for batch in seen[:6]] == [4, 4, 2, 4, 4, 2]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[:4] == epochs[4:8]
    assert len({tuple(epoch) for epoch in epochs}) == 5  # four of one seed, one of the other


# --- schedule ---------------------------------------------------------------------------------


def rates(progress: sft.Progress) -> list[float]:
    return [record["learning_rate"] / SHORT["learning_rate"] for record in progress.steps]


def stub_update(monkeypatch: pytest.MonkeyPatch, p_of_step: Callable[[int], float]) -> None:
    steps = itertools.count()
    monkeypatch.setattr(sft, "update", lambda *_: {"loss": 0.0, "mean_p": p_of_step(next(steps))})


def test_the_rate_is_held_and_then_falls_on_a_line(tmp_path: Path) -> None:
    model, tokenizer = tiny.build()

    progress = train(model, tokenizer, tmp_path / "c", settings(hold="3 steps", decay="4 steps"))

    assert rates(progress) == pytest.approx([1, 1, 1, 1, 0.75, 0.5, 0.25])
    assert [record["step"] for record in progress.steps] == list(range(7))
    assert (progress.step, progress.reached) == (7, None)


def test_epochs_count_the_last_smaller_batch(tmp_path: Path) -> None:
    model, tokenizer = tiny.build()

    progress = train(model, tokenizer, tmp_path / "c", settings(hold="1 epochs", decay="1 epochs"))

    assert rates(progress) == pytest.approx([1, 1, 1, 1, 2 / 3, 1 / 3])


def test_the_hold_ends_once_the_latest_batches_reach_the_criterion(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = tiny.build()
    stub_update(monkeypatch, lambda step: step / 100)  # the mean of 20 up to step s: (s - 9.5)/100
    how = settings(hold="90 steps", decay="2 steps", stop_at_probability=0.3)

    progress = train(model, tokenizer, tmp_path / "c", how)

    assert progress.reached is True
    assert progress.decay_start == 41  # step 40 is the first whose mean is 0.3 or more: 0.305
    assert rates(progress) == pytest.approx([1] * 41 + [1, 0.5])


def test_one_lucky_batch_does_not_end_the_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = tiny.build()
    stub_update(monkeypatch, lambda step: float(step in (0, 30)))
    how = settings(hold="40 steps", stop_at_probability=0.3)

    assert train(model, tokenizer, tmp_path / "c", how).reached is False


def test_a_criterion_out_of_reach_is_said_and_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, tokenizer = tiny.build()
    how = settings(hold="5 steps", decay="2 steps", stop_at_probability=1.0)

    progress = train(model, tokenizer, tmp_path / "c", how)

    assert (progress.reached, progress.decay_start, progress.step) == (False, 5, 7)
    assert "the mean of p did not reach 1.0 within 5 steps" in capsys.readouterr().err


# --- interruption -----------------------------------------------------------------------------


class StopTrainingError(Exception):
    pass


@pytest.fixture
def interrupted_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Makes the next training stop as its update is called this many times."""
    update = sft.update

    def interrupt(step: int) -> None:
        calls = itertools.count()

        def update_or_stop(*arguments: Any) -> dict:
            if next(calls) == step:
                monkeypatch.setattr(sft, "update", update)
                raise StopTrainingError
            return update(*arguments)

        monkeypatch.setattr(sft, "update", update_or_stop)

    return interrupt


CRITERION = {"hold": "9 steps", "decay": "4 steps", "stop_at_probability": 6e-4}


@pytest.mark.parametrize("step", range(11))
def test_an_interrupted_training_ends_with_the_bytes_of_an_uninterrupted_one(
    step: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    interrupted_at: Callable[[int], None],
) -> None:
    monkeypatch.setattr(sft, "RECENT", 3)
    how = settings(**CRITERION)
    plain, tokenizer = tiny.build()
    expected = train(plain, tokenizer, tmp_path / "plain", how)
    assert (expected.reached, expected.decay_start) == (True, 6)  # of at most 9 steps

    interrupted_at(min(step, expected.step - 1))
    with pytest.raises(StopTrainingError):
        train(tiny.build()[0], tokenizer, tmp_path / "c", how)
    resumed = tiny.build()[0]
    progress = train(resumed, tokenizer, tmp_path / "c", how)

    assert weights(resumed) == weights(plain)
    assert progress == expected


@pytest.mark.parametrize("step", [2, 7])
def test_an_interrupted_training_goes_on_with_the_rivals_it_would_have_drawn(
    step: int, tmp_path: Path, interrupted_at: Callable[[int], None]
) -> None:
    how = settings(**MARGIN)
    plain, tokenizer = tiny.build()
    expected = train(plain, tokenizer, tmp_path / "plain", how, SingleSample())

    interrupted_at(step)
    with pytest.raises(StopTrainingError):
        train(tiny.build()[0], tokenizer, tmp_path / "c", how, SingleSample())
    resumed = tiny.build()[0]
    progress = train(resumed, tokenizer, tmp_path / "c", how, SingleSample())

    assert weights(resumed) == weights(plain)
    assert progress == expected


def test_the_seed_alone_decides_the_rivals(tmp_path: Path) -> None:
    _, tokenizer = tiny.build()
    how = settings(**MARGIN, batch_size=10, decay="1 steps")  # the whole data in one batch
    losses = []
    for run, seed in enumerate((5, 5, 6)):
        progress = train(tiny.build()[0], tokenizer, tmp_path / str(run), how, SingleSample(), seed)
        losses.append(progress.steps[0]["loss"])

    assert losses[0] == losses[1]
    assert losses[2] != pytest.approx(losses[0], rel=1e-4)  # more than another order of adding up


def no_end(content: bytes) -> bytes:
    return content[: len(content) // 3]


def one_bit(content: bytes) -> bytes:
    """A bit of the weights themselves, which torch.load reads without a word."""
    position = len(content) // 2
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


def noise(content: bytes) -> bytes:
    return random.Random(0).randbytes(len(content))


@pytest.mark.parametrize("damage", [no_end, one_bit, noise, lambda _: b""])
def test_a_damaged_checkpoint_is_noticed_and_costs_only_time(
    damage: Callable[[bytes], bytes],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    interrupted_at: Callable[[int], None],
) -> None:
    plain, tokenizer = tiny.build()
    train(plain, tokenizer, tmp_path / "plain", settings())
    checkpoint = tmp_path / "c"
    interrupted_at(7)
    with pytest.raises(StopTrainingError):
        train(tiny.build()[0], tokenizer, checkpoint, settings())
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))

    again = tiny.build()[0]
    train(again, tokenizer, checkpoint, settings())

    assert f"{checkpoint}: the file is damaged" in capsys.readouterr().err
    assert weights(again) == weights(plain)


@pytest.mark.parametrize(
    "other",
    [
        {"how": settings(learning_rate=2e-2)},
        {"how": settings(**MARGIN)},
        {"strategy": PassAtN(n=8)},
        {"seed": 6},
        {"model": tiny.build(seed=1)[0]},
    ],
    ids=["settings", "margin", "strategy", "seed", "weights"],
)
def test_a_checkpoint_made_from_anything_else_is_not_used(
    other: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    interrupted_at: Callable[[int], None],
) -> None:
    _, tokenizer = tiny.build()
    interrupted_at(7)
    with pytest.raises(StopTrainingError):
        train(tiny.build()[0], tokenizer, tmp_path / "c", settings())
    what = {"model": tiny.build()[0], "how": settings(), **other}
    expected = copy.deepcopy(what["model"])

    train(tokenizer=tokenizer, checkpoint=tmp_path / "c", **what)
    assert "made from other weights, data or settings" in capsys.readouterr().err

    train(tokenizer=tokenizer, checkpoint=tmp_path / "new", **{**what, "model": expected})
    assert weights(what["model"]) == weights(expected)


# --- real jobs --------------------------------------------------------------------------------


def same_result(first: Path, second: Path) -> bool:
    return all(
        (first / name).read_bytes() == (second / name).read_bytes()
        for name in ("model/model.safetensors", "steps.parquet")
    )


def test_a_killed_job_run_again_gives_the_same_bytes(
    splits: Path, warmup: Path, tmp_path: Path
) -> None:
    arguments = jobs.train(splits / "train.jsonl", tmp_path)
    checkpoint = tmp_path / ".model.checkpoint.pt"
    step = random.Random(4).randrange(20, 40)  # checkpoints are after steps 20 and 40

    jobs.kill("compute_aligned.train.sft", "update", step, *arguments)
    assert torch.load(checkpoint, weights_only=True)["progress"]["step"] == 20
    # and once more as the checkpoint after step 40 is complete, but not yet in place
    jobs.kill("compute_aligned.files.writing", "_sync", 0, *arguments)
    assert torch.load(checkpoint, weights_only=True)["progress"]["step"] == 20
    jobs.run(*arguments)

    assert same_result(tmp_path, warmup)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"model", "steps.parquet", "model.provenance.json"}


FULL_DISK = """
mount -t tmpfs -o size={small}k tmpfs "{disk}"
code=0; {job} 2> "{log}" || code=$?
echo $code; ls -A "{disk}"
mount -o remount,size=100m "{disk}"
{job}
cp -r "{disk}"/. "{copy}"
"""


def test_a_full_disk_is_explained_and_the_job_continues_once_there_is_space(
    splits: Path, warmup: Path, tmp_path: Path
) -> None:
    disk, copied, log = (tmp_path / name for name in ("disk", "copy", "log"))
    disk.mkdir()
    copied.mkdir()
    words = [sys.executable, *jobs.VERB, *jobs.train(splits / "train.jsonl", disk)]
    job = " ".join(f"'{word}'" for word in words)
    # one checkpoint of 0.15 MB fits, the next one beside it does not
    script = FULL_DISK.format(small=240, disk=disk, job=job, log=log, copy=copied)
    # a mount of our own, seen by this one process and gone with it
    alone = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]

    done = subprocess.run(
        [*alone, "bash", "-euc", script],
        env=jobs.ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2", ".model.checkpoint.pt"]
    message = log.read_text()
    assert "error:" in message
    assert "the disk is full\n  remedy: free some space" in message
    assert "Traceback" not in message
    assert same_result(copied, warmup)


def test_the_outputs_of_a_job_are_complete(warmup: Path) -> None:
    steps = pq.read_table(warmup / "steps.parquet")

    assert steps.schema.equals(records.STEPS)
    assert steps["step"].to_pylist() == list(range(60))
    for name in records.STEPS.names:
        assert np.isfinite(steps[name].to_numpy().astype(float)).all(), name
    assert steps["loss"].to_pylist()[-1] < steps["loss"].to_pylist()[0]


def test_a_branch_starts_from_the_warm_up(splits: Path, warmup: Path, tmp_path: Path) -> None:
    jobs.run(
        *jobs.train(splits / "train.jsonl", tmp_path, branch="passn_n16"),
        "--start",
        warmup / "model",
    )

    model, tokenizer = loading.load(warmup / "model", torch.float32)
    problems = records.read_problems(splits / "train.jsonl")
    known = sft.encode_examples(
        tokenizer, problems, "answer", study.read_family("smoke", "sft_passn").model
    )
    chosen = batch_indices(0, len(known), 20, seed=0)
    prompts, completions = zip(*[known[i] for i in chosen], strict=True)
    with torch.no_grad():
        log_p = token_log_probs(model, collate(prompts, completions, 0)).sum(-1)
    first = pq.read_table(tmp_path / "steps.parquet").to_pylist()[0]
    assert first["mean_p"] == pytest.approx(log_p.exp().mean().item(), rel=1e-4)
    assert first["loss"] == pytest.approx(PassAtN(n=16).sft_loss(log_p).mean().item(), rel=1e-4)
