import json
from pathlib import Path

import pytest

from compute_aligned.describe.finished import Finished
from compute_aligned.describe.jobs import ARTEFACTS, STAGES, Job
from compute_aligned.files.errors import InputError

JOB = Job("train_sft", "sft_passn", "sft_passn/ce/seed0")
HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def benchmark(root: Path) -> None:
    path = root / "results/smoke/benchmarks/train_sft/sft_passn/ce/seed0.tsv"
    path.parent.mkdir(parents=True)
    path.write_text(HEADER + "10.0\t-\t100\t0\t0\t0\t0\t0\t0\t4.0\n")


def recorded(root: Path, content: object) -> None:
    path = root / "results/smoke/branches/sft_passn/ce/seed0/model.provenance.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))


def test_a_job_that_has_not_finished_took_nothing(tmp_path: Path) -> None:
    recorded(tmp_path, {"cpu_seconds": 9.5})  # of an earlier run, say

    assert Finished(tmp_path, "smoke").took(JOB) is None


def test_the_cpu_time_is_that_which_the_job_recorded(tmp_path: Path) -> None:
    benchmark(tmp_path)
    before = Finished(tmp_path, "smoke").took(JOB)
    recorded(tmp_path, {"cpu_seconds": 9.5})
    took = Finished(tmp_path, "smoke").took(JOB)

    assert before is not None
    assert before.cpu_seconds == 4.0
    assert took is not None
    assert took.cpu_seconds == 9.5
    assert (took.wall_seconds, took.memory_bytes) == (10.0, 100 * 2**20)


def test_without_the_record_of_a_later_version_snakemake_s_reading_counts(tmp_path: Path) -> None:
    benchmark(tmp_path)
    recorded(tmp_path, {"seconds": 8.0})

    took = Finished(tmp_path, "smoke").took(JOB)

    assert took is not None
    assert took.cpu_seconds == 4.0


@pytest.mark.parametrize("content", [[], "text", None])
def test_a_broken_record_is_named(tmp_path: Path, content: object) -> None:
    recorded(tmp_path, content)

    with pytest.raises(InputError, match=r"model\.provenance\.json: it is no record"):
        Finished(tmp_path, "smoke").provenance(JOB)


def test_every_rule_has_a_stage_and_an_artefact() -> None:
    assert set(ARTEFACTS) == set(STAGES)
