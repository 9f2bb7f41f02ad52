import subprocess
import sys

import pytest

from compute_aligned.config import study
from compute_aligned.config.scales import Run
from compute_aligned.config.study import families_shown, seeds_of

CHECK = """
import sys
from compute_aligned.config import study as config
from compute_aligned.paper import captions
from compute_aligned.config import checks, claims as claim_sheets, fingerprints
print(*(name for name in ("numpy", "pandas", "matplotlib", "torch") if name in sys.modules))
"""


def test_a_run_s_own_seeds_take_the_place_of_a_family_s() -> None:
    family = study.read_family("smoke", "sft_passn")

    assert seeds_of(Run(scale="smoke"), "smoke", "sft_passn") == family.seeds
    assert seeds_of(Run(scale="smoke", seeds=(7,)), "smoke", "sft_passn") == (7,)


def test_a_family_that_no_item_shows_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = families_shown("smoke")
    items = {n: item for n, item in study.read_paper_items().items() if item.family != "sft_passn"}
    monkeypatch.setattr(study, "read_paper_items", lambda: items)

    assert everything == list(study.read_scale("smoke").families)
    assert families_shown("smoke") == [name for name in everything if name != "sft_passn"]


def test_what_snakemake_asks_before_any_job_needs_no_library_of_the_jobs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHECK],
        cwd=study.ROOT / "workflow",
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == ""
