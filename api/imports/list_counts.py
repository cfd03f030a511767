"""How many rejected rows or duplicates of a job match a filter, without counting them for each page.

The rows of a job that waits or has ended stay as they are until they are removed, and that shows in the first or the
last line. So a count is remembered together with these lines and the revision of the job.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

from flask import current_app
from sqlalchemy import Select, func, select

from models import FINAL_STATUSES, ImportDuplicate, ImportJob, ImportReject, db

MAX_REMEMBERED = 1000
EXTENSION = "list_counts"
STEADY_STATUSES = {*FINAL_STATUSES, "awaiting_confirmation"}


class RememberedCounts:
    """The counts of the lists that were read last. Threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: OrderedDict[Hashable, int] = OrderedDict()

    def get(self, key: Hashable) -> int | None:
        """Return a count, None if it is not remembered."""
        with self._lock:
            if key in self._counts:
                self._counts.move_to_end(key)
            return self._counts.get(key)

    def put(self, key: Hashable, count: int) -> None:
        """Remember a count; if there are too many, forget the least recently used one."""
        with self._lock:
            self._counts[key] = count
            if len(self._counts) > MAX_REMEMBERED:
                self._counts.popitem(last=False)


def count_rows(
    job: ImportJob,
    table: type[ImportReject | ImportDuplicate],
    rows: Select[Any] | None = None,
    values: tuple[tuple[str, Any], ...] = (),
) -> int:
    """Return how many rows a query selects from those of a job, by default all of them.

    `values` are those of the query's filter, which distinguish it from the other queries for this table.
    """
    query = select(table).where(table.job_id == job.id) if rows is None else rows.order_by(None)
    counts: RememberedCounts = current_app.extensions.setdefault(EXTENSION, RememberedCounts())
    key = None
    if job.status in STEADY_STATUSES:
        lines = db.session.execute(select(func.min(table.line), func.max(table.line)).where(table.job_id == job.id))
        key = (table.__tablename__, job.id, job.revision, tuple(lines.one()), values)
        if (count := counts.get(key)) is not None:
            return count
    count = db.session.scalar(select(func.count()).select_from(query.subquery())) or 0
    if key is not None:
        counts.put(key, count)
    return count
