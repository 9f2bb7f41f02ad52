"""Several jobs that share the sampling of a seed: the same bytes as one job."""

import itertools
import json
from pathlib import Path

import jobs
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from compute_aligned.config import study
from compute_aligned.files.errors import InputError
from compute_aligned.sample.engines import TransformersEngine
from compute_aligned.sample.shards import WHOLE, Shard

FAMILY = "sft_passn"


@given(st.integers(1, 300), st.integers(1, 60), st.integers(1, 20))
def test_every_block_is_the_work_of_one_shard_in_order(
    num_problems: int, block_size: int, count: int
) -> None:
    blocks = range(0, num_problems, block_size)
    shards = [Shard(index, count) for index in range(count)]

    assert list(itertools.chain(*(shard.of(blocks) for shard in shards))) == list(blocks)
    sizes = [len(shard.of(blocks)) for shard in shards]
    assert max(sizes) - min(sizes) <= 1
    assert sum(s.problems(num_problems, block_size) for s in shards) == num_problems
    assert WHOLE.problems(num_problems, block_size) == num_problems


@pytest.mark.parametrize("text", ["3/3", "0/0", "-1/3", "1", "a/b", "1/2/3", ""])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="there is no such shard"):
        Shard.parse(text)


def test_a_shard_is_read_as_it_is_written() -> None:
    assert [Shard.parse(f"{i}/3") for i in range(3)] == [Shard(i, 3) for i in range(3)]


# --- jobs -------------------------------------------------------------------------------------


@pytest.fixture
def in_three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The smoke scale with three shards, for verbs of this process."""
    path = study.CONFIG / "scales" / "smoke.yaml"
    scale = yaml.safe_load(path.read_text())
    scale["families"][FAMILY]["sampling"]["shards"] = 3
    folder = tmp_path / "config"
    (folder / "scales").mkdir(parents=True)
    for sheet in study.CONFIG.glob("*.*"):
        (folder / sheet.name).write_text(sheet.read_text())
    (folder / "scales" / "smoke.yaml").write_text(yaml.safe_dump(scale))
    monkeypatch.setattr(study, "CONFIG", folder)
    study.read_scale.cache_clear()
    yield
    study.read_scale.cache_clear()


def arguments(splits: Path, warmup: Path, out: Path, *more: object) -> list[object]:
    models = {"warmup": warmup / "model"}
    return [*jobs.sample(splits / "test.jsonl", models, out, "transformers"), *more]


def shard(splits: Path, warmup: Path, folder: Path, index: int) -> list[object]:
    out = folder / "seed0.shards" / f"{index}.json"
    more = ("--shard", f"{index}/3", "--store", folder / "seed0.store")
    return arguments(splits, warmup, out, *more)


def test_three_shards_make_the_bytes_of_one_run(
    splits: Path,
    warmup: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain, together = tmp_path / "plain.parquet", tmp_path / "seed0.parquet"
    jobs.run(*arguments(splits, warmup, plain))
    request.getfixturevalue("in_three")

    with pytest.raises(InputError, match="put together from are not there") as caught:
        jobs.run(*arguments(splits, warmup, together))
    assert "--forcerun sample_shard" in caught.value.remedy
    for index in (2, 0, 1):  # in any order
        jobs.run(*shard(splits, warmup, tmp_path, index))
    monkeypatch.setattr(TransformersEngine, "__init__", lambda *_: pytest.fail("nothing to draw"))
    jobs.run(*arguments(splits, warmup, together))

    assert together.read_bytes() == plain.read_bytes()
    counts = [
        json.loads((tmp_path / "seed0.shards" / f"{index}.json").read_text()) for index in range(3)
    ]
    # four blocks of five problems, eight samples each
    assert [count["samples"] for count in counts] == [40, 40, 80]
    assert sum(count["tokens"] for count in counts) > 160


def test_a_killed_shard_run_again_continues_where_it_was(
    splits: Path, warmup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs.run(*shard(splits, warmup, tmp_path / "plain", 2))
    last = shard(splits, warmup, tmp_path / "killed", 2)  # two blocks

    jobs.kill("compute_aligned.sample.engines", "TransformersEngine.sample", 1, *last)
    out = tmp_path / "killed" / "seed0.shards" / "2.json"
    assert not out.exists()
    calls = itertools.count()
    sample = TransformersEngine.sample
    monkeypatch.setattr(
        TransformersEngine, "sample", lambda *given: [next(calls), sample(*given)][1]
    )
    jobs.run(*last)

    assert next(calls) == 1
    assert out.read_bytes() == (tmp_path / "plain" / "seed0.shards" / "2.json").read_bytes()
    blocks = [
        {p.name: p.read_bytes() for p in (tmp_path / name / "seed0.store").rglob("*.parquet")}
        for name in ("plain", "killed")
    ]
    assert blocks[0] == blocks[1]
    assert len(blocks[0]) == 2
