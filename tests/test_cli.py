import errno
import json
import os
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support import jobs

from compute_aligned import __main__
from compute_aligned.files import records
from compute_aligned.files.errors import InputError


def beside(artefact: Path) -> dict:
    return json.loads(artefact.with_name(artefact.name + ".provenance.json").read_text())


# --- how errors end ---------------------------------------------------------------------------


def test_a_user_s_mistake_ends_in_a_message_with_a_remedy_and_exit_code_2(tmp_path: Path) -> None:
    arguments = ["--scale", "laptpo", "--source", "products", "--out", tmp_path / "x"]
    done = jobs.start(*jobs.VERB, "fetch", *arguments)

    assert done.returncode == 2
    assert re.search(r"error: .*there is no scale 'laptpo'.*\n  remedy: ", done.stderr)
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(__main__, "app", fail)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_ends_in_a_message_and_exit_code_1(
    code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing(monkeypatch, OSError(code, os.strerror(code), "results/model"))

    with pytest.raises(SystemExit) as ended:
        __main__.main()

    assert ended.value.code == 1
    message = capsys.readouterr().err
    assert "error: results/model: the disk is full\n  remedy: free some space" in message


@pytest.mark.parametrize("error", [ValueError("a bug"), PermissionError(errno.EACCES, "no")])
def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    failing(monkeypatch, error)

    with pytest.raises(type(error)):
        __main__.main()


# --- train ------------------------------------------------------------------------------------


def test_training_publishes_a_model_its_steps_and_where_they_came_from(warmup: Path) -> None:
    facts = beside(warmup / "model")

    assert (warmup / "model" / "model.safetensors").stat().st_size
    expected = {"scale": "smoke", "family": "sft_passn", "branch": "warmup", "seed": 0}
    expected |= {"strategy": "SingleSample()", "steps": 60, "device": "cpu"}
    expected["parameters"] = 2 * 15 * 32 + 4 * 32 * 32 + 3 * 32 * 64 + 3 * 32
    assert facts.items() >= expected.items()
    assert pq.read_metadata(warmup / "steps.parquet").num_rows == 60
    assert "stop_reached" not in facts  # this warm-up has no such criterion


def test_a_warm_up_with_a_criterion_says_whether_it_was_reached(
    config: Path, splits: Path, tmp_path: Path
) -> None:
    path = config / "scales" / "smoke.yaml"
    path.write_text(path.read_text().replace("hold:", "stop_at_probability: 0.005, hold:", 1))

    jobs.run(*jobs.train(splits / "train.jsonl", tmp_path))

    facts = beside(tmp_path / "model")
    assert facts["stop_at_probability"] == 0.005
    assert facts["stop_reached"] is True
    assert 20 <= facts["decay_started_at_step"] == facts["steps"] < 60


def test_a_character_outside_the_vocabulary_is_named_before_training(
    splits: Path, tmp_path: Path
) -> None:
    problems = records.read_problems(splits / "train.jsonl")
    problems.append(problems[0].model_copy(update={"prompt": "12+13="}))
    records.write_problems(tmp_path / "train.jsonl", problems)

    with pytest.raises(InputError, match=r"'12\+13='.*not in the model's vocabulary"):
        jobs.run(*jobs.train(tmp_path / "train.jsonl", tmp_path))

    assert [path.name for path in tmp_path.iterdir()] == ["train.jsonl"]


def test_a_branch_that_the_sheet_does_not_have_is_refused(splits: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no branch 'passn_n17'"):
        jobs.run(*jobs.train(splits / "train.jsonl", tmp_path, branch="passn_n17"))


# --- sample, score ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def samples(splits: Path, warmup: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("samples") / "samples.parquet"
    models = {"warmup": warmup / "model"}
    jobs.run(*jobs.sample(splits / "test.jsonl", models, out, "transformers"))
    return out


def test_sampling_publishes_samples_and_where_they_came_from(samples: Path) -> None:
    facts, table = beside(samples), records.read_table(samples, records.SAMPLES)

    assert (facts["engine"], facts["device"], facts["seed"]) == ("transformers", "cpu", 0)
    assert facts["samples"] == len(table) == 20 * 8
    assert facts["tokens"] == sum(table["num_tokens"].to_pylist())


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--engine", "vlm", "there is no 'vlm'"),
        ("--model", "warmup", "--model warmup: .*BRANCH=PATH"),
        ("--model", "warmup=nowhere", "nowhere: there is no model in this folder"),
    ],
)
def test_mistakes_in_what_to_sample_are_explained(
    splits: Path, warmup: Path, tmp_path: Path, option: str, value: str, words: str
) -> None:
    models = {"warmup": warmup / "model"}
    arguments = jobs.sample(splits / "test.jsonl", models, tmp_path / "s.parquet", "transformers")
    arguments[arguments.index(option) + 1] = value

    with pytest.raises(InputError, match=f"(?s){words}"):
        jobs.run(*arguments)


def test_scoring_publishes_scores_and_outcomes_of_every_branch_and_problem_or_nothing(
    splits: Path, samples: Path, tmp_path: Path
) -> None:
    drawn, scores, outcomes = (tmp_path / f"{n}.parquet" for n in ("samples", "scores", "out"))
    table = records.read_table(samples, records.SAMPLES)
    records.write_table(drawn, table.to_pylist(), records.SAMPLES)
    given = ["--samples", drawn, "--problems", splits / "test.jsonl"]
    arguments = [*jobs.SMOKE[:4], *given, "--scores", scores, "--outcomes", outcomes]

    jobs.run("score", *arguments)

    problems = [p.id for p in records.read_problems(splits / "test.jsonl")]
    rows = records.read_table(scores, records.SCORES).to_pylist()
    assert [(row["problem"], row["num_samples"]) for row in rows] == [(p, 8) for p in problems]
    points = records.read_table(outcomes, records.OUTCOMES).to_pylist()
    budgets = [1, 2, 4, 8]  # of pass@k and of maj@k, with which comes a vote of all samples
    assert [point["k"] for point in points] == [*budgets, *budgets, 8] * 20
    assert beside(scores)["grader"] == beside(outcomes)["grader"] == "paper"
    assert beside(outcomes)["inputs"] == [str(drawn), str(splits / "test.jsonl")]

    whole = scores.read_bytes()
    records.write_table(drawn, table.to_pylist()[:-8], records.SAMPLES)  # the last problem's
    with pytest.raises(InputError, match=f"first of {re.escape(problems[-1])}"):
        jobs.run("score", *arguments)
    assert scores.read_bytes() == whole  # what is refused replaces nothing
