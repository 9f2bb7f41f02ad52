import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
import yaml
from safetensors.torch import load_file
from support import hub, jobs

from compute_aligned.config.study import read_study
from compute_aligned.files.errors import InputError
from compute_aligned.models import ready as machine
from compute_aligned.models.ready import ready
from compute_aligned.models.size import ModelSize

FAMILY = "sft_to_rl"  # of the smoke scale, from a checkpoint here, and without a warm-up
COMMON = ["--scale", "smoke", "--family", FAMILY, "--seed", 0]


@pytest.fixture
def checkpoint(config: Path, tmp_path: Path) -> Path:
    """The folder of a tiny Mistral, from which a family of the smoke scale starts."""
    folder = hub.mistral(tmp_path / "mistral")
    path = config / "scales" / "smoke.yaml"
    content = yaml.safe_load(path.read_text())
    model = {
        "pretrained": str(folder),
        "lora": {"rank": 4, "alpha": 8, "targets": ["q_proj", "v_proj"]},
        "chat_template": True,
        "max_length": 128,
    }
    content["families"][FAMILY] |= {"warmup": None, "model": model}
    path.write_text(yaml.safe_dump(content))
    return folder


def fetched(tmp_path: Path) -> Path:
    name = read_study("smoke").experiment(FAMILY).settings.model.checkpoint
    path = tmp_path / "models" / f"{name}.json"
    jobs.run("fetch-model", "--scale", "smoke", "--checkpoint", name, "--out", path)
    return path


def weights_needed(size: ModelSize) -> float:
    return size.weight_bytes


def test_a_job_has_its_checkpoint_as_it_was_fetched_until_that_changes(
    checkpoint: Path, tmp_path: Path
) -> None:
    record = fetched(tmp_path)

    at = ready("smoke", FAMILY, None, record, weights_needed)

    assert at.device == "cpu"
    assert at.model == read_study("smoke").experiment(FAMILY).settings.model
    content = json.loads(record.read_text())
    assert content["pretrained"] == str(checkpoint)
    assert record.with_suffix(".revision").read_text().strip() == content["revision"]
    assert fetched(tmp_path) == record  # and again, with the same revision
    hub.mistral(checkpoint, seed=1)
    with pytest.raises(InputError, match="an earlier run recorded sha256"):
        fetched(tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize("scale", ["paper", "small"])
@pytest.mark.parametrize(
    "verb",
    [
        "train sft_passn --branch warmup --model m --steps s",
        "train rl_passn --branch standard --start nothing --model m --steps s",
        "sample sft_passn --engine transformers --model warmup=nothing --out o --shard 0/2",
    ],
)
def test_without_a_gpu_training_and_sampling_end_before_they_read_anything(
    scale: str, verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    verb, family, *options = verb.split()
    common = ["--scale", scale, "--family", family, "--seed", 0, "--problems", "nothing"]

    with pytest.raises(InputError, match="device: cuda"):
        jobs.run(verb, *common, *options)


def test_a_model_with_no_room_ends_before_it_is_loaded(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "free_memory", lambda _: 50_000)

    with pytest.raises(InputError, match=rf"{FAMILY}, .* parameters: it takes .* at the least"):
        ready("smoke", FAMILY, None, None, ModelSize.training_bytes)


def test_a_checkpoint_that_was_never_fetched_ends_a_job_at_once(checkpoint: Path) -> None:
    (checkpoint / "model.safetensors").unlink()

    with pytest.raises(InputError, match=r"(?s)it has no weights.*fetch_model"):
        ready("smoke", FAMILY, None, None, weights_needed)


def test_a_checkpoint_without_a_warm_up_is_sampled_as_it_is_and_trained_from(
    checkpoint: Path, tmp_path: Path
) -> None:
    record, raw = fetched(tmp_path), tmp_path / "raw.jsonl"
    jobs.run("fetch", "--scale", "smoke", "--source", "multiplication", "--out", raw)
    jobs.run("prepare", *COMMON, "--raw", raw, "--out", tmp_path)
    models = {name: tmp_path / name / "model" for name in ("warmup", "ce", "ce_warmup")}
    for branch, problems, start in [
        ("warmup", "train", []),
        ("ce", "train", ["--start", models["warmup"]]),
        ("ce_warmup", "rl", ["--start", models["ce"]]),
    ]:
        jobs.run(
            *("train", *COMMON, "--branch", branch, "--problems", tmp_path / f"{problems}.jsonl"),
            *("--model", models[branch], "--steps", tmp_path / f"{branch}.parquet"),
            *(*start, record),
        )
    out = tmp_path / "samples.parquet"
    folders = [part for name, path in models.items() for part in ("--model", f"{name}={path}")]
    jobs.run(
        *("sample", *COMMON, "--engine", "transformers", *folders),
        *("--problems", tmp_path / "test.jsonl", "--out", out, record),
    )

    assert pq.read_table(tmp_path / "warmup.parquet").num_rows == 0
    assert pq.read_table(tmp_path / "ce.parquet").num_rows == 4 * 100 // 20
    rows = pq.read_table(out)
    assert set(rows["branch"].to_pylist()) == set(models)
    assert rows.num_rows == 3 * 20 * 8
    provenance = json.loads((tmp_path / "ce" / "model.provenance.json").read_text())
    assert provenance["pretrained"] == str(checkpoint)
    # untrained: the adapter's second factors are all 0, and after training they are not
    for name, folder in models.items():
        factors = load_file(folder / "adapter_model.safetensors")
        seconds = [t.abs().max() > 0 for key, t in factors.items() if "lora_B" in key]
        assert any(seconds) == (name != "warmup"), name
