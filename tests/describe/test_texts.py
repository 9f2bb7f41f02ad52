import json
from pathlib import Path

import pytest

from compute_aligned.config import study
from compute_aligned.config.models import PretrainedModel
from compute_aligned.config.scales import Family
from compute_aligned.config.sources import HubSource
from compute_aligned.describe.lengths import EXAMINED, Texts, problems_at_hand, texts_of
from compute_aligned.prepare.problems import raw_problems
from compute_aligned.prepare.splits import split_problems

NOWHERE = Path("/nowhere")


def laptop(family: str) -> Family:
    return study.read_family("laptop", family)


def measured(name: str) -> Texts:
    """The texts of a family of the smoke scale."""
    family = study.read_family("smoke", name)
    return texts_of(family, problems_at_hand("smoke", family.problems.source, NOWHERE), seed=0)


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
    family = laptop("sft_passn")
    raw = raw_problems(study.read_source("laptop", "products"))[0]
    train = split_problems(raw, family.problems, 100)["train"]
    assert len(train) > EXAMINED

    texts = texts_of(family, raw, 100)

    completion = sum(len(p.answer) + 1 for p in train) / len(train)
    lines = sum(len(p.model_dump_json(exclude_none=True)) + 1 for p in train) / len(train)
    assert texts.prompt == 6
    assert texts.completion == pytest.approx(completion, rel=0.02)
    assert texts.record == pytest.approx(lines, rel=0.02)


def test_without_problems_the_lengths_are_the_longest_there_can_be() -> None:
    texts = texts_of(laptop("sft_passn"), None, 0)

    assert not texts.measured
    assert texts.completion == 6
    assert texts.prompt + texts.completion == 32


def test_without_problems_what_is_left_out_for_its_length_bounds_them_too() -> None:
    family = laptop("sft_passn")
    assert family.sft is not None
    short = family.model_copy(update={"sft": family.sft.model_copy(update={"longest": 20})})

    texts = texts_of(short, None, 0)

    assert (texts.prompt + texts.completion, texts.completion) == (20, 6)


def test_without_a_tokenizer_on_this_machine_the_same_holds() -> None:
    model = PretrainedModel(pretrained="nobody/has-this", max_length=100)
    family = laptop("sft_passn").model_copy(update={"model": model})
    raw = raw_problems(study.read_source("laptop", "products"))[0]

    texts = texts_of(family, raw, 0)

    assert (texts.prompt, texts.completion, texts.measured) == (94, 6, False)


def test_a_checkpoint_on_this_machine_counts_with_its_own_tokenizer(model_folder: Path) -> None:
    model = PretrainedModel(pretrained=str(model_folder), max_length=24)
    family = laptop("sft_passn").model_copy(update={"model": model})
    raw = raw_problems(study.read_source("laptop", "products"))[0]

    texts = texts_of(family, raw, 0)

    assert (texts.prompt, texts.measured) == (6, True)


def test_problems_of_the_hub_are_at_hand_once_they_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "read_source", lambda *_: HubSource(source="hub:owner/data"))

    assert problems_at_hand("laptop", "data", tmp_path) is None
    fetched = tmp_path / "results" / "laptop" / "raw" / "data.jsonl"
    fetched.parent.mkdir(parents=True)
    problem = {"id": "1", "group": "1", "prompt": "1+1=", "answer": "2"}
    fetched.write_text(json.dumps(problem) + "\n")

    assert [p.answer for p in problems_at_hand("laptop", "data", tmp_path) or []] == ["2"]
