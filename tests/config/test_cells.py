import json
from pathlib import Path
from typing import Any

import pytest
from config.config_parts import BRANCHES, replaced, write

from compute_aligned.config.cells import Map, expanded, laid_over
from compute_aligned.config.checks import check
from compute_aligned.config.fingerprints import item_fingerprint
from compute_aligned.config.regimes import Effect, cell_fingerprint, effects_of
from compute_aligned.config.study import Study, read_study
from compute_aligned.files.errors import InputError

ITEMS = """item;output;form;family;branches;metric;budgets;reported;title
table1;table;weights;-;-;-;-;-;An analytic one
table2;table;levels;adding;ce passn_n4;pass@k;1 4;-;A table
map;table;map;*;-;-;-;-;All cells
figure_map;figure;map;adding/*;passn_n4;pass@k;2 8;-;Cells of one family
figure_other;figure;map;voting/*;majority;maj@k;1;-;Cells of another
""".replace(";", "\t")
CLAIMS = "claim\treported\tpaper_problems\tneeds\tstatement\nC1a\t-\t-\t-\tIt helps\n"
CONTRASTS = """claim role family branch against metric budget direction rival
C1a contrast adding passn_n4 ce pass@k 8 above -
C1a contrast adding passn_n4 ce pass@k 64 above -
C1a contrast adding passn_n4 ce maj@k 8 above -
C1a control adding passn_n4 warmup pass@k 8 above luck
C1a contrast adding passn_n4 0.5 pass@k 1 above -
C1a contrast voting majority standard maj@k 8 above -
""".replace(" ", "\t")
GRID = {
    "branches": ["ce", "passn_n4"],
    "cells": {"sft.hold": ["30 steps", "90 steps"], "problems.test": [10, 20]},
    "seeds": [7],
}
AT = "adding__hold_30_steps__test_10"


def study_of(folder: Path, /, sheet: str = BRANCHES, **changes: Any) -> Study:
    """A map that is like the tiny scale, with other keys in its family's block."""
    config = write(folder / "config", branches=sheet, items=ITEMS)
    (config / "claims.tsv").write_text(CLAIMS)
    (config / "claim_contrasts.tsv").write_text(CONTRASTS)
    content = {"like": "tiny", "families": {"adding": GRID | changes}}
    (config / "scales" / "map.yaml").write_text(json.dumps(content))
    return read_study("map", config)


def test_every_combination_is_a_family_with_the_rest_as_at_the_other_scale(tmp_path: Path) -> None:
    study = study_of(tmp_path, sampling={"temperature": 1.5})
    check(study)
    like = read_study("tiny", study.folder).experiment("adding").settings

    assert [*study.experiments] == [
        f"adding__hold_{hold}_steps__test_{test}" for hold in (30, 90) for test in (10, 20)
    ]
    cell, settings = study.cell(AT), study.experiment(AT).settings
    assert (cell.like, cell.text) == ("adding", "sft.hold=30 steps, problems.test=10")
    assert settings.sft is not None
    assert settings.sft.hold.count == 30
    assert (settings.problems.test, settings.problems.train) == (10, like.problems.train)
    assert (settings.seeds, settings.model) == ((7,), like.model)
    assert (settings.sampling.temperature, settings.sampling.num_samples) == (1.5, 8)
    assert study.experiment(AT).labels["passn_n4"] == "Pass@4"
    assert study.settings.sources == read_study("tiny", study.folder).settings.sources


def test_items_are_shown_where_their_cells_are_and_analytic_ones_are_not(tmp_path: Path) -> None:
    study = study_of(tmp_path)

    assert study.shown("table") == ["map"]
    assert study.shown("figure") == ["figure_map"]
    assert study.families_of(study.row("figure_map")) == [*study.cells] == study.families_shown
    tiny = read_study("tiny", study.folder)
    assert tiny.shown("table") == ["table1", "table2"]
    assert tiny.shown("figure") == []


def test_a_cell_measures_what_claims_compare_and_figures_show(tmp_path: Path) -> None:
    study = study_of(tmp_path)

    assert effects_of(study, AT) == [
        Effect("C1a", "passn_n4", "ce", "pass@k", 8),  # 64 is not sampled, maj@k not computed
        Effect("C1a", "passn_n4", "0.5", "pass@k", 1),
        Effect("-", "passn_n4", "ce", "pass@k", 2),
    ]
    other = study_of(tmp_path / "other", sampling={"num_samples": 64})
    assert cell_fingerprint(other, AT) != cell_fingerprint(study, AT)
    other = study_of(tmp_path / "labels", replaced(BRANCHES, "Pass@4", "Any of 4"))
    assert item_fingerprint(other, "map") != item_fingerprint(study, "map")


@pytest.mark.parametrize(
    ("changes", "where", "problem", "remedy"),
    [
        ({"branches": ["ce", "passn_n5"]}, "branches", "no branch 'passn_n5'", "'passn_n4'?"),
        ({"branches": ["passn_n4", "passn"]}, "branches", "no branch 'passn'", "ce, passn_n4"),
        ({"cells": {"sft.hld": ["1 steps"]}}, "", "unknown key 'families.adding__hld_1", "hold"),
        ({"cells": {"stf.hold": ["1 steps"]}}, "", "unknown key 'families.adding__hold_1", "sft"),
        ({"cells": {"sft.hold": ["1"]}}, "", "expected a length such as", ""),
        ({"cells": {"sft.hold": []}}, "", "families.adding.cells.sft.hold: List should", ""),
        ({"sede": [3]}, "", "unknown key 'families.adding__hold_30_steps__test_10.sede'", "seeds"),
        (
            {"cells": {"sft.learning_rate": [0.01, "0-01"]}},
            "cells",
            "two cells would be named adding__learning_rate_0_01: sft.learning_rate=0.01 and",
            "drop one",
        ),
    ],
)
def test_a_wrong_cell_is_named(
    tmp_path: Path, changes: dict[str, Any], where: str, problem: str, remedy: str
) -> None:
    with pytest.raises(InputError) as caught:
        study_of(tmp_path, **changes)

    assert "map.yaml" in caught.value.where
    assert caught.value.where.endswith(where)
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("start", "branches", "missing"),
    [
        ("-", ["passn_n4", "other"], "ce is missing: gains are over it"),
        ("other", ["ce", "passn_n4"], "other is missing: another starts from it"),
    ],
)
def test_a_cell_has_its_baseline_and_what_branches_start_from(
    tmp_path: Path, start: str, branches: list[str], missing: str
) -> None:
    sheet = replaced(BRANCHES, "Pass@4\t-", f"Pass@4\t{start}")
    sheet += "adding\tother\tOther\t-\tPassAtN(n=2)\t-\tcontrol\t-\n"

    with pytest.raises(InputError, match=missing):
        study_of(tmp_path, sheet, branches=branches)


@pytest.mark.parametrize(
    ("like", "family", "problem", "remedy"),
    [
        ("tyni", "adding", "there is no scale 'tyni'", "choose one of: map, tiny"),
        ("map", "adding", "scale map is a map itself", "another scale"),
        ("tiny", "addign", "scale tiny has no family 'addign' (did you mean 'adding'?)", "adding"),
        (["tiny"], "adding", "like: Input should be a valid string", ""),
    ],
)
def test_what_a_map_is_like_is_there(
    tmp_path: Path, like: Any, family: str, problem: str, remedy: str
) -> None:
    folder = write(tmp_path / "config", items=ITEMS)
    content = {"like": like, "families": {family: GRID}}
    (folder / "scales" / "map.yaml").write_text(json.dumps(content))

    with pytest.raises(InputError) as caught:
        read_study("map", folder)
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy


def test_blocks_are_laid_over_each_other_and_stay_as_they_are() -> None:
    block = {"a": {"b": 1, "c": {"d": 2}}, "e": 3}

    assert laid_over(block, {"a": {"c": {"d": 5}, "f": 6}}) == {
        "a": {"b": 1, "c": {"d": 5}, "f": 6},
        "e": 3,
    }
    assert laid_over(block, {"a": None, "e": {"g": 7}}) == {"a": None, "e": {"g": 7}}
    assert block == {"a": {"b": 1, "c": {"d": 2}}, "e": 3}


def test_sources_come_to_those_of_the_scale_and_an_engine_takes_the_place_of_its() -> None:
    base = {"engine": "vllm", "sources": {"numbers": {"source": "x"}}, "families": {"adding": {}}}
    described = Map.model_validate(
        {"like": "tiny", "engine": "transformers", "sources": {"more": {"source": "y"}}}
        | {"families": {"adding": GRID}}
    )
    content, _ = expanded(described, base, Path("map.yaml"))

    assert content["engine"] == "transformers"
    assert content["sources"] == {"numbers": {"source": "x"}, "more": {"source": "y"}}
