"""The file of figures, and the page that is written from it."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks import figures, page
from compute_aligned.files.errors import InputError


def rows(benchmark: str = "scoring", taken: float = 2.0, **changes: object) -> pd.DataFrame:
    facts = {"benchmark": benchmark, "comparison": "the work", "unit": "CPU s", "repeats": 3}
    origin = {"source": "make bench", "date": "2026-01-02", "machine": "M", "versions": "V 1"}
    spread = {"taken": taken, "ratio": 4.0, "ratio_low": 3.5, "ratio_high": 1234.0}
    first = facts | origin | {"way": "ours", "taken": 0.00123456, "ratio": 1.0}
    return pd.DataFrame([first, facts | origin | {"way": "theirs"} | spread | changes])


def test_the_committed_page_is_what_the_committed_figures_give() -> None:
    text = page.PAGE.read_text(encoding="utf-8")
    found = figures.read(page.COPY)

    assert page.quoted(text, found) == text
    assert set(found.benchmark) <= set(page.HEADINGS)
    assert (found[["source", "date", "machine"]] != "").all(axis=None)


def test_the_committed_figures_are_as_they_are_written(tmp_path: Path) -> None:
    figures.write(tmp_path / "copy.tsv", figures.read(page.COPY))

    assert (tmp_path / "copy.tsv").read_bytes() == page.COPY.read_bytes()


def test_ways_stand_side_by_side_and_figures_without_ratio_alone() -> None:
    alone = {"ratio": None, "ratio_low": None, "ratio_high": None}
    records = rows("gpu", source="a record", machine="N", versions="", **alone)[1:]
    text = page.markdown(pd.concat([records, rows()]).reindex(columns=figures.COLUMNS))

    beside = "| the work | ours: 0.00123 CPU s | theirs: 2 CPU s | 4 [3.5, 1,234] | b |"
    assert beside in text.splitlines()
    assert "| the work | theirs: 2 CPU s | a |" in text.splitlines()
    assert text.index("### Scores") < text.index("### On a GPU")
    assert text.splitlines()[-2:] == [
        "- a: a record; 2026-01-02; N",
        "- b: make bench; 2026-01-02; M; V 1",
    ]


def test_a_benchmark_s_new_figures_take_the_place_of_its_old_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "FILE", tmp_path / "benchmarks.tsv")
    figures.write(figures.FILE, pd.concat([rows("steps"), rows("scoring")]))

    figures.add("steps", rows(taken=7.0), "make bench")

    found = figures.read(figures.FILE)
    assert found.benchmark.tolist() == ["steps", "steps", "scoring", "scoring"]
    assert found.taken.tolist() == [0.001235, 7.0, 0.001235, 2.0]
    assert found.date[0] > found.date[3]
    assert "torch " in found.versions[0]


def test_what_was_measured_goes_into_the_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "COPY", tmp_path / "reference.tsv")
    monkeypatch.setattr(page, "PAGE", tmp_path / "README.md")
    page.PAGE.write_text(f"Before {page.START}old{page.END} after")
    figures.write(tmp_path / "measured.tsv", rows())

    for measured in ("measured.tsv", "none.tsv"):
        page.publish(tmp_path / measured)
        text = page.PAGE.read_text()
        assert text.startswith(f"Before {page.START}\n\n### Scores and intervals")
        assert text.endswith(f"{page.END} after")
        assert "4 [3.5, 1,234]" in text


def test_a_page_without_its_markers_is_not_guessed_at() -> None:
    with pytest.raises(InputError, match="markers"):
        page.quoted("no markers here", rows())
