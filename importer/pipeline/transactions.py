"""Short transactions that write products while other clients write the same ones."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from psycopg2 import errors
from psycopg2.extensions import cursor as Cursor

from database import advisory_locks
from database.connect import LOCK_WAIT_SECONDS, transaction
from database.retry import TRANSIENT_ERRORS, retry
from importer.errors import FailureKind, ImportFailure
from importer.jobs import lease
from importer.pipeline.run import Run, StepKind

log = logging.getLogger(__name__)

Result = TypeVar("Result")

MAX_ATTEMPTS = 20
MAX_RETRY_DELAY_SECONDS = 1.0
FIRST_RETRY_DELAY_SECONDS = 0.01


class StaleSlice(Exception):
    """Another client changed or deleted a product after a slice was compared with it and before it was written."""


# PostgreSQL cancelled a statement: an administrator or one of our own processes asked for it, or a timeout ended it.
CANCELLATIONS: tuple[type[Exception], ...] = (errors.QueryCanceled, errors.LockNotAvailable)
RETRYABLE_ERRORS: tuple[type[Exception], ...] = (
    StaleSlice,
    errors.UniqueViolation,
    *CANCELLATIONS,
    *TRANSIENT_ERRORS,
)
# PostgreSQL's English message for a timeout contains this text. In other languages, a timeout is explained like any
# other cancellation, with PostgreSQL's message.
STATEMENT_TIMEOUT_TEXT = "statement timeout"
# Why PostgreSQL ended a transaction.
REASONS = {
    "conflict": "Other clients kept changing the same products at the same time.",
    "locked": "Another client held a lock that the job needs for more than {seconds} seconds.",
    "timed_out": "A time limit of the database server (statement_timeout) ended a statement of the job: {text}.",
    "cancelled": "The database server cancelled a statement of the job, perhaps on an administrator's request: {text}.",
}
# What stays of a job of each kind, and how to continue.
OUTCOMES = {
    "import": "What was written before stays. Retry the import to write the rest.",
    "bulk": "What was changed before stays. Retry the bulk change to change the rest.",
    "undo": "What was undone before stays undone. Retry the undo to complete it.",
}


def _describe_interference(reason: str, seconds: int, text: str, job: str) -> str:
    return f"{_describe_interruption(reason, seconds, text)} {OUTCOMES[job]}"


def _describe_interruption(reason: str, seconds: int, text: str) -> str:
    return REASONS[reason].format(seconds=seconds, text=text)


INTERFERENCE = FailureKind("interference", _describe_interference)
INTERRUPTION = FailureKind("interruption", _describe_interruption)


def explain(error: Exception) -> ImportFailure:
    """Return why PostgreSQL ended a transaction with one of `RETRYABLE_ERRORS`. The job continues after that."""
    reason, text = _find_reason(error)
    return ImportFailure(INTERRUPTION, reason=reason, seconds=LOCK_WAIT_SECONDS, text=text)


def _find_reason(error: Exception) -> tuple[str, str]:
    """Return one of `REASONS`, and PostgreSQL's message if the reason has it."""
    if isinstance(error, errors.LockNotAvailable):
        return "locked", ""
    if not isinstance(error, errors.QueryCanceled):
        return "conflict", ""
    text = error.diag.message_primary or str(error).strip()
    return "timed_out" if STATEMENT_TIMEOUT_TEXT in text else "cancelled", text


def write_with_retries(run: Run, kind: StepKind, checkpoint: str | None, write: Callable[[Cursor], Result]) -> Result:
    """Call `write` in the transaction of a step that holds the lease; repeat it if other clients interfere.

    `checkpoint` is the checkpoint of the job that `write` sets, or None. Raises `LeaseLost`, `Interrupted` before a
    repetition when the run must stop, and `ImportFailure` after `MAX_ATTEMPTS`.
    """

    def write_once() -> Result:
        with run.step(kind, checkpoint) as cursor:
            # Waits while another transaction deletes all products, before this transaction locks any rows.
            advisory_locks.share(cursor, advisory_locks.CATALOGUE_KEY)
            lease.hold(cursor, run.job)
            return write(cursor)

    try:
        return retry(
            write_once,
            attempts=MAX_ATTEMPTS,
            delay_seconds=_retry_delay_seconds,
            retry_on=lambda error: _is_retryable(run, error),
            roll_back=run.check,
        )
    except RETRYABLE_ERRORS as error:
        reason, text = _find_reason(error)
        raise ImportFailure(
            INTERFERENCE, reason=reason, seconds=LOCK_WAIT_SECONDS, text=text, job=run.job.kind
        ) from None


def _is_retryable(run: Run, error: Exception) -> bool:
    if isinstance(error, CANCELLATIONS) and not run.heartbeat.lease_is_lost and _holds_lease(run):
        log.warning("%s: a transaction is repeated: %s", run.job.label, explain(error))
    return isinstance(error, RETRYABLE_ERRORS)


def _holds_lease(run: Run) -> bool:
    # A client that cancels the job takes the lease away and then cancels the statement. That needs no warning.
    with transaction(run.connection) as cursor:
        return lease.is_held(cursor, run.job)


def _retry_delay_seconds(attempt: int, _: Exception) -> float:
    return min(MAX_RETRY_DELAY_SECONDS, FIRST_RETRY_DELAY_SECONDS * 2.0**attempt)
