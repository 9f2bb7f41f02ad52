"""The two sampling engines: vLLM, and plain transformers, which short answers of small models suit.

Both draw from token ids, at the same distribution (``Decoding``, of the settings), and agree on
what a completion is: the tokenizer's end-of-sequence token ends it and counts, but is not in the
text.
"""

import itertools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from compute_aligned.config.settings import Sampling
from compute_aligned.models import adapter_files, adapters
from compute_aligned.models.loading import load
from compute_aligned.models.rollouts import draw
from compute_aligned.models.tokens import decode_completions
from compute_aligned.sample.store import Completion, Request
from compute_aligned.sample.vllm_options import (
    CPU_BLOCK,
    MAX_SEQUENCES,
    allowed_tokens,
    cpu_cache_bytes,
    import_vllm,
    lora_options,
    threads_still_settable,
    weights_of,
)


class _Engine:
    """What both engines keep, and how they turn token ids into completions."""

    def __init__(self, model: Path, tokenizer: Any, settings: Sampling, max_length: int) -> None:
        self._takes_adapters = adapter_files.is_adapter(model)
        self._tokenizer = tokenizer
        self._settings = settings
        self._max_length = max_length

    def draw_as(self, settings: Sampling) -> None:
        """Draw in another way from now on."""
        self._settings = settings

    def _check_kind(self, model: Path) -> None:
        if adapter_files.is_adapter(model) != self._takes_adapters:
            raise ValueError(
                f"{model}: an engine draws from whole models or adapters, not from both"
            )

    def _check_room(self, requests: list[Request]) -> None:
        longest = max(len(request.prompt) for request in requests)
        if longest + self._settings.max_new_tokens > self._max_length:
            raise ValueError(f"a prompt of {longest} tokens leaves too little room to answer")

    def _completions(self, groups: list[list[list[int]]]) -> list[list[Completion]]:
        """The completions of every request, from the token ids that were drawn."""
        eos = self._tokenizer.eos_token_id
        drawn = [ids for group in groups for ids in group]
        finished = [ids[-1] == eos for ids in drawn]
        texts = decode_completions(
            self._tokenizer,
            [ids[:-1] if done else ids for ids, done in zip(drawn, finished, strict=True)],
        )
        completions = map(Completion, texts, map(len, drawn), finished)
        return [list(itertools.islice(completions, len(group))) for group in groups]


class VllmEngine(_Engine):
    """One vLLM engine for all models of a family: weights are swapped, or adapters on one base.

    Args:
        model: The first model's folder; all others must have its shape and tokenizer, and be whole
            or adapters of the same base as it is.
        tokenizer: Their tokenizer.
        settings: How completions are drawn.
        dtype: ``float32``, ``bfloat16`` or ``float16``.
        device: ``cpu`` or ``cuda``.
        max_length: Longest prompt and completion together, in tokens.

    Raises:
        InputError: vLLM is not installed. The engine is never changed behind the user's back.

    """

    def __init__(
        self,
        model: Path,
        tokenizer: Any,
        settings: Sampling,
        dtype: str,
        device: str,
        max_length: int,
    ) -> None:
        super().__init__(model, tokenizer, settings, max_length)
        llm, self._params, self._lora_request = import_vllm(device)
        on_cpu = device == "cpu"
        with (
            warnings.catch_warnings(action="ignore", category=FutureWarning),
            threads_still_settable(),
        ):
            self._llm = llm(
                model=str(weights_of(model)),
                dtype=dtype,
                seed=0,
                max_model_len=max_length,
                max_num_batched_tokens=max(max_length, 8192),
                max_num_seqs=MAX_SEQUENCES,
                # what fills no block is never found again, and looking for it takes time
                enable_prefix_caching=not on_cpu or max_length >= CPU_BLOCK,
                # seeded requests crash with chunked prefill on CPU (vLLM 0.32)
                enable_chunked_prefill=not on_cpu,
                enforce_eager=on_cpu,
                # a known size spares the warm-up that measures one
                kv_cache_memory_bytes=cpu_cache_bytes(model, max_length, dtype) if on_cpu else None,
                **lora_options(model),
                # token ids go in and come out; a model's own settings must not change the draws
                skip_tokenizer_init=True,
                generation_config="vllm",
                disable_log_stats=True,
                use_tqdm_on_load=False,
            )
        self._loaded = model
        self._allowed = allowed_tokens(model)
        self._adapters: dict[Path, Any] = {}  # what vLLM knows each by; none: the weights are whole
        self.use(model)

    def use(self, model: Path) -> None:
        """Draw from another model of the same shape from now on, or from another adapter."""
        self._check_kind(model)
        if self._takes_adapters:
            number = len(self._adapters) + 1
            request = self._lora_request(str(model), number, str(model))
            self._adapters.setdefault(model, request)
        elif model != self._loaded:
            self._llm.collective_rpc("reload_weights", kwargs={"weights_path": str(model)})
            self._llm.reset_prefix_cache()
        self._loaded = model

    def sample(self, requests: list[Request]) -> list[list[Completion]]:
        """Draw ``num_samples`` completions a request, each request with its own seed."""
        outputs = self.generate(requests)
        return self._completions([[list(s.token_ids) for s in o.outputs] for o in outputs])

    def generate(self, requests: list[Request], logprobs: int | None = None) -> list[Any]:
        """VLLM's own outputs, with the chosen tokens' log-probabilities where asked for."""
        self._check_room(requests)
        s = self._settings
        params = [
            self._params(
                n=s.num_samples,
                temperature=s.temperature,
                top_p=s.top_p,
                top_k=s.top_k,
                max_tokens=s.max_new_tokens,
                seed=r.seed,
                # a checkpoint may name further tokens as its ends; they end nothing in training
                ignore_eos=True,
                stop_token_ids=[self._tokenizer.eos_token_id],
                allowed_token_ids=self._allowed,
                detokenize=False,
                logprobs=logprobs,
            )
            for r in requests
        ]
        prompts = [{"prompt_token_ids": r.prompt} for r in requests]
        # one adapter a call: in a call with several, or with none for some, vLLM is wrong on a CPU
        adapter = self._adapters.get(self._loaded)
        return self._llm.generate(prompts, params, lora_request=adapter, use_tqdm=False)


class TransformersEngine(_Engine):
    """Batched sampling through transformers, the noise of every sample fixed before it is drawn.

    The noise comes from a request's seed, so it does not matter which requests share a batch.
    Arguments as for :class:`VllmEngine`.
    """

    def __init__(
        self,
        model: Path,
        tokenizer: Any,
        settings: Sampling,
        dtype: str,
        device: str,
        max_length: int,
    ) -> None:
        super().__init__(model, tokenizer, settings, max_length)
        self._dtype = getattr(torch, dtype)
        self._device = device
        self._loaded: Path | None = None
        self._adapters: dict[Path, str] = {}  # what each is called on the one base
        self.use(model)

    def use(self, model: Path) -> None:
        """Load the weights of another model, or put another adapter on the same base."""
        self._check_kind(model)
        if model == self._loaded:
            return
        if not self._adapters:
            self._model = load(model, self._dtype, device=self._device)[0].eval()
        if self._takes_adapters:
            self._switch(model)
        self._loaded = model

    def _switch(self, model: Path) -> None:
        if not self._adapters:
            self._adapters[model] = adapters.TRAINED
        elif model not in self._adapters:
            name = f"adapter{len(self._adapters)}"
            adapters.add(self._model, name, model)
            self._adapters[model] = name
        self._model.set_adapter(self._adapters[model], inference_mode=True)

    def sample(self, requests: list[Request]) -> list[list[Completion]]:
        """Draw ``num_samples`` completions a request, each request with its own seed."""
        self._check_room(requests)
        s, tokenizer = self._settings, self._tokenizer
        shape = (s.num_samples, s.max_new_tokens)
        noise = np.stack([np.random.default_rng(r.seed).random(shape) for r in requests])
        rollouts = draw(
            self._model,
            [request.prompt for request in requests],
            torch.from_numpy(noise),
            s,
            tokenizer.eos_token_id,
            tokenizer.pad_token_id,
        )
        return self._completions(rollouts.completions)


Drawing = VllmEngine | TransformersEngine
ENGINES: dict[str, Callable[..., Drawing]] = {
    "vllm": VllmEngine,
    "transformers": TransformersEngine,
}
