from dataclasses import replace
from itertools import repeat
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import tiny
from torch.utils.flop_counter import FlopCounterMode

from compute_aligned.config.models import ScratchModel
from compute_aligned.config.settings import Decoding, Duration, Sft
from compute_aligned.config.study import read_study
from compute_aligned.describe.lengths import Texts, problems_at_hand, texts_of
from compute_aligned.describe.work import (
    NOTHING,
    Work,
    examples_seen,
    rl_work,
    sampling_work,
    scoring_work,
    sft_work,
)
from compute_aligned.files.records import read_problems
from compute_aligned.method.strategies import SingleSample
from compute_aligned.models import loading
from compute_aligned.models.log_probs import token_log_probs
from compute_aligned.models.size import ModelSize, parameters
from compute_aligned.models.tokens import collate, encode
from compute_aligned.train import experience, rl
from compute_aligned.train.optimisation import batch_indices

TEXTS = Texts(prompt=6, completion=4, record=100, measured=True)
MODEL = ModelSize(parameters=1000, item_size=4)
FAMILY = read_study("smoke").experiment("sft_passn").settings
LENGTHS = {"hold": Duration(count=2, unit="epochs"), "decay": Duration(count=3, unit="steps")}
SFT = Sft(learning_rate=0.1, batch_size=8, clip_norm=1.0, **LENGTHS)
ROLLOUT = Decoding(temperature=1.0, max_new_tokens=3)
RL = tiny.RL.model_copy(
    update={"steps": 5, "prompts_per_step": 3, "group_size": 4, "rollout": ROLLOUT}
)


def test_fine_tuning_is_counted_by_its_schedule() -> None:
    # 20 examples in batches of 8: 3 steps an epoch, so 6 of the hold and 3 of the decay, 3 epochs
    work = sft_work(SFT, 20, TEXTS, MODEL)

    assert (work.jobs, work.steps, work.passes) == (1, 9, 9)
    assert work.training_tokens == 3 * 20 * (6 + 4)
    assert work.flops == 6 * 1000 * 600
    assert work.memory_bytes == 4 * 4000  # weights, gradients, two moments
    assert work.checkpoint_bytes == 3 * 4000


def test_an_expected_hold_takes_the_place_of_the_longest() -> None:
    assert sft_work(SFT, 20, TEXTS, MODEL, Duration(count=1, unit="epochs")).steps == 3 + 3


def test_small_forward_passes_are_more_passes_over_the_same_tokens() -> None:
    whole = sft_work(SFT, 20, TEXTS, MODEL)
    parts = sft_work(SFT.model_copy(update={"micro_batch_size": 3}), 20, TEXTS, MODEL)

    assert (parts.passes, parts.flops) == (3 * whole.passes, whole.flops)


@given(st.integers(0, 40), st.integers(1, 20), st.integers(1, 30))
def test_examples_are_counted_as_batches_have_them(steps: int, count: int, batch: int) -> None:
    batches = [batch_indices(step, count, batch, seed=0) for step in range(steps)]

    assert examples_seen(steps, count, batch) == sum(map(len, batches))


def test_a_real_training_has_the_steps_and_tokens_that_were_counted(
    splits: Path, warmup: Path
) -> None:
    model = ModelSize(parameters(FAMILY.model), 4)
    raw = problems_at_hand(read_study("smoke"), "products", Path("/nowhere"))
    texts = texts_of(FAMILY, raw, seed=0)

    work = sft_work(FAMILY.warmup, FAMILY.problems.train, texts, model)

    recorded = pq.read_table(warmup / "steps.parquet")
    learnt = sum(recorded["tokens"].to_pylist())
    seen = work.steps * FAMILY.warmup.batch_size
    prompt = len(read_problems(splits / "train.jsonl")[0].prompt)
    assert work.steps == len(recorded)
    assert work.training_tokens == pytest.approx(learnt + seen * prompt)
    assert model.weight_bytes == pytest.approx(
        (warmup / "model" / "model.safetensors").stat().st_size, rel=0.1
    )


def test_flops_are_those_that_torch_counts_but_for_attention_and_the_embedding() -> None:
    sizes = {"hidden_size": 64, "intermediate_size": 128, "layers": 3, "heads": 2}
    shape = ScratchModel(vocabulary="0 1 2 3", max_length=32, **sizes)
    network, tokenizer = loading.build(shape, 0, torch.float32)
    # different prompts, of which none can be read for another
    prompts = [[3, 3 + row % 4, 3 + row // 4] for row in range(10)]
    batch = collate(prompts, [[3, 4, 1]] * 10, tokenizer.pad_token_id)

    with FlopCounterMode(display=False) as forward, torch.no_grad():
        token_log_probs(network, batch)
    with FlopCounterMode(display=False) as both:
        token_log_probs(network, batch).sum().backward()

    model = ModelSize(parameters(shape), 4)
    assert model.flops(60) == pytest.approx(forward.get_total_flops(), rel=0.05)
    assert model.flops(60, 60) == pytest.approx(both.get_total_flops(), rel=0.05)


def test_reinforcement_learning_is_counted_by_its_groups() -> None:
    work = rl_work(RL, 100, TEXTS, MODEL)

    assert work.steps == 5
    assert work.rollout_tokens == 5 * 3 * 4 * 3  # cut at three tokens
    assert work.training_tokens == 5 * 3 * 4 * (6 + 3)
    # drawn by a pass forward a token, learnt forward and backward, asked of the reference forward
    assert work.flops == 1000 * (2 * 180 + 6 * 540 + 2 * 540)
    assert work.passes == pytest.approx(5 * 2 * (1 + 1 / 3) + 5 * 3 / 3)
    assert work.memory_bytes == 5 * 4000


def test_prompts_are_not_shared_where_layers_are_computed_again() -> None:
    work = rl_work(RL, 100, TEXTS, replace(MODEL, recomputes=True))

    assert work.passes == pytest.approx(5 * 1 * (1 + 1 / 3) + 5 * 3 / 3)


def test_without_a_kl_term_there_is_no_reference() -> None:
    work = rl_work(RL.model_copy(update={"kl_weight": 0.0}), 100, TEXTS, MODEL)

    assert (work.flops, work.memory_bytes) == (1000 * (2 * 180 + 6 * 540), 4 * 4000)


def test_a_real_run_takes_no_more_passes_and_tokens_than_were_counted(tmp_path: Path) -> None:
    network, tokenizer = tiny.build()
    tasks = encode(tokenizer, tiny.problems(10), repeat(3), tiny.SHAPE)
    policy = rl.Policy(network, tokenizer, tiny.build()[0])
    calls = {"trained": 0, "reference": 0}

    def count(name: str) -> None:
        calls[name] += 1

    policy.model.register_forward_hook(lambda *_: count("trained"))
    policy.reference.register_forward_hook(lambda *_: count("reference"))
    objective = experience.Objective(SingleSample(), "raw", RL, "paper")
    done = rl.train(policy, tasks, objective, 0, tmp_path / "checkpoint.pt", "a test")

    longest = max(len(prompt) for _, prompt in tasks)
    texts = Texts(prompt=longest, completion=RL.rollout.max_new_tokens, record=1, measured=True)
    work = rl_work(RL, len(tasks), texts, MODEL)
    # a step is one update and one look at the reference, of the prompts and of what follows them,
    # and at most three positions of rollouts
    taken = 2 * RL.steps + (sum(calls.values()) - 2 * RL.steps) / 3
    assert RL.steps == len(done.steps) == work.steps
    assert calls["reference"] == 2 * RL.steps
    assert 0.5 * work.passes < taken <= work.passes * (1 + 1e-9)
    drawn = sum(step["tokens"] for step in done.steps)
    assert 0.5 * work.rollout_tokens < drawn <= work.rollout_tokens


def test_every_model_samples_every_test_problem() -> None:
    work = sampling_work(FAMILY, 6, TEXTS, MODEL, "vllm")
    slower = sampling_work(FAMILY, 6, TEXTS, MODEL, "transformers")

    assert work.samples == 6 * 20 * 8
    assert work.sampled_tokens == 4 * work.samples
    assert work.flops == 2 * 1000 * work.sampled_tokens
    assert work.passes == 0
    assert scoring_work(work).scored == work.samples
    # a block of problems a pass: models, blocks, positions
    assert slower.passes == pytest.approx(6 * (20 / 5) * 6 / 3)


def test_counts_add_up_and_of_memory_and_checkpoints_the_largest_counts() -> None:
    small = Work(steps=2, flops=10.0, left_bytes=3.0, checkpoint_bytes=9.0, memory_bytes=5.0)
    large = Work(steps=3, flops=1.0, left_bytes=4.0, checkpoint_bytes=1.0, memory_bytes=8.0)

    both = small + large

    assert (both.jobs, both.steps, both.flops, both.memory_bytes) == (2, 5, 11.0, 8.0)
    assert both.disk_bytes == 3 + 4 + 9
    assert both + NOTHING == both
