"""Log-probabilities that a model gives the tokens of completions.

A model may have suppressed tokens: ``suppress_tokens`` of its generation config. They have no
probability in a completion, whether it is sampled, by either engine, or scored.
"""

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer
from transformers.modeling_layers import GradientCheckpointingLayer

from compute_aligned.models.tokens import Batch

ROWS_CAN_BE_PICKED = (DynamicLayer, DynamicSlidingWindowLayer)  # by batch_select_indices
WORTH_TWO_PASSES = 0.9  # of the tokens; to save fewer costs a small model more than it gains


def suppress(model: Any, logits: torch.Tensor) -> torch.Tensor:
    """Logits, (..., vocabulary), with minus infinity at the model's suppressed tokens."""
    tokens = model.generation_config.suppress_tokens
    if not tokens:
        return logits
    return logits.index_fill(-1, torch.tensor(tokens, device=logits.device), -torch.inf)


def caches_attention_only(model: Any) -> bool:
    """Whether rows of a model's cache can be picked out: not where layers keep a running state."""
    layers = DynamicCache(config=model.config).layers
    return all(type(layer) in ROWS_CAN_BE_PICKED for layer in layers)


def pays_to_share_prompts(model: Any, batch: Batch) -> bool:
    """Whether each distinct prompt had better go through a model once, not once a row.

    To be asked once for all the models whose log-probabilities are compared: in few digits the two
    ways round differently. Dropout is drawn for every row, and layers that are computed again for
    their gradient keep no cache that rows could share: neither allows it.
    """
    rows, length = batch.completion_mask.shape
    prompt_length = batch.input_ids.shape[1] - length
    shared = len(batch.firsts) * prompt_length + rows * length
    return (
        shared <= WORTH_TWO_PASSES * rows * (prompt_length + length)
        and not model.training
        and not any(_recomputes(module) for module in model.modules())
        and caches_attention_only(model)
    )


def _recomputes(module: torch.nn.Module) -> bool:
    checkpoints = isinstance(module, GradientCheckpointingLayer) and module.gradient_checkpointing
    return checkpoints and module.training


def completion_logits(model: Any, batch: Batch, share_prompts: bool = False) -> torch.Tensor:
    """What the model gives every token before its softmax, float32, (B, C, vocabulary).

    Position c is that of the completion's token c; minus infinity for suppressed tokens. Only these
    logits are computed: with a large vocabulary they are most of the memory.

    Args:
        model: A causal language model of transformers.
        batch: The tokens.
        share_prompts: Each distinct prompt goes through the model once, not once a row, see
            :func:`pays_to_share_prompts`.

    """
    logits = _after_shared_prompts(model, batch) if share_prompts else _in_one_pass(model, batch)
    return suppress(model, logits).float()


def _in_one_pass(model: Any, batch: Batch) -> torch.Tensor:
    """Logits of every completion's tokens, each row with its prompt."""
    output = model(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        position_ids=batch.positions,
        logits_to_keep=batch.completion_mask.shape[1] + 1,
        use_cache=False,
    )
    return output.logits[:, :-1]


def _after_shared_prompts(model: Any, batch: Batch) -> torch.Tensor:
    """The same in two passes: each distinct prompt once, then the completions that follow it."""
    start = batch.input_ids.shape[1] - batch.completion_mask.shape[1]
    prompts = model(
        input_ids=batch.input_ids[batch.firsts, :start],
        attention_mask=batch.attention_mask[batch.firsts, :start],
        position_ids=batch.positions[batch.firsts, :start],
        logits_to_keep=1,
        use_cache=True,
    )
    first = prompts.logits[batch.prompt_of]
    if batch.completion_mask.shape[1] == 1:
        return first
    cache = prompts.past_key_values
    cache.batch_select_indices(batch.prompt_of)
    output = model(
        input_ids=batch.input_ids[:, start:-1],
        attention_mask=batch.attention_mask[:, :-1],
        position_ids=batch.positions[:, start:-1],
        past_key_values=cache,
        use_cache=True,
    )
    return torch.cat([first, output.logits], dim=1)


def chosen_log_probs(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Log-probabilities of the completions' tokens, (B, C); 0 where there is padding.

    Args:
        logits: Of these completions, (B, C, vocabulary).
        batch: The tokens.

    """
    log_probs = torch.log_softmax(logits, dim=-1)
    chosen = log_probs.gather(-1, batch.completion_ids.unsqueeze(-1)).squeeze(-1)
    return torch.where(batch.completion_mask.bool(), chosen, 0.0)


def token_log_probs(
    model: Any, batch: Batch, temperature: float = 1.0, share_prompts: bool = False
) -> torch.Tensor:
    """Log-probabilities that a model gives the completions' tokens, (B, C); 0 where padding is.

    The softmax runs in float32, whatever the model's dtype. The arguments are those of
    :func:`completion_logits`, and the temperature that its logits are divided by.
    """
    return chosen_log_probs(completion_logits(model, batch, share_prompts) / temperature, batch)
