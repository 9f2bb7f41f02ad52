"""Models from scratch: a small Mistral, randomly initialised, and its tokenizer."""

import re
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import WordLevel
from transformers import MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

from compute_aligned.configuration.model_settings import ScratchModel

PAD, EOS, UNKNOWN = "<pad>", "<eos>", "<unk>"


def build(settings: ScratchModel, seed: int, dtype: torch.dtype) -> tuple[Any, Any]:
    """The model, its weights drawn with ``seed``, and its tokenizer."""
    tokenizer = build_tokenizer(settings)
    torch.manual_seed(seed)
    model = MistralForCausalLM(
        MistralConfig(
            vocab_size=len(tokenizer),
            hidden_size=settings.hidden_size,
            intermediate_size=settings.intermediate_size,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            num_key_value_heads=settings.heads,
            head_dim=settings.head_dim,
            max_position_embeddings=settings.max_length,
            sliding_window=None,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=None,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    if settings.prompt_only:
        suppressed = tokenizer.convert_tokens_to_ids(list(settings.prompt_only))
        model.generation_config.suppress_tokens = suppressed
    return model.to(dtype), tokenizer


def build_tokenizer(settings: ScratchModel) -> PreTrainedTokenizerFast:
    """A tokenizer with one token for each entry of the vocabulary, cutting characters or words.

    As in GPT-2, the token that ends a text stands for its beginning too, see
    :func:`tokens.encode_prompts`.
    """
    characters = settings.split == "characters"
    words = [PAD, EOS, UNKNOWN, *settings.tokens]
    tokenizer = Tokenizer(WordLevel({w: i for i, w in enumerate(words)}, unk_token=UNKNOWN))
    pieces = "|".join([*map(re.escape, settings.prompt_only), "."])
    tokenizer.pre_tokenizer = (
        pre_tokenizers.Split(Regex(pieces), "isolated")
        if characters
        else pre_tokenizers.WhitespaceSplit()
    )
    if characters:
        tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=EOS,
        eos_token=EOS,
        unk_token=UNKNOWN,
        model_max_length=settings.max_length,
        clean_up_tokenization_spaces=False,
    )
