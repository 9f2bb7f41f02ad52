"""The two sampling engines: vLLM (every scale's default) and plain transformers.

Both draw from token ids made by the same ``models.encode_prompt``, and from the same distribution:
softmax at the temperature, cut by top-k and top-p.
"""

import os
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig
from transformers.generation import (
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from compute_aligned.errors import InputError
from compute_aligned.models import encode_prompt, load
from compute_aligned.sampling import Completion, Request
from compute_aligned.settings import Sampling


class VllmEngine:
    """One vLLM engine whose weights are swapped from branch to branch.

    Args:
        model: The first model's folder; all others must have its shape and tokenizer.
        settings: How completions are drawn.
        dtype: ``float32``, ``bfloat16`` or ``float16``.
        device: ``cpu`` or ``cuda``.
        max_length: Longest prompt and completion together, in tokens.
        chat_template: Whether prompts go through the tokenizer's chat template.

    Raises:
        InputError: vLLM is not installed. The engine is never changed behind the user's back.

    """

    def __init__(
        self,
        model: Path,
        settings: Sampling,
        dtype: str,
        device: str,
        max_length: int,
        chat_template: bool = False,
    ) -> None:
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        if device == "cpu":
            os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
            os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
        try:
            import vllm
        except ImportError as error:
            raise InputError(
                "engine: vllm",
                f"vLLM cannot be imported ({error})",
                "install it (`make` does, on Linux), or choose the other engine: "
                "snakemake --config engine=transformers",
            ) from None
        self._llm = vllm.LLM(
            model=str(model),
            dtype=dtype,
            seed=0,
            max_model_len=max_length,
            max_num_batched_tokens=max(max_length, 8192),
            max_num_seqs=512,
            enable_prefix_caching=True,
            # seeded requests crash with chunked prefill on CPU (vLLM 0.32)
            enable_chunked_prefill=device != "cpu",
            enforce_eager=device == "cpu",
            disable_log_stats=True,
        )
        self._params = vllm.SamplingParams
        self._settings = settings
        self._loaded = model
        self._tokenizer = self._llm.get_tokenizer()
        self._chat_template = chat_template

    def use(self, model: Path) -> None:
        """Load the weights of another model of the same shape."""
        if model != self._loaded:
            self._llm.collective_rpc("reload_weights", kwargs={"weights_path": str(model)})
            self._llm.reset_prefix_cache()
            self._loaded = model

    def sample(self, requests: list[Request]) -> list[list[Completion]]:
        """Draw ``num_samples`` completions a request, each request with its own seed."""
        return [
            [
                Completion(o.text, len(o.token_ids), o.finish_reason == "stop")
                for o in output.outputs
            ]
            for output in self.generate(requests)
        ]

    def generate(self, requests: list[Request], logprobs: int | None = None) -> list[Any]:
        """VLLM's own outputs, with the chosen tokens' log-probabilities where asked for."""
        s = self._settings
        prompts = [
            {"prompt_token_ids": encode_prompt(self._tokenizer, r.prompt, self._chat_template)}
            for r in requests
        ]
        params = [
            self._params(
                n=s.num_samples,
                temperature=s.temperature,
                top_p=s.top_p,
                top_k=s.top_k,
                max_tokens=s.max_new_tokens,
                seed=r.seed,
                logprobs=logprobs,
            )
            for r in requests
        ]
        return self._llm.generate(prompts, params, use_tqdm=False)


class TransformersEngine:
    """Batched ``transformers.generate``, the noise of every sample fixed before the batch runs.

    Sample i of a request is drawn by inverting the cumulative distribution at uniforms that come
    from the request's seed, so it does not matter which requests share a batch. Arguments as for
    :class:`VllmEngine`.
    """

    def __init__(
        self,
        model: Path,
        settings: Sampling,
        dtype: str,
        device: str,
        max_length: int,
        chat_template: bool = False,
    ) -> None:
        self._settings = settings
        self._dtype = getattr(torch, dtype)
        self._device = device
        self._max_length = max_length
        self._chat_template = chat_template
        self._loaded: Path | None = None
        self.use(model)

    def use(self, model: Path) -> None:
        """Load the weights of another model."""
        if model != self._loaded:
            self._model, self._tokenizer = load(model, self._dtype)
            self._model.to(self._device).eval()
            self._loaded = model

    @torch.inference_mode()
    def sample(self, requests: list[Request]) -> list[list[Completion]]:
        """Draw ``num_samples`` completions a request, each request with its own seed."""
        s, tokenizer = self._settings, self._tokenizer
        prompts = [encode_prompt(tokenizer, r.prompt, self._chat_template) for r in requests]
        longest = max(map(len, prompts))
        pad = tokenizer.pad_token_id
        ids = torch.tensor([[pad] * (longest - len(p)) + p for p in prompts])
        mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
        limit = min(s.max_new_tokens, self._max_length - longest)
        noise = torch.cat([uniforms(r.seed, s.num_samples, limit) for r in requests])
        output = self._model.generate(
            input_ids=ids.repeat_interleave(s.num_samples, 0).to(self._device),
            attention_mask=mask.repeat_interleave(s.num_samples, 0).to(self._device),
            generation_config=GenerationConfig(
                do_sample=False,
                max_new_tokens=limit,
                pad_token_id=pad,
                eos_token_id=tokenizer.eos_token_id,
            ),
            logits_processor=LogitsProcessorList([InverseCdf(s, noise.to(self._device), longest)]),
        )[:, longest:]
        completions = [self._completion(row) for row in output.tolist()]
        return [
            completions[start : start + s.num_samples]
            for start in range(0, len(completions), s.num_samples)
        ]

    def _completion(self, ids: list[int]) -> Completion:
        eos = self._tokenizer.eos_token_id
        finished = eos in ids
        kept = ids[: ids.index(eos)] if finished else ids
        text = self._tokenizer.decode(kept, skip_special_tokens=True)
        return Completion(text, len(kept) + finished, finished)


class InverseCdf(LogitsProcessor):
    """Leaves one token a row: the one at which the cumulative distribution passes the noise."""

    def __init__(self, settings: Sampling, noise: torch.Tensor, prompt_length: int) -> None:
        self._noise = noise
        self._prompt_length = prompt_length
        self._warpers = LogitsProcessorList([TemperatureLogitsWarper(settings.temperature)])
        if settings.top_k:
            self._warpers.append(TopKLogitsWarper(settings.top_k))
        if settings.top_p < 1:
            self._warpers.append(TopPLogitsWarper(settings.top_p))

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores (rows, vocabulary) with everything but the drawn token at minus infinity."""
        warped = self._warpers(input_ids, scores.float())
        cdf = torch.softmax(warped.double(), dim=-1).cumsum(-1)
        level = self._noise[:, input_ids.shape[1] - self._prompt_length].unsqueeze(-1)
        drawn = torch.searchsorted(cdf, level * cdf[:, -1:], right=True)
        drawn = drawn.clamp(max=scores.shape[-1] - 1)
        return torch.full_like(scores, -torch.inf).scatter(-1, drawn, 0.0)


def uniforms(seed: int, rows: int, columns: int) -> torch.Tensor:
    """Uniform noise on [0, 1) for one request, (rows, columns), float64."""
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((rows, columns), generator=generator, dtype=torch.float64)


ENGINES = {"vllm": VllmEngine, "transformers": TransformersEngine}
