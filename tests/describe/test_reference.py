import shutil
from pathlib import Path

import pytest
from claim_parts import reviewed

from compute_aligned.claims.tables import to_markdown, to_tidy
from compute_aligned.config.study import ROOT
from compute_aligned.describe.report import (
    END,
    FIGURE_FILES,
    START,
    TABLE_FILES,
    contents,
    publish,
    quoted,
)
from compute_aligned.files.errors import InputError

REFERENCE = ROOT / "results" / "reference" / "laptop"


def test_the_readme_says_what_the_reference_run_found() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert quoted(readme, REFERENCE) == readme
    assert "Pass@16" in readme.partition(START)[2].partition(END)[0]


def test_every_file_that_the_readme_links_to_is_there() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    links = [part.split(")")[0].partition("#")[0] for part in readme.split("](")[1:]]

    assert len(links) >= 4
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_the_page_of_the_reference_run_names_every_file_with_its_title() -> None:
    text = (REFERENCE / "README.md").read_text(encoding="utf-8")
    links = {part.split(")")[0] for part in text.split("](")[1:]}
    there = {str(p.relative_to(REFERENCE)) for p in REFERENCE.rglob("*.*")}

    assert text == contents("laptop", REFERENCE)
    assert "| [figure1](figures/figure1.png) | Gain in pass@k of Pass@N" in text
    assert links == {p for p in there if not p.endswith(".json")} - {"README.md"}


def test_the_verdicts_of_a_run_are_copied_and_quoted_first(tmp_path: Path) -> None:
    run = tmp_path / "results" / "laptop"
    shutil.copytree(REFERENCE / "tables", run / "tables")
    (run / "claims.md").write_text(to_markdown(reviewed(), "laptop"))
    (run / "claims.csv").write_text(to_tidy(reviewed()))
    (run / "claims.csv.provenance.json").write_text("{}")
    figures = tmp_path / "paper_figures" / "laptop"
    figures.mkdir(parents=True)
    for kind in FIGURE_FILES:
        (figures / f"claims.{kind}").write_text(kind)
    (tmp_path / "README.md").write_text(f"Before {START}old{END} after")

    written = publish("laptop", tmp_path)

    target = Path("results/reference/laptop")
    assert {target / "claims.md", target / "claims.csv"} <= set(written)
    assert (tmp_path / target / "figures" / "claims.png").read_text() == "png"
    section = (tmp_path / "README.md").read_text()
    assert section.index("| C1a. Votes help |") < section.index("| Pass@16")
    row = next(line for line in section.splitlines() if line.startswith("| C1a"))
    assert row.split(" | ")[1:] == [
        "**reproduced**<br>3 of 3 hold<br>clear after Holm",
        "Pass@4 − Cross-entropy, pass@64",
        "+2.5 [0.5, 4.5] points",
        "+4.0 ±6.0 |",
    ]


def test_another_scale_is_copied_and_not_quoted(tmp_path: Path) -> None:
    tables = tmp_path / "results" / "smoke" / "tables"
    tables.mkdir(parents=True)
    for kind in TABLE_FILES:
        (tables / f"table2.{kind}").write_text(kind)
    (tmp_path / "README.md").write_text("without markers")

    assert len(publish("smoke", tmp_path)) == len(TABLE_FILES) + 1  # and the page that lists them
    assert (tmp_path / "results/reference/smoke/tables/table2.md").read_text() == "md"
    assert (tmp_path / "README.md").read_text() == "without markers"


def test_a_run_without_the_quoted_table_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has not made it yet"):
        publish("smoke", tmp_path)


def test_a_readme_without_its_markers_is_not_guessed_at() -> None:
    with pytest.raises(InputError, match="markers"):
        quoted("no markers here", REFERENCE)
