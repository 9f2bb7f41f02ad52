import pytest

from compute_aligned.config.deviations import Deviation, deviations, from_paper
from compute_aligned.config.reading import read_scale
from compute_aligned.config.study import read_study

LAPTOP, PAPER = read_scale("laptop"), read_scale("paper")


def found(changes: dict[str, object], block: str | None = "rl") -> list[Deviation]:
    """What one family has otherwise than itself, once some of its settings are changed."""
    family = PAPER.families["rl_passn"]
    old = getattr(family, block) if block else family
    new = old.model_copy(update=changes)
    changed = family.model_copy(update={block: new}) if block else new
    return deviations(
        PAPER.model_copy(update={"families": PAPER.families | {"rl_passn": changed}}), PAPER
    )


@pytest.mark.parametrize(
    ("block", "changes", "key", "here", "paper"),
    [
        (
            "rl",
            {"gradient_temperature": "sampling"},
            "rl.gradient_temperature",
            "sampling",
            "plain",
        ),
        ("rl", {"advantage_limit": 5.0}, "rl.advantage_limit", "5.0", "none"),
        ("sampling", {"temperature": 0.9}, "sampling.temperature", "0.9", "0.7"),
        ("problems", {"target": "answer"}, "problems.target", "answer", "solution"),
        (None, {"warmup": None}, "warmup", "none", "given"),
        ("warmup", {"stop_at_probability": 0.1}, "warmup.length", "until p is 0.1, ", ""),
    ],
)
def test_a_key_of_the_method_that_differs_is_named_with_both_values(
    block: str | None, changes: dict[str, object], key: str, here: str, paper: str
) -> None:
    (one,) = found(changes, block)

    assert (one.key, one.families) == (key, ("rl_passn",))
    assert one.here.startswith(here)
    assert one.paper == paper or not paper


@pytest.mark.parametrize(
    ("block", "changes"),
    [
        ("rl", {"steps": 3, "learning_rate": 1e-2, "prompts_per_step": 9}),
        ("problems", {"source": "other", "train": 10, "test": 3}),
        ("sampling", {"num_samples": 4, "max_new_tokens": 3, "shards": 2}),
        (None, {"seeds": (7,)}),
    ],
)
def test_size_is_no_deviation(block: str | None, changes: dict[str, object]) -> None:
    assert found(changes, block) == []


def test_lengths_are_compared_in_epochs_whatever_their_unit() -> None:
    lengths = {
        (each.here, each.paper) for each in deviations(LAPTOP, PAPER) if "length" in each.key
    }

    # 480 steps of 50 problems, of 2,000
    assert ("12 epochs to a rate of 0", "3 epochs to a rate of 0") in lengths


def test_families_that_differ_alike_share_a_row_and_the_paper_s_scale_has_none() -> None:
    rows = from_paper(read_study("laptop"))

    assert from_paper(read_study("paper")) == []
    assert len({(row.key, row.here, row.paper) for row in rows}) == len(rows)
    (clip,) = (row for row in rows if row.key == "sft.clip_norm")
    assert {"sft_passn", "sft_majority"} <= set(clip.families)


def test_a_family_is_compared_with_that_of_the_paper_which_may_be_called_otherwise() -> None:
    settings = PAPER.families["sft_majority"]
    strict = settings.model_copy(update={"grader": "symbolic"})
    scale = PAPER.model_copy(update={"families": {"sft_solutions": strict, "new": strict}})

    assert deviations(scale, PAPER) == [
        Deviation("grader", "symbolic", "paper", ("sft_solutions",)),
    ]
