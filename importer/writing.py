"""The second phase: the staged rows go into `products`, slice by slice in the order of their keys.

Each slice is one short transaction that holds everything: the products written, the counts, the checkpoint and the
check of the lease. It finds out by one merge join what is new, changed or the same. New rows are then inserted
plainly, which is much faster than `ON CONFLICT`; when another client was quicker with one of them, or changed a row
that this slice had looked at, the slice is rolled back and starts over.

Slices of concurrent imports lock rows in the same order, that of the keys, so that they do not deadlock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection

from importer import jobs
from importer.errors import ImportFailure, Interrupted
from importer.jobs import Job, LeaseKeeper
from webhook_service import tell_imported, wants_imported

Counts = dict[str, int]
Parts = dict[str, sql.Composable]

SAMPLED_KEYS_PER_SLICE = 1000
MAX_SLICE_ATTEMPTS = 20

WORTH_ANOTHER_TRY = (
    errors.UniqueViolation,
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.LockNotAvailable,
)

# The planner knows neither how full the slice is nor that both sides come sorted; these leave it the two good plans:
# a merge of both indexes, or one look-up a row where the catalogue is much larger than the file.
SLICE_SETTINGS = """
SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;
SET LOCAL enable_hashjoin = off; SET LOCAL random_page_cost = 1.1; SET LOCAL jit = off
"""

# `found` keeps the text of new and changed rows only. A row is updated through its physical address: no second look-up,
# and a row that somebody else has changed since is missed, which the counts then show.
FOUND = """
WITH found AS MATERIALIZED (
    SELECT p.id IS NULL AS is_new, write, p.address, {staged_if_written}
    FROM (SELECT DISTINCT ON (key) * FROM {table} WHERE {staged_range} ORDER BY key, number DESC) s
    LEFT JOIN (SELECT id, ctid AS address, {fields} FROM products WHERE {products_range}) p
        ON lower(p.sku) COLLATE "C" = s.key
    CROSS JOIN LATERAL (SELECT p.id IS NULL OR {differs} AS write) w
    ORDER BY s.key
)"""
INSERTED = """, inserted AS (
    INSERT INTO products ({fields}) SELECT {new_values} FROM found WHERE is_new RETURNING id
)"""
UPDATED = """, updated AS (
    UPDATE products p SET {assignments}, updated_at = clock_timestamp()
    FROM found WHERE write AND NOT is_new AND p.ctid = found.address RETURNING p.id
)"""
# Of a file that only has SKUs, which changes nothing on products that exist, or of a range where there are none.
NONE_UPDATED = ", updated AS (SELECT id FROM products WHERE false)"
COUNTED = """
SELECT count(*), count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE write AND NOT is_new),
    (SELECT count(*) FROM inserted), (SELECT count(*) FROM updated) FROM found
"""
SLICE = FOUND + INSERTED + UPDATED + "{told}" + COUNTED
SLICE_OF_SKUS = FOUND + INSERTED + NONE_UPDATED + "{told}" + COUNTED
LOOK = FOUND + " SELECT count(*), count(*) FILTER (WHERE write) FROM found"

# Where the catalogue has no product between the slice's keys there is nothing to compare, which saves a fifth.
NOTHING_THERE = "SELECT NOT EXISTS (SELECT FROM products WHERE {products_range})"
NEW_SLICE = """
INSERT INTO products ({fields}) SELECT {new_values}
FROM (SELECT DISTINCT ON (key) * FROM {table} WHERE {staged_range} ORDER BY key, number DESC) s
"""
NEW_SLICE_TOLD = f"WITH inserted AS ({NEW_SLICE} RETURNING id){NONE_UPDATED}{{told}} SELECT count(*) FROM inserted"
STAGED_IN_SLICE = "SELECT count(*) FROM {table} WHERE {staged_range}"

WRITTEN = (
    "checkpoint = %(end)s, attempts = 0, created_count = created_count + %(created)s,"
    " updated_count = updated_count + %(updated)s, unchanged_count = unchanged_count + %(unchanged)s,"
    " duplicate_count = duplicate_count + %(duplicates)s, rows_written = rows_written + %(created)s + %(updated)s,"
    " processed_records = processed_records + %(processed)s,"
    " progress = greatest(progress, least(99, 50 + 50 * (processed_records + %(processed)s) / total_records))"
)

# The upper ends of the slices: keys from a sample, spread evenly, and the last key of all. Any ends would do; these
# make the slices alike.
SLICE_ENDS = """
SELECT key FROM (
    SELECT key, row_number() OVER (ORDER BY key) AS place, count(*) OVER () AS sampled
    FROM {table} TABLESAMPLE SYSTEM ({percent}) WHERE key > {checkpoint}
) keys WHERE place * {slices} / sampled <> (place - 1) * {slices} / sampled
UNION SELECT max(key) FROM {table} WHERE key > {checkpoint} HAVING count(*) > 0
ORDER BY key
"""


STAGED_BEHIND = "SELECT count(*) FROM {table} WHERE key > {checkpoint}"


class StaleSlice(Exception):
    """Another client changed or removed a product between the look at it and the write."""


def write_slices(
    connection: Connection,
    job: Job,
    keeper: LeaseKeeper,
    *,
    url: str,
    slice_rows: int,
    out_of_time: Callable[[], bool],
) -> None:
    """Writes every staged row that lies behind the job's checkpoint; `url` is for a second connection.

    Raises `Interrupted` between two slices once `out_of_time()`, `LeaseLost` when the job went elsewhere.
    """
    checkpoint = job.checkpoint or ""
    ends = _slice_ends(connection, job, checkpoint, slice_rows)
    slices = [_slice_parts(job, low, high) for low, high in zip([checkpoint, *ends], ends, strict=False)]
    with LookAhead(url) as ahead:
        wrote_nothing = False
        for number, end in enumerate(ends):
            keeper.check()
            if out_of_time():
                raise Interrupted
            foreseen = ahead.result()
            if foreseen is None and wrote_nothing and number + 1 < len(ends):
                ahead.look(slices[number + 1])
            counts = _write_slice(connection, job, slices[number], end, foreseen)
            wrote_nothing = counts["created"] + counts["updated"] == 0


class LookAhead:
    """Compares the next slice on a connection of its own, while the present one is at work.

    It is asked for where the slices before had nothing to write. Found to have nothing to write either, a slice only
    needs to be counted: its rows were what the catalogue held when it was looked at, and who changed that since came
    later.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="look-ahead")
        self._connection: Connection | None = None
        self._looking: Future[Counts | None] | None = None

    def __enter__(self) -> LookAhead:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown()
        if self._connection is not None:
            self._connection.close()

    def look(self, parts: Parts) -> None:
        """Starts to compare the slice."""
        self._looking = self._threads.submit(self._compare, parts)

    def result(self) -> Counts | None:
        """What is to be counted for the slice that was looked at; None when it must be written, or none was."""
        looking, self._looking = self._looking, None
        try:
            return looking.result() if looking else None
        except psycopg2.Error:
            # Whatever it was, the slice itself will meet it or not.
            return None

    def _compare(self, parts: Parts) -> Counts | None:
        if self._connection is None:
            self._connection = jobs.connect(self._url)
        with self._connection as connection, connection.cursor() as cursor:
            jobs.limit_waits(cursor)
            cursor.execute(SLICE_SETTINGS)
            found, written = _run(cursor, LOOK, parts)
            (staged,) = _run(cursor, STAGED_IN_SLICE, parts)
        return None if written else _counts(staged, found)


def is_staged(connection: Connection, job: Job) -> bool:
    """Whether the job's rows are still staged: a server that crashes empties unlogged tables."""
    if job.staging_table is None or job.staged_columns is None:
        return False
    with connection, connection.cursor() as cursor:
        jobs.limit_waits(cursor)
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (job.staging_table,))
        if cursor.fetchone() != (True,):
            return False
        if job.total_records == job.rejected_count:
            return True
        cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(job.staging_table)))
        return cursor.fetchone() == (True,)


def _slice_ends(connection: Connection, job: Job, checkpoint: str, slice_rows: int) -> list[str]:
    with connection, connection.cursor() as cursor:
        jobs.limit_waits(cursor)
        parts = {"table": _table(job), "checkpoint": sql.Literal(checkpoint)}
        cursor.execute(sql.SQL(STAGED_BEHIND).format(**parts))
        (left,) = cursor.fetchone() or (0,)
        slices = max(1, -(-left // slice_rows))
        percent = min(100.0, 100 * SAMPLED_KEYS_PER_SLICE / slice_rows)
        query = sql.SQL(SLICE_ENDS).format(**parts, percent=sql.Literal(percent), slices=sql.Literal(slices))
        cursor.execute(query)
        return [row[0] for row in cursor.fetchall()]


def _write_slice(connection: Connection, job: Job, parts: Parts, end: str, foreseen: Counts | None) -> Counts:
    """Writes and counts the slice that ends at the key `end`; only counts it where that is `foreseen`."""
    for attempt in range(MAX_SLICE_ATTEMPTS):
        try:
            with connection, connection.cursor() as cursor:
                jobs.limit_waits(cursor)
                jobs.lock(cursor, job)
                cursor.execute(SLICE_SETTINGS)
                counts = foreseen or _write_rows(cursor, parts, has_values=job.staged_columns != ["sku"])
                jobs.update(cursor, job, WRITTEN, {**counts, "end": end})
            return counts
        except (StaleSlice, *WORTH_ANOTHER_TRY):
            time.sleep(min(1.0, 0.01 * 2**attempt))
    raise ImportFailure(
        "Other clients kept changing the same products at the same time. What was written until then stays; "
        "upload the file again to import the rest."
    )


def _run(cursor: Any, query: str, parts: Parts) -> tuple[int, ...]:
    """Runs a statement on a slice; returns the row it gives, or else how many rows it wrote."""
    cursor.execute(sql.SQL(query).format(**parts))
    row: tuple[int, ...] = cursor.fetchone() if cursor.description else (cursor.rowcount,)
    return row


def _write_rows(cursor: Any, parts: Parts, *, has_values: bool) -> Counts:
    """Writes a slice and tells webhooks of it, in the caller's transaction; returns what became of its rows."""
    updated = 0
    tells = wants_imported(cursor)
    if not tells:
        parts = {**parts, "told": sql.SQL("")}
    if _run(cursor, NOTHING_THERE, parts) == (True,):
        (created,) = _run(cursor, NEW_SLICE_TOLD if tells else NEW_SLICE, parts)
        found = created
    else:
        found, new, changed, created, updated = _run(cursor, SLICE if has_values else SLICE_OF_SKUS, parts)
        if (new, changed) != (created, updated):
            raise StaleSlice
    (staged,) = _run(cursor, STAGED_IN_SLICE, parts)
    return _counts(staged, found, created, updated)


def _counts(staged: int, found: int, created: int = 0, updated: int = 0) -> Counts:
    """What became of the `staged` rows of a slice, which have `found` different keys."""
    return {
        "created": created,
        "updated": updated,
        "unchanged": found - created - updated,
        "duplicates": staged - found,
        "processed": staged,
    }


def _table(job: Job) -> sql.Identifier:
    return sql.Identifier(job.staging_table or "")


def _slice_parts(job: Job, checkpoint: str, end: str) -> Parts:
    """What the statements above have in braces, for the rows with `checkpoint` < key <= `end`."""
    fields = job.staged_columns or []
    values = [name for name in fields if name != "sku"]

    def each(template: str, names: list[str]) -> sql.Composed:
        return sql.SQL(", ").join(sql.SQL(template).format(name=sql.Identifier(name)) for name in names)

    def key_range(key: str) -> sql.Composable:
        return sql.SQL("{key} > {low} AND {key} <= {high}").format(
            key=sql.SQL(key), low=sql.Literal(checkpoint), high=sql.Literal(end)
        )

    def new_value(name: str) -> sql.Composable:
        return sql.SQL("coalesce(active, true)") if name == "active" else sql.Identifier(name)

    return {
        "table": _table(job),
        "told": tell_imported(job.task_id),
        "fields": each("{name}", fields),
        "staged_if_written": each("CASE WHEN write THEN s.{name} END AS {name}", fields),
        "staged_range": key_range("key"),
        "products_range": key_range('lower(sku) COLLATE "C"'),
        "differs": sql.SQL(" OR ").join(map(_differs, values)) if values else sql.SQL("false"),
        "new_values": sql.SQL(", ").join(map(new_value, fields)),
        "assignments": sql.SQL(", ").join(map(_assignment, values)),
    }


def _differs(name: str) -> sql.Composable:
    # An empty cell for `active` means "as it is".
    return sql.SQL("p.active <> s.active" if name == "active" else "p.{name} <> s.{name}").format(
        name=sql.Identifier(name)
    )


def _assignment(name: str) -> sql.Composable:
    template = "active = coalesce(found.active, p.active)" if name == "active" else "{name} = found.{name}"
    return sql.SQL(template).format(name=sql.Identifier(name))
