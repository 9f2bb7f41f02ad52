"""The verb ``train`` at the smoke scale: files, kills, a full disk."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from support import jobs
from train.verbs import OUTPUTS, left, made, progress, train_rl

from compute_aligned.config import checks
from compute_aligned.config.reading import CONFIG
from compute_aligned.config.study import read_study
from compute_aligned.files import records
from compute_aligned.files.errors import InputError
from compute_aligned.method.strategies import PassAtN
from compute_aligned.models import loading
from compute_aligned.models.log_probs import token_log_probs
from compute_aligned.models.tokens import collate
from compute_aligned.train import sft
from compute_aligned.train.optimisation import batch_indices

# --- interruption -----------------------------------------------------------------------------


def test_a_killed_fine_tuning_run_again_gives_the_same_bytes(
    splits: Path, warmup: Path, tmp_path: Path
) -> None:
    arguments = jobs.train(splits / "train.jsonl", tmp_path)
    step = random.Random(4).randrange(20, 40)  # checkpoints are after steps 20 and 40

    jobs.kill("compute_aligned.train.sft", "update", step, *arguments)
    assert progress(tmp_path) == 20
    # and once more as the checkpoint after step 40 is complete, but not yet in place
    jobs.kill("compute_aligned.files.writing", "_sync", 0, *arguments)
    assert progress(tmp_path) == 20
    jobs.run(*arguments)

    assert made(tmp_path) == made(warmup)
    assert left(tmp_path) == OUTPUTS


def test_a_killed_reinforcement_learning_run_again_gives_the_same_bytes(
    inputs: Path, tmp_path: Path
) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    place, call = random.Random(3).choice([("update", 4), ("collect", 3), ("weigh", 5)])

    jobs.kill("compute_aligned.train.rl", place, call, *train_rl(inputs, killed))
    assert progress(killed) == call - call % 2
    assert left(killed) == {".model.checkpoint.pt", ".model.lock"}
    jobs.run(*train_rl(inputs, killed))
    jobs.run(*train_rl(inputs, whole))

    assert made(killed) == made(whole)
    assert left(killed) == OUTPUTS


FULL_DISK = """
mount -t tmpfs -o size={small}k tmpfs "{disk}"
code=0; {job} 2> "{log}" || code=$?
echo $code; ls -A "{disk}"
mount -o remount,size=100m "{disk}"
{job}
cp -r "{disk}"/. "{copy}"
"""


def test_a_full_disk_is_explained_and_the_job_continues_once_there_is_space(
    splits: Path, warmup: Path, tmp_path: Path
) -> None:
    disk, copied, log = (tmp_path / name for name in ("disk", "copy", "log"))
    disk.mkdir()
    copied.mkdir()
    words = [sys.executable, *jobs.VERB, *jobs.train(splits / "train.jsonl", disk)]
    job = " ".join(f"'{word}'" for word in words)
    # one checkpoint of 0.15 MB fits, the next one beside it does not
    script = FULL_DISK.format(small=240, disk=disk, job=job, log=log, copy=copied)
    # a mount of our own, seen by this one process and gone with it
    alone = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    command = [*alone, "bash", "-euc", script]

    done = subprocess.run(
        command, env=jobs.ENVIRONMENT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["2", ".model.checkpoint.pt"]
    message = log.read_text()
    assert "error:" in message
    assert "the disk is full\n  remedy: free some space" in message
    assert "Traceback" not in message
    assert made(copied) == made(warmup)


# --- outputs ----------------------------------------------------------------------------------


def test_the_outputs_of_fine_tuning_are_complete(warmup: Path) -> None:
    steps = records.read_table(warmup / "steps.parquet", records.STEPS)

    assert steps["step"].to_pylist() == list(range(60))
    for name in records.STEPS.names:
        assert np.isfinite(steps[name].to_numpy().astype(float)).all(), name
    assert steps["loss"].to_pylist()[-1] < steps["loss"].to_pylist()[0]


def test_a_branch_starts_from_the_warm_up(splits: Path, warmup: Path, tmp_path: Path) -> None:
    arguments = jobs.train(splits / "train.jsonl", tmp_path, branch="passn_n16")
    jobs.run(*arguments, "--start", warmup / "model")

    model, tokenizer = loading.load(warmup / "model", torch.float32)
    shape = read_study("smoke").experiment("sft_passn").settings.model
    problems = records.read_problems(splits / "train.jsonl")
    known = sft.encode_examples(tokenizer, problems, "answer", shape)
    chosen = batch_indices(0, len(known), 20, seed=0)
    prompts, completions = zip(*[known[i] for i in chosen], strict=True)
    with torch.no_grad():
        log_p = token_log_probs(model, collate(prompts, completions, 0)).sum(-1)
    first = records.read_table(tmp_path / "steps.parquet", records.STEPS).to_pylist()[0]
    assert first["mean_p"] == pytest.approx(log_p.exp().mean().item(), rel=1e-4)
    assert first["loss"] == pytest.approx(PassAtN(n=16).sft_loss(log_p).mean().item(), rel=1e-4)


def test_a_branch_records_its_steps_and_origin_and_has_the_overrides_of_its_row(
    inputs: Path, tmp_path: Path
) -> None:
    steps = {}
    for branch in ("standard", "standard_penalty_matched", "standard_no_penalty"):
        jobs.run(*train_rl(inputs, tmp_path / branch, branch))
        table = records.read_table(tmp_path / branch / "steps.parquet", records.RL_STEPS)
        steps[branch] = table.to_pydict()

    assert steps["standard"]["step"] == list(range(6))
    assert min(steps["standard"]["tokens"]) > 0
    assert None not in steps["standard"]["kl"]
    # hardly any rollout of the smoke model is right
    firsts = [of["gain_q50"][0] for of in steps.values()]
    assert firsts == pytest.approx([-0.5, -0.27, 0])
    facts = json.loads((tmp_path / "standard" / "model.provenance.json").read_text())
    assert facts.items() >= {"strategy": "SingleSample()", "weight_form": "raw"}.items()


# --- mistakes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("PassAtN(n=4)\tlog", "BestOfN(n=4)\tlog", "Best-of-4 has no log form"),
        ("PassAtN(n=4)\tlog", "PassAtN(n=4)\t-", "weight_form is -"),
        ("penalty=0.27", "penalty=-1", "all_wrong_penalty: Input should be greater"),
        ("all_wrong_penalty=0.27", "all_wrong=0.27", "unknown key 'all_wrong'"),
    ],
)
def test_a_mistake_in_a_branch_is_found_before_anything_runs(
    old: str, new: str, problem: str, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(CONFIG, tmp_path / "config"))
    sheet = folder / "branches.tsv"
    rows = sheet.read_text()
    assert old in rows
    sheet.write_text(rows.replace(old, new))

    with pytest.raises(InputError) as caught:
        checks.check(read_study("smoke", folder))

    assert sheet.name in caught.value.where
    assert problem in caught.value.problem


def test_counting_right_answers_where_there_are_none_is_a_mistake() -> None:
    how = read_study("smoke").experiment("rl_passn").settings.rl
    proteins = {"reward": "protein_unconditional", "success_estimate": "history_quantile"}
    block = how.model_dump() | proteins
    type(how).model_validate(block)

    with pytest.raises(ValueError, match="counts right answers"):
        type(how).model_validate(block | {"all_wrong_penalty": 0.5})
