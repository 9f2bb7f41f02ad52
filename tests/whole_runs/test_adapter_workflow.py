"""The DAG with adapters, each part real and tiny: 4 bits, LoRA, vLLM, shards, a chat template."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from safetensors.torch import load_file
from support import adapted, runs, tiny
from support.environments import WITH_ADAPTERS, imported

from compute_aligned.models import adapter_files, loading

# a fine-tuning of the warm-up's adapter, and reinforcement learning of that
FAMILY, BRANCHES, TABLE = "sft_to_rl", ["ce", "ce_warmup"], "table_d"
SAMPLES = f"results/smoke/samples/{FAMILY}/seed0.parquet"
SHAPE = tiny.SHAPE.model_copy(
    update={
        "vocabulary": "0 1 2 3 4 5 6 7 8 9 * = ? !",
        "hidden_size": 64,
        "intermediate_size": 128,
        "heads": 2,
        "max_length": 32,
    }
)
TEMPLATE = (
    "?{% for m in messages %}{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}!{% endif %}"
)


def checkpoint(folder: Path) -> Path:
    """A model that can be downloaded nowhere, with the template of its chats."""
    model, tokenizer = loading.build(SHAPE, 0, torch.float32)
    tokenizer.chat_template = TEMPLATE
    loading.save(model, tokenizer, folder)
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def adapters(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which one family has adapters on a base, after its run."""
    smoke = yaml.safe_load((runs.ROOT / "config" / "scales" / "smoke.yaml").read_text())

    def change(family: dict[str, Any]) -> None:
        family["model"] = {
            "pretrained": str(base),
            "lora": {"rank": 8, "alpha": 16, "targets": list(adapted.TARGETS)},
            "gradient_checkpointing": True,
            "chat_template": True,
            "max_length": 32,
        }
        if adapted.why_not_4_bits() is None:
            family["model"]["quantization"] = "nf4"
        # far enough for targets to have some probability
        family["warmup"] |= {"hold": "60 steps", "learning_rate": 1.0e-2}
        # its rewards pull at every step, even where all answers are wrong
        family["rl"] = smoke["families"]["rl_majority"]["rl"]
        family["sampling"]["shards"] = 2

    target = tmp_path_factory.mktemp("adapters")
    folder = runs.with_one_family(target, FAMILY, BRANCHES, TABLE, "C10", change)
    table = f"results/smoke/tables/{TABLE}.csv"
    done = runs.snakemake(folder, "--cores", "2", table, "--config", "scale=smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def models(adapters: Path) -> dict[str, Path]:
    """The warm-up's and the branches' folders, by branch."""
    results = adapters / "results" / "smoke"
    found = {"warmup": results / "warmup" / FAMILY / "seed0"}
    return found | {b: results / "branches" / FAMILY / b / "seed0" for b in BRANCHES}


def test_the_base_of_these_runs_is_in_4_bits() -> None:
    adapted.needs_4_bits()


def test_every_model_is_an_adapter_for_the_base_and_small(adapters: Path, base: Path) -> None:
    weights = []
    for folder in models(adapters).values():
        assert adapter_files.describe(folder / "model").base == str(base)
        assert not (folder / "model" / "model.safetensors").exists()
        weights.append(load_file(folder / "model" / "adapter_model.safetensors"))
        facts = json.loads((folder / "model.provenance.json").read_text())
        assert facts["trained_parameters"] == sum(t.numel() for t in weights[-1].values())
        assert facts["parameters"] > 5 * facts["trained_parameters"]
    for first, second in [(0, 1), (0, 2), (1, 2)]:
        assert any(not torch.equal(weights[first][n], weights[second][n]) for n in weights[0])
    for factors in weights:  # all have been trained: a fresh adapter's second factor is 0
        assert all(factor.abs().max() > 0 for factor in factors.values())


def test_every_step_of_both_ways_of_training_has_a_gradient(adapters: Path) -> None:
    steps = {b: pq.read_table(f / "steps.parquet").to_pydict() for b, f in models(adapters).items()}

    for branch, recorded in steps.items():
        assert len(recorded["grad_norm"]) >= 6, branch
        assert min(recorded["grad_norm"]) > 0, branch
    kl = steps["ce_warmup"]["kl"]
    assert abs(kl[0]) < 1e-6  # held to the adapter that it starts from
    assert kl[-1] > kl[0]


def look_at_samples(adapters: Path, engine: str) -> None:
    """Every model has samples of its own, and this engine has drawn them."""
    drawn = pq.read_table(adapters / SAMPLES).to_pandas()
    facts = json.loads((adapters / f"{SAMPLES}.provenance.json").read_text())

    assert facts["engine"] == engine
    texts = {branch: tuple(rows["text"]) for branch, rows in drawn.groupby("branch")}
    assert texts.keys() == {"warmup", *BRANCHES}
    assert {len(rows) for rows in texts.values()} == {20 * 8}
    assert len(set(texts.values())) == 3


def test_vllm_has_drawn_from_every_adapter_in_shards(adapters: Path) -> None:
    look_at_samples(adapters, "vllm")
    logs, started = adapters / "results" / "smoke" / "logs", "Triton"  # vLLM's first line on a CPU
    for shard in ("0", "1"):
        assert (adapters / SAMPLES).parent.joinpath("seed0.shards", f"{shard}.json").exists()
        assert started in (logs / f"sample_shard/{FAMILY}/seed0/{shard}.log").read_text()
    assert started not in (logs / f"sample/{FAMILY}/seed0.log").read_text()


def test_the_logs_of_training_hold_no_false_alarm(adapters: Path) -> None:
    logs = list((adapters / "results" / "smoke" / "logs").glob("train_*/**/*.log"))

    assert len(logs) == 3
    for path in logs:
        assert "fail" not in path.read_text().lower(), path


def test_the_prompts_went_through_the_chat_template(adapters: Path) -> None:
    tokenizer = loading.load_tokenizer(models(adapters)["ce"] / "model")

    ids = tiny.encode_prompt(tokenizer, "12*3=", chat_template=True)

    assert tokenizer.decode(ids) == "?12*3=!"


def test_the_table_shows_every_branch(adapters: Path) -> None:
    rows = pd.read_csv(adapters / f"results/smoke/tables/{TABLE}.csv")

    assert set(BRANCHES) <= set(rows["branch"])


def test_the_other_engine_draws_from_them_and_each_rule_has_imported_what_adapters_need(
    adapters: Path,
) -> None:
    other = ("--config", "scale=smoke", "engine=transformers")
    done = runs.snakemake(adapters, "--cores", "2", SAMPLES, *other)

    assert done.returncode == 0, done.stdout + done.stderr
    look_at_samples(adapters, "transformers")
    for environment, packages in WITH_ADAPTERS.items():
        without_4_bits = {"bitsandbytes"} if adapted.why_not_4_bits() else set()
        there = imported(runs.environments_of_rules(), environment)
        assert packages - without_4_bits <= there


def test_another_base_is_refused_before_anything_is_trained(
    adapters: Path, base: Path, tmp_path: Path
) -> None:
    """It comes last: Snakemake deletes what the job that fails was to make anew."""
    moved = checkpoint(tmp_path / "elsewhere")
    path = adapters / "config" / "scales" / "smoke.yaml"
    path.write_text(path.read_text().replace(str(base), str(moved)))

    done = runs.snakemake(
        adapters,
        *("--cores", "1", "--forcerun", "train_sft"),
        *("--allowed-rules", "train_sft", "fetch_model"),
        *("--rerun-triggers", "mtime", "--config", "scale=smoke", "--"),
        f"results/smoke/branches/{FAMILY}/ce/seed0/model",
    )

    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert f"this adapter is for {base}, and the family's model is {moved}" in output
    assert "remedy: " in output
    assert "Traceback" not in output
