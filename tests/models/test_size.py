from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support import tiny

from compute_aligned.config.models import Lora, PretrainedModel, ScratchModel
from compute_aligned.config.reading import read_scale
from compute_aligned.files.errors import InputError
from compute_aligned.models import loading
from compute_aligned.models.size import ModelSize, adapters, checkpoint_folder, parameters

SCRATCH = {
    f"{scale} {name}": family.model
    for scale in ("laptop", "smoke")
    for name, family in read_scale(scale).families.items()
    if isinstance(family.model, ScratchModel)
}
ELSEWHERE = PretrainedModel(pretrained="nobody/has-this", parameters=7_000_000_000)


def counted(model: ScratchModel) -> int:
    network, _ = loading.build(model, 0, torch.float32)
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize("name", SCRATCH)
def test_the_closed_form_counts_what_every_configured_network_has(name: str) -> None:
    assert parameters(SCRATCH[name]) == counted(SCRATCH[name])


@given(
    st.builds(
        ScratchModel,
        vocabulary=st.integers(1, 9).map("1..{}".format),
        prompt_only=st.just(("Input",)),
        hidden_size=st.integers(1, 12).map(lambda n: 2 * n),
        intermediate_size=st.integers(1, 20),
        layers=st.integers(1, 3),
        heads=st.integers(1, 3),
        max_length=st.just(8),
    )
)
def test_the_closed_form_holds_for_any_shape(model: ScratchModel) -> None:
    assert parameters(model) == counted(model)


def test_a_checkpoint_on_this_machine_is_counted_by_its_configuration(
    model_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_bytes((model_folder / "config.json").read_bytes())

    assert parameters(PretrainedModel(pretrained=str(tmp_path))) == counted(tiny.SHAPE)


def test_a_checkpoint_that_is_elsewhere_is_as_large_as_the_configuration_says() -> None:
    lora = Lora(rank=16, alpha=32, targets=("q_proj",))

    assert parameters(ELSEWHERE) == 7_000_000_000
    assert checkpoint_folder(ELSEWHERE) is None
    assert adapters(ELSEWHERE) == 0
    assert adapters(ELSEWHERE.model_copy(update={"lora": lora})) == 70_000_000


@pytest.mark.parametrize("targets", [("q_proj", "v_proj"), ("k_proj", "down_proj")])
def test_adapters_are_counted_as_peft_makes_them(
    model_folder: Path, targets: tuple[str, ...]
) -> None:
    lora = Lora(rank=3, alpha=6, targets=targets)
    settings = PretrainedModel(pretrained=str(model_folder), lora=lora)
    network, _ = loading.build(settings, 0, torch.float32)

    trained = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert adapters(settings) == trained > 0


def test_memory_is_counted_by_what_is_trained_and_in_how_many_bits_the_rest_is() -> None:
    whole = ModelSize(parameters=1000, item_size=2)
    beside = ModelSize(parameters=1000, item_size=2, adapters=10, frozen_item_size=0.516)

    # float32 weights, gradients and two moments; a reference is the weights once more
    assert whole.training_bytes() == 4 * 4 * 1000
    assert whole.training_bytes(references=1) == 5 * 4 * 1000
    assert beside.training_bytes() == pytest.approx(516 + 4 * 4 * 10)
    assert (whole.weight_bytes, beside.weight_bytes) == (2000, 2000)
    assert (whole.trained_bytes, beside.trained_bytes) == (4000, 40)


def test_frozen_weights_have_no_gradient_and_recomputing_is_one_more_pass_forward() -> None:
    whole = ModelSize(1, 4).flops(1, 1)
    frozen = ModelSize(1, 4, adapters=0).flops(1, 1)
    recomputed = ModelSize(1, 4, adapters=0, recomputes=True).flops(1, 1)

    assert (whole, frozen, recomputed) == (6, 4, 6)


@pytest.mark.parametrize("name", ["nobody/has-this", "/no/such/folder"])
def test_a_checkpoint_of_unknown_size_is_an_error_with_a_way_out(name: str) -> None:
    with pytest.raises(
        InputError, match=r"(?s)not on this machine.*remedy: write model.parameters"
    ):
        parameters(PretrainedModel(pretrained=name))
