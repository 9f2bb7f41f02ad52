"""How likely a saved model is to write the targets of some problems."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from compute_aligned.files.progress import track
from compute_aligned.files.records import Problem
from compute_aligned.models import loading
from compute_aligned.models.log_probs import token_log_probs
from compute_aligned.models.tokens import collate, encode_completions, encode_prompts

Target = Literal["answer", "solution"]

ROWS = 8  # at a time: the logits of long targets take the most memory


@torch.inference_mode()
def target_log_p(folder: Path, problems: Sequence[Problem], target: Target) -> NDArray[np.float64]:
    """The summed log-probability of each problem's target, its end-of-sequence token included.

    Computed on the CPU in float32. Prompts go through the chat template of the model's tokenizer
    where it has one, as in a family whose model has ``chat_template: true``.

    Args:
        folder: A saved model, or an adapter.
        problems: P problems.
        target: ``answer`` or ``solution``.

    Returns:
        Shape (P,).

    Raises:
        InputError: The model cannot be loaded, a problem has no solution, or a text has no tokens.

    """
    model, tokenizer = loading.load(folder, torch.float32)
    model.eval()
    texts = [problem.target(target) for problem in problems]
    in_chat = tokenizer.chat_template is not None
    prompts = encode_prompts(tokenizer, [problem.prompt for problem in problems], in_chat)
    completions = encode_completions(tokenizer, texts)
    found = []
    starts = range(0, len(problems), ROWS)
    for start in track(starts, "log p", len(starts), unit="batch"):
        rows = slice(start, start + ROWS)
        batch = collate(prompts[rows], completions[rows], tokenizer.pad_token_id)
        found.append(token_log_probs(model, batch).double().sum(dim=1))
    return torch.cat(found).numpy()
