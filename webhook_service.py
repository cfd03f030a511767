"""The entry point of webhooks for code that changes something: write events in the transaction of the change.

`webhooks/` delivers them.
"""

from __future__ import annotations

from webhooks.events import INSERT_UPDATED_SQL, has_import_subscribers, insert_imported_sql, record_event

__all__ = ["INSERT_UPDATED_SQL", "has_import_subscribers", "insert_imported_sql", "record_event"]
