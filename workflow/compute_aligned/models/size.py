"""How large a model of the configuration is, without building or downloading it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compute_aligned.config.models import PretrainedModel, ScratchModel
from compute_aligned.files.errors import InputError

FORWARD_FLOPS, BACKWARD_FLOPS = 2, 4  # a parameter and token; attention's own products left out
TRAINING_COPIES = 4  # of the weights in memory: themselves, gradients, AdamW's two moments
ITEM_SIZES = {"float32": 4, "bfloat16": 2, "float16": 2}  # bytes of a number
TRAINED_ITEM_SIZE = 4  # what is trained is float32, whatever the passes multiply in
NF4_ITEM_SIZE = 0.516  # 4 bits, an 8-bit constant every 64, and a constant for 256 of those
ADAPTER_SHARE = 0.01  # of a checkpoint's parameters, where its shape is not at hand: an upper bound
SPECIAL_TOKENS = 3  # padding, end and unknown, which scratch.build_tokenizer adds


@dataclass(frozen=True)
class ModelSize:
    """How large a model is, and how much of it is trained.

    Attributes:
        parameters: All of it but adapters.
        item_size: Bytes of a parameter that is sampled from.
        adapters: Parameters of the adapters, which alone are trained; None: there are none, and
            all parameters are.
        frozen_item_size: Bytes of a parameter while adapters are trained beside it.
        recomputes: Whether the backward pass repeats the forward pass, to need less memory.

    """

    parameters: int
    item_size: float
    adapters: int | None = None
    frozen_item_size: float = 0.0
    recomputes: bool = False

    @property
    def weight_bytes(self) -> float:
        """Bytes of its weights as they are sampled from."""
        return self.parameters * self.item_size

    @property
    def trained_bytes(self) -> float:
        """Bytes of what is trained, and saved."""
        trained = self.parameters if self.adapters is None else self.adapters
        return trained * TRAINED_ITEM_SIZE

    def training_bytes(self, references: int = 0) -> float:
        """Bytes in memory while it is trained, beside so many references; activations left out."""
        frozen = 0.0 if self.adapters is None else self.parameters * self.frozen_item_size
        return frozen + (TRAINING_COPIES + references) * self.trained_bytes

    def flops(self, forward_tokens: float, backward_tokens: float = 0.0) -> float:
        """FLOPs of passes over so many tokens; frozen weights need no gradient of their own."""
        backward = BACKWARD_FLOPS if self.adapters is None else BACKWARD_FLOPS // 2
        if self.recomputes:
            backward += FORWARD_FLOPS
        return self.parameters * (FORWARD_FLOPS * forward_tokens + backward * backward_tokens)


def model_size(model: ScratchModel | PretrainedModel, dtype: str, look: bool = True) -> ModelSize:
    """The size of a model, and of what of it is trained.

    Args:
        model: Its settings.
        dtype: The scale's: what is sampled from, and what adapters are trained beside.
        look: Whether the shape of a checkpoint on this machine is looked at, which takes seconds.

    Raises:
        InputError: It is a checkpoint of which nobody can say how large it is.

    """
    item_size = ITEM_SIZES[dtype]
    if not isinstance(model, PretrainedModel) or model.lora is None:
        return ModelSize(parameters(model), item_size)
    return ModelSize(
        parameters(model),
        item_size,
        adapters=adapters(model) if look else round(ADAPTER_SHARE * parameters(model)),
        frozen_item_size=item_size if model.quantization is None else NF4_ITEM_SIZE,
        recomputes=model.gradient_checkpointing,
    )


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
    """Where a checkpoint's files are on this machine; None where they have yet to be fetched."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    folder = Path(model.pretrained)
    if not model.on_hub:
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
