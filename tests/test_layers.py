"""The package's rooms: which there are, that imports between them go one way, and what is light."""

import ast
import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

import compute_aligned

PACKAGE = compute_aligned.__name__
PACKAGE_FOLDER = Path(compute_aligned.__file__).parent
TESTS = Path(__file__).parent
STEPS = ["prepare", "train", "sample", "score", "paper", "claims", "describe"]
# each room may import those of the lines above its own
LINES = [
    *(["files"], ["method"], ["config"], ["score"], ["models"], ["paper"]),
    *(["prepare", "train", "sample"], ["claims"], ["describe"], ["__main__"]),
]
EDGES = {"datasets", "pandas", "snakemake", "transformers", "vllm"}
MOST_LINES = 300
LIST_MODULES = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
importlib.import_module(sys.argv[2])
print(json.dumps(sorted(sys.modules)))
"""


def modules_after_importing(name: str) -> set[str]:
    command = [sys.executable, "-I", "-c", LIST_MODULES, str(PACKAGE_FOLDER.parent), name]
    return set(json.loads(subprocess.check_output(command)))


@pytest.mark.parametrize("path", sorted((PACKAGE_FOLDER / "method").glob("[a-z]*.py")), ids=str)
def test_the_method_imports_neither_edges_nor_other_rooms(path: Path) -> None:
    loaded = modules_after_importing(f"compute_aligned.method.{path.stem}")
    rooms = {m.split(".")[1] for m in loaded if m.startswith("compute_aligned.")}

    assert not loaded & EDGES
    assert rooms <= {"method", "files"}
    assert {m for m in loaded if m.startswith("compute_aligned.files.")} <= {
        "compute_aligned.files.errors"
    }


def test_scoring_starts_without_the_libraries_that_train_and_sample() -> None:
    loaded = modules_after_importing("compute_aligned.score.scoring")

    assert not loaded & {"torch", "transformers", "vllm"}


def test_every_rule_file_has_a_room_of_its_name_in_the_package_and_the_tests() -> None:
    rules = {p.stem for p in (PACKAGE_FOLDER.parent / "rules").glob("*.smk")} - {"common"}

    assert rules == set(STEPS)
    for room in STEPS:
        assert (PACKAGE_FOLDER / room / "steps.py").is_file(), room
    for line in LINES[:-1]:
        for room in line:
            assert ast.get_docstring(ast.parse((PACKAGE_FOLDER / room / "__init__.py").read_text()))
            assert list((TESTS / room).glob("test_*.py")), room
    there = {p.stem for p in PACKAGE_FOLDER.iterdir() if not p.name.startswith("__pycache__")}
    assert there == {room for line in LINES for room in line} | {"__init__"}


def rooms_imported_by(path: Path) -> set[str]:
    """The rooms that a file of the package imports from, anywhere in its text."""
    return {
        f"{node.module}.{alias.name}".split(".")[1]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE
        for alias in node.names
    } - {"__version__"}


@pytest.mark.parametrize("number", range(len(LINES)), ids=lambda n: ",".join(LINES[n]))
def test_imports_between_rooms_go_one_way(number: int) -> None:
    above = {room for line in LINES[:number] for room in line}
    for room in LINES[number]:
        place = PACKAGE_FOLDER / room
        for path in place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]:
            assert rooms_imported_by(path) <= above | {room}, path


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


def test_no_file_of_the_package_is_long() -> None:
    lengths = {str(p): len(p.read_text().splitlines()) for p in PACKAGE_FOLDER.rglob("*.py")}

    assert {path: count for path, count in lengths.items() if count > MOST_LINES} == {}
