"""The whole DAG at the smoke scale, with real vLLM, in a copy of the repository."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from compute_aligned import config

ROOT = Path(__file__).resolve().parents[1]
TARGETS = [
    "results/smoke/tables/table2.csv",
    "results/smoke/tables/table2.md",
    "results/smoke/tables/table2.tex",
    "paper_figures/smoke/figure1.pdf",
    "paper_figures/smoke/figure1.png",
    "results/smoke/claims.csv",
    "results/smoke/claims.md",
    "paper_figures/smoke/claims.pdf",
    "paper_figures/smoke/claims.png",
]


def copy_repository(target: Path) -> Path:
    for part in ("Snakefile", "config", "envs", "workflow"):
        source = ROOT / part
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, target / part)
    (target / "profiles").symlink_to("workflow/profiles")
    return target


def snakemake(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    command = [sys.executable, "-m", "snakemake", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def planned(folder: Path, *targets: str, settings: tuple[str, ...] = ()) -> dict[str, int]:
    """Jobs that a dry run would start, by rule; without the target rule."""
    done = snakemake(folder, "--dry-run", *targets, "--config", "scale=smoke", *settings)
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, flags=re.MULTILINE))
    return {rule: int(count) for rule, count in jobs.items() if rule not in ("all", "total")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_repository(tmp_path_factory.mktemp("repository"))
    done = snakemake(folder, "--cores", "2", "--config", "scale=smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_a_run_makes_every_table_and_figure(finished: Path) -> None:
    assert [t for t in TARGETS if not (finished / t).stat().st_size] == []


def test_every_artefact_says_where_it_came_from(finished: Path) -> None:
    made = [*finished.glob("results/smoke/**/*.parquet"), *finished.glob("results/smoke/**/model")]
    published = [p for p in made if ".store" not in str(p) and p.name != "steps.parquet"]

    assert len(published) > 15
    missing = [p for p in published if not p.with_name(p.name + ".provenance.json").exists()]
    assert missing == []


def test_a_second_run_has_nothing_to_do(finished: Path) -> None:
    assert planned(finished) == {}


def test_a_lost_figure_is_redrawn_without_training(finished: Path) -> None:
    (finished / "paper_figures/smoke/figure1.pdf").unlink()

    assert planned(finished, "paper_figures/smoke/figure1.pdf") == {"figure": 1}
    done = snakemake(finished, "--cores", "1", "paper_figures/smoke/figure1.pdf")
    assert done.returncode == 0, done.stderr
    assert (finished / "paper_figures/smoke/figure1.pdf").stat().st_size


def test_verdicts_are_judged_anew_on_finished_scores(finished: Path) -> None:
    verdicts = (finished / "results/smoke/claims.md").read_text()
    assert "not run" in verdicts  # smoke samples 8, which some claims are not about
    (finished / "paper_figures/smoke/claims.png").unlink()
    assert planned(finished) == {"claims": 1}
    assert snakemake(finished, "--cores", "1", "paper_figures/smoke/claims.png").returncode == 0
    assert (finished / "results/smoke/claims.md").read_text() == verdicts


def test_a_changed_contrast_changes_the_verdicts_alone(finished: Path) -> None:
    sheet = finished / "config" / "claim_contrasts.tsv"
    before = sheet.read_text()
    try:
        sheet.write_text(before.replace("\tpass@k\t1\tbelow", "\tpass@k\t2\tbelow"))
        jobs = planned(finished)
    finally:
        sheet.write_text(before)
    assert jobs == {"claims": 1}


def test_switching_conda_on_retrains_nothing(finished: Path) -> None:
    done = snakemake(finished, "--dry-run", "--use-conda", "--config", "scale=smoke")

    assert "train_sft" not in done.stdout + done.stderr


def test_a_changed_branch_row_retrains_that_branch_alone(finished: Path) -> None:
    sheet = finished / "config" / "branches.tsv"
    before = sheet.read_text()
    try:
        sheet.write_text(before.replace("PassAtN(n=16)", "PassAtN(n=32)"))
        jobs = planned(finished)
    finally:
        sheet.write_text(before)

    assert jobs["train_sft"] == 2  # one a seed
    assert jobs["train_rl"] == 2  # both forms of the weight, one seed
    assert "train_warmup" not in jobs


def test_one_seed_can_be_asked_for(tmp_path: Path) -> None:
    jobs = planned(copy_repository(tmp_path), settings=("seeds=[0]",))

    assert jobs["train_warmup"] == len(config.read_scale("smoke").families)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--config", "scale=laptpo"], ["laptpo", "did you mean 'laptop'", "remedy"]),
        (["--config", "sacle=smoke"], ["sacle", "did you mean 'scale'", "remedy"]),
        (["paper_figures/smoke/figure99.pdf"], ["figure99", "paper_items.tsv"]),
    ],
)
def test_a_mistake_on_the_command_line_is_explained(
    tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    done = snakemake(copy_repository(tmp_path), "--dry-run", *arguments)

    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert [word for word in words if word not in output] == []
    assert len(output.splitlines()) < 40
