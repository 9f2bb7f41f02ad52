"""A small configuration for tests: as values, and as files in which to make mistakes."""

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from compute_aligned.config.checks import check
from compute_aligned.config.scales import Family, Scale
from compute_aligned.config.study import read_study
from compute_aligned.files.errors import InputError
from compute_aligned.files.parsing import validated

SCALE: dict[str, Any] = yaml.safe_load("""
engine: vllm
device: cpu
dtype: float32
sources:
  numbers: {source: generated:products, high: 20}
families:
  adding:
    seeds: [0, 1]
    problems: {source: numbers, train: 100, test: 20}
    model:
      {vocabulary: "0 1 * =", hidden_size: 32, intermediate_size: 64, layers: 1, heads: 1,
       max_length: 32}
    warmup: {learning_rate: 0.003, hold: 60 steps, batch_size: 20, clip_norm: 1.0}
    sft: {learning_rate: 0.003, hold: 60 steps, batch_size: 20, clip_norm: 1.0}
    sampling: {num_samples: 8, temperature: 0.8, max_new_tokens: 6}
    metrics: [pass@k]
""")
RL: dict[str, Any] = yaml.safe_load("""
{steps: 100, prompts_per_step: 8, group_size: 16, kl_weight: 0.05, learning_rate: 0.0003,
 rollout: {temperature: 0.8, top_p: 0.95, max_new_tokens: 6}, reward: answer,
 success_estimate: sequence_probability, clip_norm: 1.0}
""")
FAMILY = SCALE["families"]["adding"]
SCRATCH, SFT = FAMILY["model"], FAMILY["sft"]
BRANCHES = """family branch label start strategy weight_form role overrides
adding ce Cross-entropy - SingleSample() - baseline -
adding passn_n4 Pass@4 - PassAtN(n=4) - strategy -
voting standard Standard - SingleSample() raw baseline -
voting majority Majority - MajorityVote(n=8,k=3) raw strategy kl_weight=0.5
""".replace(" ", "\t")
ITEMS = """item;output;form;family;branches;metric;budgets;reported;title
table2;table;levels;adding;ce passn_n4;pass@k;1 4 64;-;A table
figure1;figure;gains;adding;ce passn_n4;pass@k;1 2 4 8;-;A figure
table3;table;levels;voting;standard majority;maj@k;1 8;-;Another table
table1;table;weights;-;-;-;-;-;An analytic one
""".replace(";", "\t")
OF_FAMILY = "families.adding."


def cells(sheet: str, row: int = 1) -> dict[str, str]:
    """A row of a sheet by its columns."""
    lines = [line.split("\t") for line in sheet.splitlines()]
    return dict(zip(lines[0], lines[row], strict=True))


# --- values -----------------------------------------------------------------------------------


def scale_with(changes: Mapping[str, Any]) -> dict[str, Any]:
    """What the scale's file says, with values put at dotted places."""
    content = copy.deepcopy(SCALE)
    for place, value in changes.items():
        *blocks, key = place.split(".")
        block = content
        for name in blocks:
            block = block[name]
        block[key] = value
    return content


def family_with(**changes: Any) -> Family:
    """The family, with values put at keys of its own, ``__`` standing for a dot."""
    places = {OF_FAMILY + key.replace("__", "."): value for key, value in changes.items()}
    return validated(Scale, scale_with(places), "scale.yaml").families["adding"]


def problem_of(model: type[BaseModel], content: Mapping[str, Any]) -> str:
    """What is wrong with what a file says."""
    with pytest.raises(InputError) as caught:
        validated(model, content, "a file")
    assert caught.value.where == "a file"
    return caught.value.problem


def problem_at(place: str, value: Any) -> str:
    """What is wrong with the scale once a value is put at a dotted place."""
    return problem_of(Scale, scale_with({place: value}))


# --- files ------------------------------------------------------------------------------------


def write(
    folder: Path,
    changes: Mapping[str, Any] | None = None,
    branches: str = BRANCHES,
    items: str = ITEMS,
) -> Path:
    """The configuration as files, whose scale, ``tiny``, has values put at dotted places."""
    (folder / "scales").mkdir(parents=True)
    # JSON is YAML
    (folder / "scales" / "tiny.yaml").write_text(json.dumps(scale_with(changes or {}), indent=1))
    (folder / "config.yaml").write_text("scale: tiny\n")
    (folder / "branches.tsv").write_text(branches)
    (folder / "paper_items.tsv").write_text(items)
    return folder


def replaced(text: str, old: str, new: str) -> str:
    """A text with other words at one place."""
    assert old in text
    return text.replace(old, new, 1)


def error_of(folder: Path) -> InputError:
    """What a run says before it starts."""
    with pytest.raises(InputError) as caught:
        check(read_study("tiny", folder))
    assert len(str(caught.value).splitlines()) == 2
    assert caught.value.remedy
    return caught.value
