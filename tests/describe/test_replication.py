import json
from pathlib import Path

import pandas as pd
import pytest
from support.claim_parts import reviewed

from compute_aligned.claims.verdict_tables import to_verdicts
from compute_aligned.config.study import read_study
from compute_aligned.describe.reference import section
from compute_aligned.describe.replication import FILE, Replication, keep, read, read_verdicts
from compute_aligned.files.errors import InputError

SMOKE = read_study("smoke")


def run(folder: Path, seeds: list[int], verdicts: str) -> None:
    """What the claims step leaves of a run, as far as a replication needs it."""
    folder.mkdir(parents=True)
    (folder / "verdicts.csv").write_text(verdicts)
    inputs = [f"results/smoke/scores/sft_passn/seed{seed}.outcomes.parquet" for seed in seeds]
    (folder / "claims.csv.provenance.json").write_text(json.dumps({"inputs": inputs}))


def test_the_verdicts_of_other_seeds_are_kept_beside_the_reference(tmp_path: Path) -> None:
    run(tmp_path / "results/reference/smoke", [0, 1], to_verdicts(reviewed()))
    run(tmp_path / "results/smoke", [11, 12, 10], to_verdicts(reviewed()))

    path = keep(SMOKE, tmp_path)

    assert path == tmp_path / "results/reference/smoke" / FILE
    kept = read(path.parent)
    assert kept is not None
    assert kept.seeds == "10 to 12"
    assert kept.verdicts == {"C1a": "reproduced", "C5a": "not run", "C11": "holds by algebra"}
    assert kept.agreement(read_verdicts(path.parent / "verdicts.csv")) == (1, 1)


@pytest.mark.parametrize(
    ("seeds", "message"), [([1, 2], "seeds 1 in common"), (None, "no verdicts of scale smoke")]
)
def test_what_is_no_replication_is_refused(
    tmp_path: Path, seeds: list[int] | None, message: str
) -> None:
    run(tmp_path / "results/reference/smoke", [0, 1], to_verdicts(reviewed()))
    if seeds is not None:
        run(tmp_path / "results/smoke", seeds, to_verdicts(reviewed()))

    with pytest.raises(InputError, match=message):
        keep(SMOKE, tmp_path)


def test_agreement_is_of_verdicts_that_both_runs_judge() -> None:
    there = {"C1a": "reproduced", "C1b": "not shown", "C2a": "not run", "C3a": "contradicted"}
    here = {
        "C1a": "reproduced; below Warm-up; 3 of 3 hold",
        "C1b": "reproduced",
        "C2a": "reproduced",
        "C3a": "contradicted; 0 of 1 hold",
        "C4": "reproduced",
    }
    verdicts = pd.DataFrame({"claim": list(here), "verdict": list(here.values())})

    assert Replication("10 to 19", there).agreement(verdicts) == (2, 3)


def test_the_readme_shows_both_verdicts_where_they_differ(tmp_path: Path) -> None:
    reference = Path(__file__).parents[2] / "results" / "reference" / "laptop"
    (tmp_path / "tables").symlink_to(reference / "tables")
    (tmp_path / "claims.md").write_text("# What holds\n\nBy this rule.\n\n")
    (tmp_path / "verdicts.csv").write_text(to_verdicts(reviewed()))
    (tmp_path / FILE).write_text("claim,verdict,seeds\nC1a,not shown,10 to 19\n")

    text = section(read_study("laptop"), tmp_path)

    assert "on the seeds 10 to 19: 0 of 1 verdicts agree" in text
    assert "clear after Holm<br>seeds 10 to 19: not shown" in text
