import re
from pathlib import Path

import pytest
from support.runs import copy_repository, snakemake

from compute_aligned.describe import report
from compute_aligned.files.errors import InputError

TABLE = "results/smoke/tables/table1.csv"


def test_a_run_that_is_not_finished_has_one_clear_error_and_runs_nothing(tmp_path: Path) -> None:
    folder = copy_repository(tmp_path)
    with pytest.raises(InputError) as caught:
        report.build("smoke", folder)

    problem, remedy = str(caught.value).splitlines()
    said = re.match(r"the run at scale smoke: it is not finished: (\d+) of its files", problem)
    assert said
    assert "paper_figures/smoke/claims.pdf" in problem
    assert "snakemake --cores all --config scale=smoke" in remedy
    assert not (folder / "results").exists()
    assert not (folder / "paper_figures").exists()

    # what is made is not among what is left
    done = snakemake(folder, "--cores", "1", TABLE, "--config", "scale=smoke")
    assert done.returncode == 0, done.stderr
    left = report.unfinished("smoke", folder)
    made = {f"results/smoke/tables/table1.{kind}" for kind in ("csv", "md", "tex", "html")}
    assert len(left) == int(said[1]) - len(made)
    assert not made & set(left)


def test_what_snakemake_says_against_it_is_passed_on(tmp_path: Path) -> None:
    folder = copy_repository(tmp_path)
    (folder / "Snakefile").write_text("rule broken:\n    outptu: 'a'\n")

    with pytest.raises(InputError, match="outptu"):
        report.build("smoke", folder)
