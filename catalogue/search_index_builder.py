"""The thread that builds the search indexes (catalogue/search_indexes.py) whenever new ones are due."""

from __future__ import annotations

import logging
import threading
import time

from psycopg2 import errors
from psycopg2.extensions import connection as Connection

from catalogue import search_indexes
from catalogue.search_indexes import IndexBuildError
from database.connect import Component, run_until_stopped
from database.listen import Listener
from database.running_imports import find_running_import

log = logging.getLogger(__name__)

# A trigger notifies this channel after each statement that changed products.
CHANNEL = "products_changed"

CHECK_SECONDS = 60
# Changes that arrive within this time after a notification are covered by the same check.
DEBOUNCE_SECONDS = 1
STOP_CHECK_SECONDS = 1
IMPORT_CHECK_SECONDS = 1
RECONNECT_SECONDS = 10
# Delay before the next attempt if the role of the database may not even record that a build failed.
UNSUPPORTED_RETRY_SECONDS = 3600
# A build slows imports down, so it waits until none runs, but at most this long.
MAX_IMPORT_WAIT_SECONDS = 300


class SearchIndexBuilder(threading.Thread):
    """A thread that builds the search indexes whenever new ones are due.

    It runs in the main process of every worker; an advisory lock lets one of them build at a time. It checks when
    products have changed (LISTEN) and every `CHECK_SECONDS`, and waits while imports run. A build that fails is
    repeated after a delay that grows up to an hour (catalogue/search_index_builds.py).
    """

    def __init__(self, url: str, *, pooled: bool) -> None:
        super().__init__(name="search-index-builder", daemon=True)
        self._url = url
        self._pooled = pooled
        self._stopping = threading.Event()

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
        listener = Listener(connection, [CHANNEL], pooled=self._pooled)
        while not self._stopping.is_set():
            try:
                if due := self._find_due(connection):
                    search_indexes.build_indexes(self._url, due, pooled=self._pooled)
            except IndexBuildError as error:
                log.warning("Searches are correct but slow, because search indexes cannot be built: %s", error)
            except errors.InsufficientPrivilege as error:
                log.warning("Searches are correct but slow, without search indexes: %s", str(error).strip())
                self._stopping.wait(UNSUPPORTED_RETRY_SECONDS)
            self._wait_for_changes(listener)

    def _find_due(self, connection: Connection) -> list[str]:
        """Return the kinds of indexes to build now. If some are due while imports run, waits for the imports first."""
        deadline = time.monotonic() + MAX_IMPORT_WAIT_SECONDS
        with connection.cursor() as cursor:
            while due := search_indexes.find_due(cursor):
                if find_running_import(cursor) is None or time.monotonic() > deadline:
                    return due
                if self._stopping.wait(IMPORT_CHECK_SECONDS):
                    return []
        return []

    def _wait_for_changes(self, listener: Listener) -> None:
        """Wait until products have changed, at most `CHECK_SECONDS`; then discard the notifications."""
        if self._pooled:
            self._stopping.wait(CHECK_SECONDS)
            return
        deadline = time.monotonic() + CHECK_SECONDS
        while time.monotonic() < deadline and not self._stopping.is_set():
            if listener.wait(STOP_CHECK_SECONDS):
                break
        self._stopping.wait(DEBOUNCE_SECONDS)
        listener.receive()
