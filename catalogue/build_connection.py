"""The connection on which search indexes are built. A statement on it is cancelled as soon as a job starts."""

from __future__ import annotations

from types import TracebackType

from psycopg2 import errors, extensions, sql
from psycopg2.extensions import connection as Connection
from psycopg2.extras import wait_select

from database.connect import Component, connect, session_statement
from database.listen import Listener
from database.running_imports import find_running_import

# A build checks for running jobs this often. A notification wakes it at once, but behind a pooler none arrives.
JOB_CHECK_SECONDS = 1


class BuildYielded(Exception):
    """A job has started, so the build of search indexes has stopped."""


class JobWatch:
    """Notices when a job is waiting or running, for a build that must yield to it.

    `connection` is in autocommit mode, and its `listener` listens to the channel of jobs.
    """

    def __init__(self, connection: Connection, listener: Listener) -> None:
        self._connection = connection
        self._listener = listener

    def is_job_running(self) -> bool:
        """Return whether a job is waiting or running."""
        self._listener.receive()
        with self._connection.cursor() as cursor:
            return find_running_import(cursor) is not None

    def wait(self, other: Connection) -> None:
        """Wait for a notification or for `other`, at most `JOB_CHECK_SECONDS`."""
        self._listener.wait(JOB_CHECK_SECONDS, other)


class BuildConnection:
    """Runs the long statements of a build: `CREATE INDEX`, `DROP INDEX` and `VACUUM`.

    With a `watch`, a statement is not started while a job is waiting or running, and is cancelled when one starts.
    """

    def __init__(self, url: str, watch: JobWatch | None) -> None:
        self._watch = watch
        self._is_cancelled = False
        # psycopg2 waits for an asynchronous connection only where it is told to, so it can wait for jobs meanwhile.
        # Such a connection is always in autocommit mode.
        self._connection = connect(url, Component.SEARCH_INDEX, asynchronous=True)
        wait_select(self._connection)
        with self._connection.cursor() as cursor:
            cursor.execute(*session_statement(self._connection))
            wait_select(self._connection)

    def __enter__(self) -> BuildConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    @property
    def is_closed(self) -> bool:
        """Whether the connection is lost."""
        return bool(self._connection.closed)

    def run(self, statement: str | sql.Composable) -> None:
        """Run a statement.

        Raises `BuildYielded` if it was not started or was cancelled because of a job, and `psycopg2.Error` if it fails.
        """
        if self._watch is not None and self._watch.is_job_running():
            raise BuildYielded
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            try:
                self._wait()
            except errors.QueryCanceled:
                if self._is_cancelled:
                    raise BuildYielded from None
                raise

    def _wait(self) -> None:
        if self._watch is None:
            wait_select(self._connection)
            return
        while self._connection.poll() != extensions.POLL_OK:
            self._watch.wait(self._connection)
            if self._watch.is_job_running():
                # The statement may end before it is cancelled. Then it is complete, and the next one does not start.
                # The request is repeated until it ends, because a pooler may lose one.
                self._is_cancelled = True
                self._connection.cancel()
