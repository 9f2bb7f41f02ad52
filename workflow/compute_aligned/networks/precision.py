"""In what numbers a model is trained: its weights, and its passes over them."""

from contextlib import AbstractContextManager, nullcontext

import torch

from compute_aligned.configuration.model_settings import PretrainedModel, ScratchModel


def weights_dtype(settings: ScratchModel | PretrainedModel, dtype: torch.dtype) -> torch.dtype:
    """What weights are loaded in for training: a base that stays as it is, in the scale's dtype.

    Weights that are trained are float32, adapters always so: with the few digits of bfloat16 most
    steps at the paper's learning rates would round to nothing.
    """
    frozen = isinstance(settings, PretrainedModel) and settings.lora is not None
    return dtype if frozen else torch.float32


def passes_in(dtype: torch.dtype, device: str) -> AbstractContextManager:
    """Where passes multiply in the scale's dtype, whatever the weights are kept in.

    No cast weight is kept for the next pass: in between, the optimiser changes weights.
    """
    if dtype == torch.float32:
        return nullcontext()
    return torch.autocast(device, dtype, cache_enabled=False)
