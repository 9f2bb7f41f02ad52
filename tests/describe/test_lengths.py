import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from compute_aligned.config.models import PretrainedModel
from compute_aligned.config.scales import Family
from compute_aligned.config.settings import Problems
from compute_aligned.config.sources import GeneratedSource, HubSource
from compute_aligned.config.study import read_study
from compute_aligned.describe.lengths import (
    EXAMINED,
    Texts,
    problems_at_hand,
    split_sizes,
    texts_of,
)
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import Problem
from compute_aligned.prepare.splits import split_problems

NOWHERE = Path("/nowhere")
GENERATED = GeneratedSource(source="generated:products")
HUB = HubSource(source="hub:owner/data", size=100)
LAPTOP = read_study("laptop")
PRODUCTS = problems_at_hand(LAPTOP, "products", NOWHERE)
assert PRODUCTS is not None


def wanted(**changes: Any) -> Problems:
    return Problems(**{"source": "data", "train": "all", "test": 4, "validation": 3, **changes})


def test_what_the_settings_say_needs_no_problems() -> None:
    sizes = split_sizes(wanted(train=20, rl=5), GENERATED, None, seed=0)

    assert (sizes.train, sizes.rl, sizes.validation, sizes.test, sizes.total) == (20, 5, 3, 4, 32)
    assert sizes.exact
    assert split_sizes(wanted(train=20, rl="train"), GENERATED, None, seed=0).rl == 20


@pytest.mark.parametrize("rl", [0, 6, "train"])
@pytest.mark.parametrize("levels", [None, (1, 2, 3)])
def test_all_is_counted_from_the_problems_as_they_are_split(rl: Any, levels: Any) -> None:
    raw = [
        Problem(id=str(i), group=str(i), prompt=str(i), answer="1", level=1 + i % 5)
        for i in range(50)
    ]
    settings, of_levels = wanted(rl=rl, levels=levels), 50 if levels is None else 30

    sizes = split_sizes(settings, HUB, raw, seed=7)

    splits = split_problems(raw, settings, seed=7)
    assert sizes.exact
    assert sizes.train == len(splits["train"]) == of_levels - 4 - 3 - (rl if rl != "train" else 0)
    assert sizes.rl == len(splits["rl"])


def test_before_the_problems_are_fetched_all_is_at_most_what_the_source_says() -> None:
    sizes = split_sizes(wanted(rl=6, levels=(1,)), HUB, None, seed=0)

    assert (sizes.train, sizes.exact) == (100 - 4 - 3 - 6, False)
    with pytest.raises(InputError, match="how many there are is not known") as caught:
        split_sizes(wanted(), HUB.model_copy(update={"size": None}), None, seed=0)
    assert "size" in caught.value.remedy


def changed(**changes: Any) -> Family:
    """The first family of the laptop scale, with other settings."""
    return LAPTOP.experiment("sft_passn").settings.model_copy(update=changes)


def measured(name: str) -> Texts:
    """The texts of a family of the smoke scale."""
    study = read_study("smoke")
    family = study.experiment(name).settings
    return texts_of(family, problems_at_hand(study, family.problems.source, NOWHERE), seed=0)


def test_lengths_of_one_length_are_exact() -> None:
    # `aa*b=` and three digits with the end; `a b =` and one word with the end
    multiplying, digits = measured("rl_passn"), measured("sft_majority")

    assert (multiplying.prompt, multiplying.completion) == (5, 4)
    assert (digits.prompt, digits.completion) == (3, 2)
    assert multiplying.measured


def test_an_empty_prompt_is_one_token_and_a_piece_of_the_vocabulary_too() -> None:
    unconditional, conditional = measured("protein_unconditional"), measured("protein_conditional")

    assert unconditional.prompt == 1
    assert 12 + 1 <= unconditional.completion <= 16 + 1
    assert 10 + 2 <= conditional.prompt <= 19 + 2
    assert 12 + 1 <= conditional.completion <= 16 + 1


def test_a_sample_of_the_problems_is_near_all_of_them() -> None:
    train = split_problems(PRODUCTS, changed().problems, 100)["train"]
    assert len(train) > EXAMINED

    texts = texts_of(changed(), PRODUCTS, 100)

    completion = sum(len(p.answer) + 1 for p in train) / len(train)
    lines = sum(len(p.model_dump_json(exclude_none=True)) + 1 for p in train) / len(train)
    assert texts.prompt == 6
    assert texts.completion == pytest.approx(completion, rel=0.02)
    assert texts.record == pytest.approx(lines, rel=0.02)


SHORT = changed().sft.model_copy(update={"longest": 20})


@pytest.mark.parametrize(
    ("family", "raw", "prompt"),
    [
        (changed(), None, 32 - 6),
        (changed(sft=SHORT), None, 20 - 6),  # longer ones are left out
        # without a tokenizer on this machine
        (changed(model=PretrainedModel(pretrained="nobody/has-it", max_length=100)), PRODUCTS, 94),
    ],
)
def test_without_problems_or_tokenizer_the_lengths_are_the_longest_there_can_be(
    family: Family, raw: list[Problem] | None, prompt: int
) -> None:
    texts = texts_of(family, raw, 0)

    assert (texts.prompt, texts.completion, texts.measured) == (prompt, 6, False)


def test_a_checkpoint_on_this_machine_counts_with_its_own_tokenizer(model_folder: Path) -> None:
    model = PretrainedModel(pretrained=str(model_folder), max_length=24)

    texts = texts_of(changed(model=model), PRODUCTS, 0)

    assert (texts.prompt, texts.measured) == (6, True)


def test_problems_of_the_hub_are_at_hand_once_they_are_fetched(tmp_path: Path) -> None:
    settings = LAPTOP.settings.model_copy(update={"sources": {"data": HUB}})
    study = replace(LAPTOP, settings=settings)
    problem = {"id": "1", "group": "1", "prompt": "1+1=", "answer": "2"}

    assert problems_at_hand(study, "data", tmp_path) is None
    fetched = tmp_path / "results" / "laptop" / "raw" / "data.jsonl"
    fetched.parent.mkdir(parents=True)
    fetched.write_text(json.dumps(problem) + "\n")
    assert [p.answer for p in problems_at_hand(study, "data", tmp_path) or []] == ["2"]
