"""The first phase: the file goes into the job's staging table, bad rows into `import_rejects`.

It is one transaction, so that a reading that was cut short leaves nothing and is simply repeated. The parser runs in
the calling thread; a second thread feeds COPY, so that PostgreSQL takes one chunk while the next one is parsed.
"""

from __future__ import annotations

import contextlib
import gc
import queue
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extras import Json

from importer import jobs
from importer.errors import ImportFailure, UnusableFile
from importer.jobs import Job
from importer.keeper import READING_FOR_PREVIEW_PERCENT, READING_PERCENT, LeaseKeeper, Reading
from importer.opening import FileOptions, OpenedFile, open_file
from importer.rejects import copy_lines

QUEUED_CHUNKS = 2
COPY_BUFFER_BYTES = 1 << 24
SPOOLED_REJECTS_BYTES = 1 << 20

# FREEZE: the table is new in this transaction; its rows need no second visit to become visible to everyone.
COPY_STAGING = "COPY {table} ({fields}) FROM STDIN (FORMAT csv, FREEZE, {options}, FORCE_NOT_NULL ({texts}){booleans})"
COPY_REJECTS = "COPY import_rejects (job_id, line, code, message, row) FROM STDIN"
# `number` is the place of the row in the file: the last row of a SKU wins.
CREATE_STAGING = """
CREATE UNLOGGED TABLE {table} (
    number integer GENERATED ALWAYS AS IDENTITY (CACHE 1000), {fields},
    key text COLLATE "C" GENERATED ALWAYS AS (lower(sku)) STORED
) WITH (autovacuum_enabled = off)
"""
TYPES = {"active": "boolean"}
# Where a first reading was through, its table was lost with the server's memory and only the rows are read again.
STAGED = (
    "phase = %(phase)s, staging_table = %(table)s, staged_columns = %(fields)s, file = %(file)s,"
    " total_records = %(rows)s + %(rejected)s, attempts = CASE WHEN staged_columns IS NULL THEN 0 ELSE attempts END,"
    " rows_read = %(rows)s + %(rejected)s, rejected_count = %(rejected)s,"
    " processed_records = greatest(processed_records, %(rejected)s), progress = greatest(progress, %(progress)s)"
)
REMEMBERED = "SELECT mapping FROM import_mappings WHERE header_key = %s"


class CopyFeed:
    """What COPY reads as its file: a bounded queue of chunks."""

    def __init__(self) -> None:
        self._chunks: queue.Queue[bytes | None] = queue.Queue(QUEUED_CHUNKS)
        self._closed = threading.Event()

    def write(self, chunk: bytes) -> bool:
        """Hands a chunk over; False when the reader is gone."""
        return self._put(chunk)

    def end(self) -> None:
        """Ends the COPY behind the last chunk."""
        self._put(b"")

    def abort(self) -> None:
        """Makes the COPY fail, so that nothing of it stays."""
        self._put(None)

    def close(self) -> None:
        """Tells the writer that nobody reads any more."""
        self._closed.set()

    def _put(self, chunk: bytes | None) -> bool:
        while not self._closed.is_set():
            with contextlib.suppress(queue.Full):
                self._chunks.put(chunk, timeout=0.1)
                return True
        return False

    def read(self, _size: int) -> bytes:
        """Returns the next chunk whole, whatever size COPY asks for; b"" at the end."""
        chunk = self._chunks.get()
        if chunk is None:
            raise InterruptedError("the reading was given up")
        return chunk


def read_file(
    connection: Connection,
    job: Job,
    path: Path,
    keeper: LeaseKeeper,
    *,
    chunk_rows: int,
    max_record: int,
    max_unpacked_bytes: int,
) -> None:
    """Stages the file at `path` and writes the exact totals to the job.

    Raises `UnusableFile` when the file as a whole cannot be imported, `LeaseLost` when the job went elsewhere.
    """
    try:
        options = FileOptions(job.delimiter, job.encoding, job.mapping)
        file = open_file(path, options, max_record=max_record, max_unpacked_bytes=max_unpacked_bytes)
    except FileNotFoundError:
        raise ImportFailure("The uploaded file is gone from the server. Upload it again.") from None
    with file, tempfile.SpooledTemporaryFile(SPOOLED_REJECTS_BYTES) as rejects:
        _propose_remembered(connection, job, file)
        keeper.file = file.describe()
        columns = file.columns
        table = jobs.new_staging_table(job)
        with connection, connection.cursor() as cursor:
            jobs.limit_waits(cursor)
            fields = sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(TYPES.get(name, "text")))
                for name in columns.fields
            )
            cursor.execute(sql.SQL(CREATE_STAGING).format(table=sql.Identifier(table), fields=fields))
            feed = CopyFeed()
            copy = sql.SQL(COPY_STAGING).format(
                table=sql.Identifier(table),
                fields=_names(columns.fields),
                options=file.copy_options,
                texts=_names([field for field in columns.fields if field not in TYPES]),
                booleans=sql.SQL(", FORCE_NULL (active)" if "active" in columns.fields else ""),
            )
            with _copying(cursor, copy, feed):
                reading = keeper.reading = Reading()
                for records in file.chunks(chunk_rows):
                    payload, rows = columns.copy_rows(records)
                    rejects.write(copy_lines(job.id, records.rejects))
                    if payload and not feed.write(payload):
                        break
                    reading.rows += rows
                    reading.rejected += len(records.rejects)
                    reading.share = file.share_read
                    reading.changed.set()
                    keeper.check()
            keeper.reading = None
            if not reading.rows and not reading.rejected:
                raise UnusableFile("The file has a header row and nothing below it. Add the products, one a row.")
            rejects.seek(0)
            cursor.execute("DELETE FROM import_rejects WHERE job_id = %s", (job.id,))
            cursor.copy_expert(COPY_REJECTS, rejects, COPY_BUFFER_BYTES)
            cursor.execute(sql.SQL("CREATE INDEX ON {} (key, number DESC)").format(sql.Identifier(table)))
            # A rough picture will do: the planner has few plans to choose from.
            cursor.execute("SET LOCAL default_statistics_target = 10")
            cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))
            jobs.drop_staging(cursor, job.id)
            keeper.file = file.describe()
            totals = {
                "phase": "comparing" if job.is_preview else "writing",
                "table": table,
                "fields": columns.fields,
                "file": Json(keeper.file),
                "rows": reading.rows,
                "rejected": reading.rejected,
                "progress": READING_FOR_PREVIEW_PERCENT if job.is_preview else READING_PERCENT,
            }
            jobs.update(cursor, job, STAGED, totals, sampled=True)
            found = f"{reading.rows + reading.rejected:,} rows were read, {reading.rejected:,} of them rejected."
            jobs.note(cursor, job.id, "read", found)


def _propose_remembered(connection: Connection, job: Job, file: OpenedFile) -> None:
    """What somebody confirmed on the page is proposed there again; scripts always get the same for the same file."""
    if job.started_from != "page":
        return
    with connection, connection.cursor() as cursor:
        cursor.execute(REMEMBERED, (file.header_key,))
        if row := cursor.fetchone():
            file.propose(row[0])


def _names(fields: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, fields))


@contextlib.contextmanager
def _copying(cursor: Any, statement: sql.Composable, feed: CopyFeed) -> Iterator[None]:
    """Runs a COPY from `feed` in a second thread; its error, if any, is raised when the block ends."""
    failure: list[BaseException] = []

    def copy() -> None:
        try:
            cursor.copy_expert(statement, feed, COPY_BUFFER_BYTES)
        except BaseException as error:
            failure.append(error)
        finally:
            feed.close()

    thread = threading.Thread(target=copy, name="copy", daemon=True)
    thread.start()
    # The rows of a chunk are many lists that live shortly; looking for cycles among them costs a third of parsing.
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
        feed.end()
    except BaseException:
        feed.abort()
        raise
    finally:
        if collecting:
            gc.enable()
        thread.join()
    if failure:
        raise failure[0]
