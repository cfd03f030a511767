"""Repeating a transaction that PostgreSQL ended in favour of another one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from psycopg2 import errors

Result = TypeVar("Result")

# PostgreSQL rolled the transaction back; the same transaction succeeds when it is repeated.
TRANSIENT_ERRORS: tuple[type[Exception], ...] = (errors.DeadlockDetected, errors.SerializationFailure)

# The transaction waited too long for a lock, or failed with one of the errors above.
CONFLICT_ERRORS: tuple[type[Exception], ...] = (errors.LockNotAvailable, *TRANSIENT_ERRORS)


def is_transient(error: Exception) -> bool:
    """Return whether an error, from psycopg2 or wrapped by SQLAlchemy, goes away when the transaction is repeated."""
    return isinstance(getattr(error, "orig", error), TRANSIENT_ERRORS)


def is_conflict(error: Exception) -> bool:
    """Return whether an error, from psycopg2 or wrapped by SQLAlchemy, is due to the locks of other transactions."""
    return isinstance(getattr(error, "orig", error), CONFLICT_ERRORS)


def retry(
    transaction: Callable[[], Result],
    *,
    attempts: int,
    delay_seconds: Callable[[int, Exception], float] = lambda attempt, error: 0.0,
    retry_on: Callable[[Exception], bool] = is_transient,
    roll_back: Callable[[], None] = lambda: None,
) -> Result:
    """Run a transaction, and repeat it after each error that `retry_on` accepts, up to `attempts` runs in all.

    After the n-th such error, counted from 0, calls `roll_back` and sleeps for `delay_seconds(n, error)`. Raises the
    error of the last run. An error that `retry_on` does not accept is raised at once.
    """
    for attempt in range(attempts - 1):
        try:
            return transaction()
        except Exception as error:
            if not retry_on(error):
                raise
            roll_back()
            time.sleep(delay_seconds(attempt, error))
    return transaction()
