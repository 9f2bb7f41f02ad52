"""The sweep over temperatures, drawn and scored by the verbs as a run calls them."""

import itertools
import shutil
from pathlib import Path

import pandas as pd
import pytest
from support import jobs

from compute_aligned.config.study import read_study
from compute_aligned.files import provenance, records
from compute_aligned.files.errors import InputError
from compute_aligned.method.estimators import pass_at_k

SWEEP = read_study("smoke").experiment("sft_passn").sweep
SPLITS = ("validation", "test")


def sweeping(splits: Path, warmup: Path, out: Path) -> list[object]:
    plain = jobs.sample(splits / "test.jsonl", {"warmup": warmup / "model"}, out, "transformers")
    return ["sample-temperatures", *plain[1:], "--validation", splits / "validation.jsonl"]


@pytest.fixture(scope="module")
def swept(splits: Path, warmup: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("swept") / "seed0.temperatures.parquet"
    jobs.run(*sweeping(splits, warmup, out))
    return out


def first_problems(splits: Path, split: str) -> list[records.Problem]:
    return records.read_problems(splits / f"{split}.jsonl")[: SWEEP.problems]


def test_every_temperature_has_the_first_problems_of_both_splits(swept: Path, splits: Path) -> None:
    rows = records.read_table(swept, records.SWEPT_SAMPLES).to_pandas()

    keys = rows[["temperature", "split", "problem", "sample"]].itertuples(index=False, name=None)
    asked = [(split, p.id) for split in SPLITS for p in first_problems(splits, split)]
    expected = itertools.product(SWEEP.values, asked, range(SWEEP.num_samples))
    assert list(keys) == [(t, *problem, sample) for t, problem, sample in expected]
    assert provenance.read(swept)["samples"] == len(rows)  # type: ignore[index]
    texts = rows.groupby("temperature")["text"].agg(list)
    assert texts[SWEEP.values[0]] != texts[SWEEP.values[1]]


def test_what_is_in_the_store_is_not_drawn_again_and_what_no_sweep_needs_goes(
    swept: Path, splits: Path, warmup: Path, tmp_path: Path, calls: list[int]
) -> None:
    out = tmp_path / swept.name
    store = shutil.copytree(swept.with_suffix(".store"), out.with_suffix(".store"))
    shutil.rmtree(store / f"test@{SWEEP.values[1]}")
    (store / "test@9.0").mkdir()

    jobs.run(*sweeping(splits, warmup, out))

    assert out.read_bytes() == swept.read_bytes()
    assert sum(calls) == SWEEP.problems  # those of one split at one temperature
    assert len(list(store.iterdir())) == len(SPLITS) * len(SWEEP.values)


def test_scores_are_those_of_each_temperature_s_samples(
    swept: Path, splits: Path, tmp_path: Path
) -> None:
    out = tmp_path / "outcomes.parquet"
    given = ["--samples", swept, "--validation", splits / "validation.jsonl"]
    verb = ["score-temperatures", *jobs.SMOKE[:4], *given, "--problems", splits / "test.jsonl"]

    jobs.run(*verb, "--outcomes", out)

    answers = {p.id: p.answer for split in SPLITS for p in first_problems(splits, split)}
    texts = records.read_table(swept, records.SWEPT_SAMPLES).to_pandas()
    right = texts["text"] == texts["problem"].map(answers)
    keys = ["split", "temperature", "branch", "problem"]
    counts = right.groupby([texts[key] for key in keys]).sum()
    outcomes = records.read_table(out, records.SWEPT_OUTCOMES).to_pandas()
    found = outcomes[(outcomes["metric"] == "pass@k") & (outcomes["k"] == 2)]
    expected = counts.map(lambda c: float(pass_at_k(SWEEP.num_samples, c, 2)))
    pd.testing.assert_series_equal(
        found.set_index(keys)["value"].sort_index(), expected, check_names=False
    )
    assert right.any()
    cut = tmp_path / "cut.parquet"
    of_one_problem = records.read_table(swept, records.SWEPT_SAMPLES)[: SWEEP.num_samples]
    records.write_table(cut, of_one_problem, records.SWEPT_SAMPLES)
    verb[verb.index(swept)] = cut
    with pytest.raises(InputError, match=r"(?s)first of.*--forcerun sample_temperatures"):
        jobs.run(*verb, "--outcomes", out)
