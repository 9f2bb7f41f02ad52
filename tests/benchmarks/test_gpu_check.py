"""``make check-gpu`` at tiny shapes on a CPU: the same steps, the same files."""

import functools
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support import adapted, jobs
from transformers import AutoModelForCausalLM, GPT2Config, MistralConfig

from benchmarks import gpu
from benchmarks.gpu_steps import Place, Reading, ways_of_training
from compute_aligned.config.study import read_study
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
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Reading], gpu.Differences]:
    adapted.needs_4_bits()
    return gpu.check("paper", PLACE, tmp_path_factory.mktemp("checkpoints"))


def test_every_family_of_the_paper_takes_every_kind_of_its_steps(found: tuple) -> None:
    taken = {(reading.family, reading.what): reading for reading in found[0]}

    experiments = read_study("paper").experiments
    for family, experiment in experiments.items():
        kinds = set(ways_of_training(experiment))
        assert kinds
        assert {(family, kind) for kind in kinds} <= set(taken)
        assert ((family, "rollouts") in taken) == ("reinforcement learning" in kinds)
    assert ("token_margin", "fine-tuning with a margin") in taken
    assert [reading.what for reading in found[0]].count("samples by vLLM") == 2
    assert all(reading.seconds > 0 for reading in found[0])
    batch = experiments["sft_majority"].settings.sft.batch_size
    assert taken["sft_majority", "fine-tuning"].tokens == batch * (8 + 6)
    how = experiments["protein_conditional"].settings.rl
    most = how.prompts_per_step * how.group_size * 4
    assert most / 4 <= taken["protein_conditional", "rollouts"].tokens <= most


def test_sampler_and_training_are_near_and_4_bits_are_farther(found: tuple) -> None:
    apart = found[1]

    assert set(apart) == set(TINY)
    assert apart["nferruz/ProtGPT2"]["largest"] < 1e-4  # the same weights
    assert 1e-4 < apart["mistralai/Mistral-7B-Instruct-v0.2"]["mean"] < 0.5  # of 4 bits, and whole


def test_the_shapes_are_those_of_the_paper_s_checkpoints() -> None:
    for name, family in read_study("paper").settings.families.items():
        shape = gpu.SHAPES[family.model.pretrained]()
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(shape)
        count = sum(p.numel() for p in model.parameters())
        assert count == pytest.approx(family.model.parameters, rel=0.06), name


def test_a_checkpoint_of_unknown_shape_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="paper: sft_passn: its shape is not known"):
        gpu.check("paper", Place("cpu", "float32", {}), tmp_path)


def test_readings_become_tokens_a_second_and_gigabytes() -> None:
    apart = {"some/model": {"mean": 0.01, "largest": 0.2}}

    table = gpu.rows([Reading("a_family", "rollouts", 1200, 2.0, 3.25)], apart, seconds=9.0)

    cells = table[["comparison", "taken", "unit"]].to_numpy().tolist()
    assert cells[:3] == [
        ["the smoke scale's verbs", 9.0, "s"],
        ["a_family", 600.0, "tokens a second"],
        ["a_family", 3.25, "GB"],
    ]
    assert table.taken.tolist()[3:] == [0.01, 0.2]


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
