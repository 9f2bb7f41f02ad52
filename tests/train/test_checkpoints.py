"""Interrupted fine-tuning: what a checkpoint is good for, and when it is none."""

import copy
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import tiny
from train.training import MARGIN, fine_tune, killed, same, settings

from compute_aligned.config.settings import Sft
from compute_aligned.method.strategies import PassAtN, SingleSample
from compute_aligned.train import sft

CRITERION = settings(hold="9 steps", decay="4 steps", stop_at_probability=6e-4)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """That of a training that was killed at its eighth step; it is of the first six."""
    path, (model, tokenizer) = tmp_path / "checkpoint", tiny.build()
    killed(sft, "update", 7, lambda: fine_tune(model, tokenizer, path, settings()))
    return path


@pytest.mark.parametrize(
    ("how", "step"),
    [*((CRITERION, step) for step in range(10)), (settings(**MARGIN), 2), (settings(**MARGIN), 7)],
)
def test_an_interrupted_training_ends_with_the_bytes_of_an_uninterrupted_one(
    how: Sft, step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sft, "RECENT", 3)
    (plain, tokenizer), (died, _), (resumed, _) = (tiny.build() for _ in range(3))
    expected = fine_tune(plain, tokenizer, tmp_path / "plain", how)
    if how == CRITERION:
        assert (expected.reached, expected.decay_start) == (True, 6)  # of at most 9 steps

    killed(sft, "update", step, lambda: fine_tune(died, tokenizer, tmp_path / "c", how))
    progress = fine_tune(resumed, tokenizer, tmp_path / "c", how)

    assert same(resumed, plain)
    assert progress == expected


def test_the_seed_alone_decides_the_rivals(tmp_path: Path) -> None:
    how = settings(**MARGIN, batch_size=10, decay="1 steps")  # the whole data in one batch
    losses = []
    for run, seed in enumerate((5, 5, 6)):
        progress = fine_tune(*tiny.build(), tmp_path / str(run), how, SingleSample(), seed)
        losses.append(progress.steps[0]["loss"])

    assert losses[0] == losses[1]
    assert losses[2] != pytest.approx(losses[0], rel=1e-4)  # more than another order of adding up


def one_bit(content: bytes) -> bytes:
    """A bit of the weights themselves, which torch.load reads without a word."""
    position = len(content) // 2
    return content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 3],
        one_bit,
        lambda content: random.Random(0).randbytes(len(content)),
        lambda _: b"",
    ],
    ids=["cut", "one bit", "noise", "empty"],
)
def test_a_damaged_checkpoint_is_noticed_and_costs_only_time(
    damage: Callable[[bytes], bytes],
    checkpoint: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (plain, tokenizer), (again, _) = tiny.build(), tiny.build()
    fine_tune(plain, tokenizer, tmp_path / "plain", settings())
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))

    fine_tune(again, tokenizer, checkpoint, settings())

    assert f"{checkpoint}: the file is damaged" in capsys.readouterr().err
    assert same(again, plain)


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
    other: dict[str, Any], checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, tokenizer = tiny.build()
    what = {"model": model, "tokenizer": tokenizer, "how": settings(), **other}
    expected = copy.deepcopy(what["model"])

    fine_tune(checkpoint=checkpoint, **what)
    assert "made from other weights, data or settings" in capsys.readouterr().err

    fine_tune(checkpoint=tmp_path / "new", **{**what, "model": expected})
    assert same(what["model"], expected)
