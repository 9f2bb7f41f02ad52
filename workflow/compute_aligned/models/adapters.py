"""Adapters of low rank on a checkpoint: made, saved alone, put on again, several on one base.

An adapter's folder is what peft writes, ``adapter_config.json`` with the name and revision of the
base and ``adapter_model.safetensors``, and the tokenizer. The base is not in it. While adapters are
trained the base may be in 4 bits; they are sampled from on the base as the checkpoint has it.

peft and bitsandbytes take seconds to import, so that only what works on adapters imports them.
"""

import contextlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from transformers import BitsAndBytesConfig
from transformers.modeling_layers import GradientCheckpointingLayer

from compute_aligned.config.models import Lora, PretrainedModel
from compute_aligned.files.errors import InputError
from compute_aligned.files.parsing import near
from compute_aligned.files.writing import write_text
from compute_aligned.models.adapter_files import CONFIG

if TYPE_CHECKING:
    from peft import PeftModel

TRAINED = "default"  # what peft calls an adapter that is saved into the folder itself
REFERENCE = "reference"
WEIGHTS = "adapter_model.safetensors"
# the other way of checkpointing needs inputs with a gradient, and frozen embeddings have none
CHECKPOINTING = {"use_reentrant": False}

# bitsandbytes says on import that it could download a faster kernel for this CPU
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)

# --- on disk ----------------------------------------------------------------------------------


def wears_adapter(model: Any) -> bool:
    """Whether a model in memory is a base with adapters."""
    return hasattr(model, "peft_config")


def save(model: "PeftModel", folder: Path) -> None:
    """Save the adapter in training, without its base."""
    # embeddings are not trained; asked whether they are, peft would look for the base on the Hub
    model.save_pretrained(folder, selected_adapters=[TRAINED], save_embedding_layers=False)
    path = folder / CONFIG
    content = json.loads(path.read_text())
    content["target_modules"].sort()  # a set in peft: the order would change from run to run
    write_text(path, json.dumps(content, indent=2, sort_keys=True) + "\n")


# --- on a base --------------------------------------------------------------------------------


def quantized(settings: PretrainedModel, dtype: torch.dtype, device: str) -> dict[str, Any]:
    """What ``from_pretrained`` takes to load a base in 4 bits; nothing where it is not to be.

    Args:
        settings: Say whether.
        dtype: What passes multiply in.
        device: Where the weights are quantised.

    """
    if settings.quantization is None:
        return {}
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=settings.quantization,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    return {"quantization_config": config, "device_map": {"": device}}


def prepared(base: Any, settings: PretrainedModel | None) -> Any:
    """A checkpoint just loaded, ready for training as its settings have it."""
    if settings is None:
        return base
    if settings.quantization is not None:
        from peft import prepare_model_for_kbit_training

        _keep_layout(base)
        return prepare_model_for_kbit_training(
            base,
            use_gradient_checkpointing=settings.gradient_checkpointing,
            gradient_checkpointing_kwargs=CHECKPOINTING,
        )
    if settings.gradient_checkpointing:
        base.gradient_checkpointing_enable(gradient_checkpointing_kwargs=CHECKPOINTING)
    return base


def _keep_layout(base: Any) -> None:
    """Keep bitsandbytes from laying out 4-bit weights anew for inference on a CPU.

    It does so in a pass in evaluation mode on CPUs with AVX512-BF16, such as a rollout, and layers
    with that layout pass no gradient on: all later ones would be 0.
    """
    from bitsandbytes.nn import Linear4bit

    for module in base.modules():
        if isinstance(module, Linear4bit):
            module.support_avx512bf16_for_cpu = False


def new(base: Any, settings: PretrainedModel, lora: Lora, seed: int) -> "PeftModel":
    """A fresh adapter on a base: the model is as before, until it is trained.

    Args:
        base: The checkpoint; frozen from now on.
        settings: Its name and revision, which the adapter records.
        lora: Rank, scale and the layers it is on.
        seed: Decides the factors that are not 0.

    Raises:
        InputError: The base has no layer of some name.

    """
    from peft import LoraConfig, get_peft_model

    names = {name.rpartition(".")[2] for name, _ in base.named_modules()}
    for target in lora.targets:
        if target not in names:
            raise InputError(
                f"model.lora.targets: {target}",
                f"{settings.pretrained} has no layer of that name{near(target, names)}",
                "name linear layers of the model, such as q_proj in Mistral, c_attn in GPT-2",
            )
    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=list(lora.targets),
        task_type="CAUSAL_LM",
        revision=settings.revision,
    )
    torch.manual_seed(seed)
    model = get_peft_model(base, config)
    # peft takes the path that the weights came from; what the settings call it is the same anywhere
    model.peft_config[TRAINED].base_model_name_or_path = settings.pretrained
    return model


def put_on(base: Any, folder: Path) -> "PeftModel":
    """A saved adapter on its base, to go on training it or to sample from it.

    Raises:
        InputError: The adapter is damaged, or has other shapes than the base.

    """
    from peft import PeftConfig, get_peft_model

    config = PeftConfig.from_pretrained(folder)
    name, config.base_model_name_or_path = config.base_model_name_or_path, None
    config.inference_mode = False
    model = get_peft_model(base, config)
    model.peft_config[TRAINED].base_model_name_or_path = name
    _fill(model, TRAINED, folder)
    return model


def add(model: "PeftModel", name: str, folder: Path) -> None:
    """Put one more saved adapter on a base, frozen and not in use.

    Raises:
        InputError: As for :func:`put_on`.

    """
    from peft import PeftConfig

    config = PeftConfig.from_pretrained(folder)
    config.inference_mode = True
    model.add_adapter(name, config)
    _fill(model, name, folder)


def _fill(model: "PeftModel", name: str, folder: Path) -> None:
    """Load an adapter's weights where peft has made room for them.

    Raises:
        InputError: They cannot be read, or are not the ones that fit.

    """
    from peft import get_peft_model_state_dict

    path = folder / WEIGHTS
    room = get_peft_model_state_dict(model, adapter_name=name, save_embedding_layers=False)
    wanted = {key: tuple(tensor.shape) for key, tensor in room.items()}
    try:
        with safe_open(path, "pt") as file:
            found = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        problem = f"the adapter's weights cannot be read: {str(error).splitlines()[0]}"
        raise InputError(path, problem, "delete the adapter's folder and run again") from None
    if found != wanted:
        key = min(k for k in wanted.keys() | found.keys() if wanted.get(k) != found.get(k))
        raise InputError(
            path,
            f"the adapter does not fit its base: {key} is {found.get(key, 'missing')} in the file "
            f"and {wanted.get(key, 'missing')} on the base",
            "delete the adapter's folder and run again; check that the base is still the same",
        )
    # trainable or not, it stays as it is; peft would put the rest into evaluation mode otherwise
    model.load_adapter(str(folder), name, is_trainable=True, torch_device=str(model.device))


# --- the reference ----------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Reference:
    """A model with another adapter in place of the one in training: one base serves both."""

    model: "PeftModel"

    @classmethod
    def of(cls, model: "PeftModel", folder: Path) -> "Reference":
        """The model as it is with the adapter in a folder, which stays as it is."""
        add(model, REFERENCE, folder)
        return cls(model)

    @property
    def generation_config(self) -> Any:
        """That of the base."""
        return self.model.generation_config

    def __call__(self, input_ids: torch.Tensor, **inputs: Any) -> Any:
        """A forward pass in evaluation mode; arguments and result are the model's."""
        names = [REFERENCE] * len(input_ids)
        return self.model(input_ids=input_ids, adapter_names=names, **inputs)


# --- memory -----------------------------------------------------------------------------------


@contextlib.contextmanager
def recomputing(model: Any) -> Iterator[None]:
    """Passes in evaluation mode that keep as little for their gradient as those in training mode.

    transformers checkpoints gradients in training mode only, where dropout acts too. In here the
    layers that are checkpointed are in training mode and what is in them is not. Without gradient
    checkpointing nothing changes.
    """
    layers = [
        module
        for module in model.modules()
        if isinstance(module, GradientCheckpointingLayer) and module.gradient_checkpointing
    ]
    before = [layer.training for layer in layers]
    for layer in layers:
        layer.training = True
    try:
        yield
    finally:
        for layer, training in zip(layers, before, strict=True):
            layer.training = training
