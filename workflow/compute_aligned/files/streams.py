"""Parquet files in pieces: memory that does not grow with the rows of a file.

Rows are read in batches and written in row groups of bounded size. A file that fits into one row
group, and every file whose rows alone bound it, has the bytes that :func:`records.write_table`
gives it.
"""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from compute_aligned.files.progress import track
from compute_aligned.files.records import check_columns, readable, table_of
from compute_aligned.files.writing import replacing

BATCH_ROWS = 2**13  # rows that are Python objects at a time
BUFFER_BYTES = 2**20  # of a column that is being read
GROUP_ROWS = 2**20  # as pyarrow's own limit
GROUP_BYTES = 2**27


def read_batches(path: Path, schema: pa.Schema, description: str) -> Iterator[pa.RecordBatch]:
    """The rows of a file in batches, with progress.

    Args:
        path: The file.
        schema: What its columns have to be.
        description: What the progress bar says.

    Raises:
        InputError: The file is missing, damaged, or has other columns.

    """
    with readable(path), pq.ParquetFile(path, buffer_size=BUFFER_BYTES) as file:
        check_columns(path, file.schema_arrow, schema)
        total = -(-file.metadata.num_rows // BATCH_ROWS)
        yield from track(file.iter_batches(BATCH_ROWS), description, total, unit="batch")


class RowGroups:
    """The row groups of a Parquet file that is being written; :func:`writing` makes one."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._writer, self._schema = writer, schema
        self._rows: list[dict] = []
        self._tables: list[pa.Table] = []
        self._in_one_piece = False
        self._is_empty = True

    def add_rows(self, rows: Iterable[dict]) -> None:
        """Append rows.

        Raises:
            ValueError: A row's keys are not the columns, or a value does not fit its column's type.

        """
        # as if the rows became a table at once: where pages end depends on its pieces
        self._in_one_piece = True
        for row in rows:
            self._rows.append(row)
            if len(self._rows) == BATCH_ROWS:
                self._rows_to_table()

    def add_table(self, table: pa.Table) -> None:
        """Append a table."""
        self._rows_to_table()
        self._tables.append(table.cast(self._schema))
        self._write_full_groups()

    def close(self) -> None:
        """Write what is left, an empty row group if there never was anything."""
        self._rows_to_table()
        if self._tables or self._is_empty:
            self._write(self._pending())

    def _rows_to_table(self) -> None:
        if self._rows:
            rows, self._rows = self._rows, []
            self._tables.append(table_of(rows, self._schema))
            self._write_full_groups()

    def _write_full_groups(self) -> None:
        while sum(map(len, self._tables)) >= GROUP_ROWS:
            pending = self._pending()
            self._write(pending[:GROUP_ROWS])
            self._tables = [pending[GROUP_ROWS:]] if len(pending) > GROUP_ROWS else []
        if sum(table.nbytes for table in self._tables) >= GROUP_BYTES:
            self._write(self._pending())
            self._tables = []

    def _pending(self) -> pa.Table:
        return pa.concat_tables([self._schema.empty_table(), *self._tables])

    def _write(self, table: pa.Table) -> None:
        if self._in_one_piece:
            table = table.combine_chunks()
        self._writer.write_table(table, row_group_size=GROUP_ROWS)
        self._is_empty = False


@contextlib.contextmanager
def writing(path: Path, schema: pa.Schema) -> Iterator[RowGroups]:
    """Write a Parquet file piece by piece; it is there when the body has ended, or not at all.

    Raises:
        InputError: The disk is full.

    """
    with (
        replacing(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd") as writer,
    ):
        groups = RowGroups(writer, schema)
        yield groups
        groups.close()
