"""Runs Python as the environment of a rule would: what that does not have cannot be imported.

``python closed_python.py PLAN -m MODULE ARGUMENTS`` takes from the plan, which ``environments``
wrote, the environment that the verb runs in, and hides all other packages of this Python from
imports and from ``importlib.metadata``. What was imported in the end is noted beside the plan.
"""

import atexit
import importlib.machinery
import importlib.metadata
import json
import os
import re
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class OnlyThese(importlib.machinery.PathFinder):
    """Finds as Python itself does, but for the modules and packages that are hidden."""

    modules: frozenset[str]
    packages: frozenset[str]

    @classmethod
    def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> Any:
        if path is None and fullname in cls.modules:
            return None
        return super().find_spec(fullname, path, target)

    @classmethod
    def find_distributions(cls, *args: Any, **kwargs: Any) -> Iterator[Any]:
        for found in super().find_distributions(*args, **kwargs):
            if re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower() not in cls.packages:
                yield found


def close(hidden: dict[str, list[str]]) -> None:
    """Hide packages from this process, from now on."""
    OnlyThese.modules = frozenset(hidden["modules"])
    OnlyThese.packages = frozenset(hidden["packages"])
    place = sys.meta_path.index(importlib.machinery.PathFinder)
    sys.meta_path[place] = OnlyThese


def main() -> None:
    """Run what the arguments say, in the environment of its verb."""
    path, _, module, *arguments = sys.argv[1:]
    plan = json.loads(Path(path).read_text())
    environment = plan["verbs"][arguments[0]] if module == "compute_aligned" else "workflow"
    close(plan["hidden"][environment])

    def note() -> None:
        imported = sorted({name.partition(".")[0] for name in sys.modules})
        folder = Path(path).with_suffix(".imported") / environment
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{os.getpid()}.json").write_text(json.dumps(imported))

    leave = os._exit

    def note_and_leave(code: int) -> None:
        note()
        leave(code)

    atexit.register(note)
    os._exit = note_and_leave  # how a verb ends
    sys.argv = [module, *arguments]
    sys.path[0] = ""
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
