"""Reads of products: from the read replica if DATABASE_READ_URL names one and it is current, else from the primary."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar, cast

from flask import current_app
from psycopg2 import errors
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from database.connect import explain_failure
from database.pooled_connections import autocommitting
from database.replica import Position, Replica, ReplicaUnavailable, read_position
from models import db

log = logging.getLogger(__name__)

Result = TypeVar("Result")

EXTENSION = "replica"


def primary_cursor() -> Cursor:
    """Return a cursor of the driver in the transaction of the session. SQLAlchemy's takes several times as long."""
    connection: Any = db.session.connection().connection.driver_connection
    cursor: Cursor = connection.cursor()
    return cursor


def read_products(work: Callable[[Cursor], Result]) -> Result:
    """Return `work(cursor)`, which only reads. It may run twice: on the replica, and then on the primary.

    The result has everything that was committed before the call, wherever it comes from.
    """
    replica = _find_replica()
    if replica is not None:
        try:
            return replica.read(_read_position(), work)
        except ReplicaUnavailable:
            pass
    with primary_cursor() as cursor:
        return work(cursor)


def connect_to_replica() -> Connection | None:
    """Return a connection to the replica for an export that has everything committed so far; None if there is none."""
    replica = _find_replica()
    if replica is None:
        return None
    try:
        return replica.connect_for_export(_read_position())
    except ReplicaUnavailable:
        return None


def _find_replica() -> Replica | None:
    replica = cast("Replica | None", current_app.extensions.get(EXTENSION))
    return replica if replica is not None and replica.is_usable else None


def _read_position() -> Position:
    """Return the position of the primary; raise `ReplicaUnavailable` if it does not tell."""
    try:
        with autocommitting(db.engine) as cursor:
            return read_position(cursor)
    except (errors.InsufficientPrivilege, errors.UndefinedFunction, errors.ObjectNotInPrerequisiteState) as error:
        log.warning("The read replica is not used, and the primary answers: %s", explain_failure(error))
        raise ReplicaUnavailable from error
