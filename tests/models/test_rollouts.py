from typing import Any

import pytest
import torch
from support import tiny

from compute_aligned.config.settings import Decoding
from compute_aligned.files.errors import InputError
from compute_aligned.models.rollouts import Rollouts, draw, rollout_noise, token_distribution

DECODING = Decoding(temperature=0.8, top_p=0.95, max_new_tokens=5)
MODEL, TOKENIZER = tiny.build()
EOS, PAD = TOKENIZER.eos_token_id, TOKENIZER.pad_token_id
NOBODY = -1  # an end of sequence that no model writes
PROMPTS = [tiny.encode_prompt(TOKENIZER, p.prompt) for p in tiny.problems(5)]


def completion_by_hand(
    prompt: list[int], noise: list[float], settings: Decoding
) -> tuple[list[int], float, float]:
    """One sequence at a time, read anew for every token, nothing cached and nothing padded."""
    ids, log_p, entropy = list(prompt), 0.0, 0.0
    for level in noise:
        with torch.no_grad():
            logits = MODEL(torch.tensor([ids])).logits[0, -1]
        cut = token_distribution(logits[None], settings)[0].tolist()
        token, below = 0, cut[0]
        while below <= level:
            token += 1
            below += cut[token]
        full = torch.softmax(logits, -1)
        log_p += full[token].log().item()
        entropy -= (full * full.log()).sum().item()
        ids.append(token)
        if token == EOS:
            break
    return ids[len(prompt) :], log_p, entropy


def drawn(
    noise: torch.Tensor, prompts: list[list[int]] = PROMPTS, eos: int = EOS, model: Any = MODEL
) -> Rollouts:
    return draw(model, prompts, noise, DECODING, eos, PAD)


@pytest.mark.parametrize(
    "settings", [DECODING, Decoding(temperature=1.3, top_k=6, max_new_tokens=5)]
)
def test_a_batch_is_what_single_sequences_without_cache_and_padding_are(
    settings: Decoding,
) -> None:
    noise = rollout_noise(3, 0, 5, 6, 5)

    found = draw(MODEL, PROMPTS, noise, settings, EOS, PAD)

    for row, prompt in enumerate(PROMPTS):
        for column in range(6):
            ids, log_p, entropy = completion_by_hand(prompt, noise[row, column].tolist(), settings)
            assert found.completions[row][column] == ids
            assert found.finished[row, column] == (ids[-1] == EOS)
            assert found.log_p[row, column].item() == pytest.approx(log_p, rel=1e-9)
            assert found.entropy[row, column].item() == pytest.approx(entropy, rel=1e-9)
    lengths = [[len(completion) for completion in group] for group in found.completions]
    assert found.lengths.tolist() == lengths
    assert len(set().union(*lengths)) > 2  # some end at once, some go on to the limit


def test_rollouts_of_a_prompt_do_not_depend_on_the_others_in_the_batch() -> None:
    noise = rollout_noise(3, 0, 5, 4, 5)

    together = drawn(noise)

    for row in range(5):
        alone = drawn(noise[row : row + 1], PROMPTS[row : row + 1])
        assert alone.completions[0] == together.completions[row]
        assert torch.equal(alone.finished[0], together.finished[row])


def test_completions_go_through_the_model_once_for_every_distinct_text() -> None:
    model, _ = tiny.build()
    passes = tiny.shapes_of_passes(model)

    found = drawn(rollout_noise(3, 0, 5, 16, 5), model=model)

    going_on = [
        {(row, *c[:length]) for row, group in enumerate(found.completions) for c in group}
        for length in range(1, 5)
    ]
    rows = [rows for rows, _ in passes]
    assert rows == [5, *(len([t for t in texts if t[-1] != EOS]) for texts in going_on)]
    assert rows[1] < 5 * 16 / 2  # the first tokens of a group are often the same


def test_equal_noise_gives_equal_completions_from_one_row_a_prompt_up_to_the_limit() -> None:
    model, _ = tiny.build()
    passes = tiny.shapes_of_passes(model)

    found = drawn(rollout_noise(3, 0, 5, 1, 5).expand(5, 7, 5), eos=NOBODY, model=model)

    assert [rows for rows, _ in passes] == [5] * 5
    for group, log_p in zip(found.completions, found.log_p.tolist(), strict=True):
        assert len({tuple(completion) for completion in group}) == 1
        assert len(set(log_p)) == 1
    assert (found.lengths == 5).all()
    assert not found.finished.any()


def test_noise_is_a_function_of_seed_step_and_position() -> None:
    noise = rollout_noise(3, 5, num_prompts=4, group_size=2, length=6)

    assert noise.shape == (4, 2, 6)
    assert torch.equal(noise, rollout_noise(3, 5, 4, 2, 6))
    assert torch.equal(noise[:3], rollout_noise(3, 5, 3, 2, 6))
    others = [*rollout_noise(3, 6, 4, 2, 6), *rollout_noise(4, 5, 4, 2, 6), *noise]
    assert len({tuple(block.flatten().tolist()) for block in others}) == 12


def test_noise_is_uniform() -> None:
    noise = rollout_noise(0, 0, 40, 25, 20).flatten()

    assert noise.min() >= 0
    assert noise.max() < 1
    counts = torch.histc(noise, 20, 0, 1)
    assert ((counts - 1000) ** 2 / 1000).sum() < 43.8  # chi-squared, 19 degrees, one in a thousand


def test_a_model_whose_layers_keep_a_running_state_is_refused() -> None:
    with pytest.raises(InputError, match=r"Mamba2ForCausalLM.*running state"):
        drawn(rollout_noise(0, 0, 1, 2, 3), [[3, 4]], model=tiny.recurrent())
