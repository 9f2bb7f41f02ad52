from pathlib import Path

import pytest
import torch

from compute_aligned.files.errors import InputError
from compute_aligned.models import ready
from compute_aligned.models.ready import free_memory, require_device, require_memory

MEMINFO = "MemTotal:       24000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\n"


@pytest.fixture
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 8.192 GB of memory to be had, and no control groups."""
    (tmp_path / "meminfo").write_text(MEMINFO)
    monkeypatch.setattr(ready, "MEMORY_INFO", tmp_path / "meminfo")
    monkeypatch.setattr(ready, "CONTROL_GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(ready, "OWN_GROUP", tmp_path / "own")
    return tmp_path


def limited(group: Path, limit: object, used: int, files: int) -> None:
    group.mkdir(parents=True, exist_ok=True)
    (group / "memory.max").write_text(f"{limit}\n")
    (group / "memory.current").write_text(f"{used}\n")
    stat = f"anon {used - files}\ninactive_file {files - 1}\nactive_file 1\n"
    (group / "memory.stat").write_text(stat)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_one_error_with_the_way_to_do_without() -> None:
    require_device("cpu")
    with pytest.raises(InputError, match=r"(?s)device: cuda: torch.*snakemake --config device=cpu"):
        require_device("cuda")


def test_what_is_free_is_what_linux_says(memory: Path) -> None:
    assert free_memory("cpu") == 8_192_000_000

    (memory / "meminfo").unlink()
    assert free_memory("cpu") is None
    require_memory("cpu", 10**15, "where nothing tells, nothing is refused")


def test_the_narrowest_limit_of_a_scheduler_counts_and_files_are_given_back(memory: Path) -> None:
    (memory / "own").write_text("1:name=systemd:/\n0::/slurm/job_7/step_0\n")
    limited(memory / "cgroup" / "slurm" / "job_7" / "step_0", "max", used=9, files=4)
    limited(memory / "cgroup" / "slurm" / "job_7", 4 * 10**9, used=3 * 10**9, files=2 * 10**9)
    limited(memory / "cgroup" / "slurm", 10**12, used=0, files=1)

    assert free_memory("cpu") == 3 * 10**9


def test_a_model_that_has_no_room_is_said_to_have_none(memory: Path) -> None:
    require_memory("cpu", 8.19e9, "a model")
    said = r"(?s)a model, 7 parameters: .*29.0 GB at the least.*main memory 8.2 GB are free.*mem_mb"
    with pytest.raises(InputError, match=said):
        require_memory("cpu", 28.97e9, "a model, 7 parameters")


def test_this_machine_tells_how_much_is_free() -> None:
    if not ready.MEMORY_INFO.exists():
        pytest.skip("not Linux")
    assert 10**8 < (free_memory("cpu") or 0) < 10**14
