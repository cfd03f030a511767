"""Staging: the rows of the file go into the staging table of the job, rejected rows into `import_rejects`.

All of it is one transaction. If reading is interrupted, nothing remains, and the next worker reads the file again. The
transaction begins with the first rows and runs COPY until the last ones. PostgreSQL ends transactions that are idle for
long, and this one never is, even if the file has no rows for a long stretch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import Json

from database.advisory_locks import cancel_work
from database.connect import transaction
from importer.columns.product_file import FileOptions, ProductFile, open_product_file
from importer.columns.reject_file import encode_rejects
from importer.columns.rejected_skus import encode_skus
from importer.errors import FailureKind, LeaseLost, UnusableFile
from importer.files.stored_file import StoredFile
from importer.files.workbook.workbook_file import WorkbookLimits
from importer.jobs import lease, repository
from importer.jobs.fixes import load_fixes
from importer.jobs.heartbeat import READ_FOR_PREVIEW_PERCENT, READ_PERCENT, ReadingProgress
from importer.jobs.log_messages import log_message
from importer.jobs.repository import Job
from importer.pipeline.copy_stream import running_copy
from importer.pipeline.line_map import COPY_LINES_SQL, CREATE_LINES_TABLE_SQL, LineMap, lines_table
from importer.pipeline.other_file import notice_same_content
from importer.pipeline.row_survey import RowSurvey
from importer.pipeline.run import Run, StepKind
from importer.pipeline.slice_sql import staging_table
from monitoring.metrics import count_rows

NO_ROWS = FailureKind("no_rows", "The file has a header row and nothing below it. Add one row for each product.")
TOO_MANY_ROWS = FailureKind(
    "too_many_rows", "The file has more than {limit:,} rows, which is the limit. Split it into smaller files."
)

MANY_REJECTS_PERCENT = 10
# Rejects are collected up to this size, because each change from one table to the other starts another COPY.
REJECTS_BUFFER_BYTES = 1 << 22
# Entries of the line map are collected up to this number for the same reason. Each has a few kilobytes at most.
MAX_LINE_ENTRIES = 1 << 10

# `number` is the position of the row in the file: the last row with a key counts. `key` has the collation of the unique
# index on `products`.
CREATE_STAGING_TABLE_SQL = """
CREATE UNLOGGED TABLE {table} (
    number integer GENERATED ALWAYS AS IDENTITY (CACHE 1000), {columns},
    key text COLLATE "C" GENERATED ALWAYS AS (lower(sku)) STORED
) WITH (autovacuum_enabled = off)
"""
# Such a row has a SKU of a rejected row. All its other columns, also `key`, are NULL, so no slice contains it. See
# importer/pipeline/missing.py.
REJECTED_SKU_COLUMN_SQL = ", rejected_sku text"
COLUMN_TYPES = {"active": "boolean"}
# FREEZE is possible because this transaction creates the table. No later statement has to mark the rows as visible.
COPY_ROWS_SQL = (
    "COPY {table} ({columns}) FROM STDIN (FORMAT csv, FREEZE, {options}, FORCE_NOT_NULL ({texts}){booleans})"
)
# The cells that short rows lack are NULL: empty without quotes. Empty texts have quotes in this format.
COPY_SHORT_ROWS_SQL = "COPY {table} ({columns}) FROM STDIN (FORMAT csv, FREEZE, {options}{booleans})"
COPY_REJECTED_SKUS_SQL = "COPY {table} (rejected_sku) FROM STDIN (FREEZE)"
COPY_REJECTS_SQL = sql.SQL('COPY import_rejects (job_id, line, code, message, row, "column", value) FROM STDIN')
CREATE_STAGING_INDEX_SQL = "CREATE INDEX ON {table} (key, number DESC)"
CREATE_REJECTED_SKU_INDEX_SQL = (
    'CREATE INDEX ON {table} ((lower(rejected_sku) COLLATE "C")) WHERE rejected_sku IS NOT NULL'
)
# Rough statistics are enough, because the planner has few plans to choose from.
ANALYZE_STAGING_TABLE_SQL = "SET LOCAL default_statistics_target = 10; ANALYZE {table}"
# If `staged_columns` is set already, the staging table was lost in a crash of the server. Reading the rows a second
# time is no progress, so `attempts` is not reset.
RECORD_STAGING_SQL = (
    "phase = %(phase)s, staging_table = %(table)s, staged_columns = %(columns)s, file = %(file)s,"
    " notices = %(notices)s,"
    " total_records = %(rows)s + %(rejected)s, attempts = CASE WHEN staged_columns IS NULL THEN 0 ELSE attempts END,"
    " rows_read = %(rows)s + %(rejected)s, rejected_count = %(rejected)s,"
    " processed_records = greatest(processed_records, %(rejected)s), progress = greatest(progress, %(progress)s)"
)
FIND_SAVED_MAPPING_SQL = (
    "UPDATE import_mappings SET used_at = clock_timestamp() WHERE header_key = %s RETURNING mapping"
)


@dataclass(frozen=True)
class ReadLimits:
    """Limits of reading a file: rows of a chunk and of the file, characters of a record, bytes once decompressed.

    The first `max_rejects` rejected rows are stored, the others are only counted.
    """

    chunk_rows: int
    max_rows: int
    max_record_characters: int
    max_unpacked_bytes: int
    max_rejects: int
    workbook_limits: WorkbookLimits


def is_staged(connection: Connection, job: Job) -> bool:
    """Return whether the rows of a job are staged. A crash of the server empties the table, because it is unlogged."""
    if job.staging_table is None or job.staged_columns is None:
        return False
    with transaction(connection) as cursor:
        # Earlier versions kept no lines.
        tables = [job.staging_table, lines_table(job.staging_table).string]
        cursor.execute("SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest(%s) name", (tables,))
        if cursor.fetchone() != (True,):
            return False
        if job.total_records == job.rejected_count:
            return True
        cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(staging_table(job)))
        return cursor.fetchone() == (True,)


def stage_file(run: Run, stored_file: StoredFile, limits: ReadLimits) -> None:
    """Read a file into the staging table of the job, and write the exact totals to the job.

    Raises `LeaseLost`, and `UnusableFile` if the file as a whole cannot be imported or has changed since its upload.
    """
    job = run.job
    run.forecast.begin("reading")
    reading = run.heartbeat.reading = ReadingProgress(run.forecast)

    with _open_file(run, stored_file, reading, limits) as file:
        _propose_saved_mapping(run.connection, job, file)
        run.heartbeat.file_description = description = file.describe()
        if description["sheet"] is not None:
            reading.phase = "reading_workbook"
            run.forecast.expect("reading", shares={"reading_workbook": 1.0})
        table_name = repository.staging_table_name(job)
        payloads = _encode_chunks(run, file, stored_file, table_name, reading, limits)
        first = next((payload for payload in payloads if payload[1]), None)
        if first is None:
            raise UnusableFile(NO_ROWS)
        with run.step(StepKind.STAGE_FILE) as cursor:
            _create_tables(cursor, job, table_name, file.validator.fields)
            # A worker that lost its lease while it was suspended must not lock the rejects that its successor deletes.
            if not lease.is_held(cursor, job):
                raise LeaseLost
            cancel_work(cursor, job.id)
            cursor.execute("DELETE FROM import_rejects WHERE job_id = %s", (job.id,))
            _copy(cursor, chain([first], payloads))
            run.heartbeat.reading = None
            run.forecast.begin("staging", total=reading.rows + reading.rejected)
            _create_indexes(cursor, job, table_name)
            _notice_many_rejects(file, reading)
            notice_same_content(cursor, job, file.notices)
            # A worker that has lost its lease must not lock the staging table of its successor.
            lease.hold(cursor, job)
            repository.drop_staging_table(cursor, job.id)
            # The whole file is known now, so the description may say more.
            run.heartbeat.file_description = file.describe()
            _record_totals(cursor, run, file, table_name, reading, limits)
    if job.staged_columns is None:
        # Otherwise the staging table was lost, and the rejects of the first reading were counted.
        count_rows(rejected=reading.rejected)


def _open_file(run: Run, stored_file: StoredFile, reading: ReadingProgress, limits: ReadLimits) -> ProductFile:
    """Open the file of a job with its options and its fixes; `reading` shows how much of it has been read."""
    job = run.job

    def after_read(share: float) -> None:
        reading.share = share
        reading.changed.set()
        run.heartbeat.check()

    return open_product_file(
        stored_file,
        FileOptions(
            delimiter=job.delimiter,
            quote=job.quote,
            encoding=job.encoding,
            mapping=job.mapping,
            header_line=job.header_line,
            sheet=job.sheet,
            accept_short_rows=job.short_rows == "accept",
            fixes=load_fixes(run.connection, job.id),
        ),
        max_record=limits.max_record_characters,
        max_unpacked_bytes=limits.max_unpacked_bytes,
        after_read=after_read,
        workbook_limits=limits.workbook_limits,
    )


def _create_tables(cursor: Cursor, job: Job, table_name: str, fields: Sequence[str]) -> None:
    """Create the staging table with a column for each field of the file, and the table of its lines."""
    columns = sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(COLUMN_TYPES.get(name, "text"))) for name in fields
    )
    if job.missing != "keep":
        columns += sql.SQL(REJECTED_SKU_COLUMN_SQL)
    cursor.execute(sql.SQL(CREATE_STAGING_TABLE_SQL).format(table=sql.Identifier(table_name), columns=columns))
    cursor.execute(sql.SQL(CREATE_LINES_TABLE_SQL).format(lines=lines_table(table_name)))


def _create_indexes(cursor: Cursor, job: Job, table_name: str) -> None:
    """Create the indexes of the staging table, and its statistics."""
    table = sql.Identifier(table_name)
    cursor.execute(sql.SQL(CREATE_STAGING_INDEX_SQL).format(table=table))
    if job.missing != "keep":
        cursor.execute(sql.SQL(CREATE_REJECTED_SKU_INDEX_SQL).format(table=table))
    cursor.execute(sql.SQL(ANALYZE_STAGING_TABLE_SQL).format(table=table))


def _record_totals(
    cursor: Cursor, run: Run, file: ProductFile, table_name: str, reading: ReadingProgress, limits: ReadLimits
) -> None:
    """Write the staging table, the description of the file and the exact totals to the job, and an entry to its log."""
    job = run.job
    totals = {
        "phase": "comparing" if job.is_preview else "writing",
        "table": table_name,
        "columns": file.validator.fields,
        "file": Json(run.heartbeat.file_description),
        "notices": Json(file.notices.to_json()),
        "rows": reading.rows,
        "rejected": reading.rejected,
        "progress": READ_FOR_PREVIEW_PERCENT if job.is_preview else READ_PERCENT,
    }
    repository.update(
        cursor,
        job,
        RECORD_STAGING_SQL,
        totals,
        phase_of_sample=reading.phase,
        estimate=run.forecast.begin_next(done=reading.rejected),
    )
    stored = min(reading.rejected, limits.max_rejects)
    message = log_message(
        "read",
        rows=reading.rows + reading.rejected,
        accepted=reading.rows,
        rejected=reading.rejected,
        stored=stored,
        not_stored=reading.rejected - stored,
    )
    repository.append_log(cursor, job.id, "read", message)


def _copy(cursor: Cursor, payloads: Iterable[tuple[sql.Composable, bytes]]) -> None:
    with running_copy(cursor) as stream:
        for statement, payload in payloads:
            if not stream.put(statement, payload):
                # COPY failed. `running_copy` raises its error.
                return


def _encode_chunks(
    run: Run,
    file: ProductFile,
    stored_file: StoredFile,
    table_name: str,
    reading: ReadingProgress,
    limits: ReadLimits,
) -> Iterator[tuple[sql.Composable, bytes]]:
    """Yield the rows of a file for the staging table, their lines, and its first rejects; count all rows and rejects.

    Each payload comes with its COPY statement. It is empty after a chunk without valid rows. Raises `UnusableFile` at
    the end if the file has changed since its upload.
    """
    validator = file.validator
    copy_rows, copy_short_rows = (
        sql.SQL(statement).format(
            table=sql.Identifier(table_name),
            columns=_join_names(validator.fields),
            options=file.copy_options,
            texts=_join_names([name for name in validator.fields if name not in COLUMN_TYPES]),
            booleans=sql.SQL(", FORCE_NULL (active)" if "active" in validator.fields else ""),
        )
        for statement in (COPY_ROWS_SQL, COPY_SHORT_ROWS_SQL)
    )
    copy_rejected_skus = sql.SQL(COPY_REJECTED_SKUS_SQL).format(table=sql.Identifier(table_name))
    copy_lines = sql.SQL(COPY_LINES_SQL).format(lines=lines_table(table_name))
    survey = RowSurvey(
        run.forecast,
        validator.fields,
        mode=run.job.mode,
        delimiter=validator.dialect.delimiter,
        quote=validator.dialect.copy_quote,
    )
    lines = LineMap()
    rejects = bytearray()
    rejected_skus = bytearray()
    for chunk in file.read_chunks(limits.chunk_rows):
        payload, row_count = validator.encode_rows(chunk)
        if reading.rows + row_count + reading.rejected + len(chunk.rejects) > limits.max_rows:
            raise UnusableFile(TOO_MANY_ROWS, limit=limits.max_rows)
        yield copy_short_rows if chunk.has_short_rows else copy_rows, payload
        lines.add(chunk.valid_lines())
        if lines.entry_count > MAX_LINE_ENTRIES:
            yield copy_lines, lines.take()
        rejects += encode_rejects(run.job.id, chunk.rejects[: max(0, limits.max_rejects - reading.rejected)])
        if len(rejects) > REJECTS_BUFFER_BYTES:
            yield COPY_REJECTS_SQL, bytes(rejects)
            rejects.clear()
        if run.job.missing != "keep":
            rejected_skus += encode_skus(validator.read_rejected_skus(chunk))
            if len(rejected_skus) > REJECTS_BUFFER_BYTES:
                yield copy_rejected_skus, bytes(rejected_skus)
                # These rows have numbers too, but no lines.
                lines.add(range(1, rejected_skus.count(b"\n") + 1))
                rejected_skus.clear()
        if survey.wants_next_chunk() and not chunk.has_short_rows and not run.job.is_preview:
            reading.survey = partial(survey.count, payload=payload)
        reading.rows += row_count
        reading.rejected += len(chunk.rejects)
        reading.changed.set()
        run.observer.after_chunk(run.job)
        run.heartbeat.check()
    if rejects:
        yield COPY_REJECTS_SQL, bytes(rejects)
    if rejected_skus:
        yield copy_rejected_skus, bytes(rejected_skus)
    yield copy_lines, lines.finish()
    # Verify the file here, while COPY still runs, because PostgreSQL ends transactions that are idle for long.
    stored_file.verify(after_read=run.heartbeat.check)


def _notice_many_rejects(file: ProductFile, reading: ReadingProgress) -> None:
    percent = 100 * reading.rejected / (reading.rows + reading.rejected)
    if not reading.rows:
        file.notices.add("all_rejected", count=reading.rejected)
    elif percent > MANY_REJECTS_PERCENT:
        file.notices.add(
            "many_rejects", count=reading.rejected, details={"percent": min(99, math.floor(percent + 0.5))}
        )


def _propose_saved_mapping(connection: Connection, job: Job, file: ProductFile) -> None:
    """Propose the column mapping that was last confirmed for this header, if the page started the import.

    Scripts always get the same mapping for the same file.
    """
    if job.started_from != "page":
        return
    with transaction(connection) as cursor:
        cursor.execute(FIND_SAVED_MAPPING_SQL, (file.header_key,))
        row = cursor.fetchone()
    if row:
        file.propose(row[0])


def _join_names(columns: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))
