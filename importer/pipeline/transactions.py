"""Short transactions that write products while other clients write the same ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from psycopg2 import errors
from psycopg2.extensions import cursor as Cursor

from database import advisory_locks
from database.retry import TRANSIENT_ERRORS, retry
from importer.errors import ImportFailure
from importer.jobs import lease
from importer.pipeline.run import Run, StepKind

Result = TypeVar("Result")

MAX_ATTEMPTS = 20
MAX_RETRY_DELAY_SECONDS = 1.0
FIRST_RETRY_DELAY_SECONDS = 0.01
# A statement is cancelled because a client waits for the job's row, for example to cancel the import. This delay lets
# that client go first.
CANCELLED_STATEMENT_DELAY_SECONDS = 0.5


class StaleSlice(Exception):
    """Another client changed or deleted a product after a slice was compared with it and before it was written."""


RETRYABLE_ERRORS: tuple[type[Exception], ...] = (
    StaleSlice,
    errors.QueryCanceled,
    errors.UniqueViolation,
    errors.LockNotAvailable,
    *TRANSIENT_ERRORS,
)


def write_with_retries(
    run: Run, kind: StepKind, checkpoint: str, write: Callable[[Cursor], Result], *, outcome: str
) -> Result:
    """Call `write` in the transaction of a step that holds the lease; repeat it if other clients interfere.

    `checkpoint` is where `write` moves the checkpoint of the job. Raises `LeaseLost`, and `ImportFailure` after
    `MAX_ATTEMPTS`. The message of the failure ends with the sentence `outcome`, which says what stays and how to go on.
    """

    def transaction() -> Result:
        with run.step(kind, checkpoint) as cursor:
            # Waits while all products are deleted, before this transaction has locked anything else.
            advisory_locks.share(cursor, advisory_locks.CATALOGUE_KEY)
            lease.lock(cursor, run.job)
            return write(cursor)

    try:
        return retry(
            transaction,
            attempts=MAX_ATTEMPTS,
            delay_seconds=_retry_delay_seconds,
            retry_on=lambda error: isinstance(error, RETRYABLE_ERRORS),
        )
    except RETRYABLE_ERRORS:
        raise ImportFailure(f"Other clients kept changing the same products at the same time. {outcome}") from None


def _retry_delay_seconds(attempt: int, error: Exception) -> float:
    if isinstance(error, errors.QueryCanceled):
        return CANCELLED_STATEMENT_DELAY_SECONDS
    return min(MAX_RETRY_DELAY_SECONDS, FIRST_RETRY_DELAY_SECONDS * 2.0**attempt)
