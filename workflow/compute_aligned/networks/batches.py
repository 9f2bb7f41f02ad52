"""Batches of prompts and completions, as tensors of token ids."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch


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
