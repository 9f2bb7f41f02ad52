"""``make check-gpu`` at tiny shapes on a CPU: the same steps, the same files."""

import functools
import subprocess
import sys
from pathlib import Path

import adapted
import jobs
import pytest
import torch
from transformers import AutoModelForCausalLM, GPT2Config, MistralConfig

from benchmarks import gpu
from benchmarks.gpu_steps import Place, Reading, ways_of_training
from compute_aligned.config import study
from compute_aligned.files.errors import InputError

TINY = {
    "mistralai/Mistral-7B-Instruct-v0.2": functools.partial(
        MistralConfig,
        vocab_size=32,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        sliding_window=None,
    ),
    "nferruz/ProtGPT2": functools.partial(
        GPT2Config, vocab_size=32, n_positions=64, n_embd=64, n_layer=2, n_head=2
    ),
}
PLACE = Place("cpu", "float32", TINY, prompt=8, completion=6, new_tokens=4, steps=1)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict:
    adapted.needs_4_bits()
    return gpu.check("paper", PLACE, tmp_path_factory.mktemp("checkpoints"))


def test_every_family_of_the_paper_takes_every_kind_of_its_steps(found: dict) -> None:
    taken = {(row["family"], row["what"]) for row in found["readings"]}

    for family in study.read_scale("paper").families:
        kinds = set(ways_of_training("paper", family))
        assert kinds
        assert {(family, kind) for kind in kinds} <= taken
        assert ((family, "rollouts") in taken) == ("reinforcement learning" in kinds)
    assert ("token_margin", "fine-tuning with a margin") in taken
    assert len([row for row in found["readings"] if row["what"] == "samples by vLLM"]) == 2


def test_readings_count_the_tokens_that_were_gone_through(found: dict) -> None:
    rows = {(row["family"], row["what"]): row for row in found["readings"]}

    batch = study.read_family("paper", "sft_majority").sft.batch_size
    assert rows["sft_majority", "fine-tuning"]["tokens"] == batch * (8 + 6)
    how = study.read_family("paper", "protein_conditional").rl
    most = how.prompts_per_step * how.group_size * 4
    assert most / 4 <= rows["protein_conditional", "rollouts"]["tokens"] <= most
    for row in rows.values():
        assert row["seconds"] > 0
        assert row["tokens_per_second"] == pytest.approx(row["tokens"] / row["seconds"])


def test_sampler_and_training_are_near_and_4_bits_are_farther(found: dict) -> None:
    apart = found["sampler_against_training"]

    assert set(apart) == set(TINY)
    assert apart["nferruz/ProtGPT2"]["largest"] < 1e-4  # the same weights
    assert 1e-4 < apart["mistralai/Mistral-7B-Instruct-v0.2"]["mean"] < 0.5  # of 4 bits, and whole
    assert all(of["tokens"] >= 8 for of in apart.values())


def test_the_shapes_are_those_of_the_paper_s_checkpoints() -> None:
    for name, family in study.read_scale("paper").families.items():
        shape = gpu.SHAPES[family.model.pretrained]()
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(shape)
        count = sum(p.numel() for p in model.parameters())
        assert count == pytest.approx(family.model.parameters, rel=0.06), name


def test_a_checkpoint_of_unknown_shape_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="paper: sft_passn: its shape is not known"):
        gpu.check("paper", Place("cpu", "float32", {}), tmp_path)


def test_the_table_shows_every_reading(capsys: pytest.CaptureFixture[str]) -> None:
    row = Reading("a_family", "rollouts", 1200, 2.0, 3.25)

    gpu.show(
        {
            "readings": [vars(row) | {"tokens_per_second": row.per_second}],
            "sampler_against_training": {"some/model": {"mean": 0.01, "largest": 0.2}},
        },
        "A card",
    )

    shown = capsys.readouterr().out
    for word in ("A card", "a_family", "rollouts 1,200", "600", "3.2", "some/model", "1.00e-02"):
        assert word in shown


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_one_line_says_what_is_missing() -> None:
    search = f"{Path(__file__).parents[1]}:{jobs.ENVIRONMENT['PYTHONPATH']}"

    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu"],
        env=jobs.ENVIRONMENT | {"PYTHONPATH": search},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("make check-gpu: torch ")
    assert line.endswith("run it on a machine with an NVIDIA GPU")
