"""The first phase: the file goes into the job's staging table, bad rows into `import_rejects`.

It is one transaction, so that a reading that was cut short leaves nothing and is simply repeated. The parser runs in
the calling thread, COPY in a second one.
"""

from __future__ import annotations

from pathlib import Path

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extras import Json

from database.connect import limit_waits
from importer.columns.reject_file import copy_lines
from importer.errors import ImportFailure, UnusableFile
from importer.files.csv_file import FileOptions, OpenedFile, open_file
from importer.jobs import repository
from importer.jobs.heartbeat import READING_FOR_PREVIEW_PERCENT, READING_PERCENT, LeaseKeeper, Reading
from importer.jobs.repository import Job
from importer.pipeline.copy_stream import CopyFeed, copying

# Rejects are collected, so that COPY into their table does not take turns with the other all the time.
COLLECTED_REJECTS_BYTES = 1 << 22

# FREEZE: the table is new in this transaction; its rows need no second visit to become visible to everyone.
COPY_STAGING = "COPY {table} ({fields}) FROM STDIN (FORMAT csv, FREEZE, {options}, FORCE_NOT_NULL ({texts}){booleans})"
COPY_REJECTS = sql.SQL("COPY import_rejects (job_id, line, code, message, row) FROM STDIN")
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
        options = FileOptions(job.delimiter, job.quote, job.encoding, job.mapping)
        file = open_file(path, options, max_record=max_record, max_unpacked_bytes=max_unpacked_bytes)
    except FileNotFoundError:
        raise ImportFailure("The uploaded file is gone from the server. Upload it again.") from None
    with file:
        _propose_remembered(connection, job, file)
        keeper.file = file.describe()
        columns = file.columns
        table = repository.new_staging_table(job)
        with connection, connection.cursor() as cursor:
            limit_waits(cursor)
            fields = sql.SQL(", ").join(
                sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(TYPES.get(name, "text")))
                for name in columns.fields
            )
            cursor.execute(sql.SQL(CREATE_STAGING).format(table=sql.Identifier(table), fields=fields))
            cursor.execute("DELETE FROM import_rejects WHERE job_id = %s", (job.id,))
            feed = CopyFeed()
            copy = sql.SQL(COPY_STAGING).format(
                table=sql.Identifier(table),
                fields=_names(columns.fields),
                options=file.copy_options,
                texts=_names([field for field in columns.fields if field not in TYPES]),
                booleans=sql.SQL(", FORCE_NULL (active)" if "active" in columns.fields else ""),
            )
            rejects = bytearray()
            with copying(cursor, feed):
                reading = keeper.reading = Reading()
                for records in file.chunks(chunk_rows):
                    payload, rows = columns.copy_rows(records)
                    if payload and not feed.write(copy, payload):
                        break
                    rejects += copy_lines(job.id, records.rejects)
                    if len(rejects) > COLLECTED_REJECTS_BYTES:
                        feed.write(COPY_REJECTS, bytes(rejects))
                        rejects.clear()
                    reading.rows += rows
                    reading.rejected += len(records.rejects)
                    reading.share = file.share_read
                    reading.changed.set()
                    keeper.check()
                if rejects:
                    feed.write(COPY_REJECTS, bytes(rejects))
            keeper.reading = None
            if not reading.rows and not reading.rejected:
                raise UnusableFile("The file has a header row and nothing below it. Add the products, one a row.")
            cursor.execute(sql.SQL("CREATE INDEX ON {} (key, number DESC)").format(sql.Identifier(table)))
            # A rough picture will do: the planner has few plans to choose from.
            cursor.execute("SET LOCAL default_statistics_target = 10")
            cursor.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))
            repository.drop_staging(cursor, job.id)
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
            repository.update(cursor, job, STAGED, totals, sampled="reading")
            found = f"{reading.rows + reading.rejected:,} rows were read, {reading.rejected:,} of them rejected."
            repository.note(cursor, job.id, "read", found)


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
