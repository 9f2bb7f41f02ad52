"""How many parameters a model of the configuration has, without building or downloading it."""

from pathlib import Path
from typing import Any

from compute_aligned.errors import InputError
from compute_aligned.model_settings import PretrainedModel, ScratchModel

ADAPTER_SHARE = 0.01  # of a checkpoint's parameters, where its shape is not at hand: an upper bound
SPECIAL_TOKENS = 3  # padding, end and unknown, which scratch.build_tokenizer adds


def parameters(model: ScratchModel | PretrainedModel) -> int:
    """Parameters of a model: of a scratch model by closed form, of a checkpoint by its config.

    A Mistral layer has four projections between the hidden size and all heads, three between the
    hidden and the intermediate size, and two norms; embedding and output are two matrices.

    Raises:
        InputError: A checkpoint is not on this machine, and the configuration does not say.

    """
    if isinstance(model, PretrainedModel):
        return model.parameters or _parameters_of_checkpoint(model)
    hidden = model.hidden_size
    vocabulary = len(model.tokens) + SPECIAL_TOKENS
    attention = 4 * hidden * model.heads * model.head_dim
    layer = attention + 3 * hidden * model.intermediate_size + 2 * hidden
    return 2 * vocabulary * hidden + model.layers * layer + hidden


def checkpoint_folder(model: PretrainedModel) -> Path | None:
    """Where a checkpoint's files are on this machine; None where they would be downloaded."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    folder = Path(model.pretrained)
    if folder.is_absolute():
        return folder if folder.is_dir() else None
    try:
        found = snapshot_download(model.pretrained, revision=model.revision, local_files_only=True)
    except LocalEntryNotFoundError:
        return None
    return Path(found)


def adapters(model: PretrainedModel) -> int:
    """Parameters of a checkpoint's adapters: two factors of rank r for each linear layer named.

    Where the checkpoint is not on this machine, an upper bound.

    Raises:
        InputError: Nobody can say how large the checkpoint is.

    """
    if model.lora is None:
        return 0
    network = _without_weights(model)
    if network is None:
        return round(ADAPTER_SHARE * parameters(model))
    return sum(
        model.lora.rank * sum(layer.weight.shape)
        for name, layer in network.named_modules()
        if name.rpartition(".")[2] in model.lora.targets
    )


def _parameters_of_checkpoint(model: PretrainedModel) -> int:
    network = _without_weights(model)
    if network is None:
        raise InputError(
            f"model {model.pretrained}",
            "it is not on this machine, so nobody can say how many parameters it has",
            "write model.parameters in the scale's file, or download the checkpoint first",
        )
    return sum(parameter.numel() for parameter in network.parameters())


def _without_weights(model: PretrainedModel) -> Any | None:
    """A checkpoint's network with its shapes alone; None where it is not on this machine."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    folder = checkpoint_folder(model)
    if folder is None or not (folder / "config.json").is_file():
        return None
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
