"""The details of the health: numbers for monitoring. A detail that cannot be read is null, and never an error."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import asdict
from pathlib import Path
from typing import Any

import psycopg2
from flask import current_app
from marshmallow import Schema
from psycopg2.extensions import cursor as Cursor
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

import config
from api.response_fields import integer, nested, seconds, text
from catalogue import search_indexes

log = logging.getLogger(__name__)

STATEMENT_TIMEOUT_MS = 1000
DISK_TIMEOUT_SECONDS = 1
COUNT_PENDING_JOBS_SQL = "SELECT count(*) FROM import_jobs WHERE status = 'pending'"
# The `updated_at` of a pending job is the time when the job was created, confirmed or retried. It does not change again
# before a worker starts the job.
READ_LONGEST_WAIT_SQL = """
SELECT coalesce(extract(epoch FROM clock_timestamp() - min(updated_at)), 0)::float
FROM import_jobs WHERE status = 'pending'
"""


class SearchIndexHealthSchema(Schema):
    """How current the search indexes are. Searches are always correct; they are slow if many products are recent."""

    age_seconds = seconds("The age of the search indexes; null if some are missing.", nullable=True)
    recent_rows = integer(
        "The number of products that were changed since, counted up to"
        f" {search_indexes.MAX_REPORTED_RECENT_ROWS:,}. A worker builds new search indexes when there are many.",
        examples=[1200],
    )
    error = text("Why the last build of a search index failed; null if none did.", nullable=True)


class HealthDetailsSchema(Schema):
    """Numbers for monitoring. What cannot be read is null."""

    queue_length = integer("The number of imports that wait for a worker.", nullable=True)
    oldest_pending_seconds = seconds("How long the oldest of them has been waiting; 0 if there is none.", nullable=True)
    search_index = nested(
        SearchIndexHealthSchema, "How current the search indexes are; null if that cannot be read.", nullable=True
    )
    disk_free_bytes = integer("The free space of the disk that stores uploaded files.", nullable=True)
    version = text("The version of the product.", config.VERSION)


EXAMPLE = {
    "queue_length": 2,
    "oldest_pending_seconds": 4.2,
    "search_index": {"age_seconds": 86.5, "recent_rows": 1200, "error": None},
    "disk_free_bytes": 53_000_000_000,
    "version": config.VERSION,
}


def _count_pending_jobs(cursor: Cursor) -> int:
    cursor.execute(COUNT_PENDING_JOBS_SQL)
    (count,) = cursor.fetchone() or (0,)
    return int(count)


def _read_longest_wait(cursor: Cursor) -> float:
    cursor.execute(READ_LONGEST_WAIT_SQL)
    (longest,) = cursor.fetchone() or (0,)
    return round(float(longest), 1)


class DiskReader:
    """Reads the free space of a disk in a thread, because the call never returns if a network disk does not answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reading: Future[int] | None = None

    def read_free_bytes(self, folder: Path) -> int:
        """Return the free bytes. Raises `TimeoutError` if the disk does not answer, and `OSError`.

        Calls at the same time wait for the same reading, so a disk that does not answer costs one thread.
        """
        with self._lock:
            if self._reading is None or self._reading.done():
                self._reading = Future()
                threading.Thread(target=_read, args=(folder, self._reading), name="disk-reader", daemon=True).start()
            reading = self._reading
        if wait([reading], DISK_TIMEOUT_SECONDS).not_done:
            raise TimeoutError(f"The disk has not answered within {DISK_TIMEOUT_SECONDS} s.")
        return reading.result()


def _read(folder: Path, reading: Future[int]) -> None:
    try:
        reading.set_result(shutil.disk_usage(folder).free)
    except OSError as error:
        reading.set_exception(error)


_disk_reader = DiskReader()


def _read_free_bytes(settings: config.Settings) -> int | None:
    return None if settings.storage_is_s3 else _disk_reader.read_free_bytes(settings.storage_folder)


# Each function returns one detail, or raises any exception. The queries run with STATEMENT_TIMEOUT_MS.
DATABASE_DETAILS: dict[str, Callable[[Cursor], Any]] = {
    "queue_length": _count_pending_jobs,
    "oldest_pending_seconds": _read_longest_wait,
    "search_index": lambda cursor: asdict(search_indexes.check_health(cursor)),
}
OTHER_DETAILS: dict[str, Callable[[], Any]] = {
    "disk_free_bytes": lambda: _read_free_bytes(current_app.config["SETTINGS"]),
    "version": lambda: config.VERSION,
}


def read_details(engine: Engine | None) -> dict[str, Any]:
    """Return the object `details` of the health; `engine` is that of the database, or None if it is down.

    Details of a database that is down or slow are null.
    """
    details: dict[str, Any] = dict.fromkeys([*DATABASE_DETAILS, *OTHER_DETAILS])
    if engine is not None:
        details |= _read_database_details(engine)
    for name, read in OTHER_DETAILS.items():
        try:
            details[name] = read()
        except Exception as error:
            _log_failure(name, error)
    return details


def _read_database_details(engine: Engine) -> dict[str, Any]:
    details = {}
    for name, read in DATABASE_DETAILS.items():
        try:
            with engine.begin() as connection:
                driver_connection: Any = connection.connection.driver_connection
                with driver_connection.cursor() as cursor:
                    cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")
                    details[name] = read(cursor)
        except Exception as error:
            _log_failure(name, error)
            if isinstance(error, (psycopg2.OperationalError, SQLAlchemyError)):
                # The database is slow or gone. Waiting again for each of the others would make the health slow.
                break
    return details


def _log_failure(name: str, error: Exception) -> None:
    log.warning("The health detail %s could not be read: %s", name, str(error).strip())
