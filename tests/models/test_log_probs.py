import random
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import tiny

from compute_aligned.models import adapters
from compute_aligned.models.log_probs import pays_to_share_prompts, token_log_probs
from compute_aligned.models.tokens import collate

Ids = list[list[int]]
MODEL, TOKENIZER = tiny.build()
PAD = TOKENIZER.pad_token_id


def ragged(seed: int, rows: int = 6) -> tuple[Ids, Ids]:
    """Prompts and completions of many lengths, as token ids."""
    rng = random.Random(seed)
    ids = [[rng.randrange(3, 15) for _ in range(rng.randint(1, 7))] for _ in range(2 * rows)]
    return ids[:rows], ids[rows:]


def by_hand(model: Any, prompt: list[int], completion: list[int], temperature: float) -> list:
    """Each token from its own prefix alone: no batch, no padding, no mask, no cache."""
    found = []
    for position, token in enumerate(completion):
        prefix = torch.tensor([prompt + completion[:position]])
        logits = model(prefix).logits[0, -1] / temperature
        found.append((logits[token] - logits.logsumexp(0)).item())
    return found


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("absolute_positions", [False, True])
@torch.no_grad()
def test_token_log_probs_are_those_of_one_prefix_at_a_time(
    temperature: float, absolute_positions: bool
) -> None:
    model = tiny.gpt2().double() if absolute_positions else MODEL
    prompts, completions = ragged(seed=1)

    found = token_log_probs(model, collate(prompts, completions, PAD), temperature)

    for row, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        expected = by_hand(model, prompt, completion, temperature)
        assert found[row, : len(completion)].tolist() == pytest.approx(expected, abs=1e-5)
        assert not found[row, len(completion) :].any()


@pytest.mark.parametrize("longest", [1, 7])
def test_prompts_that_rows_share_are_read_once_and_nothing_else_changes(longest: int) -> None:
    model, _ = tiny.build()
    model.generation_config.suppress_tokens = [3]
    prompts, completions = ragged(seed=5, rows=12)
    prompts = [prompts[row % 3] for row in range(12)]
    completions = [[token for token in c[:longest] if token != 3] or [4] for c in completions]
    batch = collate(prompts, completions, PAD)
    shapes = tiny.shapes_of_passes(model)

    def of(shares: bool) -> tuple[torch.Tensor, list[torch.Tensor], list[tuple[int, ...]]]:
        shapes.clear()
        model.zero_grad()
        found = token_log_probs(model, batch, 0.7, share_prompts=shares)
        found.square().sum().backward()
        return found, [p.grad for p in model.parameters()], shapes[:]

    found, gradient, passes = of(shares=True)
    expected, expected_gradient, whole = of(shares=False)

    before, after = max(map(len, prompts)), max(map(len, completions))
    assert whole == [(12, before + after)]
    assert passes == [(3, before), (12, after - 1)][: 1 if longest == 1 else 2]
    assert torch.allclose(found, expected, rtol=0, atol=1e-6)  # the softmax runs in float32
    for shared, single in zip(gradient, expected_gradient, strict=True):
        assert torch.allclose(shared, single, rtol=1e-5, atol=1e-5 * single.abs().max().item())


GROUP = collate([[3, 4, 5]] * 4, [[5, 6]] * 4, pad=0)


@pytest.mark.parametrize(
    ("prompts", "completions", "pays"),
    [
        ([[3, 4, 5]] * 4, [[5, 6]] * 4, True),  # 11 tokens, not 20
        ([[3, 4], [3, 5]] * 2, [[5, 6]] * 4, True),  # 12, 16
        ([[3, 4]] * 4, [[5] * 7] * 4, True),  # 30, 36
        ([[3]] * 4, [[5] * 12] * 4, False),  # 49, 52
        ([[3], [4], [5]], [[5]] * 3, False),
    ],
)
def test_prompts_are_shared_where_that_saves_a_tenth_of_the_tokens(
    prompts: Ids, completions: Ids, pays: bool
) -> None:
    assert pays_to_share_prompts(MODEL, collate(prompts, completions, PAD)) is pays


def test_prompts_are_not_shared_where_rows_or_layers_have_to_be_by_themselves() -> None:
    assert pays_to_share_prompts(tiny.gpt2(), GROUP)
    assert not pays_to_share_prompts(tiny.gpt2().train(), GROUP)  # dropout acts on each row
    assert not pays_to_share_prompts(tiny.recurrent(), GROUP)  # layers keep a running state

    model, _ = tiny.build()
    model.gradient_checkpointing_enable()
    assert pays_to_share_prompts(model, GROUP)
    with adapters.recomputing(model):  # layers are computed again for their gradient
        assert not pays_to_share_prompts(model, GROUP)
        with torch.no_grad():
            assert not pays_to_share_prompts(model, GROUP)


@settings(max_examples=25)
@given(st.integers(0, 2**20))
@torch.no_grad()
def test_a_row_does_not_depend_on_the_padding_that_others_bring(seed: int) -> None:
    prompts, completions = ragged(seed, rows=3)

    together = token_log_probs(MODEL, collate(prompts, completions, PAD)).sum(-1)

    for row in range(3):
        alone = collate(prompts[row : row + 1], completions[row : row + 1], PAD)
        assert torch.allclose(token_log_probs(MODEL, alone).sum(-1), together[row], atol=1e-5)


@torch.no_grad()
def test_what_the_padding_token_means_to_the_model_changes_nothing() -> None:
    model, _ = tiny.build()
    batch = collate(*ragged(seed=2), PAD)

    before = token_log_probs(model, batch)
    model.get_input_embeddings().weight[PAD] = 100.0

    assert torch.equal(token_log_probs(model, batch), before)


@torch.no_grad()
def test_suppressed_tokens_have_no_probability_and_the_others_share_it() -> None:
    model, _ = tiny.build()
    prompt = tiny.encode_prompt(TOKENIZER, "12*3=")
    everything = collate([prompt] * 15, [[token] for token in range(15)], 0)
    expected = token_log_probs(model, everything).exp()[:, 0]
    assert expected.sum().item() == pytest.approx(1, abs=1e-5)

    model.generation_config.suppress_tokens = [3, 14]
    found = token_log_probs(model, everything).exp()[:, 0]

    expected[[3, 14]] = 0
    assert torch.allclose(found, expected / expected.sum(), atol=1e-6)
