"""Text to token ids and back, the same in training, in rollouts and in both sampling engines."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from compute_aligned.config.models import Model
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import Problem

Task = tuple[Problem, list[int]]  # a problem, and the token ids of its prompt


def encode(
    tokenizer: Any, problems: Sequence[Problem], room: Iterable[int], model: Model
) -> list[Task]:
    """The problems with the token ids of their prompts, each with room for its completion.

    That is checked here, before hours are spent on the others.

    Args:
        tokenizer: The model's.
        problems: What is trained on, or sampled.
        room: Tokens of the longest completion of each.
        model: Says how long a text may be, and whether prompts go through a chat template.

    Raises:
        InputError: A prompt is too long, or has no token for some of its text.

    """
    prompts = encode_prompts(tokenizer, [p.prompt for p in problems], model.chat_template)
    tasks = list(zip(problems, prompts, strict=True))
    for (problem, prompt), needed in zip(tasks, room, strict=False):
        if len(prompt) + needed > model.max_length:
            raise InputError(
                f"problem {problem.id}",
                f"prompt and completion take {len(prompt) + needed} tokens, "
                f"the model {model.max_length}",
                "raise model.max_length in the scale's file, or leave the problem out",
            )
    return tasks


def encode_prompts(
    tokenizer: Any, prompts: Sequence[str], chat_template: bool = False
) -> list[list[int]]:
    """The token ids of prompts.

    An empty prompt is the beginning-of-sequence token.

    Raises:
        InputError: A prompt has a character or word that is not in the vocabulary.
        ValueError: A prompt is empty, and the tokenizer has no beginning-of-sequence token.

    """
    if chat_template:
        return [_in_chat(tokenizer, prompt) for prompt in prompts]
    if "" in prompts and tokenizer.bos_token_id is None:
        raise ValueError("this tokenizer has no token for an empty prompt")
    return [ids or [tokenizer.bos_token_id] for ids in _encoded(tokenizer, prompts)]


def encode_completions(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """The token ids of completions, the end-of-sequence token included.

    Raises:
        InputError: A completion has a character or word that is not in the vocabulary.

    """
    encoded = _encoded(tokenizer, texts, add_special_tokens=False)
    return [[*ids, tokenizer.eos_token_id] for ids in encoded]


def decode_completions(tokenizer: Any, completions: Sequence[Sequence[int]]) -> list[str]:
    """The texts of completions, without special tokens.

    Equal ones are decoded once: where answers are short, most are equal to another.
    """
    text_of = {
        ids: tokenizer.decode(list(ids), skip_special_tokens=True)
        for ids in set(map(tuple, completions))
    }
    return [text_of[tuple(ids)] for ids in completions]


def _in_chat(tokenizer: Any, prompt: str) -> list[int]:
    message = [{"role": "user", "content": prompt}]
    return list(
        tokenizer.apply_chat_template(message, add_generation_prompt=True, return_dict=False)
    )


def _encoded(tokenizer: Any, texts: Sequence[str], **options: bool) -> list[list[int]]:
    # one call for all of them: a call costs more than a short text
    encoded = tokenizer(list(texts), **options)["input_ids"] if texts else []
    for text, ids in zip(texts, encoded, strict=True):
        if tokenizer.unk_token_id in ids:
            raise InputError(
                f"text {text[:60]!r}",
                "it has a token that is not in the model's vocabulary",
                "add it to model.vocabulary in the scale's file",
            )
    return list(map(list, encoded))


# --- batches ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Batch:
    """Prompts padded on the left, completions on the right, so that completions line up.

    Attributes:
        input_ids: Prompt and completion, (B, P + C).
        attention_mask: 1 where there is a token, (B, P + C).
        completion_mask: 1.0 on the tokens of the completion, (B, C).
        firsts: A row of each of the D distinct prompts, (D,).
        prompt_of: Which of these each row has, (B,).

    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    completion_mask: torch.Tensor
    firsts: torch.Tensor
    prompt_of: torch.Tensor

    @property
    def completion_ids(self) -> torch.Tensor:
        """The completions' token ids, (B, C)."""
        return self.input_ids[:, -self.completion_mask.shape[1] :]

    @property
    def positions(self) -> torch.Tensor:
        """Counted from the first real token; what padding gets does not matter, but is no -1."""
        return (self.attention_mask.cumsum(-1) - 1).clamp(min=0)


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
    firsts: dict[tuple[int, ...], int] = {}
    of = [firsts.setdefault(tuple(p), row) for row, p in enumerate(prompts)]
    places = {row: place for place, row in enumerate(firsts.values())}
    attention = torch.tensor(mask, device=device)
    return Batch(
        torch.tensor(rows, device=device),
        attention,
        attention[:, before:].float(),
        torch.tensor(list(places), device=device),
        torch.tensor([places[row] for row in of], device=device),
    )
