"""A run: one worker's work on one job. The modules of the pipeline pass it to each other.

Every transaction in which a run changes its job is a step. An observer is called at each step, so that tests can watch
or interrupt a run exactly there.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from database.advisory_locks import mark_work
from database.connect import transaction
from importer.errors import Interrupted
from importer.jobs.forecast import Forecast
from importer.jobs.heartbeat import Heartbeat
from importer.jobs.repository import Job


class StepKind(StrEnum):
    """What the transaction of a step does. Slices of imports and of bulk changes are written by `WRITE_SLICE`."""

    STAGE_FILE = "stage the file"
    COMPARE_SLICE = "compare a slice for a preview"
    AWAIT_CONFIRMATION = "wait for the confirmation of a preview"
    FIND_MISSING = "say that the products that the file does not have are being found"
    COMPARE_MISSING = "find the products that the file does not have"
    WRITE_SLICE = "write a slice"
    REMOVE_MISSING = "deactivate or delete products that the file does not have"
    FIND_PRODUCTS = "find the products of a bulk change"
    DELETE_ALL = "delete all products at once"
    REVERSE_ENTRY = "reverse an entry of the change log"
    COMPLETE = "complete the job"
    FAIL = "fail the job"


@dataclass(frozen=True)
class Step:
    """A transaction of a run; `checkpoint` is the new checkpoint of the job, or None if the step does not move it."""

    kind: StepKind
    job: Job
    checkpoint: str | None = None


class Observer:
    """Watch a run: its methods are called in the worker's thread and do nothing unless a subclass overrides them.

    An exception that a method raises ends the run as if the run itself had raised it there.
    """

    def after_chunk(self, job: Job) -> None:
        """Called after each chunk of the file. The step `STAGE_FILE` has begun unless all chunks so far had no rows."""

    def before_transaction(self, step: Step) -> None:
        """Called before the transaction of a step begins, and once more each time the transaction is repeated."""

    def before_commit(self, step: Step, cursor: Cursor) -> None:
        """Called after the last statement of a step, before its transaction is committed."""

    def after_commit(self, step: Step) -> None:
        """Called after the transaction of a step was committed."""


class TimeLimit:
    """Stop a run after a number of seconds, so that a long import does not hold its broker message forever."""

    def __init__(self, seconds: float) -> None:
        self._ends_at = time.monotonic() + seconds
        self._is_first_check = True

    def check(self) -> None:
        """Raise `Interrupted` if the time is up.

        The first check always passes. Otherwise an import would make no progress if reading its file took longer than
        the limit.
        """
        is_first_check, self._is_first_check = self._is_first_check, False
        if not is_first_check and time.monotonic() > self._ends_at:
            raise Interrupted


@dataclass(frozen=True)
class Run:
    """A job with everything that a worker needs to work on it."""

    connection: Connection
    job: Job
    heartbeat: Heartbeat
    time_limit: TimeLimit
    observer: Observer
    forecast: Forecast = field(default_factory=lambda: Forecast([], {}))

    def check(self) -> None:
        """Raise `LeaseLost` if the lease is lost, and `Interrupted` if the job must continue later or elsewhere."""
        self.heartbeat.check()
        self.time_limit.check()

    @contextlib.contextmanager
    def step(self, kind: StepKind, checkpoint: str | None = None) -> Iterator[Cursor]:
        """Run the block in the transaction of a step, with limits on its waits; commit it at the end of the block."""
        step = Step(kind, self.job, checkpoint)
        self.observer.before_transaction(step)
        self.heartbeat.note_progress()
        with transaction(self.connection) as cursor:
            mark_work(cursor, self.job.id)
            yield cursor
            self.observer.before_commit(step, cursor)
        self.heartbeat.note_progress()
        self.observer.after_commit(step)
