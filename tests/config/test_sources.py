from typing import Any

import pytest
from config.config_parts import problem_at

ONE_OF = "its key source has to be generated:products, "


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ({"source": "genrated:products"}, ONE_OF),
        ({"low": 2}, ONE_OF),
        ("generated:products", ONE_OF),
        ({"source": "generated:sums"}, ONE_OF),
        ({"source": "generated:products", "low": 9, "high": 3}, "low 9 is above high 3"),
        ({"source": "generated:products", "size": 3}, "'sources.numbers.size' does not go with"),
        ({"source": "generated:partial_products", "digits": 1}, "greater than or equal to 2"),
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
    found = problem_at("sources.numbers", source)

    assert problem in found
    assert "sources.numbers" in found
