"""The thread that builds the search indexes (catalogue/search_indexes.py) whenever new ones are due.

It also keeps up the number of products (catalogue/product_count.py).
"""

from __future__ import annotations

import logging
import threading
import time

from psycopg2 import errors
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from catalogue import product_count, search_indexes
from catalogue.build_connection import BuildYielded, JobWatch
from catalogue.search_indexes import IndexBuildError
from database.connect import Component, run_until_stopped
from database.listen import Listener
from database.running_imports import find_running_import, read_series_gap

log = logging.getLogger(__name__)

# Triggers notify these channels after each statement that changed products, and when a job is created or changes its
# status.
CHANNELS = ("products_changed", "import_jobs")

CHECK_SECONDS = 60
# A wrong number of products is found within this time.
COUNT_SECONDS = 86_400
# Changes that arrive within this time after a notification are covered by the same check.
DEBOUNCE_SECONDS = 1
STOP_CHECK_SECONDS = 1
IMPORT_CHECK_SECONDS = 1
RECONNECT_SECONDS = 10
# Delay before the next attempt if the role of the database may not even record that a build failed.
UNSUPPORTED_RETRY_SECONDS = 3600
# A build slows imports down, so it waits until none runs and none is expected, and yields to those that start. But once
# it has been due for this long, it runs to its end.
MAX_IMPORT_WAIT_SECONDS = 300


class SearchIndexBuilder(threading.Thread):
    """A thread that builds the search indexes whenever new ones are due.

    It runs in the main process of every worker; an advisory lock lets one of them build at a time. It checks when
    products or jobs have changed (LISTEN) and every `CHECK_SECONDS`. It waits while imports run or follow each other,
    and stops a build when an import starts; what is left is built afterwards. A build that fails is repeated after a
    delay that grows up to an hour (catalogue/search_index_builds.py).
    """

    def __init__(self, url: str, *, pooled: bool) -> None:
        super().__init__(name="search-index-builder", daemon=True)
        self._url = url
        self._pooled = pooled
        self._stopping = threading.Event()
        # Since when a build has been due, on the monotonic clock; None if none is.
        self._due_since: float | None = None
        # When to check the number of products, on the same clock.
        self._count_due = 0.0

    def stop(self) -> None:
        """Ask the thread to end. A build in progress is not awaited: PostgreSQL stops it when the process has ended."""
        self._stopping.set()

    def run(self) -> None:
        """Build indexes until stopped; reconnects after each database error."""
        run_until_stopped(
            self._url,
            Component.SEARCH_INDEX,
            self._keep_current,
            stopping=self._stopping,
            purpose="the build of search indexes",
            error_delay_seconds=RECONNECT_SECONDS,
            bug_delay_seconds=CHECK_SECONDS,
        )

    def _keep_current(self, connection: Connection) -> None:
        listener = Listener(connection, CHANNELS, pooled=self._pooled)
        while not self._stopping.is_set():
            self._keep_count(connection)
            # A build discards notifications, so another check follows it.
            if not self._build_when_due(connection, listener):
                self._wait_for_changes(listener)

    def _keep_count(self, connection: Connection) -> None:
        is_due = time.monotonic() >= self._count_due
        try:
            product_count.keep_up(connection, check=is_due)
        except errors.LockNotAvailable:
            # Others use the table. The next check tries again.
            return
        except errors.InsufficientPrivilege as error:
            log.warning("The number of products cannot be kept up: %s", str(error).strip())
        if is_due:
            self._count_due = time.monotonic() + COUNT_SECONDS

    def _build_when_due(self, connection: Connection, listener: Listener) -> bool:
        """Build the indexes that are due; return False if none is, or if another process is building."""
        try:
            due = self._find_due(connection)
            if not due:
                return False
            watch = None if self._is_overdue() else JobWatch(connection, listener)
            if not search_indexes.build_indexes(self._url, due, pooled=self._pooled, watch=watch):
                return False
            self._due_since = None
        except BuildYielded:
            pass
        except IndexBuildError as error:
            log.warning("Searches are correct but slow, because search indexes cannot be built: %s", error)
        except errors.InsufficientPrivilege as error:
            log.warning("Searches are correct but slow, without search indexes: %s", str(error).strip())
            self._stopping.wait(UNSUPPORTED_RETRY_SECONDS)
        return True

    def _find_due(self, connection: Connection) -> list[str]:
        """Return the kinds of indexes to build now. If some are due, waits for the imports first."""
        with connection.cursor() as cursor:
            while due := search_indexes.find_due(cursor):
                if self._due_since is None:
                    self._due_since = time.monotonic()
                seconds = 0 if self._is_overdue() else _expect_imports(cursor)
                if not seconds:
                    return due
                if self._stopping.wait(min(seconds, IMPORT_CHECK_SECONDS)):
                    return []
        self._due_since = None
        return []

    def _is_overdue(self) -> bool:
        return self._due_since is not None and time.monotonic() - self._due_since >= MAX_IMPORT_WAIT_SECONDS

    def _wait_for_changes(self, listener: Listener) -> None:
        """Wait for a notification, at most `CHECK_SECONDS`; then discard those that follow soon."""
        if self._pooled:
            self._stopping.wait(CHECK_SECONDS)
            return
        deadline = time.monotonic() + CHECK_SECONDS
        while time.monotonic() < deadline and not self._stopping.is_set():
            if listener.wait(STOP_CHECK_SECONDS):
                break
        self._stopping.wait(DEBOUNCE_SECONDS)
        listener.receive()


def _expect_imports(cursor: Cursor) -> float:
    """Return for how many seconds imports are expected to run; 0 if none runs or may follow the last one."""
    if find_running_import(cursor):
        return IMPORT_CHECK_SECONDS
    return read_series_gap(cursor)
