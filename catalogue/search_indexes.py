"""The search indexes: partial indexes that cost writers nothing and are rebuilt in the background.

Keeping a trigram index current with every row makes an import 5 to 13 times slower. So each search index covers only
the products that were last updated before a cutoff timestamp, which is part of its condition and of its name. Every
write sets `updated_at = now()`, so the row leaves the indexes, and PostgreSQL adds no entry for its new version.

The indexes with the same cutoff form a generation. A search uses the newest generation for the products before its
cutoff and reads the recent products, those updated since, through `products_updated_at_idx`. When there are too many
recent products, a worker builds the next generation and drops the old one. Searches give the right products at any
time, also while indexes are built or dropped and after a build was killed; only their speed varies.
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime, timedelta

from psycopg2 import errors, sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from database.advisory_locks import SEARCH_INDEX_BUILD_KEY, try_lock
from database.connect import Component, connected, run_until_stopped
from database.listen import Listener
from database.running_imports import find_running_import
from models import SEARCH_INDEX_PREFIX

log = logging.getLogger(__name__)

# A trigger notifies this channel after each statement that changed products.
CHANNEL = "products_changed"

# A search reads every recent product; a thousand of them take about a millisecond. A new generation is due when there
# are more recent products than `MAX_RECENT_ROWS` and also more than `MAX_RECENT_SHARE` of all products.
MAX_RECENT_ROWS = 10_000
MAX_RECENT_SHARE = 0.01

CHECK_SECONDS = 60
# Changes that arrive within this time after a notification are covered by the same check.
DEBOUNCE_SECONDS = 1
STOP_CHECK_SECONDS = 1
IMPORT_CHECK_SECONDS = 1
RECONNECT_SECONDS = 10
# For a database that has no pg_trgm, or does not allow this role to install it or to create indexes.
UNSUPPORTED_RETRY_SECONDS = 3600
# A build slows imports down, so it waits until none runs, but at most this long.
MAX_IMPORT_WAIT_SECONDS = 300
# `client_connection_check_interval` makes PostgreSQL stop the build when its worker has died.
BUILD_SETTINGS_SQL = (
    "SET maintenance_work_mem = '256MB'; SET statement_timeout = 0; SET lock_timeout = 0;"
    " SET client_connection_check_interval = '5s'"
)

# The text index is built last. So a generation is complete, and searches use it, as soon as its text index is valid.
TEXT_INDEX = "text"
INDEX_DEFINITIONS = {
    "created": "USING btree (created_at, id)",
    "active": "USING btree (active, id)",
    # The included columns allow index-only scans, without which deep pages would read the table.
    "name": 'USING btree ((lower(name) COLLATE "C"), id) INCLUDE (name)',
    "sku": 'USING btree ((lower(sku) COLLATE "C")) INCLUDE (sku, id)',
    TEXT_INDEX: "USING gin (sku gin_trgm_ops, name gin_trgm_ops, description gin_trgm_ops)",
}

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LIST_INDEXES_SQL = """
SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = 'products'::regclass AND c.relname ~ '^products_search_[a-z]+_[0-9]+$'
"""
# The planner's own estimate: the table's present size times the rows per page that the last ANALYZE found.
ESTIMATE_ROWS_SQL = """
SELECT (pg_relation_size(oid) / current_setting('block_size')::int
    * CASE WHEN reltuples > 0 AND relpages > 0 THEN reltuples / relpages ELSE 30 END)::bigint
FROM pg_class WHERE oid = 'products'::regclass
"""
COUNT_RECENT_SQL = "SELECT count(*) FROM (SELECT FROM products WHERE updated_at >= %s LIMIT %s) recent"


def index_name(kind: str, cutoff: datetime) -> str:
    """Return the name of a search index: its kind, and its cutoff in microseconds since 1970."""
    return f"{SEARCH_INDEX_PREFIX}{kind}_{(cutoff - EPOCH) // timedelta(microseconds=1)}"


def read_cutoff(name: str) -> datetime:
    """Return the cutoff that is part of a search index's name."""
    return EPOCH + timedelta(microseconds=int(name.rpartition("_")[2]))


def find_cutoff(cursor: Cursor) -> datetime | None:
    """Return the cutoff of the newest complete generation of search indexes; None if there is none."""
    cursor.execute(LIST_INDEXES_SQL)
    names = [name for name, valid in cursor.fetchall() if valid and name.startswith(SEARCH_INDEX_PREFIX + TEXT_INDEX)]
    return max(map(read_cutoff, names), default=None)


def estimate_rows(cursor: Cursor) -> int:
    """Return about how many products there are, without counting them."""
    cursor.execute(ESTIMATE_ROWS_SQL)
    (rows,) = cursor.fetchone() or (0,)
    return int(rows)


def needs_rebuild(cursor: Cursor) -> bool:
    """Return whether there are so many recent products that a new generation of indexes is worth building."""
    limit = int(max(MAX_RECENT_ROWS, MAX_RECENT_SHARE * estimate_rows(cursor)))
    cursor.execute(COUNT_RECENT_SQL, (find_cutoff(cursor) or EPOCH, limit + 1))
    (recent,) = cursor.fetchone() or (0,)
    return bool(recent > limit)


def build_indexes(url: str, *, pooled: bool = False) -> bool:
    """Build a new generation of search indexes, drop all older ones and vacuum the table.

    Returns False, without building, if another process is building. Readers and writers carry on meanwhile. `pooled`
    says that the database is behind a transaction pooler. The build then changes no session settings, because they
    would leak into other sessions. The process may be killed at any point; the next build removes what is left.
    """
    with (
        connected(url, Component.SEARCH_INDEX) as lock_connection,
        connected(url, Component.SEARCH_INDEX) as connection,
        lock_connection,
        lock_connection.cursor() as lock_cursor,
    ):
        # The lock belongs to a transaction, because session locks do not work behind a pooler. The transaction stays
        # idle and holds no snapshot, so CREATE INDEX CONCURRENTLY and VACUUM do not wait for it.
        lock_cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        if not try_lock(lock_cursor, SEARCH_INDEX_BUILD_KEY):
            return False
        connection.autocommit = True
        with connection.cursor() as cursor:
            if not pooled:
                cursor.execute(BUILD_SETTINGS_SQL)
            _drop_indexes_except(cursor, find_cutoff(cursor))
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            cursor.execute("SELECT clock_timestamp()")
            (cutoff,) = cursor.fetchone() or (EPOCH,)
            for kind, definition in INDEX_DEFINITIONS.items():
                cursor.execute(
                    sql.SQL("CREATE INDEX CONCURRENTLY {} ON products {} WHERE updated_at < {}").format(
                        sql.Identifier(index_name(kind, cutoff)), sql.SQL(definition), sql.Literal(cutoff)
                    )
                )
            _drop_indexes_except(cursor, cutoff)
            # Refreshes the planner's statistics and the visibility map, which index-only scans need.
            cursor.execute("VACUUM (ANALYZE) products")
    return True


def _drop_indexes_except(cursor: Cursor, cutoff: datetime | None) -> None:
    """Drop every search index that is invalid or has another cutoff."""
    cursor.execute(LIST_INDEXES_SQL)
    for name, valid in cursor.fetchall():
        if not valid or read_cutoff(name) != cutoff:
            cursor.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(name)))


class SearchIndexBuilder(threading.Thread):
    """A thread that builds the search indexes whenever a new generation is due.

    It runs in the main process of every worker; an advisory lock lets one of them build at a time. It checks when
    products have changed (LISTEN) and every `CHECK_SECONDS`, and waits while imports run.
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
                if self._is_due(connection):
                    build_indexes(self._url, pooled=self._pooled)
            except (errors.InsufficientPrivilege, errors.UndefinedFile, errors.FeatureNotSupported) as error:
                log.warning("Searches are correct but slow, without search indexes: %s", str(error).strip())
                self._stopping.wait(UNSUPPORTED_RETRY_SECONDS)
            self._wait_for_changes(listener)

    def _is_due(self, connection: Connection) -> bool:
        """Return whether to build now. If a new generation is due while imports run, waits for them first."""
        deadline = time.monotonic() + MAX_IMPORT_WAIT_SECONDS
        with connection.cursor() as cursor:
            while needs_rebuild(cursor):
                if find_running_import(cursor) is None or time.monotonic() > deadline:
                    return True
                if self._stopping.wait(IMPORT_CHECK_SECONDS):
                    return False
        return False

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
