"""Requests to sampling engines, and how far vLLM's log-probabilities are from those of training."""

from typing import Any

import numpy as np
import torch
from support import tiny

from compute_aligned.models.log_probs import token_log_probs
from compute_aligned.models.tokens import collate
from compute_aligned.sample.engines import VllmEngine
from compute_aligned.sample.store import Request


def requests(count: int) -> list[Request]:
    """Prompts that differ in length, each with a seed of its own."""
    _, tokenizer = tiny.build()
    return [
        Request(tiny.encode_prompt(tokenizer, p.prompt), 1000 * i)
        for i, p in enumerate(tiny.problems(count))
    ]


@torch.no_grad()
def largest_difference(engine: VllmEngine, model: Any) -> float:
    """Between the chosen tokens' log-probabilities, vLLM's and those of a model in training."""
    asked, differences = requests(6), []
    with torch.compiler.set_stance("force_eager"):  # vLLM would compile how it ranks them
        outputs = engine.generate(asked, logprobs=0)
    for request, output in zip(asked, outputs, strict=True):
        completions = [list(sample.token_ids) for sample in output.outputs]
        batch = collate([request.prompt] * len(completions), completions, pad=0)
        for ours, sample in zip(token_log_probs(model, batch), output.outputs, strict=True):
            theirs = [
                at[t].logprob for t, at in zip(sample.token_ids, sample.logprobs, strict=True)
            ]
            differences.append(np.abs(ours[: len(theirs)].numpy() - theirs).max())
    return float(max(differences))
