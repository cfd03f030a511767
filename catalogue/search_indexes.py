"""The indexes that make finding fast, built beside the running traffic instead of row by row.

A trigram index makes an import 5 to 13 times slower when it is kept up with every row. So each of these indexes holds
only the products that were last changed before a moment, which is part of its name and its condition. Who writes a
product writes `updated_at = now` and pays for none of them; the product leaves them at that moment, and PostgreSQL
itself sees to it. A search looks into the indexes for the products before the moment and at the few behind it one by
one (`products_updated_at_idx` finds those). When there are too many of those, a worker builds the indexes of a later
moment and drops the old ones. Whatever is built, dropped or killed at the time, answers are right; only their speed
varies.
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

CHANNEL = "products_changed"

# Recent products are looked at one by one: a thousand cost about a millisecond.
RECENT_ROWS = 10_000
RECENT_SHARE = 0.01

CHECK_SECONDS = 60
PAUSE_SECONDS = 1
RETRY_SECONDS = 10
# Where the database has no pg_trgm, or does not let us have it.
HOPELESS_SECONDS = 3600
# Imports go first, but not for ever.
WAIT_FOR_IMPORTS_SECONDS = 300
# The last one ends what is being built when its worker dies.
BUILD_SETTINGS = (
    "SET maintenance_work_mem = '256MB'; SET statement_timeout = 0; SET lock_timeout = 0;"
    " SET client_connection_check_interval = '5s'"
)

# The one that counts comes last: a moment is used once its text index is there.
TEXT_INDEX = "text"
DEFINITIONS = {
    "created": "USING btree (created_at, id)",
    "active": "USING btree (active, id)",
    # With the columns themselves, without which PostgreSQL would read the table for deep pages.
    "name": 'USING btree ((lower(name) COLLATE "C"), id) INCLUDE (name)',
    "sku": 'USING btree ((lower(sku) COLLATE "C")) INCLUDE (sku, id)',
    TEXT_INDEX: "USING gin (sku gin_trgm_ops, name gin_trgm_ops, description gin_trgm_ops)",
}

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EXISTING = """
SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = 'products'::regclass AND c.relname ~ '^products_search_[a-z]+_[0-9]+$'
"""
# As the planner reckons: from the size of the table now and how full it was when it was last looked at.
ESTIMATED_ROWS = """
SELECT (pg_relation_size(oid) / current_setting('block_size')::int
    * CASE WHEN reltuples > 0 AND relpages > 0 THEN reltuples / relpages ELSE 30 END)::bigint
FROM pg_class WHERE oid = 'products'::regclass
"""
CHANGED_SINCE = "SELECT count(*) FROM (SELECT FROM products WHERE updated_at >= %s LIMIT %s) changed"


def name_of(kind: str, moment: datetime) -> str:
    """The name of an index: its kind and its moment in microseconds since 1970."""
    return f"{SEARCH_INDEX_PREFIX}{kind}_{(moment - EPOCH) // timedelta(microseconds=1)}"


def moment_of(name: str) -> datetime:
    """The moment that is part of an index's name."""
    return EPOCH + timedelta(microseconds=int(name.rpartition("_")[2]))


def present_moment(cursor: Cursor) -> datetime | None:
    """The moment of the newest indexes in use; None where there are none."""
    cursor.execute(EXISTING)
    names = [name for name, valid in cursor.fetchall() if valid and name.startswith(SEARCH_INDEX_PREFIX + TEXT_INDEX)]
    return max(map(moment_of, names), default=None)


def estimated_rows(cursor: Cursor) -> int:
    """About how many products there are, at no cost."""
    cursor.execute(ESTIMATED_ROWS)
    (rows,) = cursor.fetchone() or (0,)
    return int(rows)


def is_behind(cursor: Cursor) -> bool:
    """Whether so many products have changed since the indexes were built that new ones are worth while."""
    limit = int(max(RECENT_ROWS, RECENT_SHARE * estimated_rows(cursor)))
    cursor.execute(CHANGED_SINCE, (present_moment(cursor) or EPOCH, limit + 1))
    (changed,) = cursor.fetchone() or (0,)
    return bool(changed > limit)


def build(url: str, *, pooled: bool = False) -> bool:
    """Builds the indexes of this moment, drops all others and tidies the table up; returns whether it did.

    False when somebody else is building. Readers and writers go on meanwhile. `pooled`: a transaction pooler stands in
    between, which settings of a session would outlive. May be killed at any point; the next call cleans up.
    """
    with (
        connected(url, Component.SEARCH_INDEX) as guard,
        connected(url, Component.SEARCH_INDEX) as connection,
        guard,
        guard.cursor() as lock,
    ):
        # A lock of a transaction also works behind a pooler; one without a snapshot keeps nobody waiting.
        lock.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        if not try_lock(lock, SEARCH_INDEX_BUILD_KEY):
            return False
        connection.autocommit = True
        with connection.cursor() as cursor:
            if not pooled:
                cursor.execute(BUILD_SETTINGS)
            _drop_all_but(cursor, present_moment(cursor))
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            cursor.execute("SELECT clock_timestamp()")
            (moment,) = cursor.fetchone() or (EPOCH,)
            for kind, definition in DEFINITIONS.items():
                cursor.execute(
                    sql.SQL("CREATE INDEX CONCURRENTLY {} ON products {} WHERE updated_at < {}").format(
                        sql.Identifier(name_of(kind, moment)), sql.SQL(definition), sql.Literal(moment)
                    )
                )
            _drop_all_but(cursor, moment)
            # For the planner, and so that deep pages are read from the indexes alone.
            cursor.execute("VACUUM (ANALYZE) products")
    return True


def _drop_all_but(cursor: Cursor, moment: datetime | None) -> None:
    cursor.execute(EXISTING)
    for name, valid in cursor.fetchall():
        if not valid or moment_of(name) != moment:
            cursor.execute(sql.SQL("DROP INDEX CONCURRENTLY IF EXISTS {}").format(sql.Identifier(name)))


class Indexer(threading.Thread):
    """Keeps the indexes up in a worker's main process; any number of workers may have one, and one of them builds.

    It is told of changes (LISTEN), and looks by itself every minute. While imports run it waits.
    """

    def __init__(self, url: str, *, pooled: bool) -> None:
        super().__init__(name="indexer", daemon=True)
        self._url = url
        self._pooled = pooled
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Ends the thread; what it is building is cut off with its connection."""
        self._stopping.set()

    def run(self) -> None:
        """Builds whenever the indexes are behind; survives a database that is away."""
        run_until_stopped(
            self._url,
            Component.SEARCH_INDEX,
            self._keep_built,
            stopping=self._stopping,
            purpose="the build of search indexes",
            error_delay_seconds=RETRY_SECONDS,
            bug_delay_seconds=CHECK_SECONDS,
        )

    def _keep_built(self, connection: Connection) -> None:
        listener = Listener(connection, [CHANNEL], pooled=self._pooled)
        while not self._stopping.is_set():
            try:
                if self._due(connection):
                    build(self._url, pooled=self._pooled)
            except (errors.InsufficientPrivilege, errors.UndefinedFile, errors.FeatureNotSupported) as error:
                log.warning("Searches are correct but slow, without search indexes: %s", str(error).strip())
                self._stopping.wait(HOPELESS_SECONDS)
            self._wait(listener)

    def _due(self, connection: Connection) -> bool:
        """Whether to build now; waits for imports to end before it says so."""
        give_up = time.monotonic() + WAIT_FOR_IMPORTS_SECONDS
        with connection.cursor() as cursor:
            while is_behind(cursor):
                if find_running_import(cursor) is None or time.monotonic() > give_up:
                    return True
                if self._stopping.wait(PAUSE_SECONDS):
                    return False
        return False

    def _wait(self, listener: Listener) -> None:
        """Returns a moment after the next change, or after a minute."""
        if self._pooled:
            self._stopping.wait(CHECK_SECONDS)
            return
        end = time.monotonic() + CHECK_SECONDS
        while time.monotonic() < end and not self._stopping.is_set():
            if listener.wait(PAUSE_SECONDS):
                break
        # One check answers many changes.
        self._stopping.wait(PAUSE_SECONDS)
        listener.receive()
