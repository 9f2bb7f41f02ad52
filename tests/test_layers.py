import json
import subprocess
import sys
from pathlib import Path

import pytest

import compute_aligned

PACKAGE_FOLDER = Path(compute_aligned.__file__).parent
CORE = [
    *("claims", "confidence", "diagnostics", "estimators", "logmath", "policy", "power"),
    *("resampling", "rewards", "strategies", "student"),
]
EDGES = {"datasets", "pandas", "snakemake", "transformers", "vllm"}
LIST_MODULES = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
importlib.import_module(sys.argv[2])
print(json.dumps(sorted(sys.modules)))
"""


def modules_after_importing(name: str) -> set[str]:
    command = [sys.executable, "-I", "-c", LIST_MODULES, str(PACKAGE_FOLDER.parent), name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("name", CORE)
def test_the_core_imports_neither_edges_nor_upper_layers(name: str) -> None:
    loaded = modules_after_importing(f"compute_aligned.{name}")
    ours = {module for module in loaded if module.startswith("compute_aligned.")}

    assert f"compute_aligned.{name}" in ours
    assert not loaded & EDGES
    assert ours <= {f"compute_aligned.{core}" for core in [*CORE, "errors"]}


def test_scoring_starts_without_the_libraries_that_train_and_sample() -> None:
    loaded = modules_after_importing("compute_aligned.scoring")

    assert not loaded & {"torch", "transformers", "vllm"}
