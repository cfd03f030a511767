"""Comparing the next slice on a second connection while the current one is written."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import psycopg2
from psycopg2.extensions import connection as Connection

from database.advisory_locks import mark_work
from database.connect import Component, connect, transaction
from importer.pipeline.slice_sql import SLICE_PLANNER_SETTINGS_SQL, Slice
from importer.pipeline.slices import compare_slice, count_staged_rows


@dataclass(frozen=True)
class UnchangedSlice:
    """A slice that changes nothing in the catalogue: how many staged rows and how many different keys it has."""

    staged_rows: int
    keys: int


class LookAhead:
    """Find out whether the next slice changes nothing; then it only needs to be counted.

    If another client changes one of its products after the comparison, the result is the same as if the import had
    written the slice before that change.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="look-ahead")
        self._connection: Connection | None = None
        self._comparison: Future[UnchangedSlice | None] | None = None

    def __enter__(self) -> LookAhead:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown()
        if self._connection is not None:
            self._connection.close()

    def start(self, part: Slice) -> None:
        """Start to compare a slice."""
        self._comparison = self._executor.submit(self._compare, part)

    def wait(self) -> UnchangedSlice | None:
        """Wait for the comparison that was started last; return None if there is none or if the slice must be written.

        Call it once per slice: it forgets the comparison.
        """
        comparison, self._comparison = self._comparison, None
        try:
            return comparison.result() if comparison else None
        except psycopg2.Error:
            # If the error persists, writing the slice meets it again and handles it.
            return None

    def _compare(self, part: Slice) -> UnchangedSlice | None:
        if self._connection is None:
            self._connection = connect(self._url, Component.LOOK_AHEAD)
        with transaction(self._connection) as cursor:
            mark_work(cursor, part.job.id)
            cursor.execute(SLICE_PLANNER_SETTINGS_SQL)
            comparison = compare_slice(cursor, part)
            staged_rows = count_staged_rows(cursor, part)
        changes_products = comparison.created or comparison.updated
        return None if changes_products else UnchangedSlice(staged_rows, comparison.keys)
