import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from support import jobs, tiny

from compute_aligned.config.reading import CONFIG
from compute_aligned.config.study import read_study
from compute_aligned.models import loading

# how long an example takes tells about the machine, not about the code
settings.register_profile("tests", deadline=None)
settings.load_profile("tests")


def saved(folder: Path, seed: int) -> Path:
    loading.save(*tiny.build(seed, torch.float32), folder)
    return folder


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("model"), seed=0)


@pytest.fixture(scope="session")
def other_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the same shape and tokenizer with other weights."""
    return saved(tmp_path_factory.mktemp("other"), seed=1)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the configuration, which verbs in this process read in place of the project's."""
    folder = shutil.copytree(CONFIG, tmp_path / "config")
    monkeypatch.setattr(read_study.__wrapped__, "__defaults__", (folder,))
    read_study.cache_clear()
    yield folder
    read_study.cache_clear()


@pytest.fixture(scope="session")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prepared problems of the smoke scale."""
    folder = tmp_path_factory.mktemp("splits")
    raw = folder / "products.jsonl"
    jobs.run("fetch", "--scale", "smoke", "--source", "products", "--out", raw)
    jobs.run("prepare", *jobs.SMOKE, "--raw", raw, "--out", folder)
    return folder


@pytest.fixture(scope="session")
def warmup(splits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The warm-up of the smoke scale, trained without interruption: model/, steps.parquet."""
    folder = tmp_path_factory.mktemp("warmup")
    jobs.run(*jobs.train(splits / "train.jsonl", folder))
    return folder
