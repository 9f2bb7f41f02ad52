"""The cluster profile on a real Slurm of one node: the same files as on the machine itself."""

import os
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from slurm import cluster
from support import runs

PROFILE = ["--workflow-profile", "workflow/profiles/slurm", "--config", "scale=smoke"]
# the profile waits for slow file systems, and first looks after a job when 40 s have passed
IMPATIENT = ["--latency-wait", "5", "--slurm-init-seconds-before-status-checks", "5"]


@pytest.fixture(scope="module")
def slurm() -> Iterator[Mapping[str, str]]:
    """The environment in which a Slurm of our own answers."""
    missing = cluster.missing_programs()
    if missing:
        message = f"Slurm is not installed here: no {', '.join(missing)} (see .ci/install-slurm)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    with cluster.cluster(cpus=4) as environment:
        yield environment


def jobs(environment: Mapping[str, str], after: int = 0) -> dict[int, dict[str, str]]:
    """What Slurm knows about its jobs since one of them, by id."""
    described = cluster.ask(environment, "scontrol", "--oneliner", "show", "job")
    facts = [dict(re.findall(r"(\w+)=(\S*)", line)) for line in described.splitlines()]
    found = {int(fact["JobId"]): fact for fact in facts if "JobId" in fact}
    return {job: fact for job, fact in found.items() if job > after}


def rule(job: Mapping[str, str]) -> str:
    """The rule that a job is of, from the comment that the executor gives it."""
    match = re.fullmatch(r"rule_(\w+?)_wildcards_.*", job["Comment"])
    assert match is not None
    return match[1]


def test_a_run_with_a_cancelled_job_ends_with_the_files_of_a_local_run(
    slurm: Mapping[str, str], tmp_path: Path
) -> None:
    local, far = (runs.small_repository(tmp_path / name) for name in ("local", "far"))
    here = threading.Thread(
        target=runs.snakemake, args=(local, "--cores", "1", "--config", "scale=smoke")
    )
    here.start()

    training = far / "results" / "smoke" / "warmup" / runs.FAMILY / f"seed{runs.SEED}"
    checkpoint = training / ".model.checkpoint.pt"
    with runs.background(far, *PROFILE, *IMPATIENT, environment=slurm) as run:
        runs.wait_until(checkpoint.exists, run)
        job = re.search(r"Slurm job (\d+)", (training / ".model.lock").read_text())
        assert job is not None
        subprocess.run(["scancel", job[1]], env=slurm, check=True)
    assert run.returncode == 1
    assert {rule(fact): fact["JobState"] for fact in jobs(slurm).values()} == {
        "train_warmup": "CANCELLED"
    }
    assert checkpoint.exists()

    done = runs.snakemake(far, *PROFILE, *IMPATIENT, environment=slurm)
    assert done.returncode == 0, done.stdout + done.stderr
    assert runs.first_step(far, "train_warmup") > 0
    here.join()
    assert runs.results_of(far) == runs.results_of(local)

    finished = jobs(slurm, after=int(job[1])).values()
    assert {fact["JobState"] for fact in finished} == {"COMPLETED"}
    # what takes seconds is no job of the cluster
    assert {rule(fact) for fact in finished} == {
        *("train_warmup", "train_sft", "sample", "score"),
        *("sample_temperatures", "score_temperatures"),
    }
    assert [fact["TresPerJob"] for fact in finished if "TresPerJob" in fact] == []  # no GPUs


def test_a_scale_for_gpus_asks_for_one_and_for_the_memory_of_a_large_model(
    slurm: Mapping[str, str], tmp_path: Path
) -> None:
    folder = runs.small_repository(tmp_path)
    scale_file = folder / "config" / "scales" / "smoke.yaml"
    scale = yaml.safe_load(scale_file.read_text()) | {"device": "cuda"}
    scale_file.write_text(yaml.safe_dump(scale))
    known = max(jobs(slurm), default=0)

    with runs.background(folder, *PROFILE, *IMPATIENT, environment=slurm) as run:
        runs.wait_until(lambda: bool(jobs(slurm, after=known)), run)
        run.kill()
    ((number, job),) = jobs(slurm, after=known).items()
    subprocess.run(["scancel", str(number)], env=slurm, check=True)  # there is no GPU to go on with

    assert rule(job) == "train_warmup"
    assert job["TresPerJob"] == "gres:gpu:1"
    assert job["MinMemoryNode"] == "62.50G"  # 64,000 MB
    assert (job["CpusPerTres"], job["TimeLimit"]) == ("gres:gpu:4", "1-00:00:00")
