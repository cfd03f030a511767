"""Ways to hold up a run or to act in the middle of it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg2

from importer.jobs.repository import Job
from importer.pipeline.run import Observer, Step, StepKind
from support.database import execute

MAX_HOLD_SECONDS = 60


class ActAfterCommit(Observer):
    """Call `action` once, after the given number of committed steps of a kind."""

    def __init__(self, kind: StepKind, count: int, action: Callable[[], Any]) -> None:
        self.kind, self.remaining, self.action = kind, count, action

    def after_commit(self, step: Step) -> None:
        if step.kind is self.kind:
            self.remaining -= 1
            if self.remaining == 0:
                self.action()


class HoldReading(Observer):
    """Hold a run after the first chunk of its file, until `released` is set."""

    def __init__(self) -> None:
        self.holds = threading.Event()
        self.released = threading.Event()

    def after_chunk(self, job: Job) -> None:
        self.holds.set()
        assert self.released.wait(MAX_HOLD_SECONDS)


@contextlib.contextmanager
def staging_blocked(url: str) -> Iterator[Callable[[], bool]]:
    """Keep runs from staging their file; yield a function that returns whether a run is waiting because of that."""
    with contextlib.closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLE import_rejects IN SHARE MODE")
        yield lambda: bool(
            execute(
                url,
                "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
                " AND query LIKE 'DELETE FROM import_rejects%'",
            )
        )


def is_slice_delayed(url: str) -> bool:
    """Return whether a slice sleeps because of `support.jobs.delay_slices`."""
    query = "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"
    return bool(execute(url, query))
