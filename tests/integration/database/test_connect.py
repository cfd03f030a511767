"""A thread that works on a connection survives every failure of its work."""

from __future__ import annotations

import threading

import psycopg2
import pytest
from psycopg2 import errors
from psycopg2.extensions import connection as Connection

from database.connect import Component, run_until_stopped


@pytest.mark.parametrize(
    ("failure", "line"),
    [
        (psycopg2.OperationalError("gone away\n"), "The database is unavailable; the test will retry: gone away"),
        (errors.DeadlockDetected("a\nb"), "Other transactions kept the test from working; it will retry: a b"),
        (ValueError("a bug"), "Unexpected error; the test will retry"),
    ],
    ids=["a database error", "a deadlock", "a bug"],
)
def test_work_that_fails_is_repeated_on_a_new_connection(
    database_url: str, failure: Exception, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    stopping = threading.Event()
    connections: list[Connection] = []

    def work(connection: Connection) -> None:
        connections.append(connection)
        if len(connections) == 1:
            raise failure
        stopping.set()

    run_until_stopped(
        database_url,
        Component.REAPER,
        work,
        stopping=stopping,
        purpose="the test",
        error_delay_seconds=0,
        bug_delay_seconds=0,
    )
    first, second = connections
    assert first is not second
    assert first.closed
    assert second.closed
    (record,) = caplog.records
    assert record.getMessage() == line
    assert (record.exc_info is not None) == isinstance(failure, ValueError)
