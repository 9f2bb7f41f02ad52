import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from support import jobs

from compute_aligned.config.settings import Sampling
from compute_aligned.files import records
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import SAMPLES
from compute_aligned.method.seeds import problem_seed
from compute_aligned.sample import store
from compute_aligned.sample.store import Completion, Prompts, Request, sample_family

SETTINGS = Sampling(num_samples=3, temperature=0.8, max_new_tokens=4, block_size=2)
PROMPTS: Prompts = {f"p{i}": [3 + i, 4 + i] for i in range(5)}  # three blocks


class KilledError(Exception):
    pass


class Stub:
    """An engine whose samples tell the weights, the prompt and the seed that they come from."""

    def __init__(self, blocks: int = 100) -> None:
        self.left = blocks  # how many it draws before the power goes
        self.weights = b""
        self.started: list[Path] = []
        self.drawn: list[tuple[bytes, list[int]]] = []

    def start(self, model: Path) -> "Stub":
        self.started.append(model)
        return self

    def use(self, model: Path) -> None:
        self.weights = next(model.glob("*.safetensors")).read_bytes()

    def sample(self, requests: list[Request]) -> list[list[Completion]]:
        if not self.left:
            raise KilledError
        self.left -= 1
        self.drawn += [(self.weights, r.prompt) for r in requests]
        return [
            [
                Completion(f"{self.weights!r} {r.prompt} {r.seed + i}", len(r.prompt), i % 2 == 0)
                for i in range(SETTINGS.num_samples)
            ]
            for r in requests
        ]


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    models = {name: tmp_path / "models" / name for name in ("warmup", "ce", "passn")}
    for name, folder in models.items():
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(name.encode())
    return models


Draw = Callable[..., pa.Table]


@pytest.fixture
def draw(tmp_path: Path, folders: dict[str, Path]) -> Draw:
    def draw(engine: Stub, **changes: Any) -> pa.Table:
        usual = {"models": folders, "prompts": PROMPTS, "settings": SETTINGS, "seed": 0}
        usual |= {"store": tmp_path / "store", "identity": "stub"}
        return pa.concat_tables(sample_family(engine.start, **{**usual, **changes}))

    return draw


# --- what is drawn ----------------------------------------------------------------------------


def test_every_model_has_every_problem_s_samples_in_order_from_one_engine(
    draw: Draw, folders: dict[str, Path]
) -> None:
    engine = Stub()
    table = draw(engine)

    assert table.schema.equals(SAMPLES)
    rows = table.to_pylist()
    keys = [(r["branch"], r["problem"], r["sample"]) for r in rows]
    assert keys == list(itertools.product(folders, PROMPTS, range(3)))
    for row in rows:
        seed = problem_seed(row["problem"], 0, 3) + row["sample"]
        assert row["text"] == f"{row['branch'].encode()!r} {PROMPTS[row['problem']]} {seed}"
        assert row["finished"] == (row["sample"] % 2 == 0)
    assert engine.started == [folders["warmup"]]


@pytest.mark.parametrize("size", [1, 3, 5, 50])
def test_blocks_do_not_change_what_is_drawn(draw: Draw, size: int) -> None:
    other = draw(Stub(), settings=SETTINGS.model_copy(update={"block_size": size}))

    assert other.equals(draw(Stub()))


# --- the store --------------------------------------------------------------------------------


@pytest.mark.parametrize("blocks", range(10))
def test_an_interrupted_run_continues_with_what_is_missing(
    draw: Draw, tmp_path: Path, blocks: int
) -> None:
    expected = draw(Stub(), store=tmp_path / "plain")
    if blocks < 9:
        with pytest.raises(KilledError):
            draw(Stub(blocks))
    else:
        draw(Stub())
    engine = Stub()

    assert draw(engine).equals(expected)
    assert len(engine.drawn) == 3 * 5 - sum([2, 2, 1, 2, 2, 1, 2, 2, 1][:blocks])
    assert len(engine.started) == (blocks < 9)


def test_a_changed_model_is_drawn_again_alone(draw: Draw, folders: dict[str, Path]) -> None:
    draw(Stub())
    (folders["ce"] / "model.safetensors").write_bytes(b"retrained")
    engine = Stub()

    table = draw(engine)

    assert [weights for weights, _ in engine.drawn] == [b"retrained"] * 5
    assert [r["branch"] for r in table.to_pylist() if "retrained" in r["text"]] == ["ce"] * 15


@pytest.mark.parametrize(
    ("changes", "prompts"),
    [
        ({"seed": 1}, list(PROMPTS.values())),
        ({"settings": SETTINGS.model_copy(update={"temperature": 0.7})}, list(PROMPTS.values())),
        ({"identity": "another engine"}, list(PROMPTS.values())),
        ({"prompts": {**PROMPTS, "p2": [14, 14]}}, [[14, 14], PROMPTS["p3"]]),  # its block
    ],
    ids=lambda changes: "".join(changes) if isinstance(changes, dict) else "",
)
def test_whatever_samples_depend_on_has_them_drawn_again(
    draw: Draw, changes: dict[str, Any], prompts: list[list[int]]
) -> None:
    draw(Stub())
    engine = Stub()

    draw(engine, **changes)

    assert [prompt for _, prompt in engine.drawn] == prompts * 3


def adapter(folder: Path, base: Path, **changes: object) -> dict[str, Path]:
    """A model whose folder says what an adapter's says; its weights never change."""
    folder.mkdir(exist_ok=True)
    (folder / "adapter_model.safetensors").write_bytes(b"factors")
    described = {"base_model_name_or_path": str(base), "revision": None, "r": 4, "lora_alpha": 8}
    described |= {"target_modules": ["q_proj"], "peft_version": "1", **changes}
    (folder / "adapter_config.json").write_text(json.dumps(described))
    return {"ce": folder}


@pytest.mark.parametrize(
    ("changes", "weights", "drawn"),
    [
        ({}, b"warmup", 0),
        ({"peft_version": "2"}, b"warmup", 0),
        ({"lora_alpha": 16}, b"warmup", 5),
        ({"base_model_name_or_path": "some/model"}, b"warmup", 5),
        ({"base_model_name_or_path": "some/model", "revision": "b"}, b"warmup", 5),
        ({}, b"another base", 5),
    ],
)
def test_samples_of_an_adapter_depend_on_its_scale_and_on_its_base_and_the_weights_of_that(
    draw: Draw,
    folders: dict[str, Path],
    tmp_path: Path,
    changes: dict[str, object],
    weights: bytes,
    drawn: int,
) -> None:
    folder, base = tmp_path / "adapter", folders["warmup"]
    draw(Stub(), models=adapter(folder, base))
    (base / "model.safetensors").write_bytes(weights)
    store._weights_of_base.cache_clear()  # as in another process
    engine = Stub()

    draw(engine, models=adapter(folder, base, **changes))

    assert len(engine.drawn) == drawn


def test_the_store_keeps_what_present_models_need_under_any_name_and_nothing_else(
    draw: Draw, folders: dict[str, Path], tmp_path: Path
) -> None:
    before, engine = draw(Stub()), Stub()
    kept = set((tmp_path / "store").iterdir())
    renamed = {"base": folders["warmup"], "ce": folders["ce"], "passn": folders["passn"]}

    table = draw(engine, models=renamed)

    assert engine.started == []
    assert table["branch"].to_pylist()[:15] == ["base"] * 15
    assert table.drop_columns("branch").equals(before.drop_columns("branch"))
    draw(engine, models={"base": folders["warmup"], "passn": folders["passn"]})
    left = set((tmp_path / "store").iterdir())
    assert (len(kept), len(left)) == (3, 2)
    assert left < kept


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[: len(content) // 2], lambda _: b"", lambda _: b"PAR1 no more PAR1"],
    ids=["cut", "empty", "noise"],
)
def test_a_damaged_block_is_noticed_and_drawn_again(
    draw: Draw,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[bytes], bytes],
) -> None:
    expected = draw(Stub())
    path = random.Random(1).choice(sorted((tmp_path / "store").rglob("*.parquet")))
    path.write_bytes(damage(path.read_bytes()))
    engine = Stub()

    assert draw(engine).equals(expected)
    assert len(engine.drawn) in (1, 2)
    assert f"{path}: the table is damaged" in capsys.readouterr().err


def test_a_folder_without_a_model_is_named(draw: Draw, folders: dict[str, Path]) -> None:
    (folders["ce"] / "model.safetensors").unlink()

    with pytest.raises(InputError, match="ce: there is no model in this folder"):
        draw(Stub())


# --- a real job -------------------------------------------------------------------------------


def test_a_killed_job_run_again_gives_the_same_bytes(
    splits: Path, warmup: Path, tmp_path: Path, calls: list[int]
) -> None:
    plain, killed = tmp_path / "plain.parquet", tmp_path / "killed.parquet"
    trained = jobs.train(splits / "train.jsonl", tmp_path / "ce", branch="ce")
    jobs.run(*trained, "--start", warmup / "model")
    models = {"warmup": warmup / "model", "ce": tmp_path / "ce" / "model"}
    jobs.run(*jobs.sample(splits / "test.jsonl", models, plain, "transformers"))
    arguments = jobs.sample(splits / "test.jsonl", models, killed, "transformers")
    block = random.Random(2).randrange(1, 8)  # of two models' four each
    calls.clear()

    jobs.kill("compute_aligned.sample.engines", "TransformersEngine.sample", block, *arguments)
    assert not killed.exists()
    jobs.run(*arguments)

    assert killed.read_bytes() == plain.read_bytes()
    assert len(calls) == 8 - block
    rows = records.read_table(plain, SAMPLES).to_pylist()
    assert len(rows) == 2 * 20 * 8
    assert all(1 <= row["num_tokens"] <= 6 for row in rows)
    assert all(row["finished"] or row["num_tokens"] == 6 for row in rows)
    assert len({row["text"] for row in rows}) > 20
