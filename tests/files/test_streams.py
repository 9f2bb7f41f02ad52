import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support import jobs

from compute_aligned.files import records, streams
from compute_aligned.files.records import OUTCOMES, SCORES

OUTCOME = {"branch": "ce", "problem": "p", "metric": "pass@k", "k": 1, "value": 0.5}


def outcomes(count):
    return [OUTCOME | {"problem": f"p{i}", "value": i / 7} for i in range(count)]


def scores(count):
    return [
        {"branch": "ce", "problem": f"p{i}", "num_samples": 3, "num_correct": 1}
        | {"num_invalid": 0, "num_unfinished": 0, "mean_tokens": i / 3}
        | {"votes": ["6", None, str(i)], "correct": [True, False, False]}
        for i in range(count)
    ]


# --- writing ----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 3 * streams.BATCH_ROWS + 5])
@pytest.mark.parametrize(("rows", "schema"), [(outcomes, OUTCOMES), (scores, SCORES)])
def test_rows_written_in_pieces_give_the_bytes_of_a_table(tmp_path, rows, schema, count):
    records.write_table(tmp_path / "whole", rows(count), schema)

    with streams.writing(tmp_path / "pieces", schema) as written:
        for row in rows(count):
            written.add_rows([row])

    assert (tmp_path / "pieces").read_bytes() == (tmp_path / "whole").read_bytes()


def test_tables_written_one_by_one_give_the_bytes_of_all_together(tmp_path):
    tables = [pa.Table.from_pylist(outcomes(size), OUTCOMES) for size in (5, 40_000, 1, 0, 7)]
    records.write_table(tmp_path / "whole", pa.concat_tables(tables), OUTCOMES)

    with streams.writing(tmp_path / "pieces", OUTCOMES) as written:
        for table in tables:
            written.add_table(table)

    assert (tmp_path / "pieces").read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize(
    ("limit", "sizes"), [("GROUP_ROWS", [100, 100, 50]), ("GROUP_BYTES", [15] * 16 + [10])]
)
def test_row_groups_end_at_their_limit(tmp_path, monkeypatch, limit, sizes):
    monkeypatch.setattr(streams, limit, 100)
    rows = outcomes(250)

    with streams.writing(tmp_path / "a", OUTCOMES) as written:
        for start in range(0, 250, 15):
            written.add_table(pa.Table.from_pylist(rows[start : start + 15], OUTCOMES))

    found = pq.ParquetFile(tmp_path / "a").metadata
    assert [found.row_group(i).num_rows for i in range(found.num_row_groups)] == sizes
    assert records.read_table(tmp_path / "a", OUTCOMES).to_pylist() == rows


def test_a_failure_leaves_what_was_there(tmp_path):
    records.write_table(tmp_path / "a", outcomes(2), OUTCOMES)
    before = (tmp_path / "a").read_bytes()

    with (
        pytest.raises(ValueError, match="they differ in extra"),
        streams.writing(tmp_path / "a", OUTCOMES) as written,
    ):
        written.add_rows([OUTCOME | {"extra": 1}])

    assert (tmp_path / "a").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


# --- reading ----------------------------------------------------------------------------------


def test_batches_hold_the_rows_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "GROUP_ROWS", 6000)
    monkeypatch.setattr(streams, "BATCH_ROWS", 1000)
    rows = outcomes(20_500)
    with streams.writing(tmp_path / "a", OUTCOMES) as written:
        written.add_rows(rows)

    batches = list(streams.read_batches(tmp_path / "a", OUTCOMES, "reading"))
    assert max(map(len, batches)) <= 1000
    assert [row for batch in batches for row in batch.to_pylist()] == rows


def test_files_that_cannot_be_read_are_named(tmp_path, refused):
    path = tmp_path / "a"

    def problem():
        return refused(path, list, streams.read_batches(path, OUTCOMES, "reading")).problem

    assert problem() == "the file is missing"
    records.write_table(path, outcomes(3000), OUTCOMES)
    whole = path.read_bytes()
    for damaged in (whole[:-3], whole[:100] + bytes(400) + whole[500:]):
        path.write_bytes(damaged)
        assert "the table is damaged" in problem()
    records.write_table(path, [], SCORES)
    assert "its columns are not those" in problem()


# --- memory -----------------------------------------------------------------------------------

SCORING = """
import sys
from pathlib import Path
from compute_aligned.files import records, streams
from compute_aligned.files.records import Problem
from compute_aligned.score import scoring
from compute_aligned.score.tasks import TASKS

streams.GROUP_BYTES = 2**22  # so that few problems fill several row groups
num_problems, folder = int(sys.argv[1]), Path(sys.argv[2])
with streams.writing(folder / "samples", records.SAMPLES) as written:
    for problem in range(num_problems):
        written.add_rows(
            {"branch": "ce", "problem": f"p{problem}", "sample": i, "text": str(i % 7)}
            | {"num_tokens": 1, "finished": True}
            for i in range(64)
        )
problems = (Problem(id=f"p{i}", group="p", prompt="", answer="6") for i in range(num_problems))
batches = streams.read_batches(folder / "samples", records.SAMPLES, "scoring")
with (
    streams.writing(folder / "scores", records.SCORES) as scored,
    streams.writing(folder / "outcomes", records.OUTCOMES) as measured,
):
    for row in scoring.score(scoring.by_problem(batches), problems, TASKS["answer"], "paper"):
        scored.add_rows([row])
        measured.add_rows(scoring.outcomes([row], ("pass@k",)))
status = Path("/proc/self/status").read_text()  # getrusage would count the parent's memory too
print(int(status.split("VmHWM:")[1].split()[0]) / 1024)
"""


def peak_of_scoring(num_problems, folder):
    """MiB of the largest resident set of a process that writes and scores samples."""
    folder.mkdir()
    done = jobs.start("-c", SCORING, num_problems, folder)
    assert done.returncode == 0, done.stderr
    return float(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_the_memory_of_scoring_does_not_grow_with_the_problems(tmp_path):
    few, many = (peak_of_scoring(n, tmp_path / str(n)) for n in (1000, 4000))

    # held as Python objects, the 192,000 samples more would be some 100 MiB
    assert many - few < 45
