import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel

from compute_aligned import models, scratch
from compute_aligned.errors import InputError
from compute_aligned.model_settings import PretrainedModel, ScratchModel

DIGITS = list("0123456789*=")
WORDS = ["<12>", "two", "x", "=", "100"]

Ids = list[list[int]]


def word_tokenizer() -> Any:
    return scratch.build_tokenizer(
        tiny.SHAPE.model_copy(update={"split": "words", "vocabulary": " ".join(WORDS)})
    )


def test_the_numbers_of_a_range_are_a_token_each() -> None:
    shape = tiny.SHAPE.model_copy(update={"split": "words", "vocabulary": "1..12 ="})
    tokenizer = scratch.build_tokenizer(shape)

    prompt = models.encode_prompt(tokenizer, "12 3 =")

    assert tokenizer.convert_ids_to_tokens(prompt) == ["12", "3", "="]
    assert len(tokenizer) == 13 + 3  # padding, end, unknown


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


# --- log-probabilities ------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@torch.no_grad()
def test_token_log_probs_are_those_of_one_prefix_at_a_time(temperature: float) -> None:
    model, tokenizer = tiny.build()
    prompts, completions = ragged(seed=1)

    batch = models.collate(prompts, completions, tokenizer.pad_token_id)
    found = models.token_log_probs(model, batch, temperature)

    for row, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        expected = by_hand(model, prompt, completion, temperature)
        assert found[row, : len(completion)].tolist() == pytest.approx(expected, abs=1e-5)
        assert not found[row, len(completion) :].any()


@torch.no_grad()
def test_a_sequence_log_prob_is_the_sum_over_its_tokens_and_its_end() -> None:
    model, tokenizer = tiny.build()
    prompt = models.encode_prompt(tokenizer, "12*3=")
    completion = models.encode_completion(tokenizer, "36")
    assert completion[-1] == tokenizer.eos_token_id

    batch = models.collate([prompt], [completion], tokenizer.pad_token_id)

    expected = sum(by_hand(model, prompt, completion, 1.0))
    assert models.token_log_probs(model, batch).sum(-1).item() == pytest.approx(expected, abs=1e-5)


@torch.no_grad()
def test_positions_count_from_the_first_real_token() -> None:
    torch.manual_seed(0)
    shape = GPT2Config(vocab_size=15, n_positions=24, n_embd=16, n_layer=2, n_head=2)
    model = GPT2LMHeadModel(shape).double().eval()  # its positions are absolute
    prompts, completions = ragged(seed=3)

    found = models.token_log_probs(model, models.collate(prompts, completions, 0)).sum(-1)

    for row, pair in enumerate(zip(prompts, completions, strict=True)):
        assert found[row].item() == pytest.approx(sum(by_hand(model, *pair, 1.0)), abs=1e-5)


@given(st.integers(0, 2**20))
@torch.no_grad()
def test_a_row_does_not_depend_on_the_padding_that_others_bring(seed: int) -> None:
    model, tokenizer = tiny.build(dtype=torch.float32)
    prompts, completions = ragged(seed, rows=3)
    pad = tokenizer.pad_token_id

    together = models.token_log_probs(model, models.collate(prompts, completions, pad)).sum(-1)

    for row in range(3):
        alone = models.collate(prompts[row : row + 1], completions[row : row + 1], pad)
        assert torch.allclose(
            models.token_log_probs(model, alone).sum(-1), together[row], atol=1e-5
        )


def test_what_the_padding_token_means_to_the_model_changes_nothing() -> None:
    model, tokenizer = tiny.build()
    prompts, completions = ragged(seed=2)
    batch = models.collate(prompts, completions, tokenizer.pad_token_id)

    with torch.no_grad():
        before = models.token_log_probs(model, batch)
        model.get_input_embeddings().weight[tokenizer.pad_token_id] = 100.0
        after = models.token_log_probs(model, batch)

    assert torch.equal(before, after)


@torch.no_grad()
def test_suppressed_tokens_have_no_probability_and_the_others_share_it() -> None:
    model, tokenizer = tiny.build()
    prompt = models.encode_prompt(tokenizer, "12*3=")
    everything = models.collate([prompt] * 15, [[token] for token in range(15)], 0)
    before = models.token_log_probs(model, everything).exp()[:, 0]

    model.generation_config.suppress_tokens = [3, 14]
    after = models.token_log_probs(model, everything).exp()[:, 0]

    assert before.sum().item() == pytest.approx(1, abs=1e-5)
    expected = before.clone()
    expected[[3, 14]] = 0
    assert torch.allclose(after, expected / expected.sum(), atol=1e-6)


# --- tokens -----------------------------------------------------------------------------------


@given(st.lists(st.sampled_from(DIGITS), min_size=1).map("".join))
def test_characters_survive_the_tokenizer_one_token_each(text: str) -> None:
    tokenizer = scratch.build_tokenizer(tiny.SHAPE)

    ids = models.encode_completion(tokenizer, text)

    assert len(ids) == len(text) + 1
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


@given(st.lists(st.sampled_from(WORDS), min_size=1).map(" ".join))
def test_words_survive_the_tokenizer_one_token_each(text: str) -> None:
    tokenizer = word_tokenizer()

    ids = models.encode_completion(tokenizer, text)

    assert len(ids) == len(text.split()) + 1
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


@given(st.lists(st.lists(st.integers(0, 12), max_size=3), max_size=12))
def test_each_completion_is_decoded_as_if_alone(completions: list[list[int]]) -> None:
    tokenizer = scratch.build_tokenizer(tiny.SHAPE)

    found = models.decoded(tokenizer, completions)

    assert found == {
        tuple(ids): tokenizer.decode(ids, skip_special_tokens=True) for ids in completions
    }


@pytest.mark.parametrize(
    ("tokenizer", "text"),
    [
        (scratch.build_tokenizer(tiny.SHAPE), "12+3="),
        (scratch.build_tokenizer(tiny.SHAPE), "12\n3="),
        (word_tokenizer(), "two 101"),
    ],
)
def test_text_outside_the_vocabulary_is_refused(tokenizer: Any, text: str) -> None:
    for encode in (models.encode_prompt, models.encode_completion):
        with pytest.raises(InputError, match=r"not in the model's vocabulary[^$]*remedy"):
            encode(tokenizer, text)


PROTEINS = tiny.SHAPE.model_copy(
    update={"vocabulary": "A C D I", "prompt_only": ("Input: ", " \n Output:")}
)


def test_pieces_of_prompts_are_one_token_each_white_space_included(tmp_path: Path) -> None:
    model, built = models.build(PROTEINS, 0, torch.float32)
    models.save(model, built, tmp_path)

    for tokenizer in (built, models.load_tokenizer(tmp_path)):
        ids = models.encode_prompt(tokenizer, "Input: IACI \n Output:")
        tokens = tokenizer.convert_ids_to_tokens(ids)
        assert tokens == ["Input: ", "I", "A", "C", "I", " \n Output:"]
        with pytest.raises(InputError, match="not in the model's vocabulary"):
            models.encode_prompt(tokenizer, "Input: IA CI \n Output:")


def test_pieces_of_prompts_are_suppressed_in_the_saved_model_too(tmp_path: Path) -> None:
    model, tokenizer = models.build(PROTEINS, 0, torch.float32)
    models.save(model, tokenizer, tmp_path)

    loaded, _ = models.load(tmp_path, torch.float32)

    wanted = tokenizer.convert_tokens_to_ids(list(PROTEINS.prompt_only))
    assert loaded.generation_config.suppress_tokens == wanted
    logits = models.suppress(loaded, torch.zeros(2, len(tokenizer)))
    assert logits.isneginf().nonzero()[:, 1].tolist() == wanted * 2


def test_an_empty_prompt_is_the_token_that_begins_a_text() -> None:
    tokenizer = scratch.build_tokenizer(PROTEINS)
    assert models.encode_prompt(tokenizer, "") == [tokenizer.bos_token_id]
    assert tokenizer.bos_token_id is not None

    tokenizer.bos_token = None
    with pytest.raises(ValueError, match="no token for an empty prompt"):
        models.encode_prompt(tokenizer, "")


def test_a_chat_template_is_applied_to_the_prompt_alone() -> None:
    tokenizer = scratch.build_tokenizer(tiny.SHAPE)
    tokenizer.chat_template = "{% for m in messages %}={{ m['content'] }}{% endfor %}{{ '*' }}"

    plain = models.encode_prompt(tokenizer, "=12*")

    assert models.encode_prompt(tokenizer, "12", chat_template=True) == plain


def test_a_problem_too_long_for_the_model_is_named() -> None:
    models.check_length("problem a", 24, 24)
    with pytest.raises(InputError, match="problem a: prompt and completion take 25 tokens"):
        models.check_length("problem a", 25, 24)


# --- building, loading, saving ----------------------------------------------------------------


def test_a_model_from_scratch_is_a_function_of_its_seed() -> None:
    first, again, other = (
        models.build(tiny.SHAPE, seed, torch.float32)[0].state_dict() for seed in (3, 3, 4)
    )

    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_the_number_of_parameters_follows_from_the_settings() -> None:
    shape = ScratchModel(
        vocabulary=" ".join(DIGITS),
        hidden_size=8,
        intermediate_size=16,
        layers=1,
        heads=1,
        head_dim=32,
        max_length=16,
    )

    model, tokenizer = models.build(shape, 0, torch.float32)

    embeddings, attention, mlp, norms = 2 * 15 * 8, 4 * 8 * 32, 3 * 8 * 16, 3 * 8
    assert len(tokenizer) == 15
    assert sum(p.numel() for p in model.parameters()) == embeddings + attention + mlp + norms


@torch.no_grad()
def test_a_saved_model_loads_with_the_same_logits_and_tokens(tmp_path: Path) -> None:
    model, tokenizer = tiny.build(dtype=torch.float32)
    ids = torch.tensor([models.encode_prompt(tokenizer, "12*3=")])

    models.save(model, tokenizer, tmp_path)
    loaded, read = models.load(tmp_path, torch.float32)

    assert torch.equal(loaded(ids).logits, model(ids).logits)
    assert models.encode_prompt(read, "12*3=") == ids[0].tolist()
    assert read.pad_token_id == tokenizer.pad_token_id
    assert read.eos_token_id == tokenizer.eos_token_id


def test_loading_draws_no_progress_bar(
    model_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    models.load(model_folder, torch.float32)

    assert capfd.readouterr().err == ""


def test_a_pretrained_folder_is_what_a_warm_up_can_start_from(model_folder: Path) -> None:
    model, _ = models.build(PretrainedModel(pretrained=str(model_folder)), 9, torch.float32)

    expected = load_file(model_folder / "model.safetensors")
    assert all(torch.equal(model.state_dict()[name], expected[name]) for name in expected)


def cut_in_half(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def fill_with_noise(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(random.Random(0).randbytes(5000))


def drop_a_weight(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    weights.pop("model.layers.1.mlp.down_proj.weight")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def change_the_shape(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 32}))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "config.json").unlink(), "no model in this folder"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no file named model.safetensors"),
        (lambda folder: (folder / "config.json").write_text("{"), "not a valid JSON"),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "cannot be loaded"),
        (cut_in_half, "cannot be loaded"),
        (fill_with_noise, "cannot be loaded"),
        (drop_a_weight, "lacks the weights model.layers.1.mlp.down_proj.weight"),
        (change_the_shape, "cannot be loaded"),
    ],
)
def test_a_damaged_model_is_named_with_a_remedy(
    model_folder: Path, tmp_path: Path, damage: Callable[[Path], None], words: str
) -> None:
    folder = shutil.copytree(model_folder, tmp_path / "model")
    damage(folder)

    with pytest.raises(InputError, match=words) as caught:
        models.load(folder, torch.float32)

    assert caught.value.where == str(folder)
    assert caught.value.remedy


def test_a_missing_folder_is_not_looked_for_on_the_hub(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model in this folder"):
        models.load(tmp_path.relative_to(tmp_path.anchor) / "model", torch.float32)
    with pytest.raises(InputError, match="no model in this folder"):
        models.load_tokenizer(tmp_path / "model")
