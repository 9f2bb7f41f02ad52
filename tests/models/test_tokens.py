from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import tiny

from compute_aligned.files.errors import InputError
from compute_aligned.files.records import Problem
from compute_aligned.models import loading, tokens

WORDS = ["<12>", "two", "x", "=", "100"]
CHARACTERS = loading.build_tokenizer(tiny.SHAPE)


def of_words(vocabulary: str) -> Any:
    shape = tiny.SHAPE.model_copy(update={"split": "words", "vocabulary": vocabulary})
    return loading.build_tokenizer(shape)


def test_the_numbers_of_a_range_are_a_token_each() -> None:
    tokenizer = of_words("1..12 =")

    prompt = tiny.encode_prompt(tokenizer, "12 3 =")

    assert tokenizer.convert_ids_to_tokens(prompt) == ["12", "3", "="]
    assert len(tokenizer) == 13 + 3  # padding, end, unknown


@pytest.mark.parametrize(
    ("tokenizer", "vocabulary", "between"),
    [(CHARACTERS, list("0123456789*="), ""), (of_words(" ".join(WORDS)), WORDS, " ")],
    ids=["characters", "words"],
)
@given(st.data())
def test_texts_survive_the_tokenizer_one_token_a_part_and_an_end(
    tokenizer: Any, vocabulary: list[str], between: str, data: st.DataObject
) -> None:
    parts = data.draw(st.lists(st.sampled_from(vocabulary), min_size=1))

    *ids, end = tiny.encode_completion(tokenizer, between.join(parts))

    assert len(ids) == len(parts)
    assert end == tokenizer.eos_token_id
    assert tokenizer.decode([*ids, end], skip_special_tokens=True) == between.join(parts)


@pytest.mark.parametrize(
    ("tokenizer", "text"),
    [(CHARACTERS, "12+3="), (CHARACTERS, "12\n3="), (of_words(" ".join(WORDS)), "two 101")],
)
def test_text_outside_the_vocabulary_is_refused(tokenizer: Any, text: str) -> None:
    for encode in (tiny.encode_prompt, tiny.encode_completion):
        with pytest.raises(InputError, match=r"not in the model's vocabulary[^$]*remedy"):
            encode(tokenizer, text)


def test_pieces_of_prompts_are_one_token_each_white_space_included(tmp_path: Path) -> None:
    model, built = loading.build(tiny.PROTEINS, 0, torch.float32)
    loading.save(model, built, tmp_path)
    pieces = ["Input: ", "I", "A", "C", "I", " \n Output:"]

    for tokenizer in (built, loading.load_tokenizer(tmp_path)):
        ids = tiny.encode_prompt(tokenizer, "".join(pieces))
        assert tokenizer.convert_ids_to_tokens(ids) == pieces
        with pytest.raises(InputError, match="not in the model's vocabulary"):
            tiny.encode_prompt(tokenizer, "Input: IA CI \n Output:")


def test_an_empty_prompt_is_the_token_that_begins_a_text() -> None:
    tokenizer = loading.build_tokenizer(tiny.PROTEINS)
    assert tiny.encode_prompt(tokenizer, "") == [tokenizer.bos_token_id]
    assert tokenizer.bos_token_id is not None

    tokenizer.bos_token = None
    with pytest.raises(ValueError, match="no token for an empty prompt"):
        tiny.encode_prompt(tokenizer, "")


def test_a_chat_template_is_applied_to_the_prompt_alone() -> None:
    tokenizer = loading.build_tokenizer(tiny.SHAPE)
    tokenizer.chat_template = "{% for m in messages %}={{ m['content'] }}{% endfor %}{{ '*' }}"

    plain = tiny.encode_prompt(tokenizer, "=12*")

    assert tiny.encode_prompt(tokenizer, "12", chat_template=True) == plain


def test_prompts_keep_room_for_their_completions_or_the_problem_is_named() -> None:
    tokenizer = loading.build_tokenizer(tiny.SHAPE)
    problems = [Problem(id=f"{n}", group=f"{n}", prompt="1" * n, answer="1") for n in (18, 20)]

    tasks = tokens.encode(tokenizer, problems, [6, 4], tiny.SHAPE)

    assert tasks == [(p, tiny.encode_prompt(tokenizer, p.prompt)) for p in problems]
    with pytest.raises(InputError, match=r"problem 20: .* take 25 tokens, the model 24"):
        tokens.encode(tokenizer, problems, repeat(5), tiny.SHAPE)


@pytest.mark.parametrize("texts", [["12*3=", "", "7", "12*3="], []])
def test_many_texts_at_once_are_encoded_as_each_alone(texts: list[str]) -> None:
    for encode, encode_one in (
        (tokens.encode_prompts, tiny.encode_prompt),
        (tokens.encode_completions, tiny.encode_completion),
    ):
        assert encode(CHARACTERS, texts) == [encode_one(CHARACTERS, text) for text in texts]


@given(st.lists(st.lists(st.integers(0, 14), max_size=5)))
def test_completions_are_decoded_in_their_order_equal_ones_and_special_tokens_included(
    completions: list[list[int]],
) -> None:
    assert tokens.decode_completions(CHARACTERS, completions) == [
        CHARACTERS.decode(ids, skip_special_tokens=True) for ids in completions
    ]
