"""The transactions of calls that write: they wait for locks for a limited time, and are repeated after a conflict.

Every view of a call that writes runs inside `repeat_after_conflict`; `api.openapi.Blueprint` sees to that.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from flask import g, has_request_context, request
from psycopg2 import errors
from sqlalchemy import event
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError

from database import connect
from database.retry import is_transient, retry
from models import db

P = ParamSpec("P")
R = TypeVar("R")

MAX_ATTEMPTS = 6
RETRY_DELAY_SECONDS = 0.05
# Another transaction deleted a row that this one had read. Repeated, the view does not find it and says so.
ROW_GONE_ERRORS: tuple[type[Exception], ...] = (ObjectDeletedError, StaleDataError, errors.ForeignKeyViolation)
READING_METHODS = {"GET", "HEAD", "OPTIONS"}


def repeat_after_conflict(view: Callable[P, R]) -> Callable[P, R]:
    """Run a view again after a deadlock, a serialization failure, or the deletion of a row that it had read.

    A view that has committed a transaction is not repeated, because that would do its work twice.
    """

    @functools.wraps(view)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        g.has_committed = False
        return retry(
            lambda: view(*args, **kwargs),
            attempts=MAX_ATTEMPTS,
            # The delay is random, because two requests that are repeated at the same time would conflict again.
            delay_seconds=lambda attempt, _: RETRY_DELAY_SECONDS * attempt * random.uniform(0.5, 1),  # noqa: S311
            retry_on=lambda error: (is_transient(error) or _is_row_gone(error)) and not g.has_committed,
            roll_back=db.session.rollback,
        )

    return run


def _is_row_gone(error: Exception) -> bool:
    return isinstance(getattr(error, "orig", error), ROW_GONE_ERRORS)


def lock_limit() -> str:
    """Return the SQL that limits how long a transaction of the current request waits for locks; "" if it only reads."""
    return connect.LIMIT_LOCKS_SQL if has_request_context() and request.method not in READING_METHODS else ""


@event.listens_for(db.session, "after_commit")
def _remember_commit(session: Session) -> None:
    if has_request_context():
        g.has_committed = True
