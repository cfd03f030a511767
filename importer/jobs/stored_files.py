"""Deletes the files of jobs that can no longer be retried, and what uploads that were broken off or expired have left.

A thread of its own does that, because a storage that does not answer must not hold up the reaper.
"""

from __future__ import annotations

import logging
import threading

from psycopg2.extensions import connection as Connection

from database.connect import Component, run_until_stopped, transaction
from importer.jobs import resumable_uploads
from importer.jobs.cleanup import HAS_ENDED_SQL
from importer.storage.storage import Storage

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 60
# A file without a job belongs to an upload that is still running or has been broken off. If nothing was written to it
# for this long, the upload counts as broken off.
STALE_UPLOAD_SECONDS = 24 * 3600

FILE_IS_EXPIRED_SQL = f"""
SELECT {HAS_ENDED_SQL} AND coalesce(retry_until < clock_timestamp(), true)
FROM import_jobs WHERE stored_name = %s
"""


class StoredFileReaper(threading.Thread):
    """Delete expired files until stopped. Any number of workers may do so at the same time."""

    def __init__(self, database_url: str, storage: Storage) -> None:
        super().__init__(name="stored-file-reaper", daemon=True)
        self._database_url = database_url
        self._storage = storage
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Ask the thread to end after its current step."""
        self._stopping.set()

    def run(self) -> None:
        """Look for expired files from time to time, until `stop` is called."""
        run_until_stopped(
            self._database_url,
            Component.REAPER,
            self._delete_until_stopped,
            stopping=self._stopping,
            purpose="the deletion of expired files",
            bug_delay_seconds=INTERVAL_SECONDS,
        )

    def _delete_until_stopped(self, connection: Connection) -> None:
        while not self._stopping.is_set():
            try:
                delete_expired_files(connection, self._storage, self._storage.now())
            except OSError as error:
                log.warning("Expired files will be deleted later: %s", error)
            self._stopping.wait(INTERVAL_SECONDS)


def delete_expired_files(connection: Connection, storage: Storage, now: float) -> None:
    """Delete the files of jobs that can no longer be retried, and stale files without a job.

    `now` is the time of the storage, in Unix seconds: clocks of other machines would say nothing about its files.

    Uploads that can be resumed keep what they have stored until they expire.
    """
    stale_before = now - STALE_UPLOAD_SECONDS
    with transaction(connection) as cursor:
        expired = resumable_uploads.delete_expired(cursor)
        # An upload that begins after this stores its first bytes after `stale_before`.
        unfinished = resumable_uploads.list_unfinished(cursor)
    for upload in expired:
        storage.discard(upload.stored_name, upload.state)

    def is_resumable(name: str) -> bool:
        return name.partition(".")[0] in unfinished

    for name, modified_at in storage.list_files():
        if is_resumable(name):
            continue
        with transaction(connection) as cursor:
            cursor.execute(FILE_IS_EXPIRED_SQL, (name,))
            row = cursor.fetchone()
        if row == (True,) or (row is None and modified_at < stale_before):
            storage.delete(name)
    storage.delete_unfinished(stale_before, is_resumable)
