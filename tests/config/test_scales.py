from typing import Any

import pytest
from config.config_parts import (
    FAMILY,
    OF_FAMILY,
    RL,
    SCALE,
    SCRATCH,
    family_with,
    problem_at,
    problem_of,
    scale_with,
)

from compute_aligned.config.models import ScratchModel
from compute_aligned.config.scales import Run, Scale
from compute_aligned.config.settings import Duration
from compute_aligned.files.parsing import validated


def test_a_right_scale_is_read() -> None:
    family = family_with()

    assert family.seeds == (0, 1)
    assert family.model == ScratchModel(**SCRATCH)
    assert family.warmup is not None
    assert family.warmup.hold == Duration(count=60, unit="steps")
    assert family.warmup.decay.count == 0
    assert family.grader == "paper"


@pytest.mark.parametrize(
    ("place", "near"),
    [
        *(("engin", "engine"), ("sources.numbers.hihg", "high"), (OF_FAMILY + "seed", "seeds")),
        *((OF_FAMILY + "problems.tset", "test"), (OF_FAMILY + "model.hiden_size", "hidden_size")),
        *(
            (OF_FAMILY + "warmup.lerning_rate", "learning_rate"),
            (OF_FAMILY + "sft.decays", "decay"),
        ),
        (OF_FAMILY + "sampling.temprature", "temperature"),
    ],
)
def test_a_misspelt_key_is_named_wherever_it_is(place: str, near: str) -> None:
    assert problem_at(place, 1) == f"unknown key {place!r} (did you mean {near!r}?)"


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        ("engine", "vlm", "engine: Input should be 'vllm' or 'transformers', not 'vlm'"),
        ("dtype", 32, "dtype: Input should be 'float32', 'bfloat16' or 'float16', not 32"),
        ("families", {}, "families: Dictionary should have at least 1 item"),
        ("families", {"Upper": FAMILY}, "families.Upper: String should match"),
        (OF_FAMILY + "seeds", [], "seeds: Tuple should have at least 1 item"),
        (OF_FAMILY + "seeds", [-1], "seeds.0: Input should be greater than or equal to 0, not -1"),
        (OF_FAMILY + "seeds", 0, "seeds: expected a list, such as [0, 1], not 0"),
        (OF_FAMILY + "seeds", [0, 1, 0], "seeds: 0 is there 2 times; once is enough"),
        (OF_FAMILY + "seeds", [2**31], "seeds.0: Input should be less than 2147483648"),
        (OF_FAMILY + "metrics", ["pass"], "metrics.0: there is no metric 'pass' (did you mean"),
        (OF_FAMILY + "metrics", ["maj@k", "maj@k"], "metrics: maj@k is there 2 times"),
        (OF_FAMILY + "metrics", ["expected_max@k"], "with reward answer the metrics are pass@k an"),
        (OF_FAMILY + "grader", "strict", "grader: Input should be 'paper' or 'symbolic'"),
        (
            OF_FAMILY + "problems.source",
            "letters",
            "family adding takes its problems from 'letters', which is not among the sources: num",
        ),
        (
            OF_FAMILY + "problems.target",
            "solution",
            "family adding asks for solutions, and problems from generated:products have none",
        ),
        (
            OF_FAMILY + "problems.levels",
            [1],
            "family adding asks for levels, and problems from generated:products have none",
        ),
        (OF_FAMILY + "warmup", None, "a model from scratch needs a warmup; only a checkpoint can"),
        (OF_FAMILY + "sft", None, "a family has sft, rl or both"),
        (OF_FAMILY + "rl", RL, "reinforcement learning has no problems: set problems.rl"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(place: str, value: Any, problem: str) -> None:
    assert problem in problem_at(place, value)


def test_only_a_checkpoint_does_without_a_warm_up() -> None:
    changes = {OF_FAMILY + "warmup": None, OF_FAMILY + "model": {"pretrained": "owner/name"}}
    scale = validated(Scale, scale_with(changes), "scale.yaml")

    assert scale.families["adding"].warmup is None
    content = scale_with(changes | {OF_FAMILY + "expected_hold": "3 steps"})
    assert "expected_hold goes with a warmup" in problem_of(Scale, content)


def test_a_family_trains_its_branches_in_one_way_or_in_both() -> None:
    both = family_with(rl=RL, problems__rl=50)

    assert both.sft is not None
    assert both.rl is not None
    assert (both.rl.group_size, both.rl.rollout.top_p) == (16, 0.95)
    assert family_with(rl=RL, problems__rl=50, sft=None).sft is None


@pytest.mark.parametrize(
    ("expected", "stop", "problem"),
    [
        ("30 steps", None, "goes with a warmup that has stop_at_probability"),
        ("61 steps", 0.5, "part of the hold, at most 60 steps"),
        ("1 epochs", 0.5, "part of the hold, at most 60 steps"),
    ],
)
def test_an_expected_hold_is_one_that_may_end_early(
    expected: str, stop: float | None, problem: str
) -> None:
    changes = {"expected_hold": expected, "warmup.stop_at_probability": stop}
    content = scale_with({OF_FAMILY + key: value for key, value in changes.items()})

    assert problem in problem_of(Scale, content)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"values": [1.0, 1.6]}, "temperatures.values lacks 0.8, that of sampling"),
        ({"values": [0.8]}, "values: Tuple should have at least 2 items"),
        ({"problems": 21}, "is 21, and of validation and test problems there are 20: lower it"),
        ({"problems": 1}, "problems: Input should be greater than or equal to 2"),
        (
            {"metrics": ["maj@k"]},
            "has maj@k, which the family does not compute: choose from pass@k",
        ),
        ({"engine": "vlm"}, "engine: Input should be 'vllm' or 'transformers'"),
    ],
)
def test_a_sweep_has_the_usual_temperature_and_enough_problems(
    change: dict[str, Any], problem: str
) -> None:
    sweep = {"values": [0.8, 1.6], "problems": 20, "num_samples": 4}
    family = family_with(temperatures=sweep, problems__validation=30)
    at = OF_FAMILY + "problems.validation"

    assert [(s.temperature, s.num_samples) for s in family.swept] == [(0.8, 4), (1.6, 4)]
    content = scale_with({at: 30, OF_FAMILY + "temperatures": sweep | change})
    assert problem in problem_of(Scale, content)


def test_settings_come_back_from_what_they_are_written_as_and_are_frozen() -> None:
    scale = validated(Scale, SCALE, "scale.yaml")

    assert Scale.model_validate(scale.model_dump(exclude_unset=True)) == scale
    assert Scale.model_validate_json(scale.model_dump_json()) == scale
    assert scale.model_dump()["families"]["adding"]["warmup"]["hold"] == "60 steps"
    with pytest.raises(ValueError, match="frozen"):
        scale.engine = "transformers"


def test_seeds_of_a_run_are_distinct() -> None:
    assert "seeds: 3 is there 2 times" in problem_of(Run, {"scale": "smoke", "seeds": [3, 3]})
