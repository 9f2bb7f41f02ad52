import itertools
import json
import random
from collections.abc import Callable
from pathlib import Path

import jobs
import pyarrow as pa
import pytest

from compute_aligned.config.settings import Sampling
from compute_aligned.files import records
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import SAMPLES
from compute_aligned.method.seeds import problem_seed
from compute_aligned.sample import store
from compute_aligned.sample.engines import TransformersEngine
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
        self.weights = (model / "model.safetensors").read_bytes()

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


@pytest.fixture
def draw(tmp_path: Path, folders: dict[str, Path]) -> Callable[..., pa.Table]:
    def draw(engine: Stub, **changes: object) -> pa.Table:
        arguments: dict = {
            "models": folders,
            "prompts": PROMPTS,
            "settings": SETTINGS,
            "seed": 0,
            "store": tmp_path / "store",
            "identity": "stub",
        }
        return pa.concat_tables(sample_family(engine.start, **{**arguments, **changes}))

    return draw


# --- what is drawn ----------------------------------------------------------------------------


def test_every_model_has_every_problem_s_samples_in_order(
    draw: Callable[..., pa.Table], folders: dict[str, Path]
) -> None:
    table = draw(Stub())

    assert table.schema.equals(SAMPLES)
    rows = table.to_pylist()
    assert [(r["branch"], r["problem"], r["sample"]) for r in rows] == list(
        itertools.product(folders, PROMPTS, range(3))
    )
    for row in rows:
        seed = problem_seed(row["problem"], 0, 3) + row["sample"]
        assert row["text"] == f"{row['branch'].encode()!r} {PROMPTS[row['problem']]} {seed}"
        assert row["finished"] == (row["sample"] % 2 == 0)


def test_one_engine_serves_all_models(
    draw: Callable[..., pa.Table], folders: dict[str, Path]
) -> None:
    engine = Stub()

    draw(engine)

    assert engine.started == [folders["warmup"]]


@pytest.mark.parametrize("size", [1, 3, 5, 50])
def test_blocks_do_not_change_what_is_drawn(draw: Callable[..., pa.Table], size: int) -> None:
    other = draw(Stub(), settings=SETTINGS.model_copy(update={"block_size": size}))

    assert other.equals(draw(Stub()))


# --- the store --------------------------------------------------------------------------------


@pytest.mark.parametrize("blocks", range(9))
def test_an_interrupted_run_continues_with_what_is_missing(
    draw: Callable[..., pa.Table], tmp_path: Path, blocks: int
) -> None:
    expected = draw(Stub(), store=tmp_path / "plain")
    with pytest.raises(KilledError):
        draw(Stub(blocks))

    engine = Stub()
    assert draw(engine).equals(expected)
    assert len(engine.drawn) == 3 * 5 - sum([2, 2, 1, 2, 2, 1, 2, 2, 1][:blocks])


def test_a_finished_run_starts_no_engine(draw: Callable[..., pa.Table]) -> None:
    expected = draw(Stub())
    engine = Stub()

    assert draw(engine).equals(expected)
    assert engine.started == []


def test_a_changed_model_is_drawn_again_alone(
    draw: Callable[..., pa.Table], folders: dict[str, Path]
) -> None:
    draw(Stub())
    (folders["ce"] / "model.safetensors").write_bytes(b"retrained")
    engine = Stub()

    table = draw(engine)

    assert {weights for weights, _ in engine.drawn} == {b"retrained"}
    assert len(engine.drawn) == 5
    assert [r["branch"] for r in table.to_pylist() if "retrained" in r["text"]] == ["ce"] * 15


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"settings": SETTINGS.model_copy(update={"temperature": 0.7})},
        {"identity": "another engine"},
    ],
    ids=["seed", "settings", "engine"],
)
def test_whatever_samples_depend_on_has_them_drawn_again(
    draw: Callable[..., pa.Table], changes: dict[str, object]
) -> None:
    draw(Stub())
    engine = Stub()

    draw(engine, **changes)

    assert len(engine.drawn) == 15


class StubOfAdapters(Stub):
    def use(self, model: Path) -> None:
        self.weights = (model / "adapter_model.safetensors").read_bytes()


def adapter(folder: Path, base: Path, **changes: object) -> Path:
    """A folder that says what an adapter's says; its weights never change."""
    folder.mkdir(exist_ok=True)
    (folder / "adapter_model.safetensors").write_bytes(b"factors")
    described = {"base_model_name_or_path": str(base), "revision": None, "r": 4, "lora_alpha": 8}
    described |= {"target_modules": ["q_proj"], "peft_version": "1", **changes}
    (folder / "adapter_config.json").write_text(json.dumps(described))
    return folder


@pytest.mark.parametrize(
    ("changes", "blocks"),
    [
        ({}, 0),
        ({"peft_version": "2"}, 0),
        ({"lora_alpha": 16}, 5),
        ({"base_model_name_or_path": "some/model"}, 5),
        ({"base_model_name_or_path": "some/model", "revision": "b"}, 5),
    ],
)
def test_samples_of_an_adapter_depend_on_its_scale_and_its_base(
    draw: Callable[..., pa.Table],
    folders: dict[str, Path],
    tmp_path: Path,
    changes: dict[str, object],
    blocks: int,
) -> None:
    folder = tmp_path / "adapter"
    draw(StubOfAdapters(), models={"ce": adapter(folder, folders["warmup"])})
    engine = StubOfAdapters()

    draw(engine, models={"ce": adapter(folder, folders["warmup"], **changes)})

    assert len(engine.drawn) == blocks


def test_samples_of_an_adapter_depend_on_the_weights_of_its_base(
    draw: Callable[..., pa.Table], folders: dict[str, Path], tmp_path: Path
) -> None:
    models = {"ce": adapter(tmp_path / "adapter", folders["warmup"])}
    draw(StubOfAdapters(), models=models)
    (folders["warmup"] / "model.safetensors").write_bytes(b"another base")
    store._weights_of_base.cache_clear()  # as in another process
    engine = StubOfAdapters()

    draw(engine, models=models)

    assert len(engine.drawn) == 5


def test_a_changed_prompt_has_its_block_drawn_again(draw: Callable[..., pa.Table]) -> None:
    draw(Stub())
    engine = Stub()

    draw(engine, prompts={**PROMPTS, "p2": [14, 14]})

    assert [prompt for _, prompt in engine.drawn] == [[14, 14], PROMPTS["p3"]] * 3


def test_a_renamed_branch_keeps_its_samples(
    draw: Callable[..., pa.Table], folders: dict[str, Path]
) -> None:
    before = draw(Stub())
    renamed = {"base": folders["warmup"], "ce": folders["ce"], "passn": folders["passn"]}
    engine = Stub()

    table = draw(engine, models=renamed)

    assert engine.started == []
    assert table["branch"].to_pylist()[:15] == ["base"] * 15
    assert table.drop_columns("branch").equals(before.drop_columns("branch"))


def test_the_store_keeps_what_present_models_need_and_nothing_else(
    draw: Callable[..., pa.Table], folders: dict[str, Path], tmp_path: Path
) -> None:
    draw(Stub())
    kept = {path.name for path in (tmp_path / "store").iterdir()}
    assert len(kept) == 3
    without_ce = {name: folder for name, folder in folders.items() if name != "ce"}

    draw(Stub(), models=without_ce)

    left = {path.name for path in (tmp_path / "store").iterdir()}
    assert len(left) == 2
    assert left < kept


@pytest.mark.parametrize(
    "damage",
    [lambda content: content[: len(content) // 2], lambda _: b"", lambda _: b"PAR1 no more PAR1"],
    ids=["cut", "empty", "noise"],
)
def test_a_damaged_block_is_noticed_and_drawn_again(
    draw: Callable[..., pa.Table],
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


def test_a_folder_without_a_model_is_named(
    draw: Callable[..., pa.Table], folders: dict[str, Path]
) -> None:
    (folders["ce"] / "model.safetensors").unlink()

    with pytest.raises(InputError, match="ce: there is no model in this folder"):
        draw(Stub())


# --- real jobs --------------------------------------------------------------------------------


@pytest.fixture
def two_models(splits: Path, warmup: Path, tmp_path: Path) -> dict[str, Path]:
    """The warm-up of the smoke scale, and a branch trained from it."""
    folder = tmp_path / "ce"
    arguments = jobs.train(splits / "train.jsonl", folder, branch="ce")
    jobs.run(*arguments, "--start", warmup / "model")
    return {"warmup": warmup / "model", "ce": folder / "model"}


def test_a_killed_job_run_again_gives_the_same_bytes(
    splits: Path,
    two_models: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain, killed = tmp_path / "plain.parquet", tmp_path / "killed.parquet"
    jobs.run(*jobs.sample(splits / "test.jsonl", two_models, plain, "transformers"))
    arguments = jobs.sample(splits / "test.jsonl", two_models, killed, "transformers")
    block = random.Random(2).randrange(1, 8)  # of two models' four each

    jobs.kill("compute_aligned.sample.engines", "TransformersEngine.sample", block, *arguments)
    assert not killed.exists()
    calls = itertools.count()
    sample = TransformersEngine.sample
    monkeypatch.setattr(
        TransformersEngine, "sample", lambda *given: [next(calls), sample(*given)][1]
    )
    jobs.run(*arguments)

    assert killed.read_bytes() == plain.read_bytes()
    assert next(calls) == 8 - block


def test_samples_of_a_job_fit_their_schema(splits: Path, warmup: Path, tmp_path: Path) -> None:
    out = tmp_path / "samples.parquet"
    models = {"warmup": warmup / "model"}

    jobs.run(*jobs.sample(splits / "test.jsonl", models, out, "transformers"))

    rows = records.read_table(out, SAMPLES).to_pylist()
    assert len(rows) == 20 * 8
    assert all(1 <= row["num_tokens"] <= 6 for row in rows)
    assert all(row["finished"] or row["num_tokens"] == 6 for row in rows)
    assert len({row["text"] for row in rows}) > 20
