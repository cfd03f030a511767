"""The entry point of webhooks: write events and sign requests. `webhooks/` delivers them."""

from __future__ import annotations

from webhooks.events import ALL_EVENTS, EVENT_TYPES, has_import_subscribers, insert_imported_sql, record_event
from webhooks.signing import check_secret, create_secret, mask_secret, sign, sign_headers

__all__ = [
    "ALL_EVENTS",
    "EVENT_TYPES",
    "check_secret",
    "create_secret",
    "has_import_subscribers",
    "insert_imported_sql",
    "mask_secret",
    "record_event",
    "sign",
    "sign_headers",
]
