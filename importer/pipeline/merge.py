"""The second phase: the staged rows go into `products`, slice by slice in the order of their keys.

Each slice is one short transaction that holds everything: the products written, the counts, the checkpoint and the
check of the lease. It finds out by one merge join what is new, changed or the same. New rows are then inserted
plainly, which is much faster than `ON CONFLICT`; when another client was quicker with one of them, or changed a row
that this slice had looked at, the slice is rolled back and starts over.

Slices of concurrent imports lock rows in the same order, that of the keys, so that they do not deadlock.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection

from database.connect import Component, connect, limit_waits
from database.retry import TRANSIENT_ERRORS, retry
from importer.errors import ImportFailure, Interrupted
from importer.jobs import repository
from importer.jobs.heartbeat import LeaseKeeper
from importer.jobs.repository import Job
from importer.pipeline import change_log
from webhook_service import tell_imported, wants_imported

Counts = dict[str, int]
Parts = dict[str, sql.Composable]

SAMPLED_KEYS_PER_SLICE = 1000
MAX_SLICE_ATTEMPTS = 20
GIVE_WAY_SECONDS = 0.5


# The planner knows neither how full the slice is nor that both sides come sorted; these leave it the two good plans:
# a merge of both indexes, or one look-up a row where the catalogue is much larger than the file.
SLICE_SETTINGS = """
SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off;
SET LOCAL enable_hashjoin = off; SET LOCAL random_page_cost = 1.1; SET LOCAL jit = off
"""

# `found` keeps the text of new and changed rows only. A row is updated through its physical address: no second look-up,
# and a row that somebody else has changed since is missed, which the counts then show. All that a slice writes bears
# one moment, by which an undo knows it again; it is read behind the snapshot, so that no product's time goes back.
FOUND = """
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS at), found AS MATERIALIZED (
    SELECT p.id IS NULL AND write AS is_new, write, skip, p.address, p.stamp, {staged_if_written}{former}
    FROM (SELECT DISTINCT ON (key) * FROM {table} WHERE {staged_range} ORDER BY key, number DESC) s
    LEFT JOIN (
        SELECT id, ctid AS address, {state} AS stamp, {fields} FROM products WHERE {products_range}
    ) p ON lower(p.sku) COLLATE "C" = s.key
    CROSS JOIN LATERAL (SELECT {write} AS write, {skip} AS skip) w
    ORDER BY s.key
)"""
INSERTED = """, inserted AS (
    INSERT INTO products ({fields}, created_at, updated_at)
    SELECT {new_values}, (SELECT at FROM moment), (SELECT at FROM moment) FROM found WHERE is_new RETURNING id
)"""
UPDATED = """, updated AS (
    UPDATE products p SET {assignments}, updated_at = (SELECT at FROM moment)
    FROM found WHERE write AND NOT is_new AND p.ctid = found.address RETURNING p.id{returned}
)"""
# Of a file that only has SKUs, which changes nothing on products that exist, or of a range where there are none.
NONE_UPDATED = ", updated AS (SELECT id FROM products WHERE false)"
COUNTS = """
SELECT count(*), count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE write AND NOT is_new),
    count(*) FILTER (WHERE skip)"""
COUNTED = COUNTS + ", (SELECT count(*) FROM inserted), (SELECT count(*) FROM updated) FROM found"
SLICE = FOUND + INSERTED + UPDATED + "{told}{kept}" + COUNTED
SLICE_OF_SKUS = FOUND + INSERTED + NONE_UPDATED + "{told}{kept}" + COUNTED
LOOK = FOUND + COUNTS + " FROM found"

# Where the catalogue has no product between the slice's keys there is nothing to compare, which saves a fifth.
NOTHING_THERE = "SELECT NOT EXISTS (SELECT FROM products WHERE {products_range})"
NEW_SLICE = (
    """
WITH moment AS MATERIALIZED (SELECT clock_timestamp() AS at), inserted AS (
    INSERT INTO products ({fields}, created_at, updated_at)
    SELECT {new_values}, (SELECT at FROM moment), (SELECT at FROM moment)
    FROM (SELECT DISTINCT ON (key) * FROM {table} WHERE {staged_range} ORDER BY key, number DESC) s RETURNING id
)"""
    + NONE_UPDATED
    + "{told}{kept} SELECT count(*) FROM inserted"
)
STAGED_IN_SLICE = "SELECT count(*) FROM {table} WHERE {staged_range}"

# By mode: what is written, and what is left out.
POLICIES = {
    "upsert": ("p.id IS NULL OR {differs}", "false"),
    "create": ("p.id IS NULL", "p.id IS NOT NULL"),
    "update": ("p.id IS NOT NULL AND ({differs})", "p.id IS NULL"),
}

WRITTEN = (
    "checkpoint = %(end)s, attempts = 0, created_count = created_count + %(created)s,"
    " updated_count = updated_count + %(updated)s, unchanged_count = unchanged_count + %(unchanged)s,"
    " skipped_count = skipped_count + %(skipped)s, duplicate_count = duplicate_count + %(duplicates)s,"
    " rows_written = rows_written + %(created)s + %(updated)s,"
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


WORTH_ANOTHER_TRY: tuple[type[Exception], ...] = (
    StaleSlice,
    errors.QueryCanceled,
    errors.UniqueViolation,
    errors.LockNotAvailable,
    *TRANSIENT_ERRORS,
)


def write_slices(
    connection: Connection,
    job: Job,
    keeper: LeaseKeeper,
    *,
    url: str,
    slice_rows: int,
    keep_changes: bool,
    out_of_time: Callable[[], bool],
) -> None:
    """Writes every staged row that lies behind the job's checkpoint; `url` is for a second connection.

    `keep_changes` makes it possible to undo the import. Raises `Interrupted` between two slices once `out_of_time()`,
    `LeaseLost` when the job went elsewhere.
    """
    slices = slices_of(connection, job, slice_rows, keep_changes=keep_changes)
    ends = list(slices)
    # Products that a mode leaves out are kept by their names, which takes the slice itself.
    looks_ahead = job.mode == "upsert"
    with LookAhead(url) as ahead:
        wrote_nothing = False
        for number, (end, parts) in enumerate(slices.items()):
            keeper.check()
            if out_of_time():
                raise Interrupted
            foreseen = ahead.result()
            if looks_ahead and foreseen is None and wrote_nothing and number + 1 < len(ends):
                ahead.look(slices[ends[number + 1]])
            counts = _write_slice(connection, job, parts, end, foreseen)
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
            self._connection = connect(self._url, Component.LOOK_AHEAD)
        with self._connection as connection, connection.cursor() as cursor:
            limit_waits(cursor)
            cursor.execute(SLICE_SETTINGS)
            found, new, changed, _ = look(cursor, parts)
            (staged,) = _run(cursor, STAGED_IN_SLICE, parts)
        return None if new or changed else _counts(staged, found)


def is_staged(connection: Connection, job: Job) -> bool:
    """Whether the job's rows are still staged: a server that crashes empties unlogged tables."""
    if job.staging_table is None or job.staged_columns is None:
        return False
    with connection, connection.cursor() as cursor:
        limit_waits(cursor)
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", (job.staging_table,))
        if cursor.fetchone() != (True,):
            return False
        if job.total_records == job.rejected_count:
            return True
        cursor.execute(sql.SQL("SELECT EXISTS (SELECT FROM {})").format(sql.Identifier(job.staging_table)))
        return cursor.fetchone() == (True,)


def slices_of(connection: Connection, job: Job, slice_rows: int, *, keep_changes: bool = False) -> dict[str, Parts]:
    """The slices behind the job's checkpoint: by the key that each ends at, what statements on it have in braces."""
    checkpoint = job.checkpoint or ""
    ends = _slice_ends(connection, job, checkpoint, slice_rows)
    return {
        high: _slice_parts(job, low, high, keep_changes=keep_changes)
        for low, high in zip([checkpoint, *ends], ends, strict=False)
    }


def look(cursor: Any, parts: Parts) -> tuple[int, ...]:
    """Compares a slice: how many different keys it has, and how many of them are new, changed, left out."""
    return _run(cursor, LOOK, {**parts, "former": sql.SQL(""), "state": sql.SQL("NULL")})


def _slice_ends(connection: Connection, job: Job, checkpoint: str, slice_rows: int) -> list[str]:
    with connection, connection.cursor() as cursor:
        limit_waits(cursor)
        parts = {"table": _table(job), "checkpoint": sql.Literal(checkpoint)}
        cursor.execute(sql.SQL(STAGED_BEHIND).format(**parts))
        (left,) = cursor.fetchone() or (0,)
        slices = max(1, -(-left // slice_rows))
        percent = min(100.0, 100 * SAMPLED_KEYS_PER_SLICE / slice_rows)
        query = sql.SQL(SLICE_ENDS).format(**parts, percent=sql.Literal(percent), slices=sql.Literal(slices))
        cursor.execute(query)
        return [row[0] for row in cursor.fetchall()]


def write_held(connection: Connection, job: Job, write: Callable[[Any], Counts], *, kept: str) -> Counts:
    """Runs `write` in a short transaction that holds the job's row, again where others are in its way.

    Raises `ImportFailure` when they stay so; `kept` is the end of its sentence, which says what becomes of the rest.
    """

    def transaction() -> Counts:
        with connection, connection.cursor() as cursor:
            limit_waits(cursor)
            repository.lock(cursor, job)
            return write(cursor)

    def delay_seconds(attempt: int, error: Exception) -> float:
        # A cancelled statement means that a client wants the job's row, to cancel the import.
        return GIVE_WAY_SECONDS if isinstance(error, errors.QueryCanceled) else min(1.0, 0.01 * 2**attempt)

    try:
        return retry(
            transaction,
            attempts=MAX_SLICE_ATTEMPTS,
            delay_seconds=delay_seconds,
            retry_on=lambda error: isinstance(error, WORTH_ANOTHER_TRY),
        )
    except WORTH_ANOTHER_TRY:
        raise ImportFailure(f"Other clients kept changing the same products at the same time. {kept}") from None


def _write_slice(connection: Connection, job: Job, parts: Parts, end: str, foreseen: Counts | None) -> Counts:
    """Writes and counts the slice that ends at the key `end`; only counts it where that is `foreseen`."""

    def write(cursor: Any) -> Counts:
        cursor.execute(SLICE_SETTINGS)
        counts = foreseen or _write_rows(cursor, job, parts)
        repository.update(cursor, job, WRITTEN, {**counts, "end": end}, sampled="writing")
        return counts

    kept = "What was written until then stays; try again to import the rest."
    return write_held(connection, job, write, kept=kept)


def _run(cursor: Any, query: str, parts: Parts) -> tuple[int, ...]:
    """Runs a statement on a slice; returns the row it gives, or else how many rows it wrote."""
    cursor.execute(sql.SQL(query).format(**parts))
    row: tuple[int, ...] = cursor.fetchone() if cursor.description else (cursor.rowcount,)
    return row


def _write_rows(cursor: Any, job: Job, parts: Parts) -> Counts:
    """Writes a slice and tells webhooks of it, in the caller's transaction; returns what became of its rows."""
    updated = skipped = 0
    if not wants_imported(cursor):
        parts = {**parts, "told": sql.SQL("")}
    if job.mode != "update" and _run(cursor, NOTHING_THERE, parts) == (True,):
        (created,) = _run(cursor, NEW_SLICE, {**parts, "kept": parts["kept_of_new"]})
        found = created
    else:
        statement = SLICE if job.staged_columns != ["sku"] else SLICE_OF_SKUS
        found, new, changed, skipped, created, updated = _run(cursor, statement, parts)
        if (new, changed) != (created, updated):
            raise StaleSlice
    (staged,) = _run(cursor, STAGED_IN_SLICE, parts)
    return _counts(staged, found, created, updated, skipped)


def _counts(staged: int, found: int, created: int = 0, updated: int = 0, skipped: int = 0) -> Counts:
    """What became of the `staged` rows of a slice, which have `found` different keys."""
    return {
        "created": created,
        "updated": updated,
        "unchanged": found - created - updated,
        "skipped": skipped,
        "duplicates": staged - found,
        "processed": staged,
    }


def _table(job: Job) -> sql.Identifier:
    return sql.Identifier(job.staging_table or "")


def _slice_parts(job: Job, checkpoint: str, end: str, *, keep_changes: bool) -> Parts:
    """What the statements above have in braces, for the rows with `checkpoint` < key <= `end`."""
    fields = job.staged_columns or []
    values = [name for name in fields if name != "sku"]
    write, skip = POLICIES[job.mode]
    nothing = sql.SQL("")

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
        "state": sql.SQL(change_log.STATE_OF.format(p="products")),
        "staged_if_written": each("CASE WHEN write OR skip THEN s.{name} END AS {name}", fields),
        "former": change_log.former(values) if keep_changes else nothing,
        "returned": change_log.returned(values) if keep_changes else nothing,
        "kept": change_log.kept(job.id, values, skips=job.mode != "upsert", updates=True) if keep_changes else nothing,
        "kept_of_new": change_log.kept(job.id, [], skips=False, updates=False) if keep_changes else nothing,
        "staged_range": key_range("key"),
        "products_range": key_range('lower(sku) COLLATE "C"'),
        "write": sql.SQL(write).format(differs=differs_of(values)),
        "skip": sql.SQL(skip),
        "new_values": sql.SQL(", ").join(map(new_value, fields)),
        "assignments": sql.SQL(", ").join(map(_assignment, values)),
    }


def differs_of(values: list[str]) -> sql.Composable:
    """Whether the staged row `s` has other values than the product `p`."""
    return sql.SQL(" OR ").join(map(_differs, values)) if values else sql.SQL("false")


def _differs(name: str) -> sql.Composable:
    # An empty cell for `active` means "as it is".
    return sql.SQL("p.active <> s.active" if name == "active" else "p.{name} <> s.{name}").format(
        name=sql.Identifier(name)
    )


def _assignment(name: str) -> sql.Composable:
    template = "active = coalesce(found.active, p.active)" if name == "active" else "{name} = found.{name}"
    return sql.SQL(template).format(name=sql.Identifier(name))
