"""The DAG with adapters, each part real and tiny: 4 bits, LoRA, vLLM, shards, a chat template."""

import json
from pathlib import Path

import adapted
import pandas as pd
import pyarrow.parquet as pq
import pytest
import tiny
import torch
import yaml
from environments import WITH_ADAPTERS, imported
from runs import copy_repository, environments_of_rules, keep_rows, snakemake
from safetensors.torch import load_file

from compute_aligned.config.models import ScratchModel
from compute_aligned.models import adapter_files, loading

BRANCHES = {"sft_passn": ["ce", "passn_n16"], "rl_majority": ["standard", "majority_n4_raw"]}
TABLES = {
    "table2": "ce passn_n4 passn_n16 passn_n64",
    "table5": "standard majority_n4_raw majority_n8_raw",
}
SHAPE = ScratchModel(
    vocabulary="0 1 2 3 4 5 6 7 8 9 * = ? !",
    hidden_size=64,
    intermediate_size=128,
    layers=2,
    heads=2,
    max_length=32,
)
TEMPLATE = (
    "?{% for m in messages %}{{ m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}!{% endif %}"
)
LORA = {"rank": 8, "alpha": 16, "targets": list(adapted.TARGETS)}


def checkpoint(folder: Path) -> Path:
    """A model that can be downloaded nowhere, with the template of its chats."""
    model, tokenizer = loading.build(SHAPE, 0, torch.float32)
    tokenizer.chat_template = TEMPLATE
    loading.save(model, tokenizer, folder)
    return folder


def small_repository(target: Path, base: Path) -> Path:
    """A copy with two families of adapters on one base, two branches and a table each."""
    folder = copy_repository(target)
    path = folder / "config" / "scales" / "smoke.yaml"
    scale = yaml.safe_load(path.read_text())
    families = {name: scale["families"][name] for name in BRANCHES}
    for family in families.values():
        family["seeds"] = [0]
        family["model"] = {
            "pretrained": str(base),
            "lora": LORA,
            "gradient_checkpointing": True,
            "chat_template": True,
            "max_length": 32,
        }
        if adapted.why_not_4_bits() is None:
            family["model"]["quantization"] = "nf4"
        # far enough for targets to have some probability, where strategies tell apart
        family["warmup"] |= {"hold": "60 steps", "learning_rate": 1.0e-2}
    families["sft_passn"]["sft"]["learning_rate"] = 1.0e-2
    families["sft_passn"]["sampling"]["shards"] = 2
    scale["families"] = families
    path.write_text(yaml.safe_dump(scale))
    kept = [branch for branches in BRANCHES.values() for branch in branches]
    keep_rows(folder / "config" / "branches.tsv", branch=kept, family=list(BRANCHES))
    items = folder / "config" / "paper_items.tsv"
    keep_rows(items, item=list(TABLES))
    text = items.read_text()
    for name, family in zip(TABLES, BRANCHES, strict=True):
        text = text.replace(TABLES[name], " ".join(BRANCHES[family]))
    items.write_text(text)
    keep_rows(folder / "config" / "claims.tsv", claim=["C1b"])
    keep_rows(folder / "config" / "claim_contrasts.tsv", claim=["C1b"], branch=kept)
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def finished(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = small_repository(tmp_path_factory.mktemp("repository"), base)
    targets = [f"results/smoke/tables/{name}.csv" for name in TABLES]
    done = snakemake(folder, "--cores", "2", *targets, "--config", "scale=smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def folders(finished: Path, family: str) -> dict[str, Path]:
    """The warm-up's and the branches' folders, by branch."""
    results = finished / "results" / "smoke"
    found = {"warmup": results / "warmup" / family / "seed0"}
    return found | {b: results / "branches" / family / b / "seed0" for b in BRANCHES[family]}


def test_the_base_of_these_runs_is_in_4_bits() -> None:
    adapted.needs_4_bits()


@pytest.mark.parametrize("family", list(BRANCHES))
def test_every_model_is_an_adapter_for_the_base_and_small(
    finished: Path, base: Path, family: str
) -> None:
    weights = []
    for folder in folders(finished, family).values():
        assert adapter_files.describe(folder / "model").base == str(base)
        assert not (folder / "model" / "model.safetensors").exists()
        weights.append(load_file(folder / "model" / "adapter_model.safetensors"))
        facts = json.loads((folder / "model.provenance.json").read_text())
        assert facts["trained_parameters"] == sum(t.numel() for t in weights[-1].values())
        assert facts["parameters"] > 5 * facts["trained_parameters"]
    names = list(weights[0])
    for first, second in [(0, 1), (0, 2), (1, 2)]:
        assert any(not torch.equal(weights[first][n], weights[second][n]) for n in names)
    for factors in weights:  # all have been trained: a fresh adapter's second factor is 0
        assert all(factors[n].abs().max() > 0 for n in names)


def test_every_step_of_both_ways_of_training_has_a_gradient(finished: Path) -> None:
    for family in BRANCHES:
        for branch, folder in folders(finished, family).items():
            steps = pq.read_table(folder / "steps.parquet")
            norms = steps["grad_norm"].to_pylist()
            assert len(norms) >= 6, branch
            assert min(norms) > 0, branch
    steps = pq.read_table(folders(finished, "rl_majority")["standard"] / "steps.parquet")
    kl = steps["kl"].to_pylist()
    assert abs(kl[0]) < 1e-6  # held to the warm-up's adapter, which it starts from
    assert kl[-1] > kl[0]


@pytest.mark.parametrize("family", list(BRANCHES))
def test_vllm_has_drawn_from_every_adapter_and_each_has_samples_of_its_own(
    finished: Path, family: str
) -> None:
    path = finished / "results" / "smoke" / "samples" / family / "seed0.parquet"
    samples = pq.read_table(path).to_pandas()
    facts = json.loads(path.with_name(path.name + ".provenance.json").read_text())

    assert facts["engine"] == "vllm"
    texts = {b: tuple(rows["text"]) for b, rows in samples.groupby("branch")}
    assert texts.keys() == {"warmup", *BRANCHES[family]}
    assert {len(rows) for rows in texts.values()} == {20 * 8}
    assert len(set(texts.values())) == 3


def test_shards_have_drawn_the_samples_of_one_family_alone(finished: Path) -> None:
    samples = finished / "results" / "smoke" / "samples"

    assert sorted(p.name for p in (samples / "sft_passn/seed0.shards").glob("?.json")) == [
        "0.json",
        "1.json",
    ]
    assert not (samples / "rl_majority" / "seed0.shards").exists()
    logs = finished / "results" / "smoke" / "logs"
    started = "Triton"  # what vLLM says in its first line on a CPU
    assert started in (logs / "sample_shard/sft_passn/seed0/0.log").read_text()
    assert started not in (logs / "sample/sft_passn/seed0.log").read_text()


def test_the_logs_of_training_hold_no_false_alarm(finished: Path) -> None:
    logs = finished / "results" / "smoke" / "logs"

    for path in logs.glob("train_*/**/*.log"):
        assert "fail" not in path.read_text().lower(), path


def test_the_prompts_went_through_the_chat_template(finished: Path, base: Path) -> None:
    folder = folders(finished, "sft_passn")["ce"] / "model"
    tokenizer = loading.load_tokenizer(folder)

    ids = tiny.encode_prompt(tokenizer, "12*3=", chat_template=True)

    assert tokenizer.decode(ids) == "?12*3=!"


@pytest.mark.parametrize(("table", "family"), zip(TABLES, BRANCHES, strict=True))
def test_the_table_shows_every_branch(finished: Path, table: str, family: str) -> None:
    rows = pd.read_csv(finished / f"results/smoke/tables/{table}.csv")

    assert set(BRANCHES[family]) <= set(rows["branch"])


def test_another_base_is_refused_before_anything_is_trained(
    finished: Path, base: Path, tmp_path: Path
) -> None:
    moved = checkpoint(tmp_path / "elsewhere")
    path = finished / "config" / "scales" / "smoke.yaml"
    before = path.read_text()
    target = "results/smoke/branches/sft_passn/ce/seed0/model"
    path.write_text(before.replace(str(base), str(moved)))
    try:
        done = snakemake(
            finished,
            *("--cores", "1", "--forcerun", "train_sft"),
            *("--allowed-rules", "train_sft", "fetch_model"),
            *("--rerun-triggers", "mtime", "--config", "scale=smoke", "--"),
            target,
        )
    finally:
        path.write_text(before)

    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert f"this adapter is for {base}, and the family's model is {moved}" in output
    assert "remedy: " in output
    assert "Traceback" not in output


def test_what_adapters_need_is_imported_in_the_environment_of_each_rule(finished: Path) -> None:
    samples = "results/smoke/samples/rl_majority/seed0.parquet"  # as vLLM drew them, until now
    other = ("--config", "scale=smoke", "engine=transformers")
    done = snakemake(finished, "--cores", "2", samples, *other)
    assert done.returncode == 0, done.stdout + done.stderr

    for environment, packages in WITH_ADAPTERS.items():
        without_4_bits = {"bitsandbytes"} if adapted.why_not_4_bits() else set()
        assert packages - without_4_bits <= imported(environments_of_rules(), environment)
