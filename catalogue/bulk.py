"""Changes of many products at once: activate, deactivate, delete.

Each change runs in the caller's transaction, which also records the events that report it. `set_active` and `delete`
lock rows in the order of their keys, as imports do, so they cannot deadlock with an import. `delete_all` keeps imports
from writing instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor

from catalogue.filters import Filter
from database import advisory_locks
from database.connect import LOCK_WAIT_SECONDS
from database.running_imports import find_running_import
from webhook_service import INSERT_UPDATED_SQL, record_event

MAX_ID = 2**63 - 1
# This is less than the time for which an import waits for the catalogue before it gives up.
DELETE_ALL_SECONDS = 120
# New readers queue up while TRUNCATE waits for the current ones, so it must not wait for long.
TRUNCATE_LOCK_WAIT_MS = 100

# PostgreSQL locks each row as the sort returns it, so the rows are locked in the order of their keys.
LOCKED_PRODUCTS_SQL = """
WITH locked AS MATERIALIZED (
    SELECT id FROM products WHERE {condition} ORDER BY lower(sku) COLLATE "C" FOR UPDATE
)"""
# Products that already have the wanted state are neither locked nor written.
SET_ACTIVE_SQL = (
    LOCKED_PRODUCTS_SQL.replace("{condition}", "({condition}) AND active <> {active}")
    + """, updated AS (
    UPDATE products p SET active = {active}, updated_at = clock_timestamp()
    FROM locked WHERE p.id = locked.id RETURNING p.id
){insert_event}
SELECT (SELECT count(*) FROM products WHERE {condition}), (SELECT count(*) FROM updated)
"""
)
DELETE_SQL = LOCKED_PRODUCTS_SQL + " DELETE FROM products p USING locked WHERE p.id = locked.id"

Selection = Filter | Sequence[int]


class ImportRunning(Exception):
    """An import is waiting or running; `filename` is the name of its file."""

    def __init__(self, filename: str) -> None:
        super().__init__(filename)
        self.filename = filename


@dataclass(frozen=True)
class BulkResult:
    """How many products the selection matched, and how many of them were changed."""

    matched: int
    changed: int


def set_active(cursor: Cursor, selection: Selection, active: bool) -> BulkResult:
    """Activate or deactivate the products that match a filter or have one of the given ids.

    Products that already have the wanted state stay as they are. Raises `psycopg2.errors.LockNotAvailable` if another
    transaction holds one of the rows for longer than `LOCK_WAIT_SECONDS`. Raises `psycopg2.errors.DeadlockDetected` if
    PostgreSQL ends a deadlock by cancelling the statement; the caller should then repeat the transaction.
    """
    _limit_lock_waits(cursor)
    parts = {
        "condition": _condition(selection),
        "active": sql.Literal(active),
        "insert_event": sql.SQL(INSERT_UPDATED_SQL),
    }
    cursor.execute(sql.SQL(SET_ACTIVE_SQL).format(**parts))
    matched, changed = cursor.fetchone() or (0, 0)
    return BulkResult(matched, changed)


def delete(cursor: Cursor, selection: Selection) -> BulkResult:
    """Delete the products that match a filter or have one of the given ids; raises the same errors as `set_active`."""
    _limit_lock_waits(cursor)
    cursor.execute(sql.SQL(DELETE_SQL).format(condition=_condition(selection)))
    return _report_deleted(cursor, cursor.rowcount)


def delete_all(cursor: Cursor) -> BulkResult:
    """Delete every product. Raises `ImportRunning`, and the same errors as `set_active`.

    Empties the table at once if no other transaction uses it. Otherwise deletes row by row, while readers keep the
    snapshot that they began with; raises `psycopg2.errors.QueryCanceled` if that takes longer than
    `DELETE_ALL_SECONDS`. The lock on the catalogue keeps imports from writing, and nothing else: an import that starts
    meanwhile stages its file, and writes its first slice after this transaction has ended.
    """
    # Check before locking as well: the slices of a running import would make the lock wait.
    _raise_if_import_is_running(cursor)
    _limit_lock_waits(cursor)
    try:
        _run_in_savepoint(cursor, lambda: advisory_locks.lock(cursor, advisory_locks.CATALOGUE_KEY))
    except errors.LockNotAvailable:
        _raise_if_import_is_running(cursor)
        raise
    _raise_if_import_is_running(cursor)
    cursor.execute(f"SET LOCAL lock_timeout = {TRUNCATE_LOCK_WAIT_MS}")
    deleted = 0

    def truncate() -> None:
        nonlocal deleted
        # VACUUM and CREATE INDEX may hold conflicting locks for long. The short timeout ends the wait.
        cursor.execute("LOCK TABLE products IN ACCESS EXCLUSIVE MODE")
        cursor.execute("SELECT count(*) FROM products")
        deleted = (cursor.fetchone() or (0,))[0]
        # Without RESTART IDENTITY, so that an id is never used for another product.
        cursor.execute("TRUNCATE products")

    try:
        _run_in_savepoint(cursor, truncate)
    except (errors.LockNotAvailable, errors.DeadlockDetected):
        _limit_lock_waits(cursor)
        # The deletion may wait for many rows, one after the other.
        cursor.execute(f"SET LOCAL statement_timeout = '{DELETE_ALL_SECONDS}s'")
        cursor.execute("DELETE FROM products")
        deleted = cursor.rowcount
    _limit_lock_waits(cursor)
    return _report_deleted(cursor, deleted)


def _report_deleted(cursor: Cursor, count: int) -> BulkResult:
    """Record the event of `count` deleted products, if any, and return the result."""
    if count:
        record_event(cursor, "product.bulk_deleted", {"count": count})
    return BulkResult(count, count)


def _limit_lock_waits(cursor: Cursor) -> None:
    cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT_SECONDS}s'; SET LOCAL jit = off")


def _raise_if_import_is_running(cursor: Cursor) -> None:
    if (filename := find_running_import(cursor)) is not None:
        raise ImportRunning(filename)


def _run_in_savepoint(cursor: Cursor, work: Callable[[], Any]) -> None:
    """Run `work` in a savepoint, so that the transaction stays usable if a lock is not available."""
    cursor.execute("SAVEPOINT attempt")
    try:
        work()
    except (errors.LockNotAvailable, errors.DeadlockDetected):
        cursor.execute("ROLLBACK TO SAVEPOINT attempt")
        raise
    cursor.execute("RELEASE SAVEPOINT attempt")


def _condition(selection: Selection) -> sql.Composable:
    if isinstance(selection, Filter):
        return selection.condition()
    # Clients may send numbers outside the range of bigint; no product has such an id.
    ids = sorted({number for number in selection if 0 < number <= MAX_ID})
    return sql.SQL("id = ANY ({}::bigint[])").format(sql.Literal(ids))
