"""The README's strategy of one's own: one class, one row, and its name in the items to show it."""

import json
import re
import shutil
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import mpmath
import pytest
import torch
from support import jobs, runs

from compute_aligned.files.errors import InputError
from compute_aligned.files.records import OUTCOMES, SAMPLES, STEPS, read_table
from compute_aligned.method import strategies

README = (runs.ROOT / "config" / "README.md").read_text()
CLASS, ROW = (
    re.search(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)[1]  # type: ignore[index]
    for language in ("python", "tsv")
)
FAMILY, BRANCH, LABEL, _, STRATEGY, *_ = ROW.split("\t")
SHOWN_IN = ("table2", "figure1")
FIGURES = ("figure1", "figure_weights_sft", "figure_weights_rl")
TARGETS = [f"paper_figures/smoke/{name}.pdf" for name in FIGURES]
# the texts of the figures, as the project with the new strategy draws them
DRAWN = """
import json, sys
from pathlib import Path
from matplotlib.text import Text
from compute_aligned.config.reading import REPORTED
from compute_aligned.config.study import read_study
from compute_aligned.paper import items

files = items.Files(REPORTED, outcomes=[Path(sys.argv[1])])
figures = {name: items.make(name, read_study("smoke"), files) for name in sys.argv[2:]}
print(json.dumps({n: [text.get_text() for text in f.findobj(Text)] for n, f in figures.items()}))
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

    def show(row: dict[str, str]) -> bool:
        row["branches"] += f" {BRANCH}" if row["item"] in SHOWN_IN else ""
        return True

    runs.edit_rows(folder / "config" / "paper_items.tsv", show)


@pytest.fixture(scope="module")
def added(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished run to which the strategy is added, run again, and what Snakemake says."""
    folder = tmp_path_factory.mktemp("added") / "repository"
    shutil.copytree(finished, folder, symlinks=True)
    add(folder)
    targets = ["results/smoke/tables/table2.md", *TARGETS]
    done = runs.snakemake(folder, "--cores", "2", *targets, "--config", "scale=smoke", "seeds=[0]")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout + done.stderr


def test_its_branch_alone_is_trained(added: tuple[Path, str], own: Any) -> None:
    folder, said = added
    trained = folder / f"results/smoke/branches/{FAMILY}/{BRANCH}/seed0"
    origin = json.loads((trained / "model.provenance.json").read_text())
    steps = read_table(trained / "steps.parquet", STEPS).to_pandas()
    log_p = torch.from_numpy(steps["log_p_q50"].to_numpy())

    again = {"train_sft": 1, "sample": 1, "score": 1, "table": 1, "figure": len(FIGURES)}
    assert Counter(re.findall(r"^\d+/\d+ (\w+)", said, re.MULTILINE)) == again
    assert origin["strategy"] == STRATEGY == repr(own(n=8, error=0.1))
    # the weight falls as p rises, so the median of one is at the median of the other; that of
    # cross-entropy, 1, would be no part of it
    expected = own(n=8, error=0.1).sft_weight(log_p).numpy()
    assert 1 - steps["weight_q50"].to_numpy() == pytest.approx(1 - expected, rel=0.1)


def test_it_is_sampled_and_scored_beside_the_others(added: tuple[Path, str]) -> None:
    results = added[0] / "results" / "smoke"
    for path, schema in (
        (results / f"samples/{FAMILY}/seed0.parquet", SAMPLES),
        (results / f"scores/{FAMILY}/seed0.outcomes.parquet", OUTCOMES),
    ):
        rows = read_table(path, schema).to_pandas().groupby("branch").size()
        assert rows[BRANCH] == rows["ce"] == rows["warmup"]


def test_it_is_in_the_table_and_the_figure_and_among_the_curves_of_weights(
    added: tuple[Path, str],
) -> None:
    folder, _ = added
    lines = (folder / "results/smoke/tables/table2.md").read_text().splitlines()
    (level, gain) = [line for line in lines if line.startswith(f"| {LABEL} ")]
    assert re.search(r"\d+\.\d<br>\[", level)
    assert re.search(r"[+-]\d+\.\d", gain)

    outcomes = folder / f"results/smoke/scores/{FAMILY}/seed0.outcomes.parquet"
    drawn = jobs.start("-c", DRAWN, outcomes, *FIGURES, PYTHONPATH=str(folder / "workflow"))
    assert drawn.returncode == 0, drawn.stderr
    texts = json.loads(drawn.stdout)
    assert all((folder / target).stat().st_size for target in TARGETS)
    assert LABEL in texts["figure1"]
    assert STRATEGY in texts["figure_weights_sft"]
    assert STRATEGY in texts["figure_weights_rl"]
