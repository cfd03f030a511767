"""What other packages use to record an event for webhooks, in the transaction of the change that it describes.

`webhooks/` delivers the events.
"""

from __future__ import annotations

from webhooks.events import (
    INSERT_UPDATED_SQL,
    has_import_subscribers,
    insert_created_sql,
    insert_deleted_sql,
    insert_imported_sql,
    insert_updated_sql,
    record_event,
)

__all__ = [
    "INSERT_UPDATED_SQL",
    "has_import_subscribers",
    "insert_created_sql",
    "insert_deleted_sql",
    "insert_imported_sql",
    "insert_updated_sql",
    "record_event",
]
