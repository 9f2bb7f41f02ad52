"""Models and tokenizers: built from scratch or loaded, saved, and asked for log-probabilities.

A saved model is a folder in the Hugging Face format with its tokenizer, so that transformers and
vLLM read the same files. Imported only by the verbs that need torch and transformers.

A model may have suppressed tokens: ``suppress_tokens`` of its generation config. They have no
probability in a completion, whether it is sampled, by either engine, or scored.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
)
from transformers.utils.logging import disable_progress_bar

from compute_aligned import scratch
from compute_aligned.errors import InputError
from compute_aligned.model_settings import PretrainedModel, ScratchModel

# one bar a job, not one a file
disable_progress_bar()

# --- building, loading, saving ----------------------------------------------------------------


def build(settings: ScratchModel | PretrainedModel, seed: int, dtype: torch.dtype) -> tuple:
    """The model and tokenizer that a family's warm-up starts from.

    Raises:
        InputError: The pretrained model cannot be loaded.

    """
    if isinstance(settings, PretrainedModel):
        return load(settings.pretrained, dtype, settings.revision)
    return scratch.build(settings, seed, dtype)


def load(name: str | Path, dtype: torch.dtype, revision: str | None = None) -> tuple:
    """Load a model and its tokenizer, the weights complete.

    Args:
        name: A folder as a path, or a string: a folder, or a name on the Hub or in its cache.
        dtype: What the weights become.
        revision: Of the Hub.

    Raises:
        InputError: It is not there, or is no whole model that transformers can read.

    """
    _check_folder(name)
    try:
        model, report = AutoModelForCausalLM.from_pretrained(
            name, dtype=dtype, revision=revision, output_loading_info=True
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise _unreadable(name, error) from None
    if report["missing_keys"]:  # transformers would draw them at random and only warn
        raise _unreadable(name, f"it lacks the weights {', '.join(sorted(report['missing_keys']))}")
    return model, load_tokenizer(name, revision)


def load_tokenizer(name: str | Path, revision: str | None = None) -> Any:
    """Load a tokenizer alone; arguments and errors as for :func:`load`."""
    _check_folder(name)
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, revision=revision)
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from None
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _check_folder(name: str | Path) -> None:
    if isinstance(name, Path) and not (name / "config.json").is_file():
        raise InputError(name, "there is no model in this folder", "run the rule that trains it")


def _unreadable(name: str | Path, problem: object) -> InputError:
    return InputError(
        name,
        f"the model cannot be loaded: {str(problem).strip().splitlines()[0]}",
        "delete a folder that a rule made and run again; "
        "for a model of the Hub check its name, and for a gated one that you are logged in",
    )


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Save a model and its tokenizer in the Hugging Face format."""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


# --- tokens -----------------------------------------------------------------------------------


def encode_prompt(tokenizer: Any, prompt: str, chat_template: bool = False) -> list[int]:
    """The token ids of a prompt, as training and both sampling engines see it.

    An empty prompt is the beginning-of-sequence token.

    Raises:
        InputError: The prompt has a character or word that is not in the vocabulary.
        ValueError: The prompt is empty, and the tokenizer has no beginning-of-sequence token.

    """
    if chat_template:
        message = [{"role": "user", "content": prompt}]
        return list(
            tokenizer.apply_chat_template(message, add_generation_prompt=True, return_dict=False)
        )
    if not prompt and tokenizer.bos_token_id is None:
        raise ValueError("this tokenizer has no token for an empty prompt")
    ids = list(tokenizer(prompt)["input_ids"])
    return _known(tokenizer, prompt, ids) or [tokenizer.bos_token_id]


def encode_completion(tokenizer: Any, text: str) -> list[int]:
    """The token ids of a completion, the end-of-sequence token included."""
    ids = list(tokenizer(text, add_special_tokens=False)["input_ids"])
    return [*_known(tokenizer, text, ids), tokenizer.eos_token_id]


def decoded(tokenizer: Any, completions: Iterable[Sequence[int]]) -> dict[tuple[int, ...], str]:
    """The text of each distinct completion, special tokens left out.

    Samples of one problem repeat each other, and a tokenizer takes as long for each as for the
    first.
    """
    return {
        ids: tokenizer.decode(list(ids), skip_special_tokens=True)
        for ids in set(map(tuple, completions))
    }


def check_length(where: str, num_tokens: int, max_length: int) -> None:
    """Check that a prompt with its completion fits the model, before hours are spent on others.

    Raises:
        InputError: It is longer than ``max_length`` tokens.

    """
    if num_tokens > max_length:
        raise InputError(
            where,
            f"prompt and completion take {num_tokens} tokens, the model {max_length}",
            "raise model.max_length in the scale's file, or leave the problem out",
        )


def _known(tokenizer: Any, text: str, ids: list[int]) -> list[int]:
    if tokenizer.unk_token_id in ids:
        raise InputError(
            f"text {text[:60]!r}",
            "it has a token that is not in the model's vocabulary",
            "add it to model.vocabulary in the scale's file",
        )
    return ids


@dataclass(frozen=True)
class Batch:
    """Prompts padded on the left, completions on the right, so that completions line up.

    Attributes:
        input_ids: Prompt and completion, (B, P + C).
        attention_mask: 1 where there is a token, (B, P + C).
        completion_mask: 1.0 on the tokens of the completion, (B, C).

    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    completion_mask: torch.Tensor

    @property
    def completion_ids(self) -> torch.Tensor:
        """The completions' token ids, (B, C)."""
        return self.input_ids[:, -self.completion_mask.shape[1] :]


def collate(
    prompts: Sequence[list[int]], completions: Sequence[list[int]], pad: int, device: str = "cpu"
) -> Batch:
    """Put B prompts and completions, given as token ids, into one batch."""
    before = max(map(len, prompts))
    after = max(map(len, completions))
    rows = [
        [pad] * (before - len(p)) + p + c + [pad] * (after - len(c))
        for p, c in zip(prompts, completions, strict=True)
    ]
    mask = [
        [0] * (before - len(p)) + [1] * (len(p) + len(c)) + [0] * (after - len(c))
        for p, c in zip(prompts, completions, strict=True)
    ]
    attention = torch.tensor(mask, device=device)
    return Batch(torch.tensor(rows, device=device), attention, attention[:, before:].float())


def suppress(model: Any, logits: torch.Tensor) -> torch.Tensor:
    """Logits, (..., vocabulary), with minus infinity at the model's suppressed tokens."""
    tokens = model.generation_config.suppress_tokens
    if not tokens:
        return logits
    return logits.index_fill(-1, torch.tensor(tokens, device=logits.device), -torch.inf)


def completion_logits(model: Any, batch: Batch) -> torch.Tensor:
    """What the model gives every token before its softmax, float32, (B, C, vocabulary).

    Position c is that of the completion's token c; minus infinity for suppressed tokens. Only these
    logits are computed: with a large vocabulary they are most of the memory.
    """
    length = batch.completion_mask.shape[1]
    # counted from the first real token; what padding gets does not matter, but -1 is no position
    positions = (batch.attention_mask.cumsum(-1) - 1).clamp(min=0)
    logits = model(
        input_ids=batch.input_ids,
        attention_mask=batch.attention_mask,
        position_ids=positions,
        logits_to_keep=length + 1,
        use_cache=False,
    ).logits[:, :-1]
    return suppress(model, logits).float()


def chosen_log_probs(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Log-probabilities of the completions' tokens, (B, C); 0 where there is padding.

    Args:
        logits: Of these completions, (B, C, vocabulary).
        batch: The tokens.

    """
    log_probs = torch.log_softmax(logits, dim=-1)
    chosen = log_probs.gather(-1, batch.completion_ids.unsqueeze(-1)).squeeze(-1)
    return torch.where(batch.completion_mask.bool(), chosen, 0.0)


def token_log_probs(model: Any, batch: Batch, temperature: float = 1.0) -> torch.Tensor:
    """Log-probabilities that a model gives the completions' tokens, (B, C); 0 where padding is.

    The softmax runs in float32, whatever the model's dtype.
    """
    return chosen_log_probs(completion_logits(model, batch) / temperature, batch)
