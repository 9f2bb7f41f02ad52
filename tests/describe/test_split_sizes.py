from typing import Any

import pytest

from compute_aligned.config.settings import Problems
from compute_aligned.config.sources import GeneratedSource, HubSource
from compute_aligned.describe.lengths import split_sizes
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import Problem
from compute_aligned.prepare.splits import split_problems

GENERATED = GeneratedSource(source="generated:products")
HUB = HubSource(source="hub:owner/data", size=100)


def wanted(**changes: Any) -> Problems:
    return Problems(**{"source": "data", "train": "all", "test": 4, "validation": 3, **changes})


def problems(count: int) -> list[Problem]:
    return [
        Problem(id=str(i), group=str(i), prompt=f"{i}", answer="1", level=1 + i % 5)
        for i in range(count)
    ]


def test_what_the_settings_say_needs_no_problems() -> None:
    sizes = split_sizes(wanted(train=20, rl=5), GENERATED, None, seed=0)

    assert (sizes.train, sizes.rl, sizes.validation, sizes.test, sizes.total) == (20, 5, 3, 4, 32)
    assert sizes.exact
    assert split_sizes(wanted(train=20, rl="train"), GENERATED, None, seed=0).rl == 20


@pytest.mark.parametrize("rl", [0, 6, "train"])
@pytest.mark.parametrize("levels", [None, (1, 2, 3)])
def test_all_is_counted_from_the_problems_as_they_are_split(rl: Any, levels: Any) -> None:
    settings, raw = wanted(rl=rl, levels=levels), problems(50)
    of_levels = 50 if levels is None else 30

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
