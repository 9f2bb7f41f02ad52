import json
import subprocess
import sys

import pytest

from compute_aligned.config.reading import ROOT
from compute_aligned.config.scales import Run
from compute_aligned.config.study import read_study
from compute_aligned.describe.cost import lines
from compute_aligned.describe.finished import Finished
from compute_aligned.describe.forecast import Expected, Pace, expected, pace_of, wall_seconds
from compute_aligned.describe.workload import plan

LIGHT = """
import json, sys
from compute_aligned.config.scales import Run
from compute_aligned.describe import forecast
found = {scale: len(forecast.expected(Run(scale=scale), scale)) for scale in sys.argv[1:]}
print(json.dumps([found, sorted({name.partition(".")[0] for name in sys.modules})]))
"""
HEAVY = {"torch", "transformers", "numpy", "pandas", "pyarrow", "huggingface_hub", "rich"}


def test_a_forecast_of_any_scale_needs_no_library_of_the_jobs() -> None:
    command = [sys.executable, "-c", LIGHT, "smoke", "laptop", "small", "paper"]
    workflow = ROOT / "workflow"
    done = subprocess.run(command, cwd=workflow, capture_output=True, text=True, check=True)
    found, loaded = json.loads(done.stdout)

    assert all(found.values())
    assert not HEAVY & set(loaded)


def test_it_is_near_the_estimate_that_looks_at_the_problems() -> None:
    study = read_study("smoke")
    scale = study.settings
    jobs = plan(study, list(study.experiments), (), scale.engine, ROOT).jobs
    looked = lines(jobs, scale, scale.engine, Finished(ROOT, "absent"))[-1].cost.cpu_seconds

    found = expected(Run(scale="smoke"), "smoke")

    assert found.keys() == {f"results/smoke/benchmarks/{job.benchmark}" for job in jobs}
    assert looked <= sum(job.seconds for job in found.values()) < 1.2 * looked


def test_on_a_device_that_nobody_measured_nothing_is_expected() -> None:
    assert expected(Run(scale="smoke", device="cuda"), "smoke") == {}
    job = next(iter(expected(Run(scale="smoke"), "smoke")))
    assert pace_of(Run(scale="smoke", device="cuda"), [job], 2).whole is None
    assert pace_of(Run(scale="smoke"), [job], None).whole is None  # on a cluster
    assert pace_of(Run(scale="smoke"), [job], 2).whole


@pytest.mark.parametrize(
    ("jobs", "cores", "seconds"),
    [
        ([(10, "warm-up", False)] * 8, 2, 40),
        ([(10, "warm-up", False)] * 8, 64, 10),
        ([(10, "warm-up", False), (5, "branches", False), (5, "branches", False)], 2, 15),
        ([(10, "warm-up", True)] * 8, 64, 80),  # one after another on the GPU
    ],
)
def test_jobs_share_cores_and_wait_for_the_stage_before(
    jobs: list[tuple[float, str, bool]], cores: int, seconds: float
) -> None:
    assert wall_seconds([Expected(*job) for job in jobs], cores) == seconds


def test_the_pace_so_far_says_what_is_left() -> None:
    pace = Pace({"a": 10.0, "b": 30.0}, 40.0, began=100.0)
    assert (pace.share(100), pace.left(100)) == (0, 40)

    pace.running["a"] = 100.0
    assert pace.share(104) == 0.1
    assert pace.share(150) == 0.25  # no further than the whole of it

    pace.finished.add(pace.running.popitem()[0])
    assert pace.left(120) == 60  # half as fast as expected


def test_without_an_estimate_jobs_are_counted() -> None:
    pace = Pace({"a": 1.0, "b": 1.0}, None, began=0.0, running={"a": 0.0})
    assert (pace.share(9), pace.left(9)) == (0, None)

    pace.finished.add(pace.running.popitem()[0])
    assert (pace.share(10), pace.left(10)) == (0.5, 10)
