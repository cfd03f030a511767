"""Looks up what has written a version of a product: `product_edits`, the change log of jobs, and the audit log.

Each lookup takes the exact `updated_at` of a version, so it reads one edit, or the one or two entries of the change log
with this time. An entry holds all products of a slice; the others are never read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor

from catalogue.history import FIELDS, Author, Edit, JobName, LogEntry, Reversal, Version, Walk

READ_PRODUCT_SQL = """
SELECT updated_at, CASE WHEN restored[2] = updated_at THEN restored[1] END, created_at, sku, name, description, active
FROM products WHERE id = %s
"""
EDIT_COLUMNS_SQL = "at, started_from, actor_type, actor_name, changes, previous_at, restored_version"
FIND_EDIT_SQL = f"SELECT {EDIT_COLUMNS_SQL} FROM product_edits WHERE product_id = %(id)s AND at = %(at)s"
FIND_LAST_EDIT_SQL = f"""
SELECT {EDIT_COLUMNS_SQL} FROM product_edits WHERE product_id = %(id)s AND at < %(at)s ORDER BY at DESC LIMIT 1
"""
# The values of the product that has the place `u.place` in an entry of the change log.
ENTRY_VALUES_SQL = "c.names[u.place], c.descriptions[u.place], c.actives[u.place]"
FIND_ENTRY_SQL = f"""
SELECT j.kind, j.task_id::text, j.filename, j.started_by, c.stamps[u.place], {ENTRY_VALUES_SQL}
FROM import_changes c JOIN import_jobs j ON j.id = c.job_id
CROSS JOIN LATERAL (SELECT array_position(c.updated, %(id)s) AS place) u
WHERE c.at = %(at)s AND (u.place IS NOT NULL OR %(id)s = ANY (c.created)) LIMIT 1
"""
FIND_REVERSAL_SQL = f"""
SELECT c.at, j.task_id::text, j.filename, {ENTRY_VALUES_SQL}
FROM import_changes c JOIN import_jobs j ON j.id = c.job_id
CROSS JOIN LATERAL (SELECT array_position(c.updated, %(id)s) AS place) u
WHERE c.reversals @> ARRAY[%(at)s] AND u.place IS NOT NULL LIMIT 1
"""
# An import has one undo at a time. Without the change log it is not known which import was undone; then the undo is
# known only if no other one ran at the same time.
FIND_UNDOS_SQL = """
SELECT u.task_id::text, u.filename, u.started_by, u.undo_of::text, j.filename
FROM import_jobs u LEFT JOIN import_jobs j ON j.task_id = u.undo_of
WHERE u.kind = 'undo' AND u.started_at <= %(at)s AND coalesce(u.finished_at >= %(at)s, true)
    AND coalesce(u.undo_of = %(undone)s::uuid, true)
LIMIT 2
"""
# The entry of a bulk change has the target `products`.
FIND_STARTER_SQL = """
SELECT actor_type, actor_name FROM audit_entries
WHERE target_type IN ('import', 'products') AND target_id = %(task_id)s
    AND (action = %(action)s OR target_type = 'products')
    AND coalesce(changes -> 'undo' ->> 1 = %(undo)s, true)
ORDER BY at DESC, id DESC LIMIT 1
"""
# Edits from before `product_edits` existed are in the audit log only. The entry of an edit is a little newer than the
# version that it wrote, and older than the next version.
FIND_AUDITED_EDIT_SQL = """
SELECT actor_type, actor_name FROM audit_entries
WHERE target_type = 'product' AND target_id = %(id)s::text AND at >= %(at)s AND coalesce(at < %(until)s, true)
    AND action IN ('product.created', 'product.updated')
ORDER BY at, id LIMIT 1
"""
# Bulk changes that may overlap in time: their entries say when they began.
FIND_AUDITED_BULK_CHANGES_SQL = """
SELECT actor_type, actor_name FROM audit_entries
WHERE action IN ('products.activated', 'products.deactivated') AND at >= %(at)s
    AND (changes -> 'since' ->> 1)::timestamptz <= %(at)s LIMIT 2
"""
# Without the field `started_from`, nobody knows whether the page or a script made a request of "local".
WAY_OF_ACTOR = {"user": "page", "key": "api"}


def follow_history(cursor: Cursor, product_id: int) -> Walk | None:
    """Return a walk through the history of a product, from its present version on; None if there is no product."""
    cursor.execute(READ_PRODUCT_SQL, [product_id])
    row = cursor.fetchone()
    if row is None:
        return None
    updated_at, restored, created_at, *values = row
    log = DatabaseLog(cursor, product_id)
    return Walk(log, Version(updated_at, restored), dict(zip(FIELDS, values, strict=True)), created_at)


@dataclass(frozen=True)
class DatabaseLog:
    """Looks up the versions of one product; a `catalogue.history.Log`."""

    cursor: Cursor
    product_id: int

    def find_edit(self, at: datetime) -> Edit | None:
        """Return the edit that wrote a version."""
        return self._read_edit(FIND_EDIT_SQL, at)

    def find_last_edit_before(self, at: datetime) -> Edit | None:
        """Return the latest edit that is older than a version."""
        return self._read_edit(FIND_LAST_EDIT_SQL, at)

    def find_entry(self, at: datetime) -> LogEntry | None:
        """Return what the change log has about a version."""
        row = self._fetch(FIND_ENTRY_SQL, at=at)
        if row is None:
            return None
        kind, task_id, filename, started_by, previous, *before = row
        author = self._find_starter(task_id, "import.started", started_by)
        return LogEntry(kind, author, JobName(task_id, filename), _changed(before), previous)

    def find_reversal(self, at: datetime) -> Reversal:
        """Return the undo that made a version."""
        row = self._fetch(FIND_REVERSAL_SQL, at=at)
        reversed_at, undone, before = (row[0], JobName(row[1], row[2]), _changed(row[3:])) if row else (None, None, {})
        self.cursor.execute(FIND_UNDOS_SQL, {"at": at, "undone": undone.task_id if undone else None})
        undos = self.cursor.fetchall()
        if len(undos) != 1:
            return Reversal(None, None, undone, reversed_at, before)
        task_id, filename, started_by, undone_task_id, undone_filename = undos[0]
        if undone is None and undone_filename is not None:
            undone = JobName(undone_task_id, undone_filename)
        author = self._find_starter(undone_task_id, "import.undone", started_by, undo=task_id)
        return Reversal(author, JobName(task_id, filename), undone, reversed_at, before)

    def find_author(self, at: datetime, until: datetime | None) -> tuple[str | None, Author | None]:
        """Return how and by whom a version was written that only the audit log may know; the next one is of `until`."""
        if row := self._fetch(FIND_AUDITED_EDIT_SQL, at=at, until=until):
            return WAY_OF_ACTOR.get(row[0]), Author(*row)
        self.cursor.execute(FIND_AUDITED_BULK_CHANGES_SQL, {"at": at})
        rows = self.cursor.fetchall()
        return ("bulk", Author(*rows[0])) if len(rows) == 1 else (None, None)

    def _find_starter(self, task_id: str, action: str, started_by: str, *, undo: str | None = None) -> Author:
        """Return who started a job; "local" stands for many, so then it is the name in the list of jobs."""
        row = self._fetch(FIND_STARTER_SQL, task_id=task_id, action=action, undo=undo)
        if row is None or row[0] == "local":
            return Author(row[0] if row else None, started_by)
        return Author(*row)

    def _read_edit(self, statement: str, at: datetime) -> Edit | None:
        row = self._fetch(statement, at=at)
        if row is None:
            return None
        edited_at, started_from, actor_type, actor_name, changes, previous_at, restored = row
        previous = Version(previous_at, restored) if previous_at else None
        return Edit(edited_at, started_from, Author(actor_type, actor_name), changes, previous)

    def _fetch(self, statement: str, **values: Any) -> tuple[Any, ...] | None:
        self.cursor.execute(statement, {"id": self.product_id, **values})
        return self.cursor.fetchone()


def _changed(values: list[Any] | tuple[Any, ...]) -> dict[str, Any]:
    """Return the previous values of a row of the change log that are not NULL, by the names of their fields."""
    names = ("name", "description", "active")
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}
