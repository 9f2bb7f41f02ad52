from pathlib import Path

from support import adapted

from compute_aligned.sample.vllm_options import (
    CPU_CACHE_LIMIT,
    cpu_cache_bytes,
    lora_options,
    weights_of,
)


def test_the_cpu_cache_is_what_the_model_can_use_within_a_limit(model_folder: Path) -> None:
    per_token = 2 * 2 * 1 * 32 * 4  # keys and values, layers, heads, head size, bytes

    assert cpu_cache_bytes(model_folder, 24, "float32") == 513 * 128 * per_token
    assert cpu_cache_bytes(model_folder, 129, "float32") == 513 * 256 * per_token
    assert cpu_cache_bytes(model_folder, 129, "bfloat16") == 513 * 128 * per_token
    assert cpu_cache_bytes(model_folder, 1_000_000, "float32") == CPU_CACHE_LIMIT


def test_vllm_starts_with_the_base_and_room_for_one_adapter(
    model_folder: Path, tmp_path: Path
) -> None:
    adapter = adapted.trained(model_folder, tmp_path)
    assert weights_of(adapter) == model_folder
    assert lora_options(adapter) == {"enable_lora": True, "max_loras": 1, "max_lora_rank": 8}
    assert weights_of(model_folder) == model_folder
    assert lora_options(model_folder) == {}
