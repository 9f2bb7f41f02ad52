import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from compute_aligned.__main__ import app
from compute_aligned.config import checks, fingerprints, study
from compute_aligned.config.fields import Settings
from compute_aligned.config.models import PretrainedModel
from compute_aligned.config.scales import Run
from compute_aligned.files.errors import InputError

SCALE = """
engine: vllm
device: cpu
dtype: float32
sources:
  numbers: {source: generated:products, high: 20}
families:
  adding:
    seeds: [0, 1]
    problems: {source: numbers, train: 100, test: 20}
    model:
      {vocabulary: "0 1 * =", hidden_size: 32, intermediate_size: 64, layers: 1, heads: 1,
       max_length: 32}
    warmup: &training {learning_rate: 3e-3, hold: 60 steps, batch_size: 20, clip_norm: 1.0}
    sft: *training
    sampling: {num_samples: 8, temperature: 0.8, max_new_tokens: 6}
    metrics: [pass@k]
"""
BRANCHES = """family branch label start strategy weight_form role overrides
adding ce Cross-entropy - SingleSample() - baseline -
adding passn_n4 Pass@4 - PassAtN(n=4) - strategy -
voting standard Standard - SingleSample() raw baseline -
voting majority Majority - MajorityVote(n=8,k=3) raw strategy kl_weight=0.5
"""
ITEMS = """item;output;form;family;branches;metric;budgets;reported;title
table2;table;levels;adding;ce passn_n4;pass@k;1 4 64;-;A table
figure1;figure;gains;adding;ce passn_n4;pass@k;1 2 4 8;-;A figure
table3;table;levels;voting;standard majority;maj@k;1 8;-;Another table
"""
THROUGHPUT = """
throughput:
  jobs:
    prepare: &start {seconds: 1.0, gigabytes: 0.5}
    train: *start
    sample: *start
    report: *start
  pass_seconds: 0.01
  training_flops: 1.0e+10
  sampling_flops: 1.0e+10
  score_seconds: 0.0
"""
RUN = Run(scale="tiny")
SFT_BRANCHES = {"ce", "passn_n4"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small configuration without mistakes, in place of the project's own."""
    (tmp_path / "scales").mkdir()
    (tmp_path / "scales" / "tiny.yaml").write_text(SCALE)
    (tmp_path / "config.yaml").write_text("scale: tiny\n")
    (tmp_path / "branches.tsv").write_text(BRANCHES.replace(" ", "\t"))
    (tmp_path / "paper_items.tsv").write_text(ITEMS.replace(";", "\t"))
    monkeypatch.setattr(study, "CONFIG", tmp_path)
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    for read in (study.read_scale, study.read_branches, study.read_paper_items):
        read.cache_clear()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def error_of_check(run: Run = RUN) -> InputError:
    with pytest.raises(InputError) as caught:
        checks.check(run)
    assert len(str(caught.value).splitlines()) == 2
    assert caught.value.remedy
    return caught.value


# --- the run --------------------------------------------------------------------------------


def test_a_right_configuration_passes_and_is_read_as_it_stands(folder: Path) -> None:
    checks.check(study.read_run())

    assert study.read_run() == RUN
    assert study.read_family("tiny", "adding").seeds == (0, 1)
    assert study.branches_of("adding") == ["ce", "passn_n4"]
    assert study.models_of("adding") == ["warmup", "ce", "passn_n4"]
    assert study.baseline_of("voting") == "standard"
    assert study.labels_of("adding") == {
        "warmup": "Warm-up",
        "ce": "Cross-entropy",
        "passn_n4": "Pass@4",
    }


def test_values_of_the_command_line_replace_those_of_the_file(folder: Path) -> None:
    assert study.read_run({"seeds": [5, 7]}) == Run(scale="tiny", seeds=(5, 7))
    assert study.read_run({"scale": "other"}).scale == "other"
    assert study.read_run({"seeds": ["5", "7"]}).seeds == (5, 7)  # as Snakemake passes [5, 7]


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        ({"sacle": "smoke"}, "unknown key 'sacle' (did you mean 'scale'?)"),
        ({"seeds": 0}, "seeds: expected a list, such as [0, 1], not 0"),
        ({"seeds": [1, 1]}, "seeds: 1 is there 2 times; once is enough"),
        ({"engine": "vlm"}, "engine: Input should be 'vllm' or 'transformers', not 'vlm'"),
    ],
)
def test_a_mistake_on_the_command_line_is_told_from_one_in_the_file(
    folder: Path, overrides: dict, problem: str
) -> None:
    with pytest.raises(InputError) as caught:
        study.read_run(overrides)
    assert (caught.value.where, caught.value.problem) == ("--config", problem)

    text = yaml.safe_dump({"scale": "tiny"} | overrides)
    (folder / "config.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        study.read_run()
    assert caught.value.where == str(folder / "config.yaml")
    assert caught.value.problem == problem


def test_snakemake_ends_with_the_message_on_an_unknown_key(tmp_path: Path) -> None:
    snakefile = study.ROOT / "Snakefile"
    command = [sys.executable, "-m", "snakemake", "-n", "--snakefile", str(snakefile)]
    command += ["--directory", str(tmp_path), "--config", "sacle=smoke"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    shown = done.stdout + done.stderr

    assert done.returncode != 0
    assert "--config: unknown key 'sacle' (did you mean 'scale'?)" in shown
    assert "remedy: remove or rename it; the keys here are device, engine, scale, seeds" in shown
    assert "Traceback" not in shown


# --- scales ---------------------------------------------------------------------------------


def test_an_unknown_scale_is_named_with_those_there_are(folder: Path) -> None:
    error = error_of_check(Run(scale="tyny"))

    assert error.problem == "there is no scale 'tyny'"
    assert error.remedy == "choose one of: tiny (did you mean 'tiny'?)"


def test_a_broken_scale_file_is_named_with_its_line(folder: Path) -> None:
    edit(folder / "scales" / "tiny.yaml", "[0, 1]", "[0, 1")

    assert error_of_check().where.startswith(f"{folder / 'scales' / 'tiny.yaml'}:")


def test_an_unknown_family_source_branch_or_item_is_named_with_the_near_one(folder: Path) -> None:
    for read, message in [
        (lambda: study.read_family("tiny", "addign"), "did you mean 'adding'?"),
        (lambda: study.read_source("tiny", "number"), "did you mean 'numbers'?"),
        (lambda: study.read_branch("adding", "passn_n5"), "did you mean 'passn_n4'?"),
        (lambda: study.read_branch("nobody", "ce"), "choose one of: none"),
        (lambda: study.read_paper_item("tabel2"), "did you mean 'table2'?"),
    ]:
        with pytest.raises(InputError) as caught:
            read()
        assert message in caught.value.remedy


# --- branches -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "where", "problem"),
    [
        ("PassAtN(n=4)", "PassAtM(n=4)", ": adding passn_n4: ", "no strategy is named PassAtM"),
        ("PassAtN(n=4)", "PassAtN(4)", ": adding passn_n4: ", "a strategy is a name with literal"),
        ("n=8,k=3", "n=8,k=9", ": voting majority: ", "the votes needed, k=9"),
        ("n=8,k=3", "n=0,k=1", ": voting majority: ", "the budget n=0"),
        ("(n=4)\t-", "(n=4)\tlog", ": adding passn_n4", "weight_form is log, which is rein"),
        ("4\t-\tP", "4\tpassn\tP", ": adding passn_n4: start", "'passn' (did you mean 'passn_n4'"),
        ("4\t-\tP", "4\tstandard\tP", ": adding passn_n4: start", "has no branch 'standard'"),
        ("4\t-\tP", "4\tpassn_n4\tP", ": adding passn_n4: start", "passn_n4 starts from passn_n4"),
        ("4\t-\tP", "4\t\tP", ":3", "start: String should match pattern"),
        ("passn_n4", "ce", ":3", "branch 'ce' of 'adding' is taken"),
        ("passn_n4", "warmup", ":3", "branch 'warmup' of 'adding' is taken"),
        ("-\tstrategy", "-\tbaseline", "", "'adding' has 2 branches with role baseline"),
        ("-\tbaseline", "-\tcontrol", "", "'adding' has 0 branches with role baseline"),
        ("adding\t", "addign\t", "", "family 'adding' has no branches (did you mean 'addign'?)"),
        ("Pass@4\t", "", ":3", "expected 8 cells, found 7"),
        ("Pass@4\t", "Pass@4\t\t", ":3", "expected 8 cells, found 9"),
        (
            "adding\tpassn_n4\tPass@4\t",
            "adding passn_n4 Pass@4 ",
            ":3",
            "expected 8 cells, found 5",
        ),
        ("label", "labels", ":1", "there is no column 'labels' (did you mean 'label'?)"),
        ("Pass@4", "", ":3", "label: String should have at least 1 character"),
        ("strategy\t-", "strategy\tclip", ":3", "overrides: expected - or key=value words"),
        (
            "strategy\t-",
            "strategy\tclip_nrom=2",
            ": adding passn_n4",
            "unknown key 'clip_nrom' (did",
        ),
        ("strategy\t-", "strategy\tclip_norm=0", ": adding passn_n4", "clip_norm: Input should be"),
        ("strategy\t-", "strategy\trival_tokens=4", ": adding passn_n4", "set both, or neither"),
    ],
)
def test_a_mistake_in_the_branches_is_named(
    folder: Path, old: str, new: str, where: str, problem: str
) -> None:
    edit(folder / "branches.tsv", old, new)
    error = error_of_check()

    assert error.where.startswith(f"{folder / 'branches.tsv'}{where}")
    assert problem in error.problem


def test_overrides_are_laid_over_the_training_of_their_branch_alone(folder: Path) -> None:
    edit(folder / "branches.tsv", "strategy\t-", "strategy\tclip_norm=2.0 decay=3_epochs")
    with pytest.raises(InputError, match="overrides: decay: expected a length such as"):
        study.branch_training("tiny", "adding", "passn_n4")

    forget()
    edit(folder / "branches.tsv", " decay=3_epochs", "")
    base = study.read_family("tiny", "adding").sft
    assert base is not None
    assert study.branch_training("tiny", "adding", "ce") == base
    changed = study.branch_training("tiny", "adding", "passn_n4")
    assert changed == base.model_copy(update={"clip_norm": 2.0})


RL = """
    rl:
      {steps: 9, prompts_per_step: 2, group_size: 2, rollout: {temperature: 1.0, max_new_tokens: 6},
       reward: answer, success_estimate: sequence_probability, kl_weight: 0, learning_rate: 1e-3,
       clip_norm: 1.0}
"""


def test_a_row_decides_how_its_branch_is_trained_and_from_which_model(folder: Path) -> None:
    scale = folder / "scales" / "tiny.yaml"
    scale.write_text(scale.read_text().replace("train: 100", "train: 100, rl: train") + RL)
    edit(folder / "branches.tsv", "-\tPassAtN(n=4)\t-", "ce\tPassAtN(n=4)\tlog")
    edit(folder / "branches.tsv", "strategy\t-", "strategy\tsteps=7")
    checks.check(RUN)

    settings = study.read_family("tiny", "adding")
    assert settings.rl is not None
    assert study.branch_training("tiny", "adding", "ce") == settings.sft
    changed = study.branch_training("tiny", "adding", "passn_n4")
    assert changed == settings.rl.model_copy(update={"steps": 7})
    assert study.start_of("adding", "ce") == "warmup"
    assert study.start_of("adding", "passn_n4") == "ce"
    assert study.branches_trained_by("sft") == [("adding", "ce")]
    assert ("adding", "passn_n4") in study.branches_trained_by("rl")


def test_a_block_that_a_row_needs_and_the_scale_lacks_is_named(folder: Path) -> None:
    edit(folder / "branches.tsv", "(n=4)\t-", "(n=4)\traw")
    error = error_of_check()

    assert error.where == f"{folder / 'branches.tsv'}: adding passn_n4"
    assert "reinforcement learning (rl), and the family has no such block" in error.problem
    assert str(folder / "scales" / "tiny.yaml") in error.remedy


def test_branches_without_rows_or_without_a_file_are_errors(folder: Path) -> None:
    path = folder / "branches.tsv"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    assert error_of_check().problem == "the sheet has no rows"

    path.unlink()
    assert error_of_check().problem == "the file is missing"


def test_without_torch_the_strategies_are_left_to_the_jobs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(folder / "branches.tsv", "PassAtN(n=4)", "PassAtM(n=4)")
    monkeypatch.setattr(checks.importlib.util, "find_spec", lambda name: None)

    checks.check(RUN)


# --- items ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "where", "problem"),
    [
        (
            "ce passn_n4\tpass@k\t1 4 64",
            "ce passn_n5\tpass@k\t1 4 64",
            ":2",
            "no branch 'passn_n5'",
        ),
        ("levels\tvoting", "levels\tvotes", ":4", "family 'votes' has no branch 'standard'"),
        ("figure1", "table2", ":3", "item 'table2' is there twice"),
        ("\t-\tA table", "\t-", ":2", "expected 9 cells, found 8"),
        ("pass@k\t1 4 64", "maj@k\t1 4", ": table2", "metric maj@k is not computed by family"),
        ("1 4 64", "16 32", ": table2", "not all of the budgets 16, 32 are computed by"),
        ("1 4 64", "1 3 64", ": table2", "not all of the budgets 1, 3 are computed by"),
    ],
)
def test_a_mistake_in_the_items_is_named(
    folder: Path, old: str, new: str, where: str, problem: str
) -> None:
    edit(folder / "paper_items.tsv", old, new)
    error = error_of_check()

    assert error.where == f"{folder / 'paper_items.tsv'}{where}"
    assert problem in error.problem


def test_budgets_above_what_a_scale_samples_are_left_to_larger_scales(folder: Path) -> None:
    assert study.read_paper_item("table2").budgets[-1] > 8

    checks.check(RUN)


def test_an_item_is_left_out_where_its_family_is_not_configured(folder: Path) -> None:
    assert study.items_at("tiny", "table") == ["table2"]
    assert study.items_at("tiny", "figure") == ["figure1"]
    assert "table3" in study.read_paper_items()


# --- fingerprints ---------------------------------------------------------------------------


def prints(folder: Path) -> dict[str, str]:
    forget()
    return {
        "warmup": fingerprints.training_fingerprint("tiny", "adding", "warmup"),
        "ce": fingerprints.training_fingerprint("tiny", "adding", "ce"),
        "passn_n4": fingerprints.training_fingerprint("tiny", "adding", "passn_n4"),
        "sampling": fingerprints.sampling_fingerprint("tiny", "adding", "vllm"),
        "scoring": fingerprints.scoring_fingerprint("tiny", "adding"),
        "item": fingerprints.item_fingerprint("table2"),
    }


@pytest.mark.parametrize(
    ("file", "old", "new", "changed"),
    [
        ("branches.tsv", "PassAtN(n=4)", "PassAtN(n=5)", {"passn_n4"}),
        ("branches.tsv", "strategy\t-", "strategy\tclip_norm=2.0", {"passn_n4"}),
        (
            "branches.tsv",
            "strategy\t-",
            "strategy\tmargin_share=0.5 rival_tokens=4",
            {"passn_n4"},
        ),
        ("branches.tsv", "MajorityVote(n=8,k=3)", "MajorityVote(n=8,k=2)", set()),
        ("branches.tsv", "Pass@4", "Pass at 4", {"item"}),
        ("branches.tsv", "4\t-\tP", "4\tce\tP", set()),  # Snakemake sees another input file
        (
            "scales/tiny.yaml",
            "sft: *training",
            "sft: {<<: *training, clip_norm: 2.0}",
            SFT_BRANCHES,
        ),
        ("scales/tiny.yaml", "num_samples: 8", "num_samples: 16", {"sampling"}),
        ("scales/tiny.yaml", "[pass@k]", "[pass@k, maj@k]", {"scoring"}),
        ("scales/tiny.yaml", "seeds: [0, 1]", "seeds: [0, 1, 2]", set()),
        ("paper_items.tsv", "A table", "A better table", {"item"}),
        # what only the estimate of the cost uses
        ("scales/tiny.yaml", "dtype: float32", f"dtype: float32\n{THROUGHPUT}", set()),
    ],
)
def test_a_change_shows_in_the_jobs_it_concerns_and_in_no_others(
    folder: Path, file: str, old: str, new: str, changed: set[str]
) -> None:
    before = prints(folder)
    edit(folder / file, old, new)
    after = prints(folder)

    assert {name for name in before if before[name] != after[name]} == changed


def test_what_only_the_estimate_of_the_cost_uses_is_in_no_fingerprint(folder: Path) -> None:
    scale = folder / "scales" / "tiny.yaml"
    edit(scale, "hold: 60 steps,", "hold: 60 steps, stop_at_probability: 0.5,")
    before = prints(folder)
    edit(scale, "    sft: *training", "    expected_hold: 30 steps\n    sft: *training")

    assert prints(folder) == before
    assert study.read_family("tiny", "adding").expected_hold is not None
    checkpoint = {"pretrained": "owner/name", "parameters": 7}
    assert fingerprints.fingerprint(PretrainedModel(**checkpoint)) == fingerprints.fingerprint(
        PretrainedModel(pretrained="owner/name")
    )


# --- the files of the project ---------------------------------------------------------------


def scale_files() -> list[Path]:
    return sorted((study.ROOT / "config" / "scales").glob("*.yaml"))


@pytest.mark.parametrize("path", scale_files(), ids=lambda path: path.stem)
def test_every_scale_of_the_project_passes_the_check(path: Path) -> None:
    forget()
    checks.check(Run(scale=path.stem))


@pytest.mark.parametrize("path", scale_files(), ids=lambda path: path.stem)
def test_reported_seeds_are_apart_from_those_for_tuning(path: Path) -> None:
    forget()
    for family in study.read_scale(path.stem).families.values():
        assert max(family.seeds) < 100


def test_the_committed_schemas_are_what_the_verb_writes(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["schemas", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output

    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_text() for path in checks.SCHEMA_FOLDER.iterdir()}
    assert written == committed, "run: make schemas"


def schema_of(path: Path) -> dict:
    """The schema that a file's first line names to editors."""
    first = path.read_text().splitlines()[0]
    match = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert match
    return json.loads((path.parent / match[1]).read_text())


@pytest.mark.parametrize(
    "path", [study.ROOT / "config" / "config.yaml", *scale_files()], ids=lambda path: path.stem
)
def test_a_file_names_a_schema_that_it_meets_and_a_misspelt_key_does_not(path: Path) -> None:
    schema, content = schema_of(path), yaml.safe_load(path.read_text())
    jsonschema.validate(content, schema)

    with pytest.raises(jsonschema.ValidationError, match="sacle"):
        jsonschema.validate(content | {"sacle": "smoke"}, schema)


@pytest.mark.parametrize("name", ["branches", "paper_items"])
def test_the_rows_of_the_sheets_meet_their_schemas(name: str) -> None:
    schema = json.loads((checks.SCHEMA_FOLDER / f"{name}.schema.json").read_text())
    header, *lines = (study.ROOT / "config" / f"{name}.tsv").read_text().splitlines()

    for line in lines:
        jsonschema.validate(dict(zip(header.split("\t"), line.split("\t"), strict=True)), schema)


def all_settings(base: type[Settings] = Settings) -> list[type[Settings]]:
    return [sub for cls in base.__subclasses__() for sub in (cls, *all_settings(cls))]


def test_the_readme_explains_every_key() -> None:
    readme = (study.ROOT / "config" / "README.md").read_text()
    keys = {(cls.__name__, key) for cls in all_settings() for key in cls.model_fields}
    keys -= {("Duration", "count"), ("Duration", "unit")}  # written as one: 480 steps

    assert len(keys) > 60
    assert {(block, key) for block, key in keys if f"`{key}`" not in readme} == set()


def test_the_files_that_the_readme_names_exist() -> None:
    folder = study.ROOT / "config"
    readme = (folder / "README.md").read_text()
    names = set(re.findall(r"`((?:scales/)?[a-z_]+\.(?:yaml|tsv|csv))`", readme))

    assert names >= {"config.yaml", "scales/laptop.yaml", "branches.tsv", "paper_items.tsv"}
    assert {name for name in names if not (folder / name).exists()} == set()
