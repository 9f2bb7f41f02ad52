from typing import Any

import pytest
from config.config_parts import OF_FAMILY, RL, SFT, family_with, problem_at, problem_of
from hypothesis import given
from hypothesis import strategies as st

from compute_aligned.config.fingerprints import fingerprint
from compute_aligned.config.settings import Problems, Rl, Sft, budgets_up_to

STOPPED = SFT | {"hold": "0 steps", "decay": "9 steps", "stop_at_probability": 0.5}
SHARES = {"margin_share": 0.6, "rival_tokens": 4, "label_smoothing": 0.5}
LENGTH = "families.adding.sft.hold: expected a length such as '480 steps'"


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        ("problems.train", "100", "train: Input should be a valid integer, not '100'"),
        ("problems.train", True, "train: Input should be a valid integer, not True"),
        ("problems.train", 0, "train: Input should be greater than 0, not 0"),
        ("problems.train", "most", "problems.train: "),
        ("problems.rl", "trian", "families.adding.problems.rl: "),
        ("problems.validation", -5, "validation: Input should be greater than or equal"),
        ("problems.prompt", "What?", "prompt: String should match pattern"),
        ("problems.levels", [], "levels: Tuple should have at least 1 item"),
        ("sft.learning_rate", 0, "learning_rate: Input should be greater than 0, not 0"),
        ("sft.learning_rate", True, "learning_rate: Input should be a valid number"),
        ("sft.learning_rate", float("inf"), "learning_rate: Input should be a finite"),
        ("sft.clip_norm", float("nan"), "clip_norm: Input should be"),
        ("sft.betas", [0.9, 1.0], "betas.1: Input should be less than 1, not 1.0"),
        ("sft.betas", [0.9], "key 'families.adding.sft.betas.1' is missing"),
        ("sft.stop_at_probability", 1.5, "Input should be less than or equal to 1"),
        ("sft.hold", "0 steps", "training has no length"),
        ("sft", STOPPED, "so set hold too"),
        ("sft.margin_share", 0.5, "margin_share and rival_tokens go together"),
        ("sft.rival_tokens", 4, "margin_share and rival_tokens go together"),
        ("sft.margin_share", 0, "margin_share: Input should be greater than 0"),
        ("sft.margin_share", 1.1, "Input should be less than or equal to 1"),
        ("sft.rival_tokens", 0, "rival_tokens: Input should be greater than 0"),
        ("sft.rivals", 4, "rivals' (did you mean 'rival_tokens'?)"),
        ("rl", RL | {"group_size": 1}, "group_size: Input should be greater than or equal to 2"),
        ("rl", RL | {"kl_weight": -0.1}, "kl_weight: Input should be greater than or equal to 0"),
        ("sft.label_smoothing", 1.1, "label_smoothing: Input should be less than or equal to 1"),
        ("sft.entropy_bonus", 0, "entropy_bonus: Input should be greater than 0"),
        ("sft", SFT | SHARES, "margin_share and label_smoothing are shares of one loss"),
        ("rl", RL | {"success_estimate": "X y"}, "success_estimate: String should match pattern"),
        ("rl", RL | {"advantage_scale": "sd"}, "advantage_scale: Input should be 'std', 'mean',"),
        ("rl", RL | {"rollout": {"temperature": 1}}, "key 'families.adding.rl.rollout.max_new_tok"),
        ("rl", RL | {"rollouts": {}}, "rollouts' (did you mean 'rollout'?)"),
        ("sampling.top_p", 0, "top_p: Input should be greater than 0, not 0"),
        ("sampling.temperature", -1.0, "temperature: Input should be greater than 0"),
        ("sampling.shards", 0, "shards: Input should be greater than 0"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(place: str, value: Any, problem: str) -> None:
    assert problem in problem_at(OF_FAMILY + place, value)


def test_all_training_problems_may_be_asked_for_and_shared_with_reinforcement_learning() -> None:
    family = family_with(problems__train="all", rl=RL, problems__rl="train")

    assert (family.problems.train, family.problems.rl, family.problems.for_rl) == (
        *("all", "train", "all"),
    )
    assert Problems(source="numbers", train=9, test=1, rl=4).for_rl == 4


@pytest.mark.parametrize("length", ["480", 480, "4 epoch", "-3 steps", "3.5 epochs", None, [3]])
def test_a_length_without_its_unit_is_an_error_that_shows_how(length: Any) -> None:
    problem = problem_at(OF_FAMILY + "sft.hold", length)

    assert LENGTH in problem
    assert repr(length) in problem


def test_a_length_in_epochs_is_turned_into_steps() -> None:
    sft = Sft.model_validate(SFT | {"hold": "7 steps", "decay": "3 epochs"})

    assert (sft.hold.steps(11), sft.decay.steps(11)) == (7, 33)


def test_right_answers_are_counted_where_there_are_some() -> None:
    counted = RL | {"all_wrong_penalty": 1.0}
    proteins = counted | {"reward": "protein_unconditional"}

    assert "counts right answers, and with reward protein_uncond" in problem_of(Rl, proteins)
    assert Rl.model_validate(counted).reward == "answer"


def test_training_is_written_as_it_was_before_later_keys_came_and_went() -> None:
    sft = Sft.model_validate(SFT)

    later = {"margin_share", "rival_tokens", "longest", "label_smoothing", "entropy_bonus"}
    assert set(sft.model_dump()) == set(Sft.model_fields) - later
    # as they came out then: finished trainings keep their fingerprints, and are not run again
    assert fingerprint(sft) == "2aa8a32b889f15ef"
    assert fingerprint(Rl.model_validate(RL | {"kl_weight": 0.0})) == "4d46a74be801aff5"


def test_what_was_trained_with_another_mean_of_the_kl_penalty_is_trained_again() -> None:
    assert fingerprint(Rl.model_validate(RL)) != "d6b4a6f9c7e48e88"


@pytest.mark.parametrize(
    ("model", "plain", "later"),
    [
        (Sft, SFT, {"margin_share": 0.5, "rival_tokens": 4}),
        (Sft, SFT, {"margin_share": 0.5, "rival_tokens": 5}),
        (Sft, SFT, {"label_smoothing": 0.1}),
        (Sft, SFT, {"entropy_bonus": 0.1}),
        (Rl, RL, {"advantage_scale": "none"}),
        (Rl, RL, {"success_estimate": "one_of_my_own"}),
    ],
)
def test_a_later_key_that_is_set_is_part_of_what_is_written(
    model: Any, plain: dict, later: dict
) -> None:
    settings = model.model_validate(plain | later)

    assert settings.model_dump().items() >= later.items()
    assert model.model_validate(settings.model_dump()) == settings
    assert fingerprint(settings) != fingerprint(model.model_validate(plain))


def test_shards_do_not_count_among_what_samples_depend_on() -> None:
    sampling = family_with().sampling

    assert sampling.shards == 1
    assert fingerprint(sampling.model_copy(update={"shards": 8})) == fingerprint(sampling)


@given(st.integers(1, 5000))
def test_budgets_are_the_powers_of_two_up_to_what_is_sampled_and_that(num_samples: int) -> None:
    powers = [k for k in range(1, num_samples) if k.bit_count() == 1]

    assert budgets_up_to(num_samples) == [*powers, num_samples]
