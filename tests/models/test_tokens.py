from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from hypothesis import given
from hypothesis import strategies as st

from compute_aligned.files.errors import InputError
from compute_aligned.files.records import Problem
from compute_aligned.models import loading, tokens

DIGITS = list("0123456789*=")
WORDS = ["<12>", "two", "x", "=", "100"]


def word_tokenizer() -> Any:
    return loading.build_tokenizer(
        tiny.SHAPE.model_copy(update={"split": "words", "vocabulary": " ".join(WORDS)})
    )


def test_the_numbers_of_a_range_are_a_token_each() -> None:
    shape = tiny.SHAPE.model_copy(update={"split": "words", "vocabulary": "1..12 ="})
    tokenizer = loading.build_tokenizer(shape)

    prompt = tiny.encode_prompt(tokenizer, "12 3 =")

    assert tokenizer.convert_ids_to_tokens(prompt) == ["12", "3", "="]
    assert len(tokenizer) == 13 + 3  # padding, end, unknown


@given(st.lists(st.sampled_from(DIGITS), min_size=1).map("".join))
def test_characters_survive_the_tokenizer_one_token_each(text: str) -> None:
    tokenizer = loading.build_tokenizer(tiny.SHAPE)

    ids = tiny.encode_completion(tokenizer, text)

    assert len(ids) == len(text) + 1
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


@given(st.lists(st.sampled_from(WORDS), min_size=1).map(" ".join))
def test_words_survive_the_tokenizer_one_token_each(text: str) -> None:
    tokenizer = word_tokenizer()

    ids = tiny.encode_completion(tokenizer, text)

    assert len(ids) == len(text.split()) + 1
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


@pytest.mark.parametrize(
    ("tokenizer", "text"),
    [
        (loading.build_tokenizer(tiny.SHAPE), "12+3="),
        (loading.build_tokenizer(tiny.SHAPE), "12\n3="),
        (word_tokenizer(), "two 101"),
    ],
)
def test_text_outside_the_vocabulary_is_refused(tokenizer: Any, text: str) -> None:
    for encode in (tiny.encode_prompt, tiny.encode_completion):
        with pytest.raises(InputError, match=r"not in the model's vocabulary[^$]*remedy"):
            encode(tokenizer, text)


def test_pieces_of_prompts_are_one_token_each_white_space_included(tmp_path: Path) -> None:
    model, built = loading.build(tiny.PROTEINS, 0, torch.float32)
    loading.save(model, built, tmp_path)

    for tokenizer in (built, loading.load_tokenizer(tmp_path)):
        ids = tiny.encode_prompt(tokenizer, "Input: IACI \n Output:")
        assert tokenizer.convert_ids_to_tokens(ids) == [
            "Input: ",
            "I",
            "A",
            "C",
            "I",
            " \n Output:",
        ]
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


def test_many_texts_at_once_are_encoded_as_each_alone() -> None:
    tokenizer = loading.build_tokenizer(tiny.SHAPE)
    texts = ["12*3=", "", "7", "12*3="]

    assert tokens.encode_prompts(tokenizer, texts) == [
        tiny.encode_prompt(tokenizer, text) for text in texts
    ]
    assert tokens.encode_completions(tokenizer, texts) == [
        tiny.encode_completion(tokenizer, text) for text in texts
    ]
    assert tokens.encode_prompts(tokenizer, []) == []


@given(st.lists(st.lists(st.integers(0, 14), max_size=5)))
def test_completions_are_decoded_in_their_order_equal_ones_and_special_tokens_included(
    completions: list[list[int]],
) -> None:
    tokenizer = loading.build_tokenizer(tiny.SHAPE)

    assert tokens.decode_completions(tokenizer, completions) == [
        tokenizer.decode(ids, skip_special_tokens=True) for ids in completions
    ]
