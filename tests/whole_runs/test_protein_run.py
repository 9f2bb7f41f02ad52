"""The protein families from source to table and figure, verb by verb, at the smoke scale."""

from pathlib import Path

import jobs
import numpy as np
import pytest

from compute_aligned.config import study
from compute_aligned.files import records
from compute_aligned.method.rewards import INVALID_REWARD, conditional_reward, unconditional_reward
from compute_aligned.score import proteins

SOURCES = {
    "protein_unconditional": "protein_sequences",
    "protein_conditional": "protein_pairs",
}
MODELS = ["warmup", "standard", "bon_n2", "bon_n4", "bon_n8"]


@pytest.fixture(scope="module", params=SOURCES)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one seed leaves; the folder's name is the family's. One RL branch stands for all."""
    folder = tmp_path_factory.mktemp("run") / request.param
    family = ["--scale", "smoke", "--family", request.param]
    seed = [*family, "--seed", 0]
    jobs.run("fetch", *family[:2], "--source", SOURCES[request.param], "--out", folder / "raw")
    jobs.run("prepare", *seed, "--raw", folder / "raw", "--out", folder)
    for verb, branch, split, start in (
        ("train-sft", "warmup", "train", []),
        ("train-rl", "bon_n4", "rl", ["--start", folder / "warmup"]),
    ):
        files = ["--problems", folder / f"{split}.jsonl", "--model", folder / branch]
        steps = ["--steps", folder / f"{branch}.parquet"]
        jobs.run(verb, *seed, "--branch", branch, *files, *steps, *start)
    folders = {name: folder / ("warmup" if name == "warmup" else "bon_n4") for name in MODELS}
    options = [part for name, path in folders.items() for part in ("--model", f"{name}={path}")]
    test = ["--problems", folder / "test.jsonl"]
    samples = folder / "samples.parquet"
    jobs.run("sample", *seed, "--engine", "transformers", *test, *options, "--out", samples)
    outputs = ["--scores", folder / "scores.parquet", "--outcomes", folder / "outcomes.parquet"]
    jobs.run("score", *family, "--samples", samples, *test, *outputs)
    return folder


def test_every_sample_is_worth_what_its_text_is_worth(run: Path) -> None:
    problems = {p.id: p for p in records.read_problems(run / "test.jsonl")}
    samples = records.read_table(run / "samples.parquet", records.SAMPLES).to_pandas()
    scores = proteins.read_scores([run / "scores.parquet"])

    together = samples.merge(scores, on=["branch", "problem", "sample"], validate="one_to_one")
    assert len(together) == len(samples) == len(scores)
    for row in together.itertuples():
        given = problems[row.problem].input_sequence
        expected = (
            unconditional_reward(row.text) if given is None else conditional_reward(row.text, given)
        )
        assert row.reward == expected
        assert np.isnan(row.share) == (row.reward == INVALID_REWARD)


def test_completions_hold_residues_only(run: Path) -> None:
    samples = records.read_table(run / "samples.parquet", records.SAMPLES)["text"].to_pylist()

    assert set("".join(samples)) <= set("ACDEFGHIKLMNPQRSTVWY")


def test_training_records_rewards_and_no_right_answers(run: Path) -> None:
    steps = records.read_table(run / "bon_n4.parquet", records.RL_STEPS)

    assert all(np.isfinite(steps["mean_reward"].to_numpy()))
    assert set(steps["success_share"].to_pylist()) == {None}


def test_all_tables_and_figures_of_the_familys_samples_are_made(run: Path, tmp_path: Path) -> None:
    files = ["--scores", run / "scores.parquet", run / "outcomes.parquet"]
    of_family = [i for i in study.read_paper_items().values() if i.family == run.name]
    items = [item for item in of_family if not item.of_training]

    for item in items:
        kinds = ["csv", "md", "tex", "html"] if item.output == "table" else ["pdf", "png"]
        outputs = {kind: tmp_path / f"{item.item}.{kind}" for kind in kinds}
        options = [part for kind, path in outputs.items() for part in (f"--{kind}", path)]
        jobs.run(item.output, "--scale", "smoke", "--item", item.item, *options, *files)
        assert all(path.stat().st_size for path in outputs.values())

    assert {"table", "figure"} == {item.output for item in items}
