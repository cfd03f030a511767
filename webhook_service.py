"""What other packages use to record an event for webhooks, in the transaction of the change that it describes.

`webhooks/` delivers the events.
"""

from __future__ import annotations

from webhooks.events import (
    INSERT_CREATED_SQL,
    INSERT_UPDATED_SQL,
    has_import_subscribers,
    insert_deleted_sql,
    insert_imported_sql,
    record_event,
)

__all__ = [
    "INSERT_CREATED_SQL",
    "INSERT_UPDATED_SQL",
    "has_import_subscribers",
    "insert_deleted_sql",
    "insert_imported_sql",
    "record_event",
]
