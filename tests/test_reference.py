from pathlib import Path

import pytest

from compute_aligned.config import ROOT
from compute_aligned.errors import InputError
from compute_aligned.reference import END, START, publish, quoted

REFERENCE = ROOT / "results" / "reference" / "laptop"


def test_the_readme_says_what_the_reference_run_found() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")

    assert quoted(readme, REFERENCE) == readme
    assert "Pass@16" in readme.partition(START)[2].partition(END)[0]


def test_every_file_that_the_readme_links_to_is_there() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    links = [part.split(")")[0] for part in readme.split("](")[1:]]

    assert len(links) >= 4
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_a_run_without_the_quoted_table_is_not_published(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has not made it yet"):
        publish("smoke", tmp_path)


def test_a_readme_without_its_markers_is_not_guessed_at() -> None:
    with pytest.raises(InputError, match="markers"):
        quoted("no markers here", REFERENCE)
