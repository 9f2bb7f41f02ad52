"""The README's strategy of one's own: one class, one row, and its name in the items to show it."""

import json
import os
import re
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import mpmath
import pytest
import torch

from compute_aligned.config import study
from compute_aligned.files.errors import InputError
from compute_aligned.files.records import OUTCOMES, SAMPLES, STEPS, read_table
from compute_aligned.method import strategies

ROOT = study.ROOT
README = (ROOT / "config" / "README.md").read_text()
CLASS, ROW = (
    re.search(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)[1]  # type: ignore[index]
    for language in ("python", "tsv")
)
FAMILY, BRANCH, LABEL, _, STRATEGY, *_ = ROW.split("\t")
ITEMS = ("table2", "figure1")
TARGETS = (
    "results/smoke/tables/table2.md",
    "paper_figures/smoke/figure1.pdf",
    "paper_figures/smoke/figure_weights_sft.pdf",
    "paper_figures/smoke/figure_weights_rl.pdf",
)
# the texts of the figures, as the project with the new strategy draws them
SHOWN = """
import json, sys
from pathlib import Path
from matplotlib.text import Text
from compute_aligned.config import study as config
from compute_aligned.paper import items

files = items.Files(outcomes=[Path(sys.argv[1])])
print(json.dumps({
    name: [text.get_text() for text in items.figure(config.read_paper_item(name), files, "smoke")
           .findobj(Text)]
    for name in ("figure1", "figure_weights_sft", "figure_weights_rl")
}))
"""


# --- the class ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def own() -> Any:
    """The class as the README spells it, in a module of its own."""
    namespace = vars(strategies) | {"__name__": "example_of_the_readme"}
    exec(compile(CLASS, "config/README.md", "exec"), namespace)
    return namespace["FirstAccepted"]


def chance_of_a_right_answer(n: int, error: float, p: float) -> float:
    """Every way in which n samples and n verdicts can turn out."""
    total = 0.0
    for outcomes in product(product([True, False], repeat=2), repeat=n):
        probability = 1.0
        for right, judged_well in outcomes:
            probability *= (p if right else 1 - p) * (1 - error if judged_well else error)
        accepted = [right for right, judged_well in outcomes if right == judged_well]
        total += probability * (bool(accepted) and accepted[0])
    return total


@pytest.mark.parametrize(("n", "error"), [(1, 0.1), (2, 0.3), (5, 0.01)])
def test_the_success_of_the_example_is_that_of_every_course_of_events(
    own: Any, n: int, error: float
) -> None:
    for p in (0.05, 0.5, 0.99):
        log_p = torch.tensor(p, dtype=torch.float64).log()
        success = own(n=n, error=error).log_success(log_p).exp().item()
        assert success == pytest.approx(chance_of_a_right_answer(n, error, p), rel=1e-12)


@pytest.mark.parametrize("log_p", [-10_000.0, -50.0, -3.0, -0.2, -1e-9])
def test_its_weight_is_the_slope_of_its_log_success_even_where_p_is_tiny(
    own: Any, log_p: float
) -> None:
    def log_success(at: mpmath.mpf) -> mpmath.mpf:
        p, e = mpmath.exp(at), mpmath.mpf(0.1)
        a = (1 - e) * p + e * (1 - p)
        return mpmath.log((1 - e) * p * (1 - (1 - a) ** 8) / a)

    with mpmath.workdps(60):
        expected = float(mpmath.diff(log_success, mpmath.mpf(log_p), h=mpmath.mpf(10) ** -20))
    weight = own(n=8, error=0.1).sft_weight(torch.tensor([log_p], dtype=torch.float64))
    assert weight.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("arguments", [{"n": 0, "error": 0.1}, {"n": 8, "error": 0.5}])
def test_values_that_make_no_sense_are_refused(own: Any, arguments: dict[str, float]) -> None:
    with pytest.raises(InputError, match="not between 0 and"):
        own(**arguments)


# --- the run --------------------------------------------------------------------------------


def add(folder: Path) -> None:
    """Do what the README says, and nothing else."""
    with (folder / "workflow" / "compute_aligned" / "method" / "strategies.py").open("a") as module:
        module.write(f"\n\n{CLASS}")
    with (folder / "config" / "branches.tsv").open("a") as sheet:
        sheet.write(ROW)
    sheet = folder / "config" / "paper_items.tsv"
    header, *lines = sheet.read_text().splitlines()
    place = header.split("\t").index("branches")
    rows = [line.split("\t") for line in lines]
    for row in rows:
        row[place] += f" {BRANCH}" if row[0] in ITEMS else ""
    sheet.write_text("\n".join([header, *map("\t".join, rows)]) + "\n")


def run(folder: Path, *command: str, **variables: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | variables
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with the strategy added, run for one family and seed."""
    folder = tmp_path_factory.mktemp("project")
    for part in ("config", "envs", "workflow"):
        shutil.copytree(ROOT / part, folder / part)
    shutil.copy(ROOT / "Snakefile", folder)
    add(folder)
    options = ["--cores", "1", "--config", "scale=smoke", "seeds=[0]"]
    run(folder, "-m", "snakemake", *TARGETS, *options)
    return folder


def test_the_branch_is_trained_with_the_weight_of_its_strategy(finished: Path, own: Any) -> None:
    folder = finished / f"results/smoke/branches/{FAMILY}/{BRANCH}/seed0"
    origin = json.loads((folder / "model.provenance.json").read_text())
    steps = read_table(folder / "steps.parquet", STEPS).to_pandas()
    log_p = torch.from_numpy(steps["log_p_q50"].to_numpy())

    assert origin["strategy"] == STRATEGY == repr(own(n=8, error=0.1))
    # the weight falls as p rises, so the median of one is at the median of the other; that of
    # cross-entropy, 1, would be no part of it
    expected = own(n=8, error=0.1).sft_weight(log_p).numpy()
    assert 1 - steps["weight_q50"].to_numpy() == pytest.approx(1 - expected, rel=0.1)


def test_the_branch_is_sampled_and_scored_beside_the_others(finished: Path) -> None:
    samples = read_table(finished / f"results/smoke/samples/{FAMILY}/seed0.parquet", SAMPLES)
    outcomes = read_table(
        finished / f"results/smoke/scores/{FAMILY}/seed0.outcomes.parquet", OUTCOMES
    )

    for drawn in (samples, outcomes):
        rows = drawn.to_pandas().groupby("branch").size()
        assert rows[BRANCH] == rows["ce"] == rows["warmup"]


def test_the_branch_is_in_the_table_under_its_label(finished: Path) -> None:
    (level, gain) = [
        line
        for line in (finished / TARGETS[0]).read_text().splitlines()
        if line.startswith(f"| {LABEL} ")
    ]

    assert re.search(r"\d+\.\d<br>\[", level)
    assert re.search(r"[+-]\d+\.\d", gain)


def test_the_branch_is_in_the_figure_and_its_strategy_among_the_weight_curves(
    finished: Path,
) -> None:
    outcomes = finished / f"results/smoke/scores/{FAMILY}/seed0.outcomes.parquet"
    shown = json.loads(
        run(finished, "-c", SHOWN, str(outcomes), PYTHONPATH=str(finished / "workflow"))
    )

    assert all((finished / target).stat().st_size for target in TARGETS)
    assert LABEL in shown["figure1"]
    assert STRATEGY in shown["figure_weights_sft"]
    assert STRATEGY in shown["figure_weights_rl"]
