"""Models that are trained ahead, in the process of their warm-up."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from support import jobs
from train.verbs import FAMILY, OUTPUTS, left, made, train_rl

from compute_aligned.config.study import read_study
from compute_aligned.train import steps
from compute_aligned.train.training import Training

BRANCHES = ("standard", "majority_n4_raw")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The family with two of its branches, as this process reads it."""
    experiment = read_study("smoke").experiment("rl_majority")
    few = {name: experiment.branches[name] for name in BRANCHES}
    study = replace(
        read_study("smoke"), experiments={"rl_majority": replace(experiment, branches=few)}
    )
    monkeypatch.setattr(steps, "read_study", lambda scale: study)
    return tmp_path


def train_all(inputs: Path, folder: Path) -> None:
    """Train the warm-up, and the branches ahead, in one process."""
    files = ["--problems", inputs / "train.jsonl", "--rl-problems", inputs / "rl.jsonl"]
    outputs = [
        "--model",
        folder / "warmup" / "model",
        "--steps",
        folder / "warmup" / "steps.parquet",
    ]
    ahead = ["--ahead", folder / "*"]
    jobs.run("train", *FAMILY, "--branch", "warmup", *files, *outputs, *ahead)


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the models that are really trained, as it happens."""
    run, names = Training.run, []

    def noted(training: Training, *arguments: object) -> None:
        names.append(training.name)
        run(training, *arguments)

    monkeypatch.setattr(Training, "run", noted)
    return names


def test_a_model_that_was_trained_ahead_has_the_bytes_of_one_that_was_not(
    inputs: Path, config: Path, trainings: list[str]
) -> None:
    train_all(inputs, config)
    assert trainings == ["warmup", *BRANCHES]
    assert left(config / "warmup") == OUTPUTS
    assert (config / "warmup" / "model" / "model.safetensors").read_bytes() == (
        inputs / "model" / "model.safetensors"
    ).read_bytes()

    for branch in BRANCHES:
        assert left(config / branch) == {".model.trained"}
        jobs.run(*train_rl(inputs, config / branch, branch))
        assert left(config / branch) == OUTPUTS
    assert trainings == ["warmup", *BRANCHES]  # theirs only put them in place
    facts = json.loads((config / "standard" / "model.provenance.json").read_text())
    assert facts.items() >= {"branch": "standard", "seed": 0, "strategy": "SingleSample()"}.items()

    jobs.run(*train_rl(inputs, config / "alone"))
    assert made(config / "alone") == made(config / "majority_n4_raw")
    # what is in place is trained anew when its job is run again, as --forcerun asks
    jobs.run(*train_rl(inputs, config / "standard", "standard"))
    assert trainings[3:] == ["majority_n4_raw", "standard"]


def test_a_killed_process_keeps_the_models_that_it_has_trained(
    inputs: Path, config: Path, trainings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """What no part of the package catches."""

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("compute_aligned.train.rl.update", die)
        with pytest.raises(Killed):
            train_all(inputs, config)
    assert left(config / "warmup") == {".model.trained"}
    train_all(inputs, config)

    assert trainings == ["warmup", "standard", "standard", "majority_n4_raw"]
    assert left(config / "warmup") == OUTPUTS


@pytest.mark.parametrize("changed", ["problems", "start", "settings"])
def test_what_was_trained_ahead_from_something_else_is_trained_again(
    inputs: Path, config: Path, trainings: list[str], monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    train_all(inputs, config)
    for name in ("rl.jsonl", "model"):
        copy = shutil.copytree if (inputs / name).is_dir() else shutil.copy
        copy(inputs / name, config / name)
    if changed == "problems":
        lines = (inputs / "rl.jsonl").read_text().splitlines(keepends=True)
        (config / "rl.jsonl").write_text("".join(lines[::-1]))
    elif changed == "start":
        (config / "model" / "generation_config.json").write_text("{}")
    else:
        monkeypatch.setattr("compute_aligned.train.training.training_fingerprint", lambda *_: "x")
    arguments = train_rl(config, config / "standard", "standard")

    jobs.run(*arguments)

    assert trainings[3:] == ["standard"]


def test_a_branch_that_cannot_be_trained_ahead_is_left_to_its_own_job(
    inputs: Path, config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Training.run

    def fail(training: Training, *arguments: object) -> None:
        if training.name == "standard":
            raise ValueError("no such luck")
        run(training, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "run", fail)
        train_all(inputs, config)

    assert "standard could not be trained ahead: " in capsys.readouterr().err
    assert left(config / "warmup") == OUTPUTS
    assert left(config / "majority_n4_raw") == {".model.trained"}
    assert left(config / "standard") == set()
    jobs.run(*train_rl(inputs, config / "standard", "standard"))
    assert left(config / "standard") == OUTPUTS
