"""The verb ``train-rl`` at the smoke scale: its files, a kill, mistakes in the sheet."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from compute_aligned.__main__ import app
from compute_aligned.config import checks, study
from compute_aligned.config.scales import Run
from compute_aligned.config.settings import Rl
from compute_aligned.files import records
from compute_aligned.files.errors import InputError

FAMILY = ["--scale", "smoke", "--family", "rl_majority", "--seed", "0"]
PACKAGE_FOLDER = study.ROOT / "workflow"


def call(*arguments: str | Path) -> None:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception is not None:
        raise result.exception


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Problems and a warm-up model."""
    folder = tmp_path_factory.mktemp("inputs")
    raw, model = folder / "raw.jsonl", folder / "warmup" / "model"
    call("fetch", "--scale", "smoke", "--source", "multiplication", "--out", raw)
    call("prepare", *FAMILY, "--raw", raw, "--out", folder)
    steps = folder / "warmup" / "steps.parquet"
    train = ["--problems", folder / "train.jsonl", "--model", model, "--steps", steps]
    call("train-sft", *FAMILY, "--branch", "warmup", *train)
    return folder


def train_rl(inputs: Path, out: Path, branch: str = "majority_n4_raw") -> list[str]:
    files = ["--problems", inputs / "rl.jsonl", "--start", inputs / "warmup" / "model"]
    files += ["--model", out / "model", "--steps", out / "steps.parquet"]
    return ["train-rl", *FAMILY, "--branch", branch, *map(str, files)]


def made(folder: Path) -> tuple[bytes, bytes]:
    weights = folder / "model" / "model.safetensors"
    return weights.read_bytes(), (folder / "steps.parquet").read_bytes()


def test_a_killed_job_run_again_gives_the_bytes_of_one_that_was_not(
    inputs: Path, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "killed" / ".model.checkpoint.pt"
    command = [sys.executable, "-m", "compute_aligned", *train_rl(inputs, tmp_path / "killed")]
    environment = os.environ | {"PYTHONPATH": str(PACKAGE_FOLDER)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as job:
        while not checkpoint.exists() and job.poll() is None:
            time.sleep(0.002)
        time.sleep(random.uniform(0, 0.05))  # wherever it is: drawing, updating or saving
        job.send_signal(signal.SIGKILL)
    assert job.returncode == -signal.SIGKILL
    assert checkpoint.exists()
    assert not (tmp_path / "killed" / "steps.parquet").exists()

    call(*train_rl(inputs, tmp_path / "killed"))
    call(*train_rl(inputs, tmp_path / "whole"))

    assert made(tmp_path / "killed") == made(tmp_path / "whole")
    assert not checkpoint.exists()


def test_a_branch_records_every_step_and_where_it_came_from(inputs: Path, tmp_path: Path) -> None:
    call(*train_rl(inputs, tmp_path))

    steps = records.read_table(tmp_path / "steps.parquet", records.RL_STEPS)
    assert steps["step"].to_pylist() == list(range(6))
    assert min(steps["tokens"].to_pylist()) > 0
    assert None not in steps["kl"].to_pylist()
    provenance = (tmp_path / "model.provenance.json").read_text()
    assert '"strategy": "MajorityVote(n=4, k=3)"' in provenance
    assert '"weight_form": "raw"' in provenance


def test_an_override_of_the_sheet_reaches_the_training(inputs: Path, tmp_path: Path) -> None:
    gains = {}
    for branch in ("standard", "standard_penalty_matched", "standard_no_penalty"):
        call(*train_rl(inputs, tmp_path / branch, branch))
        gains[branch] = pq.read_table(tmp_path / branch / "steps.parquet")["gain_q50"].to_pylist()

    # hardly any rollout of the smoke model is right
    assert gains["standard"][0] == pytest.approx(-0.5)
    assert gains["standard_penalty_matched"][0] == pytest.approx(-0.27)
    assert gains["standard_no_penalty"][0] == pytest.approx(0)


def test_a_family_that_is_fine_tuned_is_refused(inputs: Path, tmp_path: Path) -> None:
    arguments = train_rl(inputs, tmp_path, branch="ce")
    arguments[arguments.index("rl_majority")] = "sft_passn"

    with pytest.raises(InputError, match="train-sft"):
        call(*arguments)


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
    old: str, new: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(study.CONFIG, tmp_path / "config"))
    sheet = folder / "branches.tsv"
    rows = sheet.read_text()
    assert old in rows
    sheet.write_text(rows.replace(old, new))
    monkeypatch.setattr(study, "CONFIG", folder)
    study.read_branches.cache_clear()

    try:
        with pytest.raises(InputError) as caught:
            checks.check(Run(scale="smoke"))
    finally:
        study.read_branches.cache_clear()

    assert str(sheet) in caught.value.where
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    "change", [{"all_wrong_penalty": 0.5}, {"success_estimate": "smoothed_success"}]
)
def test_counting_right_answers_where_there_are_none_is_a_mistake(change: dict) -> None:
    block = study.read_family("smoke", "rl_passn").rl.model_dump()
    block |= {"reward": "protein_unconditional", "success_estimate": "history_quantile"}
    Rl.model_validate(block)

    with pytest.raises(ValueError, match="count right answers"):
        Rl.model_validate(block | change)
