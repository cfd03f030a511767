"""Refuses filters by the changes of a job that is not known, so that an empty list never hides the reason."""

from __future__ import annotations

from psycopg2.extensions import cursor as Cursor

from api.errors import ErrorType
from catalogue.changes import UnknownChanges
from catalogue.filters import Filter


def require_known_changes(
    cursor: Cursor, product_filter: Filter, error_type: ErrorType, field: str = "changed_by"
) -> None:
    """Raise an error if the change log of the job in `changed_by` cannot be read; it blames the field `field`."""
    if product_filter.changes is None:
        return
    try:
        product_filter.changes.require_log(cursor)
    except UnknownChanges as error:
        raise error_type.exception(str(error), fields=[field]) from None
