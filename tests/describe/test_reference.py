import json
import shutil
from pathlib import Path

import pytest
from support.claim_parts import reviewed

from compute_aligned.claims.tables import to_tidy
from compute_aligned.claims.verdict_tables import to_verdicts
from compute_aligned.config.reading import ROOT
from compute_aligned.config.study import read_study
from compute_aligned.describe.reference import END, START, contents, publish, quoted, section
from compute_aligned.files.errors import InputError

REFERENCE = ROOT / "results" / "reference" / "laptop"
README = (ROOT / "README.md").read_text(encoding="utf-8")
LAPTOP, SMOKE = read_study("laptop"), read_study("smoke")


def links(text: str) -> list[str]:
    return [part.split(")")[0].partition("#")[0] for part in text.split("](")[1:]]


def test_the_readme_says_what_the_reference_run_found() -> None:
    assert quoted(README, section(LAPTOP, REFERENCE)) == README
    assert "Pass@16" in README.partition(START)[2].partition(END)[0]


def test_every_file_that_the_readme_links_to_is_there() -> None:
    found = [link for link in links(README) if "://" not in link]

    assert len(found) >= 4
    assert [link for link in found if not (ROOT / link).exists()] == []


def test_the_page_of_the_reference_run_names_every_file_with_its_title() -> None:
    text = (REFERENCE / "README.md").read_text(encoding="utf-8")
    there = {str(p.relative_to(REFERENCE)) for p in REFERENCE.rglob("*.*")}

    assert text == contents(LAPTOP, REFERENCE)
    assert "| [figure1](figures/figure1.png) | Gain in pass@k of Pass@N" in text
    assert set(links(text)) == {p for p in there if not p.endswith(".json")} - {"README.md"}


def test_the_verdicts_are_quoted_in_the_words_of_the_run(tmp_path: Path) -> None:
    shutil.copytree(REFERENCE / "tables", tmp_path / "tables")
    (tmp_path / "verdicts.csv").write_text(to_verdicts(reviewed()))
    (tmp_path / "claims.md").write_text("# What holds\n\nBy this rule.\n\n## Verdicts\n\nas above")
    lines = section(LAPTOP, tmp_path).splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line[:3] == "| C"]

    assert lines[0] == "**What holds.** By this rule."
    assert [row[:2] for row in rows[1:]] == [
        ["C1a. Votes help", "**reproduced**<br>below Warm-up<br>3 of 3 hold<br>clear after Holm"],
        ["C5a. Votes help", "**not run**<br>0 of 1 hold"],
        ["C11. Votes help", "**holds by algebra**"],
    ]
    assert rows[1][2:] == ["Pass@4 − Cross-entropy, pass@64", "+2.5 [0.5, 4.5] points", "+4.0 ±6.0"]
    assert rows[3][4] == "–"


def test_a_readme_without_its_markers_is_not_guessed_at() -> None:
    with pytest.raises(InputError, match="markers"):
        quoted("no markers here", "text")


def finished(root: Path, scale: str) -> None:
    """What a run leaves: a table, the verdicts, a figure, and what is not kept."""
    run, figures = root / "results" / scale, root / "paper_figures" / scale
    shutil.copytree(REFERENCE / "tables", run / "tables")
    figures.mkdir(parents=True)
    (run / "claims.csv").write_text(to_tidy(reviewed()))
    (run / "verdicts.csv").write_text(to_verdicts(reviewed()))
    (run / "claims.md").write_text("# What holds of the paper's claims\n\nBy this rule.\n\n")
    for path in (
        *(run / "claims.html", run / "settings.html", run / "timings.csv"),
        *(run / "tables" / "table2.html", run / "tables" / "no_longer_an_item.csv"),
        *(figures / "claims.png", figures / "figure1.pdf.provenance.json"),
    ):
        path.write_text(path.name)


def test_verdicts_tables_and_figures_are_copied_and_quoted(tmp_path: Path) -> None:
    finished(tmp_path, "laptop")
    (tmp_path / "README.md").write_text(f"Before {START}old{END} after")
    target = tmp_path / "results" / "reference" / "laptop"
    (target / "tables").mkdir(parents=True)
    (target / "tables" / "of_an_earlier_run.md").touch()

    written = publish(LAPTOP, tmp_path)

    there = {str(path.relative_to(target)) for path in target.rglob("*.*")}
    assert {str(target.relative_to(tmp_path) / name) for name in there} == set(map(str, written))
    tables = {f"tables/{path.name}" for path in (REFERENCE / "tables").iterdir()}
    figures = {"figures/claims.png", "figures/figure1.pdf.provenance.json"}
    assert there == {"README.md", "claims.csv", "claims.md", "verdicts.csv", *tables, *figures}
    assert (target / "figures" / "claims.png").read_text() == "claims.png"
    readme = (tmp_path / "README.md").read_text()
    assert readme.startswith(f"Before {START}\n\n**What holds of the paper's claims")
    assert readme.endswith(f"\n\n{END} after")
    assert readme.index("| C1a. Votes help ") < readme.index("| Pass@16")


def test_another_scale_is_copied_and_not_quoted(tmp_path: Path) -> None:
    finished(tmp_path, "smoke")
    (tmp_path / "README.md").write_text("without markers")
    publish(SMOKE, tmp_path)

    assert (tmp_path / "results/reference/smoke/tables/table2.md").exists()
    assert (tmp_path / "README.md").read_text() == "without markers"


def test_a_run_without_the_quoted_table_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has not made it yet"):
        publish(SMOKE, tmp_path)

    assert not (tmp_path / "results").exists()


def test_verdicts_of_other_seeds_than_the_tables_are_not_published(tmp_path: Path) -> None:
    finished(tmp_path, "smoke")
    run = tmp_path / "results" / "smoke"
    for artefact, seed in (("tables/table2.csv", 0), ("claims.csv", 10)):
        record = {"inputs": [f"results/smoke/scores/sft_passn/seed{seed}.outcomes.parquet"]}
        (run / f"{artefact}.provenance.json").write_text(json.dumps(record))

    with pytest.raises(InputError, match="its seeds are 10, and those of the tables 0"):
        publish(SMOKE, tmp_path)
