"""Tiny checkpoints in real formats, the Hub's cache as its client lays it out, a server."""

import contextlib
import hashlib
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    PreTrainedTokenizerFast,
)

OLD, NEW = "a" * 40, "b" * 40
INSTRUCT = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m['role'] == 'user' %}[INST] {{ m['content'] }} [/INST]{% else %}{{ m['content'] }}"
    "{{ eos_token }}{% endif %}{% endfor %}"
)
WORDS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
PROTEINS = ["MKVLAAGIVGLLLAQWERTY", "ACDEFGHIKLMNPQRSTVWY", "Input: MKV \n Output:"]

# --- checkpoints ---------------------------------------------------------------------------------


def mistral(folder: Path, seed: int = 0, shard: str = "5GB") -> Path:
    """A Mistral with the template of an instruct model, in shards of at most that size."""
    tokenizer = _bytewise(**WORDS)
    tokenizer.chat_template = INSTRUCT
    shape = {"intermediate_size": 64, "num_key_value_heads": 1, "head_dim": 16}
    return _saved(folder, seed, tokenizer, MistralConfig, shape, shard)


def gpt2(folder: Path, seed: int = 0) -> Path:
    """A GPT-2 with one token for beginning, end and unknown, like ProtGPT2."""
    tokenizer = _bytewise(**dict.fromkeys(WORDS, "<|endoftext|>"))
    return _saved(folder, seed, tokenizer, GPT2Config, {}, "5GB")


def _saved(
    folder: Path, seed: int, tokenizer: Any, kind: type, shape: dict[str, int], shard: str
) -> Path:
    torch.manual_seed(seed)
    shape |= {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = kind(**shape, max_position_embeddings=256, **_ids(tokenizer))
    AutoModelForCausalLM.from_config(config).save_pretrained(folder, max_shard_size=shard)
    tokenizer.save_pretrained(folder)
    return folder


def _ids(tokenizer: Any) -> dict[str, int]:
    """What a network has to know of its tokenizer."""
    special = {
        f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("bos", "eos")
    }
    return {"vocab_size": len(tokenizer), **special}


def _bytewise(**special: str) -> PreTrainedTokenizerFast:
    """Byte-pair encoding over all bytes, with some merges of amino acids."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=list(dict.fromkeys(special.values())),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(PROTEINS * 3, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


# --- a package -----------------------------------------------------------------------------------


def llama_package(site: Path, name: str, version: str, lacking: str = "-") -> LlamaForCausalLM:
    """Install a package with a tiny Llama as GGUF; returns the network that it holds."""
    torch.manual_seed(0)
    tokenizer = _bytewise(**WORDS)
    config = LlamaConfig(
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        **_ids(tokenizer),
    )
    network = LlamaForCausalLM(config).eval()
    module = name.replace("-", "_")
    (site / module).mkdir(parents=True)
    _write_gguf(site / module / "tiny.gguf", network, tokenizer, lacking)
    info = site / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text(f"{module}/tiny.gguf,,\n{info.name}/METADATA,,\n")
    return network


def _write_gguf(
    path: Path, network: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, lacking: str
) -> None:
    config, writer = network.config, gguf.GGUFWriter(path, "llama")
    for name, value in {
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "block_count": config.num_hidden_layers,
        "feed_forward_length": config.intermediate_size,
        "head_count": config.num_attention_heads,
        "head_count_kv": config.num_key_value_heads,
        "layer_norm_rms_eps": config.rms_norm_eps,
        "rope_freq_base": config.rope_parameters["rope_theta"],
        "rope_dimension_count": config.hidden_size // config.num_attention_heads,
        "vocab_size": config.vocab_size,
        "tokenizer_model": "gpt2",
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "unk_token_id": tokenizer.unk_token_id,
    }.items():
        getattr(writer, f"add_{name}")(value)
    words = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    special = set(tokenizer.all_special_tokens)
    writer.add_token_list(words)
    writer.add_token_types(
        [gguf.TokenType.CONTROL if w in special else gguf.TokenType.NORMAL for w in words]
    )
    writer.add_token_merges([" ".join(merge) for merge in merges])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    for key, tensor in network.state_dict().items():
        if key == "lm_head.weight" or lacking in key:  # the embedding's own serves for the former
            continue
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
        kind = key.split(".")[-2]
        array = tensor.numpy()
        if kind in heads:  # GGUF keeps the pairs that are rotated together side by side
            shape = (heads[kind], 2, array.shape[0] // heads[kind] // 2, array.shape[1])
            array = array.reshape(shape).swapaxes(1, 2).reshape(array.shape)
        writer.add_tensor(names.get_name(key, try_suffixes=(".weight",)), array.copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# --- the cache -----------------------------------------------------------------------------------


def cached(
    cache: Path, name: str, files: Path, commit: str, ref: str = "main", kind: str = "models"
) -> Path:
    """Put files of the Hub into the cache as a download of that commit does: its snapshot."""
    repository = cache / f"{kind}--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / commit
    for folder in (snapshot, repository / "blobs", repository / "refs"):
        folder.mkdir(parents=True, exist_ok=True)
    for file in sorted(files.iterdir()):
        blob = repository / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        shutil.copy(file, blob)
        (snapshot / file.name).symlink_to(f"../../blobs/{blob.name}")
    (repository / "refs" / ref).write_text(commit)
    return snapshot


# --- a server ------------------------------------------------------------------------------------


@contextlib.contextmanager
def refusing(status: int, code: str) -> Iterator[str]:
    """A server that answers everything with one of the Hub's refusals; its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", "refused")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
