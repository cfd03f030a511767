"""Changing many products at once, each call one statement in the caller's transaction, and its events with it.

Rows are locked in the order of their keys, as imports lock them, so that neither waits for the other in a circle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg2 import errors, sql
from psycopg2.extensions import cursor as Cursor

from catalogue.filters import Filter
from database.running_imports import find_running_import
from webhook_service import TELL_UPDATED, record

MAX_ID = 2**63 - 1
# How long to wait for each of those who write, such as a slice of an import.
LOCK_WAIT_SECONDS = 10
# Readers that come while TRUNCATE waits for those that are there wait too, so it does not wait long.
TRUNCATE_WAIT_MS = 100

# What does not change is not locked either. The rows are locked behind the sort.
LOCKED = """
WITH locked AS MATERIALIZED (
    SELECT id FROM products WHERE {condition} ORDER BY lower(sku) COLLATE "C" FOR UPDATE
)"""
SET_ACTIVE = (
    LOCKED.replace("{condition}", "({condition}) AND active <> {active}")
    + """, updated AS (
    UPDATE products p SET active = {active}, updated_at = clock_timestamp()
    FROM locked WHERE p.id = locked.id RETURNING p.id
){told}
SELECT (SELECT count(*) FROM products WHERE {condition}), (SELECT count(*) FROM updated)
"""
)
DELETE = LOCKED + " DELETE FROM products p USING locked WHERE p.id = locked.id"

Selection = Filter | Sequence[int]


class ImportRunning(Exception):
    """An import is waiting or at work; `filename` is the name of its file."""

    def __init__(self, filename: str) -> None:
        super().__init__(filename)
        self.filename = filename


@dataclass(frozen=True)
class Outcome:
    """How many products were meant and are there, and how many of them were changed."""

    matched: int
    changed: int


def set_active(cursor: Cursor, selection: Selection, active: bool) -> Outcome:
    """Activates or deactivates the products of a filter or with the given ids.

    Those that are so already stay as they are. Raises `psycopg2.errors.LockNotAvailable` when somebody holds one of
    them for too long, and `DeadlockDetected`, after which the transaction is worth repeating.
    """
    _prepare(cursor)
    parts = {"condition": _condition(selection), "active": sql.Literal(active), "told": sql.SQL(TELL_UPDATED)}
    cursor.execute(sql.SQL(SET_ACTIVE).format(**parts))
    matched, changed = cursor.fetchone() or (0, 0)
    # A product may have come to match, and been changed, after the statement began to count.
    return Outcome(max(matched, changed), changed)


def delete(cursor: Cursor, selection: Selection) -> Outcome:
    """Deletes the products of a filter or with the given ids; raises the same."""
    _prepare(cursor)
    cursor.execute(sql.SQL(DELETE).format(condition=_condition(selection)))
    return _deleted(cursor, cursor.rowcount)


def delete_all(cursor: Cursor) -> Outcome:
    """Deletes every product; raises `ImportRunning`, and the same as `set_active`.

    Where nobody uses the table it is emptied at once, else row by row beside those who read it: they go on reading
    what they began to read. Imports are kept out by a lock on their jobs, under which there is none: one that comes
    later is taken by a worker, and looks at the products, when this transaction is over.
    """
    # Before the lock too: a slice of a running import would hold it up.
    _refuse_beside_import(cursor)
    _prepare(cursor)
    try:
        _in_savepoint(cursor, lambda: cursor.execute("LOCK TABLE import_jobs IN EXCLUSIVE MODE"))
    except errors.LockNotAvailable:
        _refuse_beside_import(cursor)
        raise
    _refuse_beside_import(cursor)
    cursor.execute(f"SET LOCAL lock_timeout = {TRUNCATE_WAIT_MS}")
    counted = 0

    def empty() -> None:
        nonlocal counted
        # Who vacuums or indexes the table has a lock that keeps this one out, and is not waited for.
        cursor.execute("LOCK TABLE products IN ACCESS EXCLUSIVE MODE")
        cursor.execute("SELECT count(*) FROM products")
        counted = (cursor.fetchone() or (0,))[0]
        # The ids go on from where they are: one that was used never means another product.
        cursor.execute("TRUNCATE products")

    try:
        _in_savepoint(cursor, empty)
    except (errors.LockNotAvailable, errors.DeadlockDetected):
        _prepare(cursor)
        cursor.execute("DELETE FROM products")
        counted = cursor.rowcount
    return _deleted(cursor, counted)


def _deleted(cursor: Cursor, count: int) -> Outcome:
    """Tells the webhooks of so many deleted products."""
    if count:
        record(cursor, "product.bulk_deleted", {"count": count})
    return Outcome(count, count)


def _prepare(cursor: Cursor) -> None:
    cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT_SECONDS}s'; SET LOCAL jit = off")


def _refuse_beside_import(cursor: Cursor) -> None:
    if (filename := find_running_import(cursor)) is not None:
        raise ImportRunning(filename)


def _in_savepoint(cursor: Cursor, work: Callable[[], Any]) -> None:
    """Runs `work` so that the transaction goes on where it raises."""
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
    # A number that no id can have is the id of no product.
    ids = sorted({number for number in selection if 0 < number <= MAX_ID})
    return sql.SQL("id = ANY ({}::bigint[])").format(sql.Literal(ids))
