"""What the database knows about queues, leases, webhooks and search indexes, as metrics that are read at each scrape.

A database that is slow or gone must not make the scrape fail: a thread reads, and the scrape waits for it for a limited
time. Then `acme_database_up` is 0, and the other metrics of this module are missing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from typing import Any, NamedTuple

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import Engine

from catalogue import search_indexes
from database.lease import LEASE_IS_VALID_SQL

log = logging.getLogger(__name__)

STATEMENT_TIMEOUT_MS = 1000
# How long a scrape waits. Prometheus gives up after ten seconds.
READ_SECONDS = 3
# More waiting deliveries than this are not counted.
MAX_COUNTED_DELIVERIES = 100_000

COUNT_JOBS_SQL = "SELECT kind, status, phase, count(*) FROM import_jobs GROUP BY kind, status, phase"
# The `updated_at` of a pending job is when it was created, confirmed or retried.
READ_SUMMARY_SQL = f"""
SELECT
    (SELECT coalesce(extract(epoch FROM clock_timestamp() - min(updated_at)), 0)::float
        FROM import_jobs WHERE status = 'pending'),
    (SELECT count(*) FROM import_jobs WHERE status = 'processing' AND {LEASE_IS_VALID_SQL}),
    (SELECT count(*) FROM webhooks WHERE {LEASE_IS_VALID_SQL}),
    (SELECT count(*) FROM (
        SELECT FROM webhook_deliveries WHERE status = 'pending' LIMIT {MAX_COUNTED_DELIVERIES}
    ) waiting),
    (SELECT coalesce(greatest(0, extract(epoch FROM clock_timestamp() - min(d.next_attempt_at))), 0)::float
        FROM webhooks w CROSS JOIN LATERAL (
            SELECT next_attempt_at FROM webhook_deliveries
            WHERE webhook_id = w.id AND status = 'pending' ORDER BY next_attempt_at LIMIT 1
        ) d WHERE w.enabled),
    (SELECT count(*) FROM webhooks WHERE enabled AND failing_since IS NOT NULL),
    (SELECT count(*) FROM workers WHERE seen_at > clock_timestamp() - make_interval(secs => %s))
"""


class DatabaseFacts(NamedTuple):
    """What one scrape reads from the database."""

    jobs: list[tuple[str, str, str, int]]
    oldest_pending_seconds: float
    job_leases: int
    webhook_leases: int
    waiting_deliveries: int
    oldest_due_seconds: float
    failing_webhooks: int
    workers: int
    search_indexes: search_indexes.SearchIndexHealth


def read_facts(engine: Engine, worker_seconds: float) -> DatabaseFacts:
    """Return what the database knows. A worker counts if it was seen in the last `worker_seconds`."""
    with engine.begin() as connection:
        driver_connection: Any = connection.connection.driver_connection
        with driver_connection.cursor() as cursor:
            return _read(cursor, worker_seconds)


def _read(cursor: Cursor, worker_seconds: float) -> DatabaseFacts:
    cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")
    cursor.execute(COUNT_JOBS_SQL)
    jobs = cursor.fetchall()
    cursor.execute(READ_SUMMARY_SQL, (worker_seconds,))
    summary: Any = cursor.fetchone()
    values: tuple[Any, ...] = (jobs, *summary, search_indexes.check_health(cursor))
    return DatabaseFacts._make(values)


class DatabaseCollector(Collector):
    """The metrics that `read` returns, or `acme_database_up 0` if it raises an exception or takes too long.

    Scrapes at the same time share one reading, so a database that does not answer costs one thread and one connection.
    """

    def __init__(self, read: Callable[[], DatabaseFacts], *, wait_seconds: float = READ_SECONDS) -> None:
        self._read = read
        self._wait_seconds = wait_seconds
        self._lock = threading.Lock()
        self._reading: Future[DatabaseFacts] | None = None

    def describe(self) -> Iterable[Metric]:
        """Return nothing, so that registering this reads nothing."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Read the facts, and return them as metrics."""
        facts = self._find_facts()
        yield GaugeMetricFamily(
            "acme_database_up", "Whether the database answered this scrape in time", value=0 if facts is None else 1
        )
        if facts is not None:
            yield from _describe(facts)

    def _find_facts(self) -> DatabaseFacts | None:
        with self._lock:
            if self._reading is None or self._reading.done():
                self._reading = Future()
                thread = threading.Thread(
                    target=self._answer, args=(self._reading,), name="database-metrics", daemon=True
                )
                thread.start()
            reading = self._reading
        if wait([reading], self._wait_seconds).not_done:
            log.warning(
                "The metrics of the database could not be read: it has not answered for %s s", self._wait_seconds
            )
            return None
        if error := reading.exception():
            log.warning("The metrics of the database could not be read: %s", " ".join(str(error).split()))
            return None
        return reading.result()

    def _answer(self, reading: Future[DatabaseFacts]) -> None:
        try:
            reading.set_result(self._read())
        except Exception as error:
            reading.set_exception(error)


def _describe(facts: DatabaseFacts) -> Iterable[Metric]:
    jobs = GaugeMetricFamily("acme_jobs", "Jobs that are kept", labels=["kind", "status", "phase"])
    for *labels, count in facts.jobs:
        jobs.add_metric(labels, count)
    yield jobs
    leases = GaugeMetricFamily("acme_leases", "Leases that are held", labels=["resource"])
    leases.add_metric(["job"], facts.job_leases)
    leases.add_metric(["webhook"], facts.webhook_leases)
    yield leases
    pending = sum(count for _, status, _, count in facts.jobs if status == "pending")
    indexes = facts.search_indexes
    gauges: list[tuple[str, str, float | None]] = [
        ("acme_queue_jobs", "Jobs that wait for a worker", pending),
        ("acme_queue_oldest_seconds", "How long the oldest of them has been waiting", facts.oldest_pending_seconds),
        ("acme_workers", "Workers that have sent a heartbeat recently", facts.workers),
        ("acme_webhook_deliveries_waiting", "Deliveries that wait for a request", facts.waiting_deliveries),
        ("acme_webhook_oldest_due_seconds", "How long the oldest due delivery has been due", facts.oldest_due_seconds),
        ("acme_webhooks_failing", "Webhooks whose last attempt failed", facts.failing_webhooks),
        ("acme_search_index_age_seconds", "The age of the search indexes", indexes.age_seconds),
        ("acme_search_index_recent_rows", "Products that changed since they were built", indexes.recent_rows),
        ("acme_search_index_failed", "Whether the last build of one failed", 1 if indexes.error else 0),
    ]
    for name, description, value in gauges:
        if value is not None:
            yield GaugeMetricFamily(name, description, value=value)
