import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from config.config_parts import BRANCHES, error_of, replaced, write
from typer.testing import CliRunner

from compute_aligned.__main__ import app
from compute_aligned.config import checks
from compute_aligned.config.fields import Settings
from compute_aligned.config.reading import CONFIG, ROOT
from compute_aligned.config.study import read_study

SCALES = sorted(path.stem for path in CONFIG.glob("scales/*.yaml"))
CODE = """
import sys
for name in ("numpy", "pandas", "scipy"): sys.modules[name] = None
from compute_aligned.config import checks, fingerprints, regimes
from compute_aligned.config.study import read_study
from compute_aligned.paper import captions, forms
checks.check_claims(read_study("smoke"))
print(*(name for name in ("matplotlib", "torch") if name in sys.modules))
"""


def test_a_right_configuration_passes(tmp_path: Path) -> None:
    study = read_study("tiny", write(tmp_path / "config"))
    # what is above the samples of a scale is left to larger ones
    assert (
        study.row("table2").budgets[-1] > study.experiment("adding").settings.sampling.num_samples
    )

    checks.check(study)


@pytest.mark.parametrize("scale", SCALES)
def test_every_scale_of_the_project_passes_with_the_claims(scale: str) -> None:
    study = read_study(scale)

    checks.check(study)
    checks.check_claims(study)
    for family in study.settings.families.values():
        assert max(family.seeds) < 100  # higher ones are for tuning


@pytest.mark.parametrize(
    ("metric", "problem"),
    [
        ("MajorityVote(n=4, k=5)", "the votes needed, k=5"),
        ("PassAtN(n=16)", "its success cannot be estimated from 8 samples"),
    ],
)
def test_a_strategy_among_the_metrics_has_to_be_estimated_from_the_samples(
    tmp_path: Path, metric: str, problem: str
) -> None:
    changes = {"families.adding.metrics": ["pass@k", metric]}
    folder = write(tmp_path / "config", changes)
    error = error_of(folder)

    assert error.where.startswith(f"{folder / 'scales' / 'tiny.yaml'}: families.adding.metrics: ")
    assert problem in error.problem


def test_without_torch_the_strategies_are_left_to_the_jobs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    branches = replaced(BRANCHES, "PassAtN(n=4)", "PassAtM(n=4)")
    study = read_study("tiny", write(tmp_path / "config", branches=branches))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    checks.check(study)


def test_what_snakemake_asks_before_any_job_needs_no_library_of_the_jobs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=ROOT / "workflow", capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_snakemake_ends_with_the_message_on_an_unknown_key(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "snakemake", "-n", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(tmp_path), "--config", "sacle=smoke"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    shown = done.stdout + done.stderr

    assert done.returncode != 0
    assert "--config: unknown key 'sacle' (did you mean 'scale'?)" in shown
    assert "remedy: remove or rename it; the keys here are device, engine, scale, seeds" in shown
    assert "Traceback" not in shown


def test_the_committed_schemas_are_what_the_verb_writes(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["schemas", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output

    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_text() for path in checks.SCHEMA_FOLDER.iterdir()}
    assert written == committed, "run: make schemas"


@pytest.mark.parametrize("name", ["config.yaml", *(f"scales/{scale}.yaml" for scale in SCALES)])
def test_a_file_names_a_schema_that_it_meets_and_a_misspelt_key_does_not(name: str) -> None:
    text = (CONFIG / name).read_text()
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", text.splitlines()[0])
    assert named
    schema = json.loads(((CONFIG / name).parent / named[1]).read_text())
    jsonschema.validate(yaml.safe_load(text), schema)

    with pytest.raises(jsonschema.ValidationError, match="sacle"):
        jsonschema.validate(yaml.safe_load(text) | {"sacle": "smoke"}, schema)


@pytest.mark.parametrize("name", ["branches", "paper_items", "claims", "claim_contrasts"])
def test_the_rows_of_the_sheets_meet_their_schemas(name: str) -> None:
    schema = json.loads((checks.SCHEMA_FOLDER / f"{name}.schema.json").read_text())
    header, *lines = (CONFIG / f"{name}.tsv").read_text().splitlines()

    for line in lines:
        content = dict(zip(header.split("\t"), line.split("\t"), strict=True))
        numbers = {"budget": int(content["budget"])} if "budget" in content else {}
        jsonschema.validate(content | numbers, schema)


def all_settings(base: type[Settings] = Settings) -> list[type[Settings]]:
    return [sub for cls in base.__subclasses__() for sub in (cls, *all_settings(cls))]


def test_the_readme_explains_every_key_and_names_files_that_exist() -> None:
    readme = (CONFIG / "README.md").read_text()
    keys = {(cls.__name__, key) for cls in all_settings() for key in cls.model_fields}
    keys -= {("Duration", "count"), ("Duration", "unit")}  # written as one: 480 steps
    names = set(re.findall(r"`((?:scales/)?[a-z_]+\.(?:yaml|tsv|csv))`", readme))

    assert len(keys) > 60
    assert {(block, key) for block, key in keys if f"`{key}`" not in readme} == set()
    assert names >= {"config.yaml", "scales/laptop.yaml", "branches.tsv", "paper_items.tsv"}
    assert {name for name in names if not (CONFIG / name).exists()} == set()
