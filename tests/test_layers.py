import ast
import importlib.util
import json
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import compute_aligned

PACKAGE = compute_aligned.__name__
PACKAGE_FOLDER = Path(compute_aligned.__file__).parent
TESTS = Path(__file__).parent
CORE = [
    *("claims", "diagnostics", "estimators", "logmath", "policy", "rewards", "strategies"),
    *("statistics.confidence", "statistics.power", "statistics.resampling", "statistics.student"),
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
    assert ours <= {f"compute_aligned.{core}" for core in [*CORE, "errors", "statistics"]}


def test_scoring_starts_without_the_libraries_that_train_and_sample() -> None:
    loaded = modules_after_importing("compute_aligned.scoring")

    assert not loaded & {"torch", "transformers", "vllm"}


def modules_imported_by(path: Path) -> set[str]:
    """What a file of the package imports of it, anywhere in its text, as ``folder.module``."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            inside = node.module.removeprefix(PACKAGE).lstrip(".")
            found |= {f"{inside}.{alias.name}".lstrip(".") for alias in node.names}
    return found


def test_imports_between_modules_and_folders_go_one_way() -> None:
    below: dict[str, set[str]] = {}
    for path in PACKAGE_FOLDER.rglob("*.py"):
        layer = path.relative_to(PACKAGE_FOLDER).with_suffix("").parts[0]
        others = {name.split(".")[0] for name in modules_imported_by(path)} - {layer, "__version__"}
        below.setdefault(layer, set()).update(others)

    order = list(TopologicalSorter(below).static_order())  # raises where there is a circle

    there = {p.stem for p in PACKAGE_FOLDER.iterdir() if p.suffix == ".py" or p.is_dir()}
    assert set(order) <= there  # or the imports were misread
    assert order.index("strategies") < order.index("sft") < order.index("cli")
    assert below["cli"] >= {"config", "reports", "verdicts"}


@pytest.mark.parametrize("folder", [PACKAGE_FOLDER, TESTS], ids=lambda folder: folder.name)
def test_every_name_imported_from_the_package_is_there(folder: Path) -> None:
    imports = [
        (node.module, alias.name)
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE
        for alias in node.names
    ]

    assert len(imports) > 50
    for module, name in imports:  # also those that only a slow test or a function's body imports
        there = hasattr(importlib.import_module(module), name)
        assert there or importlib.util.find_spec(f"{module}.{name}"), (module, name)


def test_every_folder_says_what_is_in_it() -> None:
    folders = [p for p in PACKAGE_FOLDER.iterdir() if list(p.glob("*.py"))]

    assert len(folders) > 5
    for folder in folders:
        assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text())), folder
