"""Several jobs that share the sampling of a seed: the same bytes as one job."""

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support import jobs

from compute_aligned.config.reading import CONFIG
from compute_aligned.config.study import read_study
from compute_aligned.files.errors import InputError
from compute_aligned.sample import steps
from compute_aligned.sample.engines import TransformersEngine
from compute_aligned.sample.shards import WHOLE, Shard


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


def test_a_shard_is_read_as_it_is_written() -> None:
    assert [Shard.parse(f"{i}/3") for i in range(3)] == [Shard(i, 3) for i in range(3)]


@pytest.mark.parametrize("text", ["3/3", "0/0", "-1/3", "1", "a/b", "1/2/3", ""])
def test_a_shard_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="there is no such shard"):
        Shard.parse(text)


# --- jobs -------------------------------------------------------------------------------------


@pytest.fixture
def in_three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The smoke scale with three shards, for verbs of this process."""
    folder = Path(shutil.copytree(CONFIG, tmp_path / "config"))
    path = folder / "scales" / "smoke.yaml"
    scale = yaml.safe_load(path.read_text())
    scale["families"]["sft_passn"]["sampling"]["shards"] = 3
    path.write_text(yaml.safe_dump(scale))
    monkeypatch.setattr(steps, "read_study", lambda scale: read_study(scale, folder))


Whole = Callable[[Path], list[object]]


@pytest.fixture
def whole(splits: Path, warmup: Path) -> Whole:
    """The arguments that sample the warm-up."""
    models = {"warmup": warmup / "model"}
    return lambda out: jobs.sample(splits / "test.jsonl", models, out, "transformers")


def shard(whole: Whole, folder: Path, index: int) -> list[object]:
    out = summary(folder, index)
    return [*whole(out), "--shard", f"{index}/3", "--store", folder / "seed0.store"]


def summary(folder: Path, index: int) -> Path:
    return folder / "seed0.shards" / f"{index}.json"


@pytest.mark.usefixtures("in_three")
def test_three_shards_make_the_bytes_of_one_run(
    whole: Whole, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, together = tmp_path / "plain.parquet", tmp_path / "seed0.parquet"
    with monkeypatch.context() as patch:
        patch.setattr(steps, "read_study", read_study)
        jobs.run(*whole(plain))

    with pytest.raises(InputError, match="put together from are not there") as caught:
        jobs.run(*whole(together))
    assert "--forcerun sample_shard" in caught.value.remedy
    for index in (2, 0, 1):  # in any order
        jobs.run(*shard(whole, tmp_path, index))
    monkeypatch.setattr(TransformersEngine, "__init__", lambda *_: pytest.fail("nothing to draw"))
    jobs.run(*whole(together))

    assert together.read_bytes() == plain.read_bytes()
    counts = [json.loads(summary(tmp_path, index).read_text()) for index in range(3)]
    # four blocks of five problems, eight samples each
    assert [count["samples"] for count in counts] == [40, 40, 80]
    assert sum(count["tokens"] for count in counts) > 160


def test_a_killed_shard_run_again_continues_where_it_was(
    whole: Whole, tmp_path: Path, calls: list[int]
) -> None:
    plain, killed = tmp_path / "plain", tmp_path / "killed"
    jobs.run(*shard(whole, plain, 2))  # two blocks
    calls.clear()

    jobs.kill(
        "compute_aligned.sample.engines", "TransformersEngine.sample", 1, *shard(whole, killed, 2)
    )
    assert not summary(killed, 2).exists()
    jobs.run(*shard(whole, killed, 2))

    assert len(calls) == 1
    assert summary(killed, 2).read_bytes() == summary(plain, 2).read_bytes()
    blocks = [
        {p.name: p.read_bytes() for p in (folder / "seed0.store").rglob("*.parquet")}
        for folder in (plain, killed)
    ]
    assert blocks[0] == blocks[1]
    assert len(blocks[0]) == 2
